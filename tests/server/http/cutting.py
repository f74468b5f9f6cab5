"""A way to a server whose connections break: each ends after so many bytes from the client."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Cutting:
    """Where the server is reached, and how often a connection was cut and will be."""

    url: str
    cut: int = 0
    to_come: int = 0


@contextlib.contextmanager
def cutting(url: str, after_bytes: int, times: int) -> Iterator[Cutting]:
    """Forwards to the server at `url`; cuts `times` connections, then lets all be."""
    there = urlsplit(url)
    state, lock = Cutting("", to_come=times), threading.Lock()

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            client: socket.socket = self.request
            with socket.create_connection((there.hostname or "", there.port or 0)) as server:
                back = threading.Thread(target=_pump, args=(server, client))
                back.start()
                passed = 0
                with contextlib.suppress(OSError):
                    while chunk := client.recv(2**14):
                        passed += len(chunk)
                        with lock:
                            cut = state.to_come > 0 and passed > after_bytes
                            state.to_come -= cut
                            state.cut += cut
                        if cut:
                            for each in (client, server):
                                each.shutdown(socket.SHUT_RDWR)  # also wakes who waits for it
                            break
                        server.sendall(chunk)
                    with contextlib.suppress(OSError):
                        server.shutdown(socket.SHUT_WR)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forward) as forward:
        forward.daemon_threads = True
        state.url = f"http://127.0.0.1:{forward.server_address[1]}"
        thread = threading.Thread(target=forward.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            forward.shutdown()
            thread.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(2**14):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
