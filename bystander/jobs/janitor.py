"""Deletes: projects whose time has come, and those that somebody wants gone now."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from bystander.jobs.disk import Disk
from bystander.jobs.settings import ServiceSettings
from bystander.jobs.storage import Storage
from bystander.jobs.store import JobStore

PATIENCE: Final = 15.0
"""Seconds that a purge waits for jobs to end; cancelled ones take up to two."""

MINUTE: Final = 60.0

log = logging.getLogger(__name__)


class Janitor:
    """Looks for expired projects while it is started; `purge` and `room_for` work anyway.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        store: JobStore,
        storage: Storage,
        settings: ServiceSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._storage, self._settings = store, storage, settings
        self._disk = Disk(settings.data, store, storage, settings.retention)
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
            self._thread.join(PATIENCE)

    def room_for(self, size: int) -> None:
        """Raises OutputUnwritable: `size` more bytes are too many, see `Disk.room_for`."""
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
            self._clock() - MINUTE * self._settings.retention.empty_minutes
        )
        for project in self._store.projects.expired(self._clock()):
            try:
                if not self.purge(project):
                    log.warning("project %s: its job doesn't end, trying again later", project)
            except Exception as error:  # of one project, not of the others
                log.error("project %s can't be deleted: %s", project, type(error).__name__)

    def _jobs_ended(self, project: str) -> bool:
        until = time.monotonic() + PATIENCE
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
