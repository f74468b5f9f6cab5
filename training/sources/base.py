"""What all sources have in common: their settings, and how their paths are meant."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from bystander.config import Settings
from bystander.errors import ConfigError

PERSON = "person"
"""The category, by its name: the number differs from data set to data set."""

UNKNOWN_LICENCE = "unknown"

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class SourceSettings(Settings):
    """One source of pictures, as a recipe names it."""

    name: str = Field(
        pattern=r"^\w[\w.-]*$", description="begins the keys of its pictures; unique in a recipe"
    )
    licence: str = Field(
        default=UNKNOWN_LICENCE,
        min_length=1,
        description="of the pictures for which the source itself states none",
    )
    limit: int | None = Field(
        default=None, ge=1, description="read only the first pictures of each split, to try things"
    )


def resolve(path: str, folder: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """The path that a recipe means by `path`.

    Args:
        path: may hold ${VARIABLES} of the environment.
        folder: what a relative path is relative to.

    Raises:
        ConfigError: a variable isn't set; the message names it.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not environ.get(name):
            raise ConfigError(
                f"the path {path} needs the environment variable {name}, which isn't set",
                f"Set {name}, or write the path itself into the recipe.",
            )
        return environ[name]

    return folder / Path(_VARIABLE.sub(value, path)).expanduser()
