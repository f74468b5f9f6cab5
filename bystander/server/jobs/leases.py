"""Which runner may do which job: runners that beat in the store, and lose their jobs if they don't.

A runner is registered under a new id whenever it begins, and counts its beats. A job that runs
belongs to a registered runner; what runs under any other id waits again. Who doesn't beat is
found out by looking twice, each observer by its own clock: clocks of several machines never have
to agree. A runner that wasn't able to beat for a while gives its jobs up by itself, before others
take them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bystander.server.database import Database
from bystander.server.jobs.queue import Jobs
from bystander.server.models import new_id

BEATS_PER_LEASE: Final = 4
"""Beats in the seconds after which a runner that makes none is taken for dead."""
GIVEN_UP_SHARE: Final = 0.5
"""Of these seconds, without a beat of its own: then a runner ends its workers."""


class Runners:
    """The registered runners."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database, self._jobs = database, jobs

    def register(self, name: str, slots: int) -> str:
        """A new runner's id.

        Args:
            name: of the service that it is of.
            slots: how many jobs it runs at once.
        """
        runner = new_id()
        self._database.change(
            "INSERT INTO runners (id, name, slots) VALUES (?, ?, ?)", (runner, name, slots)
        )
        return runner

    def beat(self, runner: str) -> bool:
        """False: it was taken for dead, and its jobs are others'."""
        changed = self._database.change(
            "UPDATE runners SET beats = beats + 1 WHERE id = ?", (runner,)
        )
        return changed > 0

    def beats(self) -> dict[str, int]:
        """How often each runner has beaten."""
        return {
            row["id"]: row["beats"] for row in self._database.rows("SELECT id, beats FROM runners")
        }

    def remove(self, runner: str, beats: int | None = None) -> int:
        """It is dead, or leaves: its jobs wait again; returns how many.

        Args:
            beats: that it had; if it has beaten since, nothing happens.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM runners WHERE id = ?1 AND (?2 IS NULL OR beats = ?2)", (runner, beats)
            )
            return self._jobs.requeue_orphans()

    def replace(self, name: str) -> int:
        """Whoever had this name before is gone: its jobs wait again; returns how many."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM runners WHERE name = ?", (name,))
            return self._jobs.requeue_orphans()


@dataclass(frozen=True, slots=True)
class _LastBeat:
    beats: int
    at: float


class RunnerLease:
    """One runner's registration. All methods but `id` are called by one thread.

    Args:
        seconds: without a beat after which a runner is taken for dead.
        clock: seconds; only of this process.

    Attributes:
        id: under which it claims jobs; another one after each loss.
    """

    def __init__(
        self,
        runners: Runners,
        name: str,
        slots: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id = ""
        self._runners, self._name, self._slots = runners, name, slots
        self._seconds, self._clock = seconds, clock
        self._confirmed = clock()
        self._seen: dict[str, _LastBeat] = {}

    def begin(self) -> int:
        """Register, in place of whoever had the name before; how many jobs that leaves."""
        left = self._runners.replace(self._name)
        self.id = self._runners.register(self._name, self._slots)
        self._confirmed = self._clock()
        return left

    def keep(self) -> bool:
        """Beat. False: the lease is lost, by too long a time without a beat, or to others.

        Then no job may be gone on with, and `begin` comes next.
        """
        late = self._clock() - self._confirmed > self._seconds * GIVEN_UP_SHARE
        if late or not self._runners.beat(self.id):
            return False
        self._confirmed = self._clock()
        return True

    @property
    def overdue(self) -> bool:
        """It wasn't able to beat for so long that its jobs are to be given up."""
        return self._clock() - self._confirmed > self._seconds * GIVEN_UP_SHARE

    def take_over(self) -> int:
        """Requeue the jobs of runners that stopped beating; how many."""
        now, left = self._clock(), 0
        beats = self._runners.beats()
        self._seen = {
            runner: seen
            if (seen := self._seen.get(runner)) and seen.beats == count
            else _LastBeat(count, now)
            for runner, count in beats.items()
        }
        for runner, seen in self._seen.items():
            if runner != self.id and now - seen.at >= self._seconds:
                left += self._runners.remove(runner, seen.beats)
        return left

    @property
    def alone(self) -> bool:
        """Whether no other runner is registered."""
        return set(self._runners.beats()) <= {self.id}

    def end(self) -> None:
        """Leave: whatever it still had waits again."""
        if self.id:
            self._runners.remove(self.id)
