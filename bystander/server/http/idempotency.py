"""A POST that was answered already -> the same answer, and nothing is made twice.

After draft-ietf-httpapi-idempotency-key-header-07: a repeated key answers as before, with another
request 422, while the first one is under way 409. Only what succeeded is remembered: who was
refused may try again with the same key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import Header, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bystander.server.http.auth import path_of
from bystander.server.http.deps import held
from bystander.server.http.errors import ApiError, kind_of, problem, refuse
from bystander.server.http.limits import read_chunks
from bystander.server.jobs.idempotency import Answered, IdempotencyKeys
from bystander.server.settings import LimitSettings

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
MAX_KEY_CHARACTERS: Final = 255
PATHS: Final = re.compile(r"/projects(/[^/]+/(jobs|photos))?")


def key_described(
    idempotency_key: Annotated[
        str | None,
        Header(
            description="a random value of the client's, the same when it sends this request "
            "again: then it is answered as before (`Idempotent-Replayed`) instead of done twice. "
            "Good for 24 hours; with another request 422, while the first one is under way 409",
            examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
        ),
    ] = None,
) -> None:
    """For the description alone: `Idempotency` acts on it."""


class Idempotency:
    """Answers requests that were answered already. Lies behind the gate and `BodyLimit`.

    Args:
        limits: of the bodies that are compared.
    """

    def __init__(self, app: ASGIApp, keys: IdempotencyKeys, limits: LimitSettings) -> None:
        self._app, self._keys, self._limits = app, keys, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get(HEADER) if scope["type"] == "http" else None
        concerned = given is not None and scope["method"] == "POST"
        if not concerned or not PATHS.fullmatch(path_of(scope)):
            await self._app(scope, receive, send)
            return
        key = _key(given or "")
        if key is None:
            await refuse(
                scope, receive, send, 400,
                f"{HEADER} isn't 1 to {MAX_KEY_CHARACTERS} characters of ASCII",
                "Send a random value, such as a UUID.",
            )  # fmt: skip
            return
        claim = (scope["state"]["owner"], key)
        async with AsyncExitStack() as lock:
            if not await lock.enter_async_context(held(self._keys.under_way(*claim))):
                await refuse(
                    scope, receive, send, 409, "A request with this key is under way",
                    "Wait for its answer, or send it again later.", {"Retry-After": "1"},
                    "idempotency-key-in-use",
                )  # fmt: skip
                return
            answered = await run_sync(self._keys.find, *claim)
            if answered is None:
                await self._first(claim, lock.aclose, scope, receive, send)
            else:
                await lock.aclose()
                await self._again(claim, answered, scope, receive, send)

    async def _first(
        self,
        claim: tuple[str, str],
        release: Callable[[], Awaitable[None]],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Pass it on, and remember what was made, before the client learns of it."""
        fingerprint, whole = _fingerprint(claim[1], scope), False

        async def read() -> Message:
            nonlocal whole
            message = await receive()
            if message["type"] == "http.request":
                fingerprint.update(message.get("body", b""))
                whole = whole or not message.get("more_body", False)
            return message

        streams = path_of(scope).endswith("/photos")
        # A route may never ask for its small body, which has arrived already.
        first = None if streams else await read()

        async def reading() -> Message:
            nonlocal first
            message, first = first, None
            return message or await read()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300 and whole:
                location = Headers(raw=message["headers"]).get("location", "")
                answered = Answered(
                    fingerprint.hexdigest(),
                    message["status"],
                    location.removeprefix(str(scope.get("root_path", ""))),
                )
                await run_sync(self._keys.remember, *claim, answered)
            if message["type"] == "http.response.start":
                await release()  # whoever has the answer may send the next request
            await send(message)

        await self._app(scope, reading, sending)

    async def _again(
        self,
        claim: tuple[str, str],
        answered: Answered,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Compare it with the first one, and show what that has made."""
        fingerprint = _fingerprint(claim[1], scope)
        most, patience = self._limits.photo_bytes, self._limits.body_seconds
        try:
            async for chunk in read_chunks(Request(scope, receive), most, patience):
                fingerprint.update(chunk)
        except ApiError as refusal:
            answer = problem(
                refusal.status_code, str(refusal.detail), refusal.advice, refusal.headers,
                kind_of(refusal.code),
            )  # fmt: skip
            await answer(scope, receive, send)
            return
        if not hmac.compare_digest(fingerprint.hexdigest(), answered.fingerprint):
            await refuse(
                scope, receive, send, 422, "This key was sent with another request",
                "Send a new key with each new request.", code="idempotency-key-reused",
            )  # fmt: skip
            return
        path = f"{scope.get('root_path', '')}{answered.location}"

        async def nothing() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def replaying(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                message["status"] = answered.status
                headers = MutableHeaders(scope=message)
                headers[REPLAYED], headers["Location"] = "true", path
            await send(message)

        # In place, so that those outside, who log and count, see which route it went to.
        scope.update(method="GET", path=path, raw_path=path.encode(), query_string=b"")
        await self._app(scope, nothing, replaying)


def _key(given: str) -> str | None:
    """The key that a header means, with or without the quotes of RFC 9651; None for none."""
    key = given.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    sane = 1 <= len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable()
    return key if sane else None


def _fingerprint(key: str, scope: Scope) -> hmac.HMAC:
    """Of a request but its body.

    By the key, which isn't stored: of a photo that was deleted no digest stays behind that could
    be compared with a photo.
    """
    parts = (path_of(scope).encode(), scope.get("query_string", b""))
    fingerprint = hmac.new(key.encode(), digestmod=hashlib.sha256)
    for part in (*parts, Headers(scope=scope).get("content-type", "").encode()):
        fingerprint.update(len(part).to_bytes(8, "big") + part)
    return fingerprint
