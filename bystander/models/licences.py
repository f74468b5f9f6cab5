"""Which networks may be used: any, or those whose licences allow commercial use.

A list of licences, not legal advice: it knows neither patents, nor the terms of the pictures that
a network was trained on (docs/networks.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from bystander.choices import LicenceUse
from bystander.errors import ConfigError

LICENCE_VARIABLE: Final = "BYSTANDER_LICENCE"
COMMERCIAL: Final = (
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unlicense",
    "Zlib",
)
"""Licences, by their SPDX identifiers, that allow commercial use without asking for source code."""


def permits(use: LicenceUse, licence: str) -> bool:
    """Whether a network under `licence` may be used so; of "A AND B" both have to be fit for it.

    Whatever isn't on the list isn't, also what is misspelt: unknown means no.
    """
    if use is LicenceUse.ANY:
        return True
    known = {one.lower() for one in COMMERCIAL}
    return all(part.strip().lower() in known for part in re.split(r"\s+AND\s+", licence))


def licence_use(environ: Mapping[str, str] = os.environ) -> LicenceUse:
    """What the environment asks for.

    Raises:
        ConfigError: it asks for something else than any and commercial.
    """
    named = environ.get(LICENCE_VARIABLE) or LicenceUse.ANY
    try:
        return LicenceUse(named)
    except ValueError as error:
        raise ConfigError(
            f"{LICENCE_VARIABLE}={named} is no choice", f"Write {' or '.join(LicenceUse)}."
        ) from error
