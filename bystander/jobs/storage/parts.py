"""The files on both ends of a storage: what is taken over, and what is still being written."""

from __future__ import annotations

import os
from pathlib import Path

from bystander.errors import StorageError
from bystander.files import temporary_beside


def check_source(source: Path, key: str) -> None:
    """Raises StorageError: `source`, which is to become `key`, is no plain file."""
    if source.is_symlink() or not source.is_file():
        raise StorageError(f"what is to be stored as {key} is no file")


def part_of(target: Path) -> Path:
    """A name of its own in `target`'s folder, hidden: keys never begin with a dot."""
    return temporary_beside(target)


def private(path: str, flags: int) -> int:
    """An `opener` for `open`: only the service's user may read the file."""
    return os.open(path, flags, 0o600)
