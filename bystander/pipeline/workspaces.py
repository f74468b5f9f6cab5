"""Where the files of tasks lie when several machines do them: a bucket, and copies of what is used.

A process fetches what its tasks read into a folder of its own, which goes with it. Results go to
the bucket, where an object appears whole, under a name that follows from what it was made of; so
it doesn't matter how many store the same. Of a video, a task that says which bytes it reads gets a
file with just these (`media.byte_spans`), and everything else of it is refused.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import os
import re
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from bystander.errors import (
    ExecutorError,
    NotFetched,
    NotStored,
    OutputUnwritable,
    StorageError,
    TimelineMismatch,
)
from bystander.files import OwnedFolder, made_folder, temporary_beside, work_folder
from bystander.media.byte_spans import bytes_of_frames
from bystander.media.demux import fingerprint as fingerprint_of
from bystander.media.facts import VideoInfo
from bystander.media.muxer import disk_errors
from bystander.media.partial_files import Spans, joined_spans, list_of, mark_partial
from bystander.pipeline.tasks import FolderWorkspace, Workspace
from bystander.storage import Storage, storage_at
from bystander.storage.base import translating_disk_errors

CACHE_BYTES: Final = 8 * 2**30
BLOCK_BYTES: Final = 512
"""In which `stat` counts what a file takes, without its holes."""
CACHE_PREFIX: Final = "bystander-cache-"
VIDEO: Final = "video"
"""What a video is called that `workspace_of` stores."""
_NAME: Final = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9.-]{1,120}", re.ASCII)

ResultT = TypeVar("ResultT")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BucketWorkspace:
    """A part of a bucket; nothing but names is pickled, each machine has its own access.

    All methods raise StorageError: the bucket can't be reached or refuses, or the disk is full.

    Attributes:
        address: "gs://bucket/prefix", or "file:///folder" that all machines share.
        source: key of the video there.
        folder: key under which results go, "3f2a/work".
        cache_bytes: what copies on a machine may take, for each of its processes, beside those
            that are in use.
    """

    address: str
    source: str
    folder: str
    cache_bytes: int = CACHE_BYTES

    def video(self, spans: Sequence[tuple[int, int]] = ()) -> Path:
        """See `Workspace.video`; the path holds until this thread asks for another video.

        Reading more than `spans` of it raises NotFetched.
        """
        wanted = joined_spans(spans)
        name = f"video_{_digest(wanted)}"  # an underscore is in no result's name

        def fill(path: Path) -> None:
            if wanted:
                mark_partial(path, wanted)
            self._storage.fetch(self.source, path, wanted)

        return _cache().fetch(self, name, fill, is_video=True)

    def find(self, name: str) -> Path | None:
        """See `Workspace.find`; the path holds while this thread keeps to this workspace."""
        key = self._key(name)
        try:
            return _cache().fetch(self, name, lambda path: self._storage.fetch(key, path))
        except NotStored:
            return None

    def has(self, name: str) -> bool:
        try:
            self._storage.size(self._key(name))
        except NotStored:
            return False
        return True

    @contextmanager
    def storing(self, name: str) -> Iterator[Path]:
        key = self._key(name)
        part = temporary_beside(_cache().folder_of(self) / name)
        try:
            yield part
            self._storage.put(part, key)
        except OSError as error:
            raise OutputUnwritable(
                f"{name} can't be written ({error.strerror})",
                "Free some space on the disk of temporary files, or let TMPDIR name another.",
            ) from error
        finally:
            part.unlink(missing_ok=True)

    def readable(self) -> Sequence[Path]:
        return (_cache().folder_of(self),)

    def release(self) -> None:
        """Delete the copies in this process. May be called again, and so may everything else."""
        _here().release(self)

    def clear(self) -> None:
        """Delete all results, of which some are biometric, and the copies in this process."""
        self.release()
        self._storage.delete(f"{self.folder}/")

    @property
    def _storage(self) -> Storage:
        return _here().storage(self.address)

    def _key(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise StorageError(f"{name[:80]!r} can't be the name of a result")
        return f"{self.folder}/{name}"


def workspace_of(place: str, video: Path, fingerprint: str) -> Workspace:
    """Where several machines find a video, and leave what they make of it.

    Args:
        place: a folder that all of them have, where the video has one path on all of them, too;
            or "gs://bucket/prefix", to which the video is copied, unless it is there.

    Raises:
        OutputUnwritable: the folder can't be made.
        ConfigError, StorageError: the bucket can't be opened, or the video not stored.
    """
    if "://" not in place:
        folder = made_folder(Path(place).absolute() / fingerprint[:32])
        return FolderWorkspace(video.absolute(), folder)
    name = fingerprint[:32]
    workspace = BucketWorkspace(place.rstrip("/"), f"{name}/{VIDEO}", name)
    if not workspace.has(VIDEO):
        _here().storage(workspace.address).put(video, workspace.source, keep=True)
    return workspace


@contextmanager
def working_in(place: str, video: Path, fingerprint: str) -> Iterator[Workspace]:
    """`workspace_of`, of which nothing is left behind the block: faces as numbers are in it.

    Where the machines failed, or this process is killed, what is done stays, for who starts the
    same work again. One work on a video at a time.
    """
    workspace = workspace_of(place, video, fingerprint)
    try:
        yield workspace
    except (ExecutorError, StorageError):
        raise
    except BaseException:
        _clear(workspace)
        raise
    _clear(workspace)


@contextmanager
def workspace_beside(output: Path, video: Path) -> Iterator[FolderWorkspace]:
    """A hidden folder beside `output`, which goes with the block: faces as numbers are in it.
    After a process that was killed, the next work there removes it.

    Raises:
        OutputUnwritable: it can't be made.
    """
    with disk_errors(output):
        folder = work_folder(output.parent)
    with folder as path:
        yield FolderWorkspace(video.absolute(), path.absolute())


def _clear(workspace: Workspace) -> None:
    if isinstance(workspace, BucketWorkspace):
        workspace.clear()
    elif isinstance(workspace, FolderWorkspace):
        shutil.rmtree(workspace.folder, ignore_errors=True)


def sweep_jobs(storage: Storage, active: Callable[[], Collection[str]]) -> None:
    """Delete what jobs left that nobody works at any more: after a crash.

    Args:
        storage: has a folder of each job, and nothing else.
        active: the jobs that somebody does. Asked after looking, so that one that begins meanwhile
            is among them.

    Raises:
        StorageError: see `Storage`.
    """
    found = {key.split("/")[0] for key in storage.keys("")}
    for job in sorted(found - set(active())):
        storage.delete(f"{job}/")


def spans_of(
    workspace: Workspace, video: Path, info: VideoInfo, start_pts: int | None, end_pts: int | None
) -> Spans:
    """What a task gives to `with_video` that reads the frames shown before `end_pts`; see
    `bytes_of_frames`. Nothing where the workspace has the whole video at hand, or it is needed."""
    if isinstance(workspace, FolderWorkspace):
        return ()
    spans = bytes_of_frames(video, info, start_pts, end_pts)
    return () if spans == ((0, video.stat().st_size),) else spans


def with_video(
    workspace: Workspace, fingerprint: str, spans: Spans, work: Callable[[Path], ResultT]
) -> ResultT:
    """`work` on the video, of which no more is fetched than `spans`, if that is enough.

    Should it read more, which isn't to be expected but from a damaged video, it is called again
    with all of it.

    Args:
        fingerprint: of the video.

    Raises:
        TimelineMismatch: there is another video in its place.
    """

    def on(spans: Spans) -> ResultT:
        video = workspace.video(spans)
        if fingerprint_of(video) != fingerprint:
            raise TimelineMismatch(
                f"{video} isn't the video that the work was planned for", "Start again."
            )
        return work(video)

    try:
        return on(spans)
    except NotFetched as error:
        if not spans:
            raise
        log.warning("the whole video is fetched (%s)", error.what)
    return on(())


def _digest(of: object) -> str:
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class _CachedCopy:
    workspace: BucketWorkspace
    is_video: bool
    disk_bytes: int


class _Cache:
    """Files in a folder of this process, of each workspace in a folder of its own, so that whoever
    does tasks of one may be kept from the others'. Safe to use from several threads.

    A thread reads one video at a time, and results of one workspace: what any of them may be at
    is never taken from it. Of what is left, the oldest goes when there is more than allowed.
    """

    def __init__(self) -> None:
        self._folder = OwnedFolder(CACHE_PREFIX)
        self._mutex = threading.Lock()
        self._filling: dict[Path, threading.Lock] = {}
        self._copies: OrderedDict[Path, _CachedCopy] = OrderedDict()
        self._in_use: dict[int, tuple[BucketWorkspace, Path | None]] = {}

    def folder_of(self, workspace: BucketWorkspace) -> Path:
        parts = [workspace.address, workspace.source, workspace.folder]
        folder = self._folder.path / _digest(parts)
        with translating_disk_errors("making a folder for copies"):
            folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def fetch(
        self,
        workspace: BucketWorkspace,
        name: str,
        fill: Callable[[Path], None],
        is_video: bool = False,
    ) -> Path:
        """The file `name` of the workspace, made by `fill` unless it is there."""
        path = self.folder_of(workspace) / name
        with self._mutex:
            lock = self._filling.setdefault(path, threading.Lock())
            self._use(workspace, path if is_video else None)
        with lock:
            with self._mutex:
                if path in self._copies and path.exists():
                    self._copies.move_to_end(path)
                    return path
            try:
                with translating_disk_errors(f"fetching {name}"):
                    fill(path)
                    taken = path.stat().st_blocks * BLOCK_BYTES
            except BaseException:
                _delete(path)
                raise
            with self._mutex:
                self._copies[path] = _CachedCopy(workspace, is_video, taken)
                self._make_room(workspace.cache_bytes)
        return path

    def release(self, workspace: BucketWorkspace) -> None:
        with self._mutex:
            for path in [p for p, copy in self._copies.items() if copy.workspace == workspace]:
                self._drop(path)

    def remove(self) -> None:
        self._folder.remove()

    def _use(self, workspace: BucketWorkspace, video: Path | None) -> None:
        alive = {thread.ident for thread in threading.enumerate()}
        self._in_use = {thread: used for thread, used in self._in_use.items() if thread in alive}
        before = self._in_use.get(threading.get_ident())
        if video is None and before is not None and before[0] == workspace:
            video = before[1]
        self._in_use[threading.get_ident()] = (workspace, video)

    def _make_room(self, most_bytes: int) -> None:
        used = list(self._in_use.values())
        too_much = sum(copy.disk_bytes for copy in self._copies.values()) - most_bytes
        for path, copy in list(self._copies.items()):
            if too_much <= 0:
                return
            if not any(path == at if copy.is_video else copy.workspace == of for of, at in used):
                too_much -= copy.disk_bytes
                self._drop(path)

    def _drop(self, path: Path) -> None:
        _delete(path)
        del self._copies[path]
        self._filling.pop(path, None)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    list_of(path).unlink(missing_ok=True)


class _Here:
    """What this process has opened."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._mutex = threading.Lock()
        self._storages: dict[str, Storage] = {}
        self._cache: _Cache | None = None

    def storage(self, address: str) -> Storage:
        with self._mutex:
            if address not in self._storages:
                self._storages[address] = storage_at(address)
            return self._storages[address]

    def release(self, workspace: BucketWorkspace) -> None:
        if self._cache is not None:
            self._cache.release(workspace)

    def cache(self) -> _Cache:
        with self._mutex:
            if self._cache is None:
                with translating_disk_errors("making a folder for copies"):
                    self._cache = _Cache()
                atexit.register(self._cache.remove)
            return self._cache


_opened = _Here()


def _here() -> _Here:
    global _opened
    if _opened.process != os.getpid():  # connections and folders are their makers' own
        _opened = _Here()
    return _opened


def _cache() -> _Cache:
    return _here().cache()
