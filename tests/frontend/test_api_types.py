"""The app's types are those of the service's own description."""

from __future__ import annotations

from typing import Any

import pytest

from bystander.server.http.app import openapi_document
from deploy.api_types import MODULE, module_of, type_of
from frontend.choices import MAX_PICTURE_BYTES, STRONGEST, WEAKEST, Effect


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


def test_they_are_made_from_the_description_as_it_is_now(document: dict[str, Any]) -> None:
    assert MODULE.read_text(encoding="utf-8") == module_of(document), "run `make api-types`"


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer", "minimum": 0}, "int"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "float | None"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/JobView"}}, "list[JobView]"),
        ({"type": "array", "prefixItems": [{"type": "number"}] * 2}, "tuple[float, float]"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "dict[str, str]"),
        ({"type": "object", "additionalProperties": True}, "dict[str, Any]"),
        ({"type": "string", "enum": ["keep", "mask"]}, 'Literal["keep", "mask"]'),
        ({"type": "integer", "const": 1}, "Literal[1]"),
    ],
)
def test_every_kind_of_schema_has_its_type(schema: dict[str, Any], expected: str) -> None:
    assert type_of(schema) == expected


@pytest.mark.parametrize("schema", [{}, {"type": "file"}, {"not": {"type": "string"}}])
def test_a_schema_without_a_type_is_an_error(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no type is known"):
        type_of(schema)


def test_what_is_offered_is_what_the_service_takes(document: dict[str, Any]) -> None:
    effect = document["components"]["schemas"]["EffectRequest"]["properties"]
    usual = Effect()
    for name in ("name", "strength", "color", "shape"):
        assert getattr(usual, name) == effect[name]["default"]
    assert (effect["strength"]["minimum"], effect["strength"]["maximum"]) == (WEAKEST, STRONGEST)
    [longest] = [kind["maxLength"] for kind in effect["picture"]["anyOf"] if "maxLength" in kind]
    assert longest == 4 * (MAX_PICTURE_BYTES // 3 + 1)
