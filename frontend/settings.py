"""Where the service is, and the token that the app has for it: from the environment.

BYSTANDER_URL is the service's address, without /v1. The token is the first one of the file that
BYSTANDER_TOKENS_FILE names (one a line, # begins a comment), or of BYSTANDER_TOKENS (separated
by commas): the variables that the service itself reads, so that both can be given the same.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

ADDRESS_VARIABLE: Final = "BYSTANDER_URL"
TOKENS_VARIABLE: Final = "BYSTANDER_TOKENS"
TOKENS_FILE_VARIABLE: Final = "BYSTANDER_TOKENS_FILE"
HOSTS_VARIABLE: Final = "BYSTANDER_APP_HOSTS"
PROXIES_VARIABLE: Final = "BYSTANDER_APP_PROXIES"
DEFAULT_ADDRESS: Final = "http://127.0.0.1:3000"
TOKEN: Final = re.compile(r"[!-~]+")
"""What a header can carry."""
HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """A setting can't be used; says which, and what to do. For the operator's eyes."""


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What the app has to know.

    Attributes:
        address: of the service, without /v1 and without a slash at its end.
        token: None where the service asks for none, as it does on one machine.
        hosts: names under which visitors reach the app; this machine's, and addresses, work
            anyway.
        proxies: networks of the proxies before the app, which say where a visitor comes from.
    """

    address: str = DEFAULT_ADDRESS
    token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    proxies: tuple[Network, ...] = ()


def load_settings(environ: Mapping[str, str] = os.environ) -> AppSettings:
    """Read the environment.

    Raises:
        SettingsError: an address that is none, a token that can't be one, or a file of tokens
            that can't be read or holds none: whoever names one doesn't mean to go without; a
            host or a proxy that is none.
    """
    return AppSettings(_address(environ), _token(environ), _hosts(environ), _proxies(environ))


def _hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    hosts = _parts(environ.get(HOSTS_VARIABLE, ""))
    if wrong := next((host for host in hosts if not HOST.fullmatch(host)), None):
        raise SettingsError(
            f"{HOSTS_VARIABLE} has {wrong!r} in it, which is no name of a machine. Give names "
            "without port or scheme, separated by commas: video.example.com."
        )
    return hosts


def _proxies(environ: Mapping[str, str]) -> tuple[Network, ...]:
    try:
        return tuple(map(ipaddress.ip_network, _parts(environ.get(PROXIES_VARIABLE, ""))))
    except ValueError as error:
        raise SettingsError(
            f"{PROXIES_VARIABLE}: {error}. Give addresses or networks of the proxies before the "
            "app, separated by commas: 127.0.0.1, 10.0.0.0/8."
        ) from error


def _parts(given: str) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in given.split(","))))


def _address(environ: Mapping[str, str]) -> str:
    given = environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS
    try:
        address = httpx.URL(given)
    except httpx.InvalidURL:
        address = httpx.URL()
    plain = not (address.userinfo or address.query or address.fragment)
    if address.scheme not in ("http", "https") or not address.host or not plain:
        raise SettingsError(
            f"{ADDRESS_VARIABLE} is no address of a service. Give one like {DEFAULT_ADDRESS}."
        )
    return given.rstrip("/")


def _token(environ: Mapping[str, str]) -> str | None:
    if named := environ.get(TOKENS_FILE_VARIABLE):
        token = _first(_lines(Path(named)))
        if token is None:
            raise SettingsError(
                f"There is no token in {named}. Write one into it, or take "
                f"{TOKENS_FILE_VARIABLE} away."
            )
    else:
        token = _first(environ.get(TOKENS_VARIABLE, "").split(","))
    if token is not None and not TOKEN.fullmatch(token):
        raise SettingsError(
            "The token for the service has characters that no token has. Make one with "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'."
        )
    return token


def _lines(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(
            f"The tokens in {file} can't be read ({reason}). Mend the file, or take "
            f"{TOKENS_FILE_VARIABLE} away."
        ) from error
    return [line for line in lines if not line.lstrip().startswith("#")]


def _first(candidates: Iterable[str]) -> str | None:
    return next(filter(None, (each.strip() for each in candidates)), None)
