"""Jobs in the store: the fair queue, their states, and when each will begin.

    queued ──claim──▶ running ──finish──▶ done, failed, cancelled
       ▲                 │
       └────requeue──────┘   a crash, or the server's end

A cancel asked for while it is queued ends a job at once; while it is running it is a wish that
the runner fulfils, until `commit`: from there on the work is done and only being stored. What
has ended stays as it is: of two ends that race, the first counts.

The queue's own rule, `queue.NEXT`, is played through with the seconds that jobs are expected
to take: first comes the owner with fewest running, then the one served least recently, then the
oldest job.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from bystander.server.database import Database
from bystander.server.models import (
    Job,
    JobKind,
    JobProgress,
    JobState,
    Problem,
    Result,
    Webhook,
    new_id,
)

_PROGRESS = TypeAdapter(JobProgress)
_PROBLEM = TypeAdapter(Problem)
_RESULT = TypeAdapter(Result)

NEXT: Final = """
SELECT jobs.id, jobs.owner, jobs.owner || '/' || projects.visitor AS visitor FROM jobs
JOIN projects ON projects.id = jobs.project
LEFT JOIN served ON served.owner = jobs.owner
LEFT JOIN served AS own_served ON own_served.owner = jobs.owner || '/' || projects.visitor
WHERE jobs.state = 'queued' AND jobs.not_before <= ? AND NOT projects.condemned
AND NOT EXISTS (
    SELECT 1 FROM jobs AS other WHERE other.project = jobs.project
    AND (other.state = 'running' OR (other.state = 'queued' AND other.number < jobs.number))
)
ORDER BY
    (SELECT COUNT(*) FROM jobs AS own WHERE own.owner = jobs.owner AND own.state = 'running'),
    COALESCE(served.turn, 0),
    (
        SELECT COUNT(*) FROM jobs AS own JOIN projects AS whose ON whose.id = own.project
        WHERE own.owner = jobs.owner AND whose.visitor = projects.visitor
        AND own.state = 'running'
    ),
    COALESCE(own_served.turn, 0),
    jobs.number
LIMIT 1
"""
"""Of the owner with fewest running, then served least recently; of its visitors likewise; then the
oldest job. Jobs of one project come one after another."""


class Jobs:
    """The jobs."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock

    def add(
        self,
        project: str,
        kind: JobKind,
        order: Mapping[str, Any],
        expected: float | None = None,
        webhook: Webhook | None = None,
    ) -> Job | None:
        """Put a job at the end of the queue. None: the project is gone.

        Args:
            order: the JSON form of `JobSpec` without its files: no `cast`.
            expected: seconds that it was estimated to take.
            webhook: who is told of its end.
        """
        job, now = new_id(), self._clock()
        with self._database.transaction() as connection:
            changed = connection.execute(
                "INSERT INTO jobs (id, project, owner, kind, state, work, created, expected) "
                "SELECT ?, id, owner, ?, 'queued', ?, ?, ? FROM projects "
                "WHERE id = ? AND NOT condemned",
                (job, kind, json.dumps(_nameless(order)), now, expected, project),
            ).rowcount
            if changed and webhook:
                connection.execute(
                    "INSERT INTO webhooks (id, job, url, project_url) VALUES (?, ?, ?, ?)",
                    (f"msg_{new_id()}", job, webhook.url, webhook.project_url),
                )
        return self.find(job) if changed else None

    def get(self, project: str, job: str) -> Job | None:
        row = self._database.row("SELECT * FROM jobs WHERE project = ? AND id = ?", (project, job))
        return _job(row) if row else None

    def find(self, job: str) -> Job | None:
        """Whatever project it is of: for the runner, never for an answer to a client."""
        row = self._database.row("SELECT * FROM jobs WHERE id = ?", (job,))
        return _job(row) if row else None

    def list(
        self, project: str, after: str | None = None, limit: int | None = None
    ) -> tuple[Job, ...]:
        """The oldest first.

        Args:
            after: id of a job of this project, the last one of a list before.
            limit: how many at most.
        """
        rows = self._database.rows(
            "SELECT * FROM jobs WHERE project = ?1 AND (?2 IS NULL OR number > "
            "(SELECT number FROM jobs WHERE project = ?1 AND id = ?2)) ORDER BY number LIMIT ?3",
            (project, after, -1 if limit is None else limit),
        )
        return tuple(map(_job, rows))

    def active(self, project: str) -> bool:
        """Whether one of its jobs is queued or running."""
        found = self._database.row(
            "SELECT 1 FROM jobs WHERE project = ? AND state IN ('queued', 'running')", (project,)
        )
        return found is not None

    def counts(self, owner: str | None = None) -> dict[JobState, int]:
        """Jobs by state, of everyone or of one owner."""
        rows = self._database.rows(
            "SELECT state, COUNT(*) AS number FROM jobs WHERE ?1 IS NULL OR owner = ?1 "
            "GROUP BY state",
            (owner,),
        )
        found = {row["state"]: row["number"] for row in rows}
        return {state: found.get(state, 0) for state in JobState}

    def waiting(self, owner: str, visitor: str = "", network: str = "") -> int:
        """How many jobs of a token are queued, or of one visitor or network of it."""
        row = self._database.row(
            "SELECT COUNT(*) AS number FROM jobs JOIN projects ON projects.id = jobs.project "
            "WHERE jobs.owner = ?1 AND jobs.state = 'queued' AND (?2 = '' OR visitor = ?2) "
            "AND (?3 = '' OR network = ?3)",
            (owner, visitor, network),
        )
        return int(row["number"])

    def active_ids(self) -> set[str]:
        """Of all that are queued or running."""
        rows = self._database.rows("SELECT id FROM jobs WHERE state IN ('queued', 'running')")
        return {row["id"] for row in rows}

    def cancelling(self) -> set[str]:
        """Of all that are running and should not."""
        rows = self._database.rows("SELECT id FROM jobs WHERE state = 'running' AND cancelling")
        return {row["id"] for row in rows}

    def lineup(self) -> QueueSnapshot:
        """What is running and waiting, to tell when a job will begin (`position_of`)."""
        rows = self._database.rows(
            "SELECT id, owner, state, expected, progress FROM jobs "
            "WHERE state IN ('queued', 'running') ORDER BY number"
        )
        entries = {JobState.QUEUED: list[QueueEntry](), JobState.RUNNING: list[QueueEntry]()}
        for row in rows:
            progress = _PROGRESS.validate_json(row["progress"]) if row["progress"] else None
            left = progress.eta if progress and progress.eta is not None else row["expected"]
            entries[JobState(row["state"])].append(QueueEntry(row["id"], row["owner"], left or 0.0))
        turns = {row["owner"]: row["turn"] for row in self._database.rows("SELECT * FROM served")}
        return QueueSnapshot(entries[JobState.RUNNING], entries[JobState.QUEUED], turns)

    def claim(self) -> Job | None:
        """The next job, running from now on; None where none may start."""
        now = self._clock()
        if self._database.row(NEXT, (now,)) is None:  # without making other writers wait
            return None
        with self._database.transaction() as connection:
            found = connection.execute(NEXT, (now,)).fetchone()
            if found is None:
                return None
            connection.execute(
                "UPDATE jobs SET state = 'running', started = COALESCE(started, ?), "
                "attempts = attempts + 1 WHERE id = ?",
                (now, found["id"]),
            )
            for party in (found["owner"], found["visitor"]):
                connection.execute(
                    "INSERT INTO served VALUES "
                    "(?, (SELECT COALESCE(MAX(turn), 0) + 1 FROM served)) "
                    "ON CONFLICT DO UPDATE SET turn = excluded.turn",
                    (party,),
                )
        return self.find(found["id"])

    def progress(self, job: str, progress: JobProgress) -> None:
        self._database.change(
            "UPDATE jobs SET progress = ? WHERE id = ? AND state = 'running'",
            (_PROGRESS.dump_json(progress).decode(), job),
        )

    def previewed(self, job: str) -> None:
        """There is a new preview picture."""
        self._database.change("UPDATE jobs SET preview = preview + 1 WHERE id = ?", (job,))

    def resumed(self, job: str) -> None:
        """A worker went on from a checkpoint."""
        self._database.change("UPDATE jobs SET resumed = resumed + 1 WHERE id = ?", (job,))

    def commit(self, job: str, summary: Mapping[str, Any]) -> bool:
        """The work is done and only has to be stored: too late to cancel.

        It stays so over a restart: the next attempt goes on with storing. The project has no
        result from here to the job's end: of the files there, some may be of the one before.

        Returns:
            False: a cancel came first, or the job has ended.
        """
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE jobs SET summary = ? WHERE id = ? AND state = 'running' AND NOT cancelling",
                (json.dumps(summary), job),
            ).rowcount
            if changed:
                connection.execute(
                    "UPDATE projects SET result = NULL "
                    "WHERE id = (SELECT project FROM jobs WHERE id = ?)",
                    (job,),
                )
        return changed > 0

    def finish(self, job: str, state: JobState, problem: Problem | None = None) -> bool:
        """End a job, and make its working folder litter; when it is done, the photos, too.

        A project's photos stay while another of its jobs waits for them, and after a job that
        was cancelled or has failed, for the next try: then they go with the project at the
        latest. After an analysis the decisions by hand go: the ids in them were of the
        timeline before.

        Returns:
            False: it had ended already, and nothing was changed.
        """
        with self._database.transaction() as connection:
            ended = self._end(connection, job, state, problem)
        if ended:
            self._database.scrub()
        return ended

    def request_cancel(self, job: str) -> Job | None:
        """Cancel a job: at once where it is queued; the runner does it where it is running.

        Asking again, or for one that has ended or is only being stored, changes nothing.

        Returns:
            The job as it is now; None where there is none.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET cancelling = 1 "
                "WHERE id = ? AND state = 'running' AND summary IS NULL",
                (job,),
            )
            queued = connection.execute(
                "SELECT 1 FROM jobs WHERE id = ? AND state = 'queued'", (job,)
            ).fetchone()
            if queued:
                self._end(connection, job, JobState.CANCELLED)
        if queued:
            self._database.scrub()
        return self.find(job)

    def requeue(self, job: str, *, pause: float = 0.0, counted: bool = True) -> None:
        """Back into the queue, or to its end where a cancel was asked for.

        Args:
            pause: seconds before it may start again.
            counted: whether the attempt counts.
        """
        with self._database.transaction() as connection:
            self._requeue(connection, job, pause, counted)

    def requeue_running(self) -> int:
        """After the server died: what was running waits again, the attempt uncounted.

        Returns:
            How many there were.
        """
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT id FROM jobs WHERE state = 'running'").fetchall()
            for row in rows:
                self._requeue(connection, row["id"], 0.0, counted=False)
        return len(rows)

    def _requeue(
        self, connection: sqlite3.Connection, job: str, pause: float, counted: bool
    ) -> None:
        wished = connection.execute(
            "SELECT 1 FROM jobs WHERE id = ? AND state = 'running' AND cancelling", (job,)
        ).fetchone()
        if wished:
            self._end(connection, job, JobState.CANCELLED)
            return
        connection.execute(
            "UPDATE jobs SET state = 'queued', attempts = attempts - ?, not_before = ? "
            "WHERE id = ? AND state = 'running'",
            (0 if counted else 1, self._clock() + pause, job),
        )

    def _end(
        self,
        connection: sqlite3.Connection,
        job: str,
        state: JobState,
        problem: Problem | None = None,
    ) -> bool:
        row = connection.execute(
            "SELECT * FROM jobs WHERE id = ? AND state IN ('queued', 'running')", (job,)
        ).fetchone()
        if row is None:
            return False
        now, project = self._clock(), row["project"]
        connection.execute(
            "UPDATE jobs SET state = ?, finished = ?, cancelling = ?, problem = ?, "
            "summary = CASE WHEN ?1 = 'done' THEN summary END WHERE id = ?",
            (
                state,
                now,
                state is JobState.CANCELLED,
                _PROBLEM.dump_json(problem).decode() if problem else None,
                job,
            ),
        )
        connection.execute("UPDATE webhooks SET due = ? WHERE job = ?", (now, job))
        connection.execute(
            "UPDATE projects SET expires = ? + lifetime WHERE id = ?", (now, project)
        )
        if state is JobState.DONE:
            self._note_results(connection, row, now)
        else:
            connection.execute(
                "UPDATE projects SET unfulfilled = ? WHERE id = ? AND result IS NOT NULL",
                (job, project),
            )
        litter = [f"work/{job}"]
        waiting = connection.execute(
            "SELECT 1 FROM jobs WHERE project = ? AND state IN ('queued', 'running')", (project,)
        ).fetchone()
        if waiting is None and state is JobState.DONE:
            photos = connection.execute(
                "DELETE FROM photos WHERE project = ? RETURNING id", (project,)
            ).fetchall()
            litter += [f"photos/{project}/{photo['id']}.jpg" for photo in photos]
        connection.executemany(
            "INSERT OR IGNORE INTO litter VALUES (?)", [(path,) for path in litter]
        )
        return True

    def _note_results(self, connection: sqlite3.Connection, row: Any, now: float) -> None:
        """What a job that is done leaves its project with: verdicts, and a masked video."""
        project, digest = row["project"], _digest(row["summary"])
        if row["kind"] != JobKind.RENDER:
            connection.execute(
                "UPDATE projects SET keep = '[]', mask = '[]', verdicts_digest = ? WHERE id = ?",
                (digest, project),
            )
        result = None
        if row["kind"] != JobKind.ANALYZE:
            result = _RESULT.dump_json(Result(row["id"], digest, now)).decode()
        connection.execute(
            "UPDATE projects SET result = ?, unfulfilled = NULL WHERE id = ?", (result, project)
        )


def _digest(summary: str | None) -> str:
    return str(json.loads(summary or "{}").get("verdicts_digest", ""))


def _nameless(order: Mapping[str, Any]) -> dict[str, Any]:
    """Names are stored with the photos alone, and go with them."""
    return {key: value for key, value in order.items() if key != "cast"}


def _job(row: Any) -> Job:
    return Job(
        id=row["id"],
        project=row["project"],
        owner=row["owner"],
        kind=JobKind(row["kind"]),
        state=JobState(row["state"]),
        order=json.loads(row["work"]),
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        expected=row["expected"],
        attempts=row["attempts"],
        resumed=row["resumed"],
        preview=row["preview"],
        progress=_PROGRESS.validate_json(row["progress"]) if row["progress"] else None,
        problem=_PROBLEM.validate_json(row["problem"]) if row["problem"] else None,
        summary=json.loads(row["summary"]) if row["summary"] else None,
        cancelling=bool(row["cancelling"]),
    )


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A job that is running or waits.

    Attributes:
        id: empty for one that doesn't exist yet.
        seconds: that it will still take once it runs.
    """

    id: str
    owner: str
    seconds: float


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """All jobs that haven't ended.

    Attributes:
        queued: the oldest first.
        turns: when each owner was served last, counted from 1.
    """

    running: Sequence[QueueEntry]
    queued: Sequence[QueueEntry]
    turns: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """Attributes:
    position: how many jobs will probably begin before it.
    starts_in: seconds until it will probably begin.
    """

    position: int
    starts_in: float


def position_of(job: QueueEntry, lineup: QueueSnapshot, at_once: int) -> QueuePosition:
    """Where a job stands in the queue.

    Args:
        job: one of those queued, or one that would be put behind them.
        at_once: how many jobs may run.
    """
    waiting = list(lineup.queued)
    if job not in waiting:
        waiting.append(job)
    ends = [(entry.seconds, entry.owner) for entry in lineup.running]
    heapq.heapify(ends)
    busy, turns = Counter(owner for _, owner in ends), dict(lineup.turns)
    now, turn = 0.0, max(turns.values(), default=0)
    for position in range(len(waiting)):
        while len(ends) >= at_once:
            now, owner = heapq.heappop(ends)
            busy[owner] -= 1
        chosen = min(waiting, key=lambda entry: (busy[entry.owner], turns.get(entry.owner, 0)))
        if chosen == job:
            return QueuePosition(position, round(now, 1))
        waiting.remove(chosen)
        turn += 1
        turns[chosen.owner] = turn
        busy[chosen.owner] += 1
        heapq.heappush(ends, (now + chosen.seconds, chosen.owner))
    raise AssertionError("the job is among those that wait")
