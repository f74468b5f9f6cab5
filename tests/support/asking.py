"""Asks an application something without a server: as anybody, from anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, MutableMapping
from typing import Any

import httpx
from starlette.types import ASGIApp

HERE, STRANGER = ("127.0.0.1", 50_000), ("203.0.113.7", 50_000)


def ask(
    app: ASGIApp,
    method: str = "GET",
    path: str = "/",
    client: tuple[str, int] = HERE,
    content: bytes | Iterable[bytes] | None = None,
    **more: Any,
) -> httpx.Response:
    """What `app` answers to somebody at `client` who calls it localhost.

    Args:
        content: the body; of unannounced length where it is given in parts.
        more: what else httpx takes, such as headers.
    """
    body = content if content is None or isinstance(content, bytes) else _parts(content)

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:3000") as web:
            return await web.request(method, path, content=body, **more)

    return asyncio.run(once())


def messages(app: ASGIApp, scope: dict[str, Any]) -> list[MutableMapping[str, Any]]:
    """What `app` sends to a request that no client would make, without a body."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def once() -> None:
        await app(scope, receive, send)

    asyncio.run(once())
    return sent


async def _parts(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in content:
        yield part
