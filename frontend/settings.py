"""Where the service is, and the token that the app has for it: from the environment.

BYSTANDER_URL is the service's address, without /v1. The token is the first one of the file that
BYSTANDER_TOKENS_FILE names (one a line, # begins a comment), or of BYSTANDER_TOKENS (separated
by commas): the variables that the service itself reads, so that both can be given the same.
"""

from __future__ import annotations

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
DEFAULT_ADDRESS: Final = "http://127.0.0.1:3000"
TOKEN: Final = re.compile(r"[!-~]+")
"""What a header can carry."""


class SettingsError(Exception):
    """A setting can't be used; says which, and what to do. For the operator's eyes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the app has to know.

    Attributes:
        address: of the service, without /v1 and without a slash at its end.
        token: None where the service asks for none, as it does on one machine.
    """

    address: str = DEFAULT_ADDRESS
    token: str | None = field(default=None, repr=False)


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment.

    Raises:
        SettingsError: an address that is none, a token that can't be one, or a file of tokens
            that can't be read or holds none: whoever names one doesn't mean to go without.
    """
    return Settings(_address(environ), _token(environ))


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
