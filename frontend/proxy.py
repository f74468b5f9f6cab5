"""The way through the app to the service: `/service/X` here is `/v1/X` there.

Browsers send files and fetch pictures and videos here, so that they never see the service's
token. What has an address is listed in `ALLOWED`; everything else isn't there. Bodies pass in
both directions as fast as the slower side takes them, and nothing of them is kept. Whoever goes
away ends the request at the service, which keeps what has arrived.

Nothing is logged: addresses hold the ids of projects, queries the names of people.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Final
from urllib.parse import parse_qsl

import anyio
import httpx
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from frontend.access import VISITOR, Visitor

PREFIX: Final = "/service"
API: Final = "/v1"
PROJECT: Final = r"/projects/[0-9a-f]{1,64}"
READ: Final = ("GET", "HEAD")
WRITE: Final = ("PATCH", "POST", "PUT")
ALLOWED: Final = tuple(
    (methods, re.compile(pattern))
    for methods, pattern in (
        (("POST",), r"/projects"),
        (READ, PROJECT),
        (READ, rf"{PROJECT}/video"),
        (("POST",), rf"{PROJECT}/uploads"),
        (("HEAD", "PATCH"), rf"{PROJECT}/uploads/[0-9a-f]{{1,64}}"),
        (("POST",), rf"{PROJECT}/photos"),
        (READ, rf"{PROJECT}/video/(file|proxy)"),
        (READ, rf"{PROJECT}/video/posters/[0-9]{{1,4}}"),
        (READ, rf"{PROJECT}/photos/[0-9a-f]{{1,64}}/picture"),
        (READ, rf"{PROJECT}/people/p[0-9]{{1,9}}/(picture|clip)"),
        (READ, rf"{PROJECT}/tracklets/t[0-9]{{1,9}}/picture"),
        (READ, rf"{PROJECT}/jobs/[0-9a-f]{{1,64}}/preview"),
        (READ, rf"{PROJECT}/(preview|preview/clip|result|audit|audit\.json)"),
        (("GET", "PUT"), rf"{PROJECT}/edits"),
        (READ, rf"{PROJECT}/(people|frames|frames/times)"),
        (READ, rf"{PROJECT}/frames/[0-9]{{1,9}}(/picture)?"),
        (("POST",), rf"{PROJECT}/track"),
        (READ, r"/shared/[A-Za-z0-9_-]{1,128}/video"),
    )
)
QUERY: Final = frozenset(
    (
        *("person", "at", "effect", "shape", "strength", "color"),
        *("number", "start", "end", "allow_stale"),
    )
)
SENT: Final = (
    "Range",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "Content-Type",
    "Content-Length",
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
)
ANSWERED: Final = frozenset(
    (
        b"content-type",
        b"content-length",
        b"content-range",
        b"accept-ranges",
        b"etag",
        b"last-modified",
        b"location",
        b"tus-resumable",
        b"tus-version",
        b"upload-expires",
        b"upload-length",
        b"upload-metadata",
        b"upload-offset",
        b"content-disposition",
        b"cache-control",
        b"content-security-policy",
        b"retry-after",
        b"x-content-type-options",
    )
)
MOST_PHOTO: Final = 60_000_000
"""Bytes: more than the service takes, which says so itself."""
TIMEOUT: Final = httpx.Timeout(300.0, connect=3.0, pool=10.0)
"""Seconds. After the last part of a video nothing comes back until it has been examined."""
# Shorter than servers wait (uvicorn: 5 s), or a request may meet a connection just being closed.
LIMITS: Final = httpx.Limits(
    max_connections=256, max_keepalive_connections=16, keepalive_expiry=2.0
)
NAMESPACE: Final = "urn:bystander:app:"


class Proxy:
    """An ASGI application for everything under `PREFIX`.

    Args:
        address: of the service, without /v1.
        token: that is added to every request; None where the service asks for none.

    It works only while `open` is entered.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self._address = f"{address}{API}"
        # Encodings would have to be passed on, or undone.
        self._headers = {"Accept-Encoding": "identity"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Holds the connections to the service."""
        async with httpx.AsyncClient(
            headers=self._headers, timeout=TIMEOUT, limits=LIMITS, trust_env=False
        ) as self._client:
            # One visitor's cookies are none of the next one's.
            self._client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
            yield
        self._client = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        answer = _AnswerRelay(send)
        try:
            await self._pass_on(scope, receive, answer)
        except* (ClientDisconnect, httpx.HTTPError):
            # Cut off in the middle, an answer must stay recognisably incomplete: the server
            # closes the connection if nothing more is said.
            if not answer.begun:
                await _unreachable()(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ends early, and the request at the service with it, when the client goes away."""
        body = _Body(Request(scope, receive))
        if scope["method"] in READ:
            body.arrived.set()
        async with anyio.create_task_group() as both:

            async def until_gone() -> None:
                await body.arrived.wait()  # only one may listen, and until then it is the body
                while (await receive())["type"] != "http.disconnect":
                    pass
                both.cancel_scope.cancel()

            both.start_soon(until_gone)
            await self._exchange(scope, body, send)
            both.cancel_scope.cancel()

    async def _exchange(self, scope: Scope, body: _Body, send: Send) -> None:
        """One request to the service, and its answer back.

        Raises:
            httpx.HTTPError: the service can't be reached, or went away.
            ClientDisconnect: the client did, before its request was whole.
        """
        assert self._client is not None, "used outside `open`"
        given, method = Headers(scope=scope), scope["method"]
        async with self._client.stream(
            method,
            self._address + _path(scope).removeprefix(PREFIX),
            params=[pair for pair in _query(scope) if pair[0] in QUERY],
            headers={name: given[name] for name in SENT if name in given} | _introduction(scope),
            content=body.chunks() if method in WRITE else None,
            # Where videos lie in a bucket, the service says where. Followed here, since the
            # page may load nothing from elsewhere; httpx tells the token to no other host.
            follow_redirects=method == "GET",
        ) as answer:
            start = {"type": "http.response.start", "status": answer.status_code}
            await send({**start, "headers": _answered(answer.headers.raw)})
            async for chunk in answer.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Body:
    """The request's body, as it comes.

    Attributes:
        arrived: set when all of it has.
    """

    def __init__(self, request: Request) -> None:
        self._request, self.arrived = request, anyio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises ClientDisconnect: the client went away."""
        async for chunk in self._request.stream():
            yield chunk
        self.arrived.set()


class _AnswerRelay:
    """Passes an answer on, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self.begun = send, False

    async def __call__(self, message: Message) -> None:
        self.begun = True
        await self._send(message)


def _introduction(scope: Scope) -> dict[str, str]:
    """Says whose request it is, so that the service can share out what is there for all."""
    visitor = scope.get("state", {}).get(VISITOR)
    if not isinstance(visitor, Visitor):
        return {}
    return {"Bystander-Visitor": visitor.id, "Bystander-Network": visitor.network}


def _answered(raw: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that a browser gets. Where something is, it is told as it is seen
    from there, and nothing elsewhere is told at all."""
    told = [(name.lower(), value) for name, value in raw]
    api = f"{API}/".encode()
    return [
        (name, f"{PREFIX}/".encode() + value.removeprefix(api) if name == b"location" else value)
        for name, value in told
        if name in ANSWERED and (name != b"location" or value.startswith(api))
    ]


def _path(scope: Scope) -> str:
    """As it was sent: nothing in it is decoded, so that no encoding hides a slash or a dot."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1")


def _query(scope: Scope) -> list[tuple[str, str]]:
    query: bytes = scope["query_string"]
    return parse_qsl(query.decode("latin-1"), keep_blank_values=True)


def _refusal(scope: Scope) -> Response | None:
    """The answer to a request that isn't passed on."""
    method, path, headers = scope["method"], _path(scope), Headers(scope=scope)
    below = path.removeprefix(PREFIX)
    if not any(method in methods and known.fullmatch(below) for methods, known in ALLOWED):
        return _problem(404, "missing", "There is nothing at this address")
    if method not in WRITE:
        return None
    # A browser says whose page makes a request; a page elsewhere has no business here.
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return _problem(403, "cross-site", "Another site made this request")
    if below.endswith("/photos"):
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return _problem(411, "length-missing", "Send Content-Length")
        if int(length) > MOST_PHOTO:
            return _problem(413, "body-too-large", f"A photo has at most {MOST_PHOTO} bytes")
    return None


def _unreachable() -> Response:
    answer = _problem(503, "unreachable", "The service can't be reached")
    answer.headers["Retry-After"] = "3"
    return answer


def _problem(status: int, kind: str, detail: str) -> Response:
    """RFC 9457, as the service's own."""
    content = {
        "type": NAMESPACE + kind,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return JSONResponse(content, status, media_type="application/problem+json")
