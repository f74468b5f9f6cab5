"""A bucket's videos -> copies on this disk, for who asks again within minutes.

Whoever mends a video by hand asks for frame after frame of it; each answer comes from the video.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final

from bystander.errors import NotStored
from bystander.files import OwnedFolder, temporary_beside
from bystander.storage.base import Storage, translating_disk_errors

COPIED_NAME: Final = "video"
"""The last part of keys of which copies are kept."""
MOST_BYTES: Final = 8 * 2**30
"""What copies may take, beside those that are in use."""
FREE_SHARE: Final = 0.25
"""Of what is free on the disk, that a copy may take."""
KEPT_SECONDS: Final = 600.0
"""After its last use a copy goes: another service may have deleted what it was made of."""
FETCHED_AT_ONCE: Final = 16
_PREFIX: Final = "copies-"


class CopyingStorage:
    """`storage`, of which videos that were fetched are kept for a while; see `Storage`.

    A copy is used as long as the bucket says that the object is the same. It goes with the
    object, `KEPT_SECONDS` after its last use, and with the process; what a killed one leaves, the
    next one removes. What it was fetched for may go on: it has a link of its own.

    Args:
        folder: on the disk to which videos are fetched; made where it is missing.
        most_bytes: see `MOST_BYTES`.
        timer: calls something after some seconds, unless it is cancelled.
    """

    fetch_is_cheap: ClassVar[bool] = False

    def __init__(
        self,
        storage: Storage,
        folder: Path,
        most_bytes: int = MOST_BYTES,
        timer: Callable[[float, Callable[[], None]], threading.Timer] = threading.Timer,
    ) -> None:
        self._storage, self._parent, self._most_bytes = storage, folder, most_bytes
        self._timer = timer
        self._mutex = threading.Lock()
        self._owned: OwnedFolder | None = None
        self._fetching = [threading.Lock() for _ in range(FETCHED_AT_ONCE)]
        self._copies: OrderedDict[str, Path] = OrderedDict()  # by key, the oldest first
        self._ends: dict[str, threading.Timer] = {}

    def fetch(self, key: str, target: Path, spans: Sequence[tuple[int, int]] = ()) -> None:
        if spans or key.rpartition("/")[2] != COPIED_NAME:
            self._storage.fetch(key, target, spans)
            return
        with self._fetching[hash(key) % FETCHED_AT_ONCE]:  # who asks for the same waits for it
            self._fetch(key, target)

    def _fetch(self, key: str, target: Path) -> None:
        try:
            version = self._storage.version(key)
        except NotStored:
            self._forget(key)
            raise
        copy = self._folder() / hashlib.sha256(f"{key} {version}".encode()).hexdigest()[:32]
        if self._linked(copy, target):
            self._keep(key, copy)
            return
        self._storage.fetch(key, target)
        size = target.stat().st_size
        if size <= min(self._most_bytes, FREE_SHARE * shutil.disk_usage(self._parent).free):
            self._forget(key)
            if self._linked(target, copy):
                self._keep(key, copy)

    def _linked(self, source: Path, target: Path) -> bool:
        """Whether `target` has become another name of `source`."""
        part = temporary_beside(target)
        try:
            os.link(source, part)
            part.replace(target)
        except OSError:  # it isn't there, or the disk has no links: fetch it
            return False
        finally:
            part.unlink(missing_ok=True)
        return True

    def _folder(self) -> Path:
        with self._mutex, translating_disk_errors("making a folder for copies"):
            if self._owned is None:
                self._parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._owned = OwnedFolder(_PREFIX, self._parent)
            return self._owned.path

    def _keep(self, key: str, copy: Path) -> None:
        """Count a copy as used now, and delete the oldest ones where there are too many bytes."""
        with self._mutex:
            self._copies[key] = copy
            self._copies.move_to_end(key)
            if key in self._ends:
                self._ends[key].cancel()
            timer = self._timer(KEPT_SECONDS, lambda: self._forget(key))
            timer.daemon = True
            timer.start()
            self._ends[key] = timer
            sizes = {key: _size(copy) for key, copy in self._copies.items()}
            for other in list(self._copies):
                if sum(sizes.values()) <= self._most_bytes:
                    break
                del sizes[other]
                self._drop(other)

    def _forget(self, key: str) -> None:
        with self._mutex:
            self._drop(key)

    def _drop(self, key: str) -> None:
        if (copy := self._copies.pop(key, None)) is not None:
            copy.unlink(missing_ok=True)
            self._ends.pop(key).cancel()

    # What changes an object takes its copy along.

    def put(self, source: Path, key: str, *, keep: bool = False) -> None:
        self._forget(key)
        self._storage.put(source, key, keep=keep)

    def delete(self, prefix: str) -> None:
        with self._mutex:
            for key in [key for key in self._copies if key.startswith(prefix)]:
                self._drop(key)
        self._storage.delete(prefix)

    def close(self) -> None:
        with self._mutex:
            for key in list(self._copies):
                self._drop(key)
            if self._owned is not None:
                self._owned.remove()
        self._storage.close()

    # The rest is the bucket's.

    def size(self, key: str) -> int:
        return self._storage.size(key)

    def version(self, key: str) -> str:
        return self._storage.version(key)

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        return self._storage.read(key, start, end)

    def keys(self, prefix: str) -> Iterator[str]:
        return self._storage.keys(prefix)

    def used(self) -> int:
        return self._storage.used()

    def upload_url(self, key: str, size: int, lifetime: timedelta) -> str | None:
        return self._storage.upload_url(key, size, lifetime)

    def download_url(self, key: str, filename: str, lifetime: timedelta) -> str | None:
        return self._storage.download_url(key, filename, lifetime)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
