"""The tus protocol for resumable uploads (https://tus.io/protocols/resumable-upload, 1.0.0): what
its requests and answers say beside the bytes.

Here are its headers and their checks; the routes are in `uploads.py`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from email.utils import formatdate
from typing import Annotated, Any, Final

from fastapi import Header, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bystander.server.http.auth import path_of
from bystander.server.http.errors import ApiError

VERSION: Final = "1.0.0"
EXTENSIONS: Final = ("creation", "creation-with-upload", "expiration", "termination")
MEDIA_TYPE: Final = "application/offset+octet-stream"
MAX_METADATA_CHARS: Final = 4096
OVERRIDING_METHODS: Final = frozenset({"DELETE", "HEAD", "PATCH"})
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}


def response_headers(**described: str) -> dict[str, Any]:
    """OpenAPI's description of an answer's headers, by name with `_` for `-`."""
    named = {"Tus-Resumable": "1.0.0", **{n.replace("_", "-"): d for n, d in described.items()}}
    return {
        name: {"description": description, "schema": {"type": "string"}}
        for name, description in named.items()
    }


class TusMiddleware:
    """Says `Tus-Resumable` in every answer about uploads, refusals of other middleware included,
    and takes the method from `X-HTTP-Method-Override`, as the protocol demands.

    It stands before everything that looks at the method.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_about_uploads(scope):
            await self._app(scope, receive, send)
            return
        wanted = Headers(scope=scope).get("x-http-method-override", "").upper()
        if scope["method"] == "POST" and wanted in OVERRIDING_METHODS:
            scope["method"] = wanted

        async def speaking(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Tus-Resumable"] = VERSION
            await send(message)

        await self._app(scope, receive, speaking)


def is_about_uploads(scope: Scope) -> bool:
    """Whether a request is for /projects/{project}/uploads, or below."""
    parts = path_of(scope).split("/")
    return len(parts) in (4, 5) and (parts[1], parts[3]) == ("projects", "uploads")


def require_version(
    tus_resumable: Annotated[
        str | None, Header(description="the version spoken", examples=[VERSION])
    ] = None,
) -> None:
    """A dependency of every route but OPTIONS.

    Raises:
        ApiError: the client speaks another version, or none (412).
    """
    if tus_resumable != VERSION:
        raise ApiError(
            412,
            f"The request isn't of tus {VERSION}",
            f"Send 'Tus-Resumable: {VERSION}'.",
            {"Tus-Version": VERSION},
        )


def sends_bytes(headers: Headers) -> bool:
    """Whether a request says that its body is a part of the file."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


def require_bytes(request: Request) -> None:
    """Raises ApiError: the body is said to be something else (415)."""
    if not sends_bytes(request.headers):
        raise ApiError(
            415,
            f"The body's type isn't {MEDIA_TYPE}",
            f"Send the bytes with 'Content-Type: {MEDIA_TYPE}'.",
            {"Connection": "close"},
        )


def decode_metadata(header: str) -> dict[str, bytes]:
    """What `Upload-Metadata` says: `filename aG9saWRheS5tcDQ=,is_private`.

    The values are only ever handed back to the client: none becomes a name on the disk.

    Raises:
        ApiError: it isn't keys, each once, with values in base64 (400).
    """
    found: dict[str, bytes] = {}
    for pair in filter(None, header.split(",")):
        key, _, value = pair.strip().partition(" ")
        try:
            if not key or not key.isascii() or key in found:
                raise ValueError("no key of its own")
            found[key] = b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ApiError(
                400,
                "Upload-Metadata can't be read",
                "Send keys, each with a value in base64: 'filename aG9saWRheS5tcDQ='.",
            ) from error
    return found


def http_date(seconds: float) -> str:
    """A time as `Upload-Expires` tells it (RFC 9110), from seconds since the epoch."""
    return formatdate(seconds, usegmt=True)
