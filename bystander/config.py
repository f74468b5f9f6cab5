"""Where the settings files are, and how they are read and checked.

In a checkout they are in `configs/` at the root of the repository; a wheel
carries them in `bystander/configs/`.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bystander.errors import ConfigError

CONFIGS_VARIABLE = "BYSTANDER_CONFIGS"
CORES_VARIABLE = "BYSTANDER_CORES"
"""How many cores a process may compute on that shares the machine with others like it."""
_CGROUP = Path("/sys/fs/cgroup")


def cores(environ: Mapping[str, str] = os.environ, cgroup: Path = _CGROUP) -> int:
    """How many threads of this process may compute at once: by default one a core.

    Cores that it may not use don't count: a container has the machine's many and a quota of few.
    """
    given = environ.get(CORES_VARIABLE, "")
    if given.isdecimal():
        return max(1, int(given))
    if sys.platform == "linux":
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota(cgroup))))


def _quota(cgroup: Path) -> float:
    """Cores' worth of time that Linux' control groups give; infinite where they don't limit it."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):  # v2, v1
        try:
            told = " ".join((cgroup / name).read_text() for name in files).split()
            quota, period = (int(number) for number in told)
        except (OSError, ValueError):  # not there; v2 says "max" where there is no limit, v1 -1
            continue
        if quota > 0 and period > 0:
            return quota / period
    return math.inf


class Settings(BaseModel):
    """Base of every settings class: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SettingsT = TypeVar("SettingsT", bound=BaseModel)


def config_path(name: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The settings file called `name`, e.g. "models.yaml".

    Looks in the folder named by BYSTANDER_CONFIGS, then in the checkout's
    `configs/`, then inside the installed package.

    Raises:
        ConfigError: it is in none of them; the message names each.
    """
    package = Path(__file__).resolve().parent
    folders = [package.parent / "configs", package / "configs"]
    if named := environ.get(CONFIGS_VARIABLE):
        folders.insert(0, Path(named))
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    looked_in = ", ".join(str(folder) for folder in folders)
    raise ConfigError(
        f"no settings file {name} in {looked_in}",
        f"Set {CONFIGS_VARIABLE} to the folder that holds it.",
    )


def read_config(path: Path, schema: type[SettingsT]) -> SettingsT:
    """The YAML file at `path`, checked against `schema`.

    Raises:
        ConfigError: unreadable, not YAML, or it has a key or value that `schema`
            refuses; the message names the file and each offending key.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"can't read the settings in {path}: {error}") from error
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from error


def describe(error: ValidationError) -> str:
    """One line that names each refused key and why; what is wrong as a whole has no key."""
    told = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        why = fault["msg"].removeprefix("Value error, ")
        told.append(f"{key}: {why}" if key else why)
    return "; ".join(told)
