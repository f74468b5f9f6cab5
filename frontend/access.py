"""Who may talk to the app, and who a visitor is: checked before anything else is done.

A page elsewhere can have its own name lead to this server (DNS rebinding), or open a WebSocket to
it: the names that a browser puts into `Host` and `Origin` give both away. Visitors are told from
each other by a signed cookie, and by the network that they come from.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontend.settings import HOSTS_VARIABLE, Network

HEALTH: Final = "/_stcore/health"
"""Asked by machines that know no name of the app; says nothing."""
PRIVATE: Final = frozenset({"/_stcore/metrics"})
"""Streamlit's, of what goes on in the app: nobody's business."""
SERVICE: Final = "/service/"
"""What lies there is the service's, see proxy.py."""
COOKIE: Final = "bystander_visitor"
COOKIE_SECONDS: Final = 24 * 3600
ID_DIGITS: Final = 32
NOT_ALLOWED: Final = 1008
"""RFC 6455: against the policy."""
IPV6_SITE_BITS: Final = 64
"""What one household gets of IPv6: all of it counts as one address."""
VISITOR: Final = "visitor"
"""In a request's state: whose it is."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whose request it is. Both are digests that nobody can get a cookie or an address from.

    Attributes:
        id: of the browser; of its network where it has shown no cookie, so that dropping it gains
            nothing.
        network: of the address.
    """

    id: str
    network: str


class Access:
    """Refuses what isn't meant for this app, and puts a `Visitor` into the request's state.

    Args:
        hosts: names under which the app is reached, beside this machine's and plain addresses.
        proxies: whose X-Forwarded-For is believed.
        secret: signs cookies; one of this process's own where there is none.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str] = (),
        proxies: Sequence[Network] = (),
        secret: str | None = None,
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts) | {"localhost"}
        self._proxies = tuple(proxies)
        self._key = hashlib.sha256(f"visitor {secret or secrets.token_hex()}".encode()).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), str(scope["path"])
        if path != HEALTH and (refused := self._refusal(headers)):
            await _refuse(scope, receive, send, 403, refused)
            return
        if path.rstrip("/") in PRIVATE:
            await _refuse(scope, receive, send, 404, "There is nothing at this address.")
            return
        network = self._digest("network", _site(self._address(scope, headers)))
        known = self._known(headers)
        state = scope.setdefault("state", {})
        state[VISITOR] = Visitor(known or network, network)
        introduced = path == "/" or path.startswith(SERVICE)
        if scope["type"] != "http" or known or not introduced:
            await self._app(scope, receive, send)
            return
        cookie = self._new_cookie(headers, scope)

        async def introducing(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, introducing)

    def _refusal(self, headers: Headers) -> str | None:
        """Why these headers aren't those of a browser that shows a page of this app."""
        host = headers.get("host", "")
        if not self._is_known(_name(host)):
            return (
                "This app isn't reached under this name. Its operator can allow it: "
                f"{HOSTS_VARIABLE}=NAME."
            )
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            # A proxy may have changed the port; a name that is meant stays one.
            name = _name(origin.partition("://")[2])
            if name not in self._hosts - {"localhost"} or name != _name(host):
                return "Another site made this request."
        return None

    def _is_known(self, name: str) -> bool:
        """A plain address can't be rebound: only names lead to where their owner likes."""
        return name in self._hosts or _address_of(name) is not None

    def _address(self, scope: Scope, headers: Headers) -> str:
        """Where a request comes from: the last one that a proxy that is trusted has named."""
        client = scope.get("client")
        address = str(client[0]) if client else ""
        named = [one.strip() for one in ",".join(headers.getlist("x-forwarded-for")).split(",")]
        while named and self._is_trusted(address):
            address = named.pop() or address
        return address

    def _is_trusted(self, address: str) -> bool:
        found = _address_of(address)
        return found is not None and any(found in network for network in self._proxies)

    def _known(self, headers: Headers) -> str | None:
        """The id in the cookie, if it is one of ours."""
        given = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        number, _, signature = given.partition(".")
        if len(number) != ID_DIGITS or not hmac.compare_digest(
            signature.encode("utf-8", "replace"), self._digest("cookie", number).encode()
        ):
            return None
        return self._digest("visitor", number)

    def _new_cookie(self, headers: Headers, scope: Scope) -> str:
        number = secrets.token_hex(ID_DIGITS // 2)
        secure = "https" in (scope["scheme"], headers.get("x-forwarded-proto"))
        return (
            f"{COOKIE}={number}.{self._digest('cookie', number)}; Path=/; HttpOnly; "
            f"SameSite=Lax; Max-Age={COOKIE_SECONDS}" + ("; Secure" if secure else "")
        )

    def _digest(self, purpose: str, value: str) -> str:
        return hmac.new(self._key, f"{purpose} {value}".encode(), hashlib.sha256).hexdigest()[:32]


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": NOT_ALLOWED})
        return
    answer = PlainTextResponse(why, status, {"X-Content-Type-Options": "nosniff"})
    await answer(scope, receive, send)


def _name(authority: str) -> str:
    """A host without its port, in small letters."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    return authority.partition(":")[0].lower()


def _address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _site(address: str) -> str:
    """The address, or what of it is the same for everyone in one place."""
    found = _address_of(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, IPV6_SITE_BITS), strict=False))
    return str(found or address)
