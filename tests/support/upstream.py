"""A small service of the tests' own: it notes what reaches it, and can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.responses import StreamingResponse as Streaming
from starlette.routing import Route

from tests.support.waiting import until

PROJECT = "0123456789abcdef0123456789abcdef"
VIDEO = bytes(range(256)) * 400
ETAG = '"abc"'
CHUNK = bytes(2**16)


@dataclass
class Seen:
    """A request as it arrived; `body` counts bytes, `ended` is how it ended."""

    method: str
    target: str
    headers: dict[str, str]
    body: int = 0
    sent: int = 0
    ended: str = ""


@dataclass
class FakeService:
    """What the proxy talks to.

    Attributes:
        seen: every request, in order.
        reading: while it is not set, nothing of a body is taken.
        bucket: where videos lie, if not here.
    """

    seen: list[Seen] = field(default_factory=list)
    reading: threading.Event = field(default_factory=threading.Event)
    bucket: str = ""

    def forget(self) -> None:
        """Be as new."""
        self.seen, self.bucket = [], ""
        self.reading.set()

    def app(self) -> Starlette:
        below = f"/v1/projects/{PROJECT}"
        return Starlette(
            routes=[
                Route("/v1/projects", self.take, methods=["POST"]),
                Route(f"{below}/photos", self.take, methods=["POST"]),
                Route(f"{below}/edits", self.take, methods=["PUT"]),
                Route(f"{below}/track", self.take, methods=["POST"]),
                Route(f"{below}/uploads", self.begin, methods=["POST"]),
                Route(f"{below}/uploads/0f", self.take, methods=["PATCH"]),
                Route(f"{below}/video/file", self.file, methods=["GET", "HEAD"]),
                Route(f"{below}/result", self.endless),
                Route(f"{below}/preview", self.dawdle),
                Route(f"{below}/people/p1/picture", self.die),
                Route(f"{below}/audit", self.audit),
                Route("/{path:path}", self.other),
            ]
        )

    async def other(self, request: Request) -> Response:
        return JSONResponse({"seen": self._note(request).target}, 404)

    async def take(self, request: Request) -> Response:
        seen = self._note(request)
        while not self.reading.is_set():
            await asyncio.sleep(0.01)
        try:
            async for chunk in request.stream():
                seen.body += len(chunk)
        except ClientDisconnect:
            seen.ended = "gone"
            raise
        seen.ended = "whole"
        return JSONResponse({"size": seen.body}, 201, {"Upload-Offset": str(seen.body)})

    async def begin(self, request: Request) -> Response:
        """Refuses without a look at the body, if it is the first part."""
        seen = self._note(request)
        if "upload-offset" in seen.headers:
            return JSONResponse({"type": "urn:bystander:busy"}, 409, {"Upload-Offset": "7"})
        return Response(status_code=201, headers={"Location": f"{request.url.path}/0f"})

    async def file(self, request: Request) -> Response:
        self._note(request)
        if self.bucket and request.method == "GET":
            return RedirectResponse(f"{self.bucket}/object?signature=secret", 307)
        headers = {"ETag": ETAG, "Accept-Ranges": "bytes", "Cache-Control": "no-store"}
        if request.headers.get("if-none-match") == ETAG:
            return Response(status_code=304, headers=headers)
        if (wanted := request.headers.get("range")) is not None:
            first, last = map(int, wanted.removeprefix("bytes=").split("-"))
            headers["Content-Range"] = f"bytes {first}-{last}/{len(VIDEO)}"
            return Response(VIDEO[first : last + 1], 206, headers, "video/mp4")
        return Response(VIDEO, 200, headers, "video/mp4")

    async def endless(self, request: Request) -> Response:
        seen = self._note(request)

        async def chunks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield CHUNK
                    seen.sent += len(CHUNK)
                    await asyncio.sleep(0)  # lets uvicorn tell that the client has gone
            finally:
                seen.ended = "gone"

        return Streaming(chunks(), media_type="video/mp4")

    async def dawdle(self, request: Request) -> Response:
        """Answers nothing until the client goes."""
        seen = self._note(request)
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        seen.ended = "gone"
        return Response()

    async def die(self, request: Request) -> Response:
        """Announces more than it sends."""
        self._note(request)

        async def chunks() -> AsyncIterator[bytes]:
            yield CHUNK
            await asyncio.sleep(0.2)

        return Streaming(chunks(), headers={"Content-Length": "1000000"}, media_type="image/jpeg")

    async def audit(self, request: Request) -> Response:
        self._note(request)
        headers = {
            "Content-Security-Policy": "default-src 'none'; img-src data:",
            "Set-Cookie": "spy=1",
            "X-Internal": "10.0.0.7",
            "Location": "http://elsewhere.example/",
        }
        return HTMLResponse("<h1>Audit</h1>", headers=headers)

    def _note(self, request: Request) -> Seen:
        raw = request.scope["raw_path"].decode()
        query = f"?{request.url.query}" if request.url.query else ""
        self.seen.append(Seen(request.method, raw + query, dict(request.headers)))
        return self.seen[-1]


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """An ASGI application on a free port of this machine; gives its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
