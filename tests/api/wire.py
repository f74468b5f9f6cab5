"""Requests by hand, byte by byte: ones that stop midway, or lie about their length."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any, Self

import httpx

from tests.api.stage import TOKENS, Stage


class Wire:
    """A request whose head has been sent, and whose body is up to the test."""

    def __init__(self, stage: Stage, method: str, path: str, *headers: str) -> None:
        url = httpx.URL(stage.url)
        self._socket = socket.create_connection((url.host, url.port), timeout=30)
        lines = (
            f"{method} {path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {TOKENS[0]}",
        )
        self.send("\r\n".join((*lines, *headers, "", "")).encode())

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


def eventually(holds: Callable[[], object]) -> None:
    """Wait for what the server does after a client has gone."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to be so")
