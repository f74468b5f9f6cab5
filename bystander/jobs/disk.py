"""The data folder: what may still come in, and how what isn't needed any more leaves it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from bystander.errors import OutputUnwritable
from bystander.jobs.settings import RetentionSettings
from bystander.jobs.storage import Storage
from bystander.jobs.store import JobStore

WORK: Final = "work"
PHOTOS: Final = "photos"
UPLOADS: Final = "uploads"
GB: Final = 1e9


class Disk:
    """The budget of bytes, and the sweeping.

    Args:
        data: the service's folder.
    """

    def __init__(
        self, data: Path, store: JobStore, storage: Storage, settings: RetentionSettings
    ) -> None:
        self._data, self._store = data, store
        self._storage, self._settings = storage, settings

    def work(self, job: str) -> Path:
        """The folder of a job's worker."""
        return self._data / WORK / job

    def photos(self, project: str) -> Path:
        """The folder of a project's photos."""
        return self._data / PHOTOS / project

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
                f"the service may store {settings.disk_bytes / GB:.1f} GB and holds "
                f"{used / GB:.1f} GB already",
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

    def sweep_strays(self) -> None:
        """Delete what belongs to no job that goes on, or to no project: after a crash.

        Only for the one runner of the folder, before it runs anything.
        """
        jobs, projects = self._store.jobs.active_ids(), self._store.projects.ids()
        for folder, known in ((WORK, jobs), (PHOTOS, projects), (UPLOADS, projects)):
            for entry in _entries(self._data / folder):
                if entry.name.split(".")[0] not in known:
                    remove(entry)

    def forget(self, project: str) -> None:
        """Delete the photos, uploads and working folders of a project."""
        remove(self.photos(project))
        for entry in _entries(self._data / UPLOADS):
            if entry.name.split(".")[0] == project:
                remove(entry)
        for job in self._store.jobs.list(project):
            remove(self.work(job.id))

    def _beside_objects(self) -> Iterator[int]:
        """Sizes of the files that storage doesn't count."""
        for folder in (WORK, PHOTOS, UPLOADS):
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
