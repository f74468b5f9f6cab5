"""A bucket on this machine, in a process of its own: `python -m tests.storage.emulator`.

Prints its port. Memory of the tests is then theirs alone. Three things are added to what the
emulator does: names with "forbidden" in them are refused, uploads of names with "halfway" are
refused after their first part, and names with "damaged" get a byte of theirs turned.
"""

from __future__ import annotations

from functools import partial
from http.server import HTTPServer
from typing import Any

from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

BUCKET = "bystander"


class Handler(RequestHandler):  # type: ignore[misc]
    def do_GET(self) -> None:  # noqa: N802
        if not self.refused():
            super().do_GET()

    def do_POST(self) -> None:  # noqa: N802
        if not self.refused():
            if "damaged" in self.path and "upload_id" in self.path:
                self.rfile: Any = Damaged(self.rfile)
            super().do_POST()

    def do_DELETE(self) -> None:  # noqa: N802
        if "upload_id" in self.path:
            # What Google answers to an upload that is given up.
            self.answer(499, b"")
        elif not self.refused():
            super().do_DELETE()

    def refused(self) -> bool:
        later_part = not self.headers.get("Content-Range", "bytes 0-").startswith("bytes 0-")
        if "forbidden" not in self.path and not ("halfway" in self.path and later_part):
            return False
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(403, b'{"error": {"code": 403, "message": "no"}}')
        return True

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Damaged:
    """A body whose first byte is turned on its way."""

    def __init__(self, body: Any) -> None:
        self.body = body

    def read(self, size: int) -> bytes:
        data: bytes = self.body.read(size)
        return bytes([data[0] ^ 1]) + data[1:] if data else data

    def __getattr__(self, name: str) -> object:
        return getattr(self.body, name)


def main() -> None:
    storage = Storage(use_memory_fs=True)
    buckets.create_bucket(BUCKET, storage)
    with HTTPServer(("127.0.0.1", 0), partial(Handler, storage)) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
