"""Objects as files in a folder that only the service's user may look into.

Storing and fetching move and link within one file system, so a video of 20 GB takes neither
time nor space. A fetched file and the object may therefore be the same file: who writes into
the one changes the other, hence `Storage.fetch` says "only to be read".
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from bystander.errors import NotStored
from bystander.storage.base import (
    CHUNK_BYTES,
    check_key,
    check_prefix,
    check_source,
    check_span,
    check_spans,
    part_of,
    private,
    translating_disk_errors,
)

_NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})
"""Another file system, or one without hard links."""


class LocalStorage:
    """`Storage` in a folder: folders 0700, files 0600.

    Args:
        folder: made where it is missing.
    """

    fetch_is_cheap: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with translating_disk_errors("opening the storage"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)

    def put(self, source: Path, key: str, *, keep: bool = False) -> None:
        target = self._folder / check_key(key)
        with translating_disk_errors(f"storing {key}"):
            check_source(source, key)
            self._make_folder(target.parent)
            if keep:
                _copy(source, target, _settle)
                _sync(target.parent)
                return
            _settle(source)
            try:
                os.rename(source, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy(source, target, _settle)
                source.unlink()
            _sync(target.parent)

    def fetch(self, key: str, target: Path, spans: Sequence[tuple[int, int]] = ()) -> None:
        stored = self._stored(key)
        with translating_disk_errors(f"fetching {key}"):
            check_spans(spans, stored.stat().st_size, key)
            part = part_of(target)
            try:
                os.link(stored, part)
                os.replace(part, target)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                _copy(stored, target)
            finally:
                # Replacing a link by another one to the same file does nothing at all.
                part.unlink(missing_ok=True)

    def size(self, key: str) -> int:
        with translating_disk_errors(f"looking for {key}"):
            return self._stored(key).stat().st_size

    def version(self, key: str) -> str:
        with translating_disk_errors(f"looking for {key}"):
            facts = self._stored(key).stat()
        return f"{facts.st_ino}-{facts.st_mtime_ns}"

    def read(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        check_span(start, end)
        return _chunks(self._stored(key), key, start, end)

    def keys(self, prefix: str) -> Iterator[str]:
        folder = self._folder / check_prefix(prefix) if prefix else self._folder
        return iter(sorted(file.relative_to(self._folder).as_posix() for file in _files(folder)))

    def delete(self, prefix: str) -> None:
        folder = self._folder / check_prefix(prefix)
        with translating_disk_errors(f"deleting {prefix}"):
            # Parts that a killed process left are in there too.
            if folder.is_dir():
                shutil.rmtree(folder, onerror=_unless_gone)
            self._remove_empty(folder.parent)

    def used(self) -> int:
        with translating_disk_errors("measuring the storage"):
            return sum(_size(file) for file in _files(self._folder))

    def upload_url(self, key: str, size: int, lifetime: timedelta) -> str | None:
        check_key(key)
        return None

    def download_url(self, key: str, filename: str, lifetime: timedelta) -> str | None:
        check_key(key)
        return None

    def close(self) -> None:
        pass

    def _stored(self, key: str) -> Path:
        path = self._folder / check_key(key)
        with translating_disk_errors(f"looking for {key}"):
            if path.is_file():
                return path
        raise _not_stored(key)

    def _make_folder(self, folder: Path) -> None:
        """Path.mkdir gives its mode only to the last folder that it makes."""
        if folder != self._folder:
            self._make_folder(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)

    def _remove_empty(self, folder: Path) -> None:
        while folder != self._folder:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                return
            folder = folder.parent


def _unless_gone(_: object, __: str, caught: Any) -> None:
    """Two may delete the same."""
    if not isinstance(caught[1], FileNotFoundError):
        raise caught[1]


def _copy(source: Path, target: Path, finish: Callable[[Path], None] | None = None) -> None:
    """Copy, `finish` the copy, and only then let it be `target`."""
    part = part_of(target)
    try:
        with source.open("rb") as read, open(part, "xb", opener=private) as write:
            shutil.copyfileobj(read, write, CHUNK_BYTES)
        if finish:
            finish(part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _settle(file: Path) -> None:
    """Make it private and durable: a power cut leaves the old or the new object."""
    file.chmod(0o600)
    _sync(file)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> Iterator[Path]:
    """Every object under `folder`; none where it is missing or goes away meanwhile."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names if not name.startswith("."))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _chunks(path: Path, key: str, start: int, end: int | None) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise _not_stored(key) from error
    with file, translating_disk_errors(f"reading {key}"):
        size = os.fstat(file.fileno()).st_size
        left = (size if end is None else min(end, size)) - start
        file.seek(start)
        while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


def _not_stored(key: str) -> NotStored:
    return NotStored(f"nothing is stored as {key}")
