"""HTTP as a hostile client writes it: byte by byte over a socket."""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support.waiting import HANGS_AFTER_SECONDS

SILENCE = 1.0
"""Seconds after a whole answer, in which another one would come."""


@dataclass(frozen=True)
class Answer:
    """What came back over a connection.

    Attributes:
        status: of the first answer; 0 where the connection was closed without one.
        count: answers, interim ones not counted.
    """

    status: int
    count: int
    content: bytes


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname
    return socket.create_connection((parts.hostname, parts.port), timeout=HANGS_AFTER_SECONDS)


def exchange(url: str, *pieces: bytes) -> Answer:
    """Send `pieces`, and read until the server closes or says no more.

    Raises:
        TimeoutError: the server does neither answer nor close.
    """
    with connect(url) as connection:
        for piece in pieces:
            # It may close at the first wrong byte.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(piece)
        with contextlib.suppress(ConnectionResetError):
            return read(connection)
    return Answer(0, 0, b"")


def _whole(content: bytearray) -> bool:
    """Whether the first answer is, as far as its head says."""
    head, end, body = content.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


def read(connection: socket.socket) -> Answer:
    """Everything until the connection is closed, or is silent for a second after an answer."""
    content = bytearray()
    try:
        while chunk := connection.recv(65536):
            content += chunk
            connection.settimeout(SILENCE if _whole(content) else HANGS_AFTER_SECONDS)
    except ConnectionResetError:
        pass
    except TimeoutError:
        if not content:
            raise
    heads = [head for head in bytes(content).split(b"HTTP/1.1 ")[1:] if not head.startswith(b"1")]
    status = int(heads[0][:3]) if heads else 0
    return Answer(status, len(heads), bytes(content))


def request(method: str, path: str, token: str = "", *headers: str) -> bytes:
    """The head of a request, after which the connection is closed."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
