"""Everything that outlives the server's process, in one SQLite file beside the objects."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bystander.jobs.database import Database
from bystander.jobs.idempotency import IdempotencyKeys
from bystander.jobs.photos import Photos
from bystander.jobs.projects import Projects
from bystander.jobs.queue import Jobs
from bystander.jobs.webhooks import Webhooks

NEWEST: Final = 0.2
"""Weight of the newest measurement of a speed, once there are a few."""


class JobStore:
    """Projects, photos, jobs, speeds. Safe from any thread; other processes may look on.

    Args:
        path: the SQLite file, created where there is none.
        clock: seconds since the epoch.

    Attributes:
        projects, photos, jobs, webhooks, idempotency_keys: a table each.

    Raises:
        ConfigError: the file can't be used.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(path)
        self.projects = Projects(self._database, clock)
        self.photos = Photos(self._database)
        self.jobs = Jobs(self._database, clock)
        self.idempotency_keys = IdempotencyKeys(self._database, clock)
        self.webhooks = Webhooks(self._database, clock)

    def speed(self, key: str) -> float | None:
        """The mean of what was learnt under `key`."""
        row = self._database.row("SELECT value FROM speeds WHERE key = ?", (key,))
        return row["value"] if row else None

    def learn(self, key: str, value: float) -> None:
        """One more measurement: a plain mean at first, then an exponential one."""
        self._database.change(
            "INSERT INTO speeds VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET count = count + 1, "
            "value = value + MAX(?3, 1.0 / (count + 1)) * (?2 - value)",
            (key, value, NEWEST),
        )

    def scrub(self) -> None:
        """Leave no byte of what was deleted in the file or its log."""
        self._database.scrub()

    def litter(self) -> tuple[str, ...]:
        """Paths below the data folder that are to be deleted: files and folders.

        They are written in the transaction that makes them litter, so that none is forgotten
        however the process ends.
        """
        return tuple(row["path"] for row in self._database.rows("SELECT path FROM litter"))

    def swept(self, path: str) -> None:
        """It is gone from the disk."""
        self._database.change("DELETE FROM litter WHERE path = ?", (path,))

    def close(self) -> None:
        self._database.close()
