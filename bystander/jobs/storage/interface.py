"""What a storage does, wherever its objects lie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final, Protocol

CHUNK: Final = 2**20
"""Bytes that `Storage.read` hands out at most at once."""


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

    def put(self, source: Path, key: str) -> None:
        """Take the file `source` over: afterwards it is only here, replacing what was.

        Where it fails, `source` is left as it was, and the old object, or none, under `key`.
        """
        ...

    def fetch(self, key: str, target: Path) -> None:
        """Make `target`, which is only to be read, a file of the caller's own; atomic.

        Raises:
            NotStored: there is nothing under `key`.
        """
        ...

    def size(self, key: str) -> int:
        """Bytes.

        Raises:
            NotStored: there is nothing under `key`.
        """
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, in chunks of at most `CHUNK`.

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


def check_span(start: int, end: int | None) -> None:
    """Raises ValueError: not a span of bytes that `Storage.read` knows."""
    if start < 0 or (end is not None and end < start):
        raise ValueError(f"no span of bytes: {start} to {end}")
