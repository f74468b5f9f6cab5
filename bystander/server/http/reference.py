"""The API's reference as a page to read, made from its description, without any script.

BentoML would show a page of its own at "/", which loads scripts from other servers.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from html import escape
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bystander.server.http.errors import HEADERS

PATH: Final = "/"
METHODS: Final = ("options", "get", "head", "post", "put", "patch", "delete")
STYLE: Final = """
:root { color-scheme: light dark; --ink: #16202c; --paper: #fff; --soft: #f2f5f9; --line: #c9d2dd;
  --link: #1a56b0; --quiet: #55606e; }
@media (prefers-color-scheme: dark) { :root { --ink: #eef2f7; --paper: #10151c; --soft: #1b2430;
  --line: #3a4553; --link: #8fbcff; --quiet: #a9b4c2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, "Noto Sans", sans-serif; }
main, header { max-width: 58rem; margin: 0 auto; padding: 1.5rem; }
h1 { margin: 0; } h2 { margin: 3rem 0 0; border-bottom: 1px solid var(--line); }
h3 { margin: 2.2rem 0 .3rem; font-size: 1.05rem; overflow-wrap: anywhere; }
h4 { margin: 1rem 0 .2rem; font-size: .9rem; color: var(--quiet); }
a { color: var(--link); } p { margin: .4rem 0; max-width: 46rem; }
code, pre { font-family: ui-monospace, Consolas, monospace; font-size: .9em; }
pre { background: var(--soft); padding: .8rem 1rem; overflow-x: auto; border-radius: .4rem; }
nav ul { columns: 17rem; padding-left: 1.1rem; margin: .3rem 0 1rem; }
nav li { overflow-wrap: anywhere; break-inside: avoid; font-size: .9rem; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; }
.quiet { color: var(--quiet); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid var(--line); } th { font-weight: 600; color: var(--quiet); }
"""
STYLE_DIGEST: Final = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing but the page's own style."""

Schema = Mapping[str, Any]


class ReferenceMiddleware:
    """Answers GET and HEAD of `PATH` with the page; all else is the application's business.

    Args:
        describe: gives the API's OpenAPI description, once the service has started.
        prefix: under which the API lies.
    """

    def __init__(self, app: ASGIApp, describe: Callable[[], Schema], prefix: str) -> None:
        self._app, self._describe, self._prefix = app, describe, prefix
        self._page: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["path"] == PATH
        if not asked or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        if self._page is None:
            self._page = reference_page(self._describe(), self._prefix)
        headers = {**HEADERS, "Content-Security-Policy": POLICY}
        await HTMLResponse(self._page, headers=headers)(scope, receive, send)


def reference_page(description: Schema, prefix: str) -> str:
    """The page, in HTML.

    Args:
        description: OpenAPI 3.1.
        prefix: of its paths, "/v1".
    """
    info = description["info"]
    groups: dict[str, list[tuple[str, str, Schema]]] = {}
    for path, operations in description["paths"].items():
        for method in METHODS:
            if method in operations:
                tag = (operations[method].get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append((method, prefix + path, operations[method]))
    schemas = description.get("components", {}).get("schemas", {})
    contents = "".join(
        f"<h4>{escape(tag.capitalize())}</h4><ul>"
        + "".join(
            f'<li><a href="#{_anchor(method, path)}">{escape(operation["summary"])}</a></li>'
            for method, path, operation in operations
        )
        + "</ul>"
        for tag, operations in groups.items()
    )
    routes = "".join(
        f'<section><h2 id="{escape(tag)}">{escape(tag.capitalize())}</h2>'
        + "".join(_operation(method, path, operation) for method, path, operation in operations)
        + "</section>"
        for tag, operations in groups.items()
    )
    types = "".join(_type(name, schema) for name, schema in sorted(schemas.items()))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{escape(info['title'])} API</h1>"
        f'<p class="quiet">Version {escape(info["version"])} · for programs: '
        f'<a href="{prefix}/openapi.json">{prefix}/openapi.json</a></p>'
        f"<p>{_prose(info['description'])}</p>"
        "<p>Where tokens are set, every request needs one:</p>"
        "<pre>Authorization: Bearer TOKEN</pre>"
        "<p>Every error is a problem (RFC 9457): <code>detail</code> says what happened, "
        "<code>advice</code> what to do, and <code>type</code> stays the same from version to "
        'version: <a href="#type-ProblemView">ProblemView</a>.</p></header>'
        f'<main><nav aria-label="Contents">{contents}'
        '<p><a href="#types">Types</a></p></nav>'
        f'{routes}<section><h2 id="types">Types</h2>{types}</section></main></body></html>'
    )


def _operation(method: str, path: str, operation: Schema) -> str:
    parts = [
        f'<h3 id="{_anchor(method, path)}"><span class="method">{method.upper()}</span> '
        f"<code>{escape(path)}</code></h3>",
        f"<p><strong>{escape(operation['summary'])}.</strong> "
        f"{_prose(operation.get('description', ''))}</p>",
    ]
    if parameters := operation.get("parameters"):
        rows = [
            (
                f"<code>{escape(parameter['name'])}</code>",
                f"in the {escape(parameter['in'])}, {_shape(parameter['schema'])}"
                + ("" if parameter.get("required") else ", optional"),
                _told(parameter["schema"], parameter.get("description")),
            )
            for parameter in parameters
        ]
        parts.append(_table("Parameters", rows))
    if body := operation.get("requestBody"):
        rows = [(_code(kind), _shape(one.get("schema", {})), "") for kind, one in _content(body)]
        parts.append(_table("Body", rows))
    rows = [
        (_code(status), ", ".join(_kinds(answer)), _answer(status, answer))
        for status, answer in sorted(operation["responses"].items())
        if not _refuses(status)
    ]
    parts.append(_table("Answers", rows))
    refused = [status for status in sorted(operation["responses"]) if _refuses(status)]
    if refused:
        said = ", ".join(f"{_code(status)} {HTTPStatus(int(status)).phrase}" for status in refused)
        parts.append(f'<p class="quiet">Refused with {said}.</p>')
    return "".join(parts)


def _refuses(status: str) -> bool:
    return status.isdecimal() and int(status) >= HTTPStatus.BAD_REQUEST


def _kinds(described: Schema) -> list[str]:
    return [f"{_code(kind)} {_shape(one.get('schema', {}))}" for kind, one in _content(described)]


def _answer(status: str, answer: Schema) -> str:
    said = answer.get("description", "")
    if said in ("", "Successful Response") and status.isdecimal():
        said = HTTPStatus(int(status)).phrase
    headers = "".join(
        f"<br>{_code(name)} {escape(header.get('description', ''))}"
        for name, header in answer.get("headers", {}).items()
    )
    return _prose(said) + headers


def _type(name: str, schema: Schema) -> str:
    parts = [
        f'<h3 id="type-{escape(name)}"><code>{escape(name)}</code></h3>',
        f"<p>{_prose(schema.get('description', ''))}</p>",
    ]
    required = schema.get("required", ())
    if values := schema.get("enum"):
        parts.append(f"<p>One of {', '.join(map(_code, values))}.</p>")
    if properties := schema.get("properties"):
        rows = [
            (
                _code(field),
                _shape(one) + ("" if field in required else ", optional"),
                _told(one, one.get("description")),
            )
            for field, one in properties.items()
        ]
        parts.append(_table("Fields", rows))
    return "".join(parts)


def _shape(schema: Schema) -> str:
    """What a value looks like, in a few words; HTML."""
    if reference := schema.get("$ref"):
        name = escape(reference.rpartition("/")[2])
        return f'<a href="#type-{name}">{name}</a>'
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(map(_shape, schema[several]))
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(map(_code, schema["enum"]))
    kind = schema.get("type", "anything")
    if kind == "array":
        items = schema.get("items") or schema.get("prefixItems", [{}])[0]
        return f"list of {_shape(items)}"
    if kind == "string" and schema.get("format") == "binary":
        return "bytes"
    return escape(str(kind))


def _told(schema: Schema, description: str | None) -> str:
    """What a field is for, what it is if it isn't said, and its bounds; HTML."""
    bounds = {
        "minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most",
        "exclusiveMaximum": "less than", "minLength": "characters, at least",
        "maxLength": "characters, at most", "maxItems": "at most so many:", "pattern": "pattern",
    }  # fmt: skip
    facts = [f"{words} {_code(schema[name])}" for name, words in bounds.items() if name in schema]
    if schema.get("default") not in (None, "", [], {}):
        facts.append(f"by default {_code(schema['default'])}")
    if examples := schema.get("examples"):
        facts.append(f"for example {_code(examples[0])}")
    said = _prose((description or schema.get("title") or "").strip())
    return said + (f'<br><span class="quiet">{"; ".join(facts)}</span>' if facts else "")


def _table(title: str, rows: Iterable[tuple[str, str, str]]) -> str:
    cells = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows)
    return f'<h4>{title}</h4><div class="wide"><table>{cells}</table></div>'


def _content(described: Schema) -> list[tuple[str, Schema]]:
    return sorted(described.get("content", {}).items())


def _code(value: object) -> str:
    return f"<code>{escape(str(value))}</code>"


def _prose(text: str) -> str:
    """Plain text with `code` in it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _anchor(method: str, path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{method}-{path.lower()}").strip("-")
