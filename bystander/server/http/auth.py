"""Who may come in, and how much they may send at once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import math
import os
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bystander.editing.document import MAX_BYTES
from bystander.errors import ConfigError
from bystander.server.http.callers import named_by
from bystander.server.http.errors import HEADERS, refuse
from bystander.server.http.limits import IdleTimeout, RateLimiter, quota_headers
from bystander.server.settings import LimitSettings, SecuritySettings, is_loopback

LOCAL: Final = "local"
"""The owner of everything where no token is set."""
MAX_JSON_BYTES: Final = 2**20
"""Bytes of a body that isn't streamed."""
EDITS: Final = "/edits"
"""What the address of a document of edits ends in; it may hold pictures, up to `MAX_BYTES`."""
POLICY_VIOLATION_CODE: Final = 1008
"""RFC 6455: against the policy. There are none here, and a gate that lets them by is none."""
PASSED_ON: Final = ("forwarded", "x-forwarded-for", "x-real-ip")
"""Headers by which a proxy says that a request is somebody else's."""


class Tokens:
    """The bearer tokens that are let in.

    Only their digests are kept, and each is compared with all of them in constant time.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._digests = [hashlib.sha256(token.encode()).digest() for token in tokens]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def owner(self, authorization: str | None) -> str | None:
        """The owner that an Authorization header stands for; None for nobody."""
        scheme, _, token = (authorization or "").partition(" ")
        given = hashlib.sha256(token.strip().encode()).digest()
        matches = [hmac.compare_digest(given, digest) for digest in self._digests]
        if scheme.lower() != "bearer" or not any(matches):
            return None
        # Another hash than the one compared with: what is stored must not let anybody in.
        return hashlib.sha256(b"owner" + given).hexdigest()[:32]


class AuthMiddleware:
    """Lets in whom the settings allow, no faster than they may, and adds security headers.

    Owner and caller are put into the request's state.

    Args:
        app: what lies behind.
        settings: tokens, and whether anyone may come in.
        rates: of requests.
        limits: shares of visitors.
        passes: paths that are none of the gate's business: health checks, or what has a gate
            of its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: SecuritySettings,
        rates: RateLimiter,
        limits: LimitSettings,
        passes: Callable[[str], bool] = frozenset({"/openapi.json"}).__contains__,
    ) -> None:
        self._app, self._settings, self._passes = app, settings, passes
        self._rates, self._limits = rates, limits
        self._tokens = Tokens(settings.tokens)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION_CODE})
            return
        if scope["type"] != "http" or self._passes(path_of(scope)):
            await self._app(scope, receive, send)
            return

        limited: dict[str, str] = {}

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (HEADERS | limited).items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        owner = self._tokens.owner(headers.get("authorization")) if self._tokens else LOCAL
        if owner is None:
            await refuse(
                scope, receive, hardened, 401, "A token is needed",
                "Send 'Authorization: Bearer TOKEN'.", {"WWW-Authenticate": "Bearer"},
                "no-token",
            )  # fmt: skip
            return
        if not self._tokens and not self._settings.allow_open and not _is_local(scope, headers):
            await refuse(
                scope, receive, hardened, 403,
                "Without a token the service answers to this machine only",
                "Set BYSTANDER_TOKENS_FILE, and send the token.", code="no-token",
            )  # fmt: skip
            return
        if "\n" in scope["path"]:  # Starlette's patterns go astray over it
            await refuse(scope, receive, hardened, 404, "There is nothing at this address")
            return
        caller = named_by(owner, headers)
        parties = caller.parties(self._limits)
        wait, party = self._rates.wait(*parties)
        limited |= quota_headers(self._rates.quotas(*parties))
        if party is not None:
            await refuse(
                scope, receive, hardened, 429, f"Too many requests of {party.words}",
                "Wait a little.", {"Retry-After": str(max(1, math.ceil(wait)))}, "rate-limited",
                limit=party.scope,
            )  # fmt: skip
            return
        scope.setdefault("state", {}).update(owner=owner, caller=caller)
        await self._app(scope, receive, hardened)


class BodyLimit:
    """Refuses bodies that are large, but for routes that stream what they get.

    The limit counts as they arrive, whatever length is announced.

    Args:
        seconds: of patience with slow ones, see `IdleTimeout`.
        most: bytes.
        passes: which requests have other limits.
    """

    def __init__(
        self,
        app: ASGIApp,
        seconds: float,
        most: int = MAX_JSON_BYTES,
        passes: Callable[[Scope], bool] | None = None,
    ) -> None:
        self._app, self._seconds, self._most = app, seconds, most
        self._passes = passes or _streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._passes(scope):
            await self._app(scope, receive, send)
            return
        most = max(self._most, MAX_BYTES) if scope["path"].endswith(EDITS) else self._most
        body, patience = bytearray(), IdleTimeout(self._seconds)
        more = True
        while more:
            try:
                message = await asyncio.wait_for(receive(), patience.left)
            except TimeoutError:
                await refuse(
                    scope, receive, send, 408, f"The body didn't arrive in {self._seconds:g} s",
                    "Send it at once.", {"Connection": "close"},
                )  # fmt: skip
                return
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            patience.arrived(len(message.get("body", b"")))
            more = message.get("more_body", False)
            if len(body) > most:
                await refuse(
                    scope, receive, send, 413, f"The body has more than {most} bytes",
                    "Only videos and photos may be larger.", {"Connection": "close"},
                    "body-too-large",
                )  # fmt: skip
                return
        if not _is_sane_json(scope, bytes(body)):
            await refuse(scope, receive, send, 400, "The body is no JSON", "Mend it.")
            return
        given = False

        async def once() -> Message:
            nonlocal given
            if given:
                return await receive()  # waits for the client to go
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, once, send)


class RequireJson:
    """Refuses bodies of any other type: BentoML would also unpickle, or fetch addresses.

    Args:
        passes: which requests know better what they take.
    """

    def __init__(self, app: ASGIApp, passes: Callable[[Scope], bool]) -> None:
        self._app, self._passes = app, passes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and not self._passes(scope):
            given = Headers(scope=scope).get("content-type", "")
            if given.partition(";")[0].strip().lower() != "application/json":
                await refuse(
                    scope, receive, send, 415, "The body's type isn't application/json",
                    "Send JSON, a picture in it as base64.", {"Connection": "close"},
                )  # fmt: skip
                return
        await self._app(scope, receive, send)


def refuse_open_sockets(settings: SecuritySettings) -> None:
    """Refuse to go on if this process listens beyond loopback without a token.

    Whoever starts the service may have bound its sockets: they are looked at as they are.

    Raises:
        ConfigError: it does.
    """
    if settings.tokens or settings.allow_open:
        return
    for host in _listening():
        if not is_loopback(host):
            raise ConfigError(
                f"the service listens at {host}, where others can reach it, without a token",
                "Set BYSTANDER_TOKENS_FILE, listen at 127.0.0.1, or set BYSTANDER_ALLOW_OPEN=1.",
            )


def _listening() -> Iterator[str]:
    """The addresses of the TCP sockets that this process listens at."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            number = int(entry.name)
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            duplicate = os.dup(number)
        except OSError:
            continue  # closed meanwhile, as the one of this listing is
        with socket.socket(fileno=duplicate) as found:
            if found.family not in (socket.AF_INET, socket.AF_INET6):
                continue
            if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield str(found.getsockname()[0])


def _is_local(scope: Scope, headers: Headers) -> bool:
    """Whether a request comes from this machine, and not from a web page of another name.

    A page elsewhere may have its name lead to this machine (DNS rebinding): the name in the
    Host header gives it away. Or it sends requests here whose answers it can't read (CSRF):
    browsers tell whose they are in Origin. What a proxy passes on is nobody's here: uvicorn
    takes its word for where a request comes from.
    """
    client = scope.get("client")
    if client is not None and not is_loopback(client[0]):
        return False
    if any(name in headers for name in PASSED_ON):
        return False
    origin = headers.get("origin")
    return _is_this_machine(headers.get("host", "")) and (
        origin is None or _is_this_machine(origin.partition("://")[2])
    )


def _is_this_machine(authority: str) -> bool:
    """Whether a name or address, with or without a port, is of the loopback."""
    bracketed = authority.startswith("[")
    name = authority[1:].partition("]")[0] if bracketed else authority.partition(":")[0]
    return is_loopback(name.lower())


def path_of(scope: Scope) -> str:
    """The path within this application, wherever it is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


def _streams(scope: Scope) -> bool:
    parts = path_of(scope).split("/")  # "", "projects", ID, "video", or "uploads", UPLOAD
    if len(parts) not in (4, 5) or parts[1] != "projects":
        return False
    match scope["method"], *parts[3:]:
        case ("PUT", "video") | ("POST", "photos" | "uploads") | ("PATCH", "uploads", _):
            return True
        case _:
            return False


def _is_sane_json(scope: Scope, body: bytes) -> bool:
    """Whether Python's parser gets along with it: nesting can exhaust its stack."""
    if not body or "json" not in Headers(scope=scope).get("content-type", "").lower():
        return True
    try:
        json.loads(body)
    except RecursionError:
        return False
    except ValueError:
        return True  # FastAPI says better what is wrong
    return True
