"""A service that misbehaves on purpose, for `bystander.client`: it keeps a video and a result.

It listens on a socket of the loopback and speaks just enough HTTP to break off anywhere.
"""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

BLOCK = 64 * 1024


@dataclass
class Unruly:
    """What it has, what it does, and what it has seen.

    Attributes:
        drops: for each PATCH or GET of a file to come, the bytes after which the connection
            breaks; None lets it be.
        deaf: PATCH requests to come that are taken, but whose answers are lost.
        statuses: refusals to come, each `(method, status)`; they are given in order.
        kind: the type of the problem that they say.
        replaced: what the result is once the next connection has been made.
        ranges: whether it can send parts.
        versioned: whether its files have ETags.
        keep: whether the video's bytes are kept, or only counted.
    """

    result: bytes = b""
    drops: list[int | None] = field(default_factory=list)
    deaf: int = 0
    statuses: list[tuple[str, int]] = field(default_factory=list)
    kind: str = "about:blank"
    replaced: bytes | None = None
    ranges: bool = True
    versioned: bool = True
    keep: bool = True

    url: str = ""
    size: int = -1
    state: str = "absent"
    video: bytearray = field(default_factory=bytearray)
    arrived: int = 0
    twice: int = 0
    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    job: list[dict[str, Any]] = field(default_factory=list)
    events: bytes = b""

    def of(self, method: str) -> int:
        """How many requests of this method there were."""
        return sum(asked == method for asked, _ in self.requests)


@contextmanager
def unruly(**behaviour: Any) -> Iterator[Unruly]:
    """The service, while it runs."""
    service = Unruly(**behaviour)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler(service)) as server:
        server.daemon_threads = True
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


class _Broken(Exception):
    """The connection is to break now."""


def _handler(service: Unruly) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *_: object) -> None: ...

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (_Broken, ConnectionError):
                self.close_connection = True

        def _any(self) -> None:
            service.requests.append((self.command, self.path))
            service.headers.append(dict(self.headers))
            if service.statuses and service.statuses[0][0] == self.command:
                status = service.statuses.pop(0)[1]
                self.close_connection = True
                said = {"detail": f"refused with {status}.", "advice": "Mend it."}
                self._json(status, {"type": service.kind, **said})
            elif self.path.endswith("/video"):
                self._video_get()
            elif "/uploads" in self.path:
                assert self.headers["Tus-Resumable"] == "1.0.0"
                getattr(self, f"_uploads_{self.command.lower()}")()
            elif self.path.partition("?")[0].endswith("/result"):
                self._result()
            elif self.path.endswith("/events"):
                self._bytes(200, service.events, {"Content-Type": "text/event-stream"})
            elif "/jobs/" in self.path:
                found = service.job.pop(0) if len(service.job) > 1 else service.job[0]
                self._json(200, found)
            elif self.path.endswith("/html"):
                self._bytes(200, b"<html>log in here</html>", {})
            else:
                self._json(201, {"id": "p"})

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

        def _uploads_post(self) -> None:
            service.video.clear()
            service.arrived = 0
            service.size, service.state = int(self.headers["Upload-Length"]), "uploading"
            self._bytes(201, b"", {"Location": "/v1/projects/p/uploads/u"})

        def _uploads_head(self) -> None:
            self._bytes(200, b"", {"Upload-Offset": str(service.arrived)})

        def _video_get(self) -> None:
            upload = "/v1/projects/p/uploads/u" if service.size >= 0 else None
            told = {"state": service.state, "size": service.size, "upload": upload}
            self._json(200, {**told, "facts": {"frames": 7}})

        def _uploads_patch(self) -> None:
            drop = service.drops.pop(0) if service.drops else None
            left = int(self.headers.get("Content-Length", 0))
            offset = int(self.headers["Upload-Offset"])
            if service.state != "uploading" or offset != service.arrived:
                self.close_connection = True
                self._json(409, {"detail": "No upload was begun"})
                return
            if self.headers.get("Transfer-Encoding") == "chunked":
                assert self.rfile.readline().strip() == b"0"
                self.rfile.readline()
            while left:
                most = BLOCK if drop is None else min(BLOCK, drop)
                if not most:
                    raise _Broken
                chunk = self.rfile.read1(min(left, most))
                if not chunk:
                    raise _Broken
                self._take(chunk)
                left -= len(chunk)
                drop = None if drop is None else drop - len(chunk)
            if service.arrived == service.size:
                service.state = "ready"
            if service.deaf:
                service.deaf -= 1
                raise _Broken
            self._bytes(204, b"", {"Upload-Offset": str(service.arrived)})

        def _take(self, chunk: bytes) -> None:
            service.arrived += len(chunk)
            if service.keep:
                service.video += chunk

        def _result(self) -> None:
            if service.replaced is not None and service.of("GET") > 1:
                service.result, service.replaced = service.replaced, None
            content = service.result
            version = f'"{hash(content)}"'
            headers = {"ETag": version} if service.versioned else {}
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range", version) == version
            status = 200
            if wanted and service.ranges and same:
                status, content = 206, content[int(wanted[1]) :]
            drop = service.drops.pop(0) if service.drops else None
            self._head(status, len(content), headers)
            self.wfile.write(content[:drop])
            if drop is not None and drop < len(content):
                raise _Broken

        def _json(self, status: int, content: dict[str, Any]) -> None:
            self._bytes(status, json.dumps(content).encode(), {})

        def _bytes(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self._head(status, len(content), headers)
            if self.command != "HEAD":
                self.wfile.write(content)

        def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(length))
            self.end_headers()

    return Handler
