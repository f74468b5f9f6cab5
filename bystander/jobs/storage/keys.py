"""The names of stored objects, checked wherever they come in, whoever calls."""

from __future__ import annotations

import re
from typing import Final

from bystander.errors import StorageError

MOST_CHARACTERS: Final = 400
"""Of a key: below what a file system (4,096 a path) and a bucket (1,024 a name) take."""

# A leading dot is for files that are still being written.
_SEGMENT: Final = r"(?!\.)(?!\S*\.\.)[A-Za-z0-9._-]{1,120}"
_KEY: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)


def check_key(key: str) -> str:
    """`key` as it is, such as "3f2a/posters/0.jpg".

    Raises:
        StorageError: it is empty, too long, absolute, leads elsewhere, or has other
            characters than letters, digits, dots, dashes and underscores.
    """
    if len(key) > MOST_CHARACTERS or not _KEY.fullmatch(key):
        raise StorageError(f"{key[:80]!r} can't be the key of a stored object")
    return key


def check_prefix(prefix: str) -> str:
    """`prefix` as it is, such as "3f2a/": a key with a slash behind it.

    Raises:
        StorageError: it is anything else; without the slash "3f2a" would be "3f2a1/video" too.
    """
    if not prefix.endswith("/"):
        raise StorageError(f"{prefix[:80]!r} can't be a folder: a slash is missing")
    check_key(prefix[:-1])
    return prefix
