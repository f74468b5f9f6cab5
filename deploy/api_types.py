"""The service's OpenAPI document -> frontend/api_types.py, the types of what the web app reads.

    python -m deploy.api_types

The app imports nothing of the library, and none of these types is written by hand.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

from bystander.server.http.app import openapi_document

REPOSITORY: Final = Path(__file__).parents[1]
MODULE: Final = REPOSITORY / "frontend" / "api_types.py"
ANSWERS: Final = (
    "AuditView", "EstimateView", "JobsView", "LimitsView", "MomentView", "PeopleView",
    "PhotosView", "ProjectView", "ShareView", "SharedView",
)  # fmt: skip
"""What the app reads; the types that these hold come along."""
HEAD: Final = '''"""What the service answers with, as far as the pages use it. Every field is there.

Made of the service's OpenAPI document by `make api-types`: not to be changed by hand.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

'''
TEXT_WIDTH: Final = 96
"""Characters of a line of text, beside its indentation."""
REFERENCE: Final = "#/components/schemas/"
SCALARS: Final = {
    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"
}  # fmt: skip

Schema = Mapping[str, Any]


def module_of(document: Schema) -> str:
    """The module's source, formatted.

    Args:
        document: OpenAPI 3.1.

    Raises:
        ValueError: it has a schema that there is no type for.
    """
    schemas = document["components"]["schemas"]
    names = sorted(_held(ANSWERS, schemas))
    choices = [f"{n} = {type_of(schemas[n])}\n" for n in names if "enum" in schemas[n]]
    classes = [_class(n, schemas[n]) for n in names if "enum" not in schemas[n]]
    source = HEAD + "".join(choices) + "".join(classes)
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(MODULE), "-"]
    made = subprocess.run(command, input=source, text=True, stdout=subprocess.PIPE, check=True)
    return made.stdout


def type_of(schema: Schema) -> str:
    """The type of what a schema describes, as an annotation.

    Raises:
        ValueError: there is none.
    """
    match schema:
        case {"$ref": str(reference)}:
            return reference.removeprefix(REFERENCE)
        case {"const": value}:
            return f"Literal[{json.dumps(value)}]"
        case {"enum": list(values)}:
            return f"Literal[{', '.join(map(json.dumps, values))}]"
        case {"anyOf": list(kinds)} | {"oneOf": list(kinds)}:
            return " | ".join(map(type_of, kinds))
        case {"type": "array", "prefixItems": list(items)}:
            return f"tuple[{', '.join(map(type_of, items))}]"
        case {"type": "array", "items": item}:
            return f"list[{type_of(item)}]"
        case {"type": "object", "additionalProperties": True}:
            return "dict[str, Any]"
        case {"type": "object", "additionalProperties": Mapping() as value}:
            return f"dict[str, {type_of(value)}]"
        case {"type": str(scalar)} if scalar in SCALARS:
            return SCALARS[scalar]
    raise ValueError(f"no type is known for {json.dumps(schema)}")


def _class(name: str, schema: Schema) -> str:
    lines = [f"class {name}(TypedDict):", *_docstring(schema["description"]), ""]
    for field, described in schema["properties"].items():
        lines.append(f"    {field}: {type_of(described)}")
        if said := described.get("description"):
            lines += _docstring(said)
    return "\n\n" + "\n".join(lines) + "\n"


def _docstring(text: str) -> list[str]:
    paragraph = "\n" not in text
    quoted = f'"""{text}"""' if paragraph else f'"""{text}\n"""'
    lines = wrap(quoted, TEXT_WIDTH) if paragraph else quoted.splitlines()
    return [f"    {line}".rstrip() for line in lines]


def _held(names: tuple[str, ...], schemas: Schema) -> set[str]:
    """The names, and those of all that these hold."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(schemas[name])
    return found


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(REFERENCE)
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _references(part)


if __name__ == "__main__":
    MODULE.write_text(module_of(openapi_document()), encoding="utf-8")
