"""Requests by hand, byte by byte: ones that stop midway, or lie about their length."""

from __future__ import annotations

import json
import socket
from http.client import HTTPResponse
from typing import Any, Self

import httpx

from tests.support.stage import TOKENS, Stage
from tests.support.waiting import HANGS_AFTER_SECONDS


class Wire:
    """A request whose head has been sent, with the beginning of its body; the rest of it is up
    to the test."""

    def __init__(
        self, stage: Stage, method: str, path: str, *headers: str, body: bytes = b""
    ) -> None:
        url = httpx.URL(stage.url)
        self._socket = socket.create_connection((url.host, url.port), timeout=HANGS_AFTER_SECONDS)
        lines = (
            f"{method} {path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {TOKENS[0]}",
        )
        self.send("\r\n".join((*lines, *headers, "", "")).encode() + body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> tuple[int, Any]:
        """Status, and the body's JSON if there is any."""
        response = HTTPResponse(self._socket)
        response.begin()
        body = response.read()
        return response.status, json.loads(body) if body else None

    def drop(self) -> None:
        """As if the cable had been pulled: the server gets no more than has been sent."""
        self._socket.close()
