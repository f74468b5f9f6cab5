"""The data folder's budget of bytes, and the deletion of what has expired."""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from bystander.errors import OutputUnwritable
from bystander.server.settings import RetentionSettings, ServiceSettings
from bystander.server.store import ServiceStore
from bystander.storage import Storage

WORK: Final = "work"
PHOTOS: Final = "photos"
UPLOADS: Final = "uploads"
SEGMENTS: Final = "segments"
GB_BYTES: Final = 1e9
PURGE_WAIT_SECONDS: Final = 15.0
"""Seconds that a purge waits for jobs to end; cancelled ones take up to two."""
SWEEP_SECONDS: Final = 60.0
ID: Final = re.compile("[0-9a-f]{32}")
"""Of a job or project; what has another name is a scratch file of a request."""


class DataFolder:
    """The budget of bytes, and the sweeping.

    Args:
        data: the service's folder.
    """

    def __init__(
        self, data: Path, store: ServiceStore, storage: Storage, settings: RetentionSettings
    ) -> None:
        self._data, self._store = data, store
        self._storage, self._settings = storage, settings

    def work(self, job: str) -> Path:
        """The folder of a job's worker."""
        return self._data / WORK / job

    def photos(self, project: str) -> Path:
        """The folder of a project's photos."""
        return self._data / PHOTOS / project

    def segments(self, project: str) -> Path:
        """The folder of what a project's result was joined from, for the next rendering."""
        return self._data / SEGMENTS / project

    def room_for(self, size: int) -> None:
        """Let `size` more bytes in.

        What uploads have announced and not yet sent counts as sent.

        Raises:
            OutputUnwritable: they are beyond the budget, or more than the disk has.
        """
        size += self._store.projects.announced()
        settings = self._settings
        used = self._storage.used() + sum(self._beside_objects())
        if used + size > settings.disk_bytes:
            raise OutputUnwritable(
                f"the service may store {settings.disk_bytes / GB_BYTES:.1f} GB and holds "
                f"{used / GB_BYTES:.1f} GB already",
                "Delete projects that are done with; others go "
                f"{settings.hours:g} hours after their last use.",
            )
        if shutil.disk_usage(self._data).free - size < settings.free_bytes:
            raise OutputUnwritable(
                "the service's disk is full",
                "Delete projects that are done with, or try again later.",
            )

    def sweep_litter(self) -> None:
        """Delete what the store says isn't needed any more."""
        for path in self._store.litter():
            if remove(self._data / path):
                self._store.swept(path)

    def sweep_strays(self, alone: bool = True) -> None:
        """Delete what belongs to no job that goes on, or to no project: after a crash.

        Args:
            alone: no other service uses the folder; else what one is looking at stays.
        """
        folders = (WORK, PHOTOS, UPLOADS, SEGMENTS)
        # Before who is known: what is there by now belongs to somebody who was there before.
        found = {folder: _entries(self._data / folder) for folder in folders}
        jobs, projects = self._store.jobs.active_ids(), self._store.projects.ids()
        for folder, entries in found.items():
            known = jobs if folder == WORK else projects
            for entry in entries:
                owner = entry.name.split(".")[0]
                if owner not in known and (alone or ID.fullmatch(owner)):
                    remove(entry)

    def forget(self, project: str) -> None:
        """Delete the photos, uploads, segments and working folders of a project."""
        remove(self.photos(project))
        remove(self.segments(project))
        for entry in _entries(self._data / UPLOADS):
            if entry.name.split(".")[0] == project:
                remove(entry)
        for job in self._store.jobs.list(project):
            remove(self.work(job.id))

    def _beside_objects(self) -> Iterator[int]:
        """Sizes of the files that storage doesn't count."""
        for folder in (WORK, PHOTOS, UPLOADS, SEGMENTS):
            for root, _, names in os.walk(self._data / folder):
                for name in names:
                    with suppress(FileNotFoundError):
                        facts = os.stat(os.path.join(root, name), follow_symlinks=False)
                        # Another name of an object takes no more room.
                        if facts.st_nlink == 1:
                            yield facts.st_size


def remove(path: Path) -> bool:
    """Delete a file, or a folder with all that is in it; whether it is gone now."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
    return not os.path.lexists(path)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


log = logging.getLogger(__name__)


class Janitor:
    """Looks for expired projects while it is started; `purge` and `room_for` work anyway.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        store: ServiceStore,
        storage: Storage,
        settings: ServiceSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._storage, self._settings = store, storage, settings
        self._disk = DataFolder(settings.data, store, storage, settings.retention)
        self._clock = clock
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Sweep now and then."""
        assert self._thread is None, "a janitor is started once"
        self._thread = threading.Thread(target=self._keep_sweeping, name="janitor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(PURGE_WAIT_SECONDS)

    def room_for(self, size: int) -> None:
        """Raises OutputUnwritable: `size` more bytes are too many, see `DataFolder.room_for`."""
        self._disk.room_for(size)

    def purge(self, project: str) -> bool:
        """Delete everything of a project: nobody gets it from now on.

        Its jobs are cancelled and waited for. Where that, or the storage, takes too long, or
        the process dies, the next sweep goes on.

        Returns:
            Whether nothing of it is left.

        Raises:
            StorageError: the storage can't be reached.
        """
        self._store.projects.condemn(project)
        if not self._jobs_ended(project):
            return False
        self._storage.delete(f"{project}/")
        self._disk.forget(project)
        self._store.projects.delete(project)
        return True

    def sweep(self) -> None:
        """Delete what has expired, and what an interrupted purge has left."""
        self._store.webhooks.sweep()
        self._store.idempotency_keys.sweep()
        self._store.scrub()
        self._store.projects.condemn_empty(
            self._clock() - SWEEP_SECONDS * self._settings.retention.empty_minutes
        )
        for project in self._store.projects.expired(self._clock()):
            try:
                if not self.purge(project):
                    log.warning("project %s: its job doesn't end, trying again later", project)
            except Exception as error:  # of one project, not of the others
                log.error("project %s can't be deleted: %s", project, type(error).__name__)

    def _jobs_ended(self, project: str) -> bool:
        until = time.monotonic() + PURGE_WAIT_SECONDS
        while self._store.jobs.active(project):
            for job in self._store.jobs.list(project):  # a job may have gone back to the queue
                self._store.jobs.request_cancel(job.id)
            if time.monotonic() > until or self._stopping.is_set():
                return not self._store.jobs.active(project)
            time.sleep(0.05)
        return True

    def _keep_sweeping(self) -> None:
        while not self._stopping.wait(self._settings.retention.sweep_seconds):
            try:
                self.sweep()
            except Exception as error:  # the store is locked, say: it may pass
                log.error("the janitor: %s: %s", type(error).__name__, error)
