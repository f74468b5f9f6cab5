"""An address that a client named -> a POST to it, that reaches no machine but public ones.

The name is resolved once, every address that it has is checked, and the connection goes to what
was checked: a name that means something else a moment later (DNS rebinding) changes nothing.
Nobody is redirected, and no proxy of the environment is used.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

import anyio
import httpcore

from bystander.errors import AddressRefused

MAX_URL_CHARACTERS: Final = 2000
NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address."""
GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
REFUSED: Final = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24"))
"""Public for Python 3.11, but Azure's and Oracle's for what a machine may know of itself. Those
of the other clouds are link-local, unique local or shared addresses."""

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes.

    Attributes:
        scheme: "https" or "http".
        host: a name or an address, in lower case, without brackets.
        path: with the query.
    """

    scheme: str
    host: str
    port: int
    path: str


def parse(url: str, hosts: Collection[str] = ()) -> Target:
    """A URL that a client named -> where it leads, without asking the network.

    Args:
        hosts: names and addresses that are trusted: by http, too, and wherever they lead.

    Raises:
        AddressRefused: it isn't https, has a user or a fragment, is malformed, or names an
            address that isn't public.
    """
    if len(url) > MAX_URL_CHARACTERS or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefused(
            f"a webhook's address has at most {MAX_URL_CHARACTERS} characters of ASCII, no spaces",
            "Write other characters percent-encoded, and names in Punycode.",
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise AddressRefused(f"a webhook's address is malformed ({error})") from error
    if not host or parts.username is not None or parts.fragment or port == 0:
        raise AddressRefused(
            "a webhook's address has a host, and neither a user nor a fragment",
            "Write https://host/path?query.",
        )
    trusted = host in hosts
    if parts.scheme != "https" and not (trusted and parts.scheme == "http"):
        raise AddressRefused(
            "a webhook's address begins with https://",
            "The operator may name hosts that are called by http, in webhooks.hosts.",
        )
    address = literal(host)
    if address is not None and not trusted and not is_public(address):
        raise _not_public()
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)


def is_public(address: Address) -> bool:
    """Whether it is on the internet, and not of this machine, its network or its cloud."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
        if address not in GLOBAL_UNICAST:
            return False
    refused = any(address in network for network in REFUSED)
    return address.is_global and not address.is_multicast and not refused


def literal(host: str) -> Address | None:
    """The address that a host is written as; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


async def post(
    url: str,
    content: bytes,
    headers: Mapping[str, str],
    timeout_seconds: float,
    hosts: Collection[str] = (),
) -> int:
    """Send a POST, and give the status of its answer; the answer's body isn't read.

    Args:
        timeout_seconds: for all of it: resolving, connecting, sending, the answer's head.
        hosts: see `parse`.

    Raises:
        AddressRefused: it isn't called from here.
        TimeoutError: it took too long.
        OSError, httpcore.NetworkError, httpcore.ProtocolError: it didn't come to an answer.
    """
    target = parse(url, hosts)
    with anyio.fail_after(timeout_seconds):
        async with (
            httpcore.AsyncConnectionPool(
                max_connections=1,
                retries=0,
                network_backend=_CheckedAddresses(hosts),
            ) as pool,
            pool.stream(
                "POST",
                httpcore.URL(
                    scheme=target.scheme, host=target.host, port=target.port, target=target.path
                ),
                headers=[("Host", _authority(target)), *headers.items()],
                content=content,
            ) as response,
        ):
            return response.status


class _CheckedAddresses(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were looked at; TLS goes by the name as always."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts, self._inner = hosts, httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        if host not in self._hosts and not all(is_public(ip_address(one)) for one in addresses):
            raise _not_public()
        return await self._inner.connect_tcp(
            addresses[0], port, timeout, local_address, socket_options
        )


def _authority(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    usual = 443 if target.scheme == "https" else 80
    return host if target.port == usual else f"{host}:{target.port}"


def _not_public() -> AddressRefused:
    return AddressRefused(
        "a webhook's address leads to a machine that isn't on the public internet",
        "Name one that is; the operator may allow others in webhooks.hosts.",
    )
