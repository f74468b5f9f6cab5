"""What a storage does, the names of its objects, and how its errors are told."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final, Protocol

from bystander.errors import StorageError
from bystander.files import temporary_beside

MOST_CHARACTERS: Final = 400
"""Of a key: below what a file system (4,096 a path) and a bucket (1,024 a name) take."""

# A leading dot is for files that are still being written.
_SEGMENT: Final = r"(?!\.)(?!\S*\.\.)[A-Za-z0-9._-]{1,120}"
_KEY: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
CHUNK_BYTES: Final = 2**20
"""Bytes that `Storage.read` hands out at most at once."""


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


def disk_error(error: OSError, doing: str) -> StorageError:
    """The error of a file system while `doing`, such as "storing 3f2a/video"."""
    if error.errno in _FULL:
        return StorageError(f"the disk was full while {doing}", "Delete projects, or add space.")
    if error.errno in _DENIED:
        return StorageError(
            f"there is no permission for {doing}",
            "Let the service's user write in its data folder.",
        )
    return StorageError(f"{doing} failed: {error.strerror or type(error).__name__}")


@contextmanager
def translating_disk_errors(doing: str) -> Iterator[None]:
    """Raise errors of the file system as `disk_error`."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, doing) from error


def upload_headers(size: int) -> dict[str, str]:
    """What a client must send along to an upload link for `size` bytes.

    They are signed, so the bucket refuses another length.
    """
    return {"x-goog-content-length-range": f"{size},{size}"}


class Storage(Protocol):
    """Objects under keys such as "3f2a/video", see `keys.check_key`.

    Safe to use from several threads. No key may be the folder of another one. Every method
    raises StorageError: the key is malformed, the disk is full, the bucket can't be reached,
    or access is denied.

    Attributes:
        fetch_is_cheap: `fetch` costs next to nothing, however large the object: it is a link.
    """

    fetch_is_cheap: ClassVar[bool]

    def put(self, source: Path, key: str, *, keep: bool = False) -> None:
        """Take the file `source` over: afterwards it is only here, replacing what was.

        Where it fails, `source` is left as it was, and the old object, or none, under `key`.

        Args:
            keep: leave `source` where it is, and store a copy.
        """
        ...

    def fetch(self, key: str, target: Path, spans: Sequence[tuple[int, int]] = ()) -> None:
        """Make `target`, which is only to be read, a file of the caller's own; atomic.

        Args:
            spans: of the bytes that are needed, of each the first and one past the last; where
                there are some, others may be left out, being zeros.

        Raises:
            NotStored: there is nothing under `key`.
            StorageError: a span lies outside of it, or it arrives damaged.
        """
        ...

    def size(self, key: str) -> int:
        """Bytes.

        Raises:
            NotStored: there is nothing under `key`.
        """
        ...

    def version(self, key: str) -> str:
        """What changes whenever the object is replaced.

        Raises:
            NotStored: there is nothing under `key`.
        """
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, in chunks of at most `CHUNK_BYTES`.

        Bounded in memory, and never a mix of two objects: where it is replaced meanwhile,
        the old one goes on, or the next chunk is NotStored. Beyond the end there is nothing.

        Raises:
            NotStored: there is nothing under `key`; at once, not at the first chunk.
            ValueError: `start` is negative, or `end` before it; at once, too.
        """
        ...

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys under `prefix` ("3f2a/"; "" is everything), in order."""
        ...

    def delete(self, prefix: str) -> None:
        """Delete everything under `prefix` ("3f2a/"), if there is anything."""
        ...

    def used(self) -> int:
        """Bytes of all objects together."""
        ...

    def upload_url(self, key: str, size: int, lifetime: timedelta) -> str | None:
        """Where a client may PUT exactly `size` bytes, with `upload_headers(size)`.

        None where clients can't send to the storage directly.
        """
        ...

    def download_url(self, key: str, filename: str, lifetime: timedelta) -> str | None:
        """Where a client may GET the object, which its browser saves as `filename`.

        None where clients can't fetch from the storage directly. Whether there is an
        object is found out by fetching.
        """
        ...

    def close(self) -> None:
        """Let go of connections; no other call may follow."""
        ...


def check_spans(spans: Sequence[tuple[int, int]], size: int, key: str) -> None:
    """Raises StorageError: one of them doesn't lie in an object of `size` bytes."""
    for start, end in spans:
        if not 0 <= start < end <= size:
            raise StorageError(
                f"{key} has {size} bytes, and those from {start} to {end} are wanted",
                "It isn't what the work was planned for: start again.",
            )


def check_span(start: int, end: int | None) -> None:
    """Raises ValueError: not a span of bytes that `Storage.read` knows."""
    if start < 0 or (end is not None and end < start):
        raise ValueError(f"no span of bytes: {start} to {end}")
