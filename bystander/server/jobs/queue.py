"""Jobs in the store: the fair queue, and their states.

    queued ──claim──▶ running ──finish──▶ done, failed, cancelled
       ▲                 │
       └────requeue──────┘   a crash, or the server's end

A cancel asked for while it is queued ends a job at once; while it is running it is a wish that
the runner fulfils, until `commit`: from there on the work is done and only being stored. What
has ended stays as it is: of two ends that race, the first counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from bystander.server.database import NO_LIMIT, Connection, Database
from bystander.server.jobs.queue_position import QueueEntry, QueueSnapshot
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
WHERE jobs.state = 'queued' AND jobs.not_before <= ? AND projects.condemned = 0
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
                "WHERE id = ? AND condemned = 0",
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
            (project, after, NO_LIMIT if limit is None else limit),
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
        rows = self._database.rows("SELECT id FROM jobs WHERE state = 'running' AND cancelling = 1")
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
        slots = self._database.row("SELECT SUM(slots) AS slots FROM runners")["slots"]
        return QueueSnapshot(entries[JobState.RUNNING], entries[JobState.QUEUED], turns, slots or 0)

    def claim(self, runner: str = "") -> Job | None:
        """The next job, running from now on; None where none may start.

        Args:
            runner: whose it is then; None where others have taken it for dead.
        """
        now = self._clock()
        if self._database.row(NEXT, (now,)) is None:  # without making other writers wait
            return None
        with self._database.transaction() as connection:
            found = connection.execute(NEXT, (now,)).fetchone()
            if found is None:
                return None
            known = connection.execute("SELECT 1 FROM runners WHERE id = ?", (runner,)).fetchone()
            if runner and known is None:
                return None
            connection.execute(
                "UPDATE jobs SET state = 'running', started = COALESCE(started, ?), "
                "attempts = attempts + 1, runner = ?, lease = ? WHERE id = ?",
                (now, runner, new_id(), found["id"]),
            )
            for party in (found["owner"], found["visitor"]):
                connection.execute(
                    "INSERT INTO served VALUES "
                    "(?, (SELECT COALESCE(MAX(turn), 0) + 1 FROM served)) "
                    "ON CONFLICT (owner) DO UPDATE SET turn = excluded.turn",
                    (party,),
                )
            return _job(
                connection.execute("SELECT * FROM jobs WHERE id = ?", (found["id"],)).fetchone()
            )

    def holds(self, job: str, lease: str) -> bool:
        """Whether it is running under this lease."""
        found = self._database.row(
            "SELECT 1 FROM jobs WHERE id = ? AND state = 'running' AND lease = ?", (job, lease)
        )
        return found is not None

    def progress(self, job: str, progress: JobProgress, lease: str | None = None) -> bool:
        """False: it isn't running, or not under this lease."""
        changed = self._database.change(
            "UPDATE jobs SET progress = ?2 WHERE id = ?1 AND state = 'running' "
            "AND (?3 IS NULL OR lease = ?3)",
            (job, _PROGRESS.dump_json(progress).decode(), lease),
        )
        return changed > 0

    def previewed(self, job: str, lease: str | None = None) -> None:
        """There is a new preview picture."""
        self._database.change(
            "UPDATE jobs SET preview = preview + 1 WHERE id = ?1 AND (?2 IS NULL OR lease = ?2)",
            (job, lease),
        )

    def resumed(self, job: str, lease: str | None = None) -> None:
        """A worker went on from a checkpoint."""
        self._database.change(
            "UPDATE jobs SET resumed = resumed + 1 WHERE id = ?1 AND (?2 IS NULL OR lease = ?2)",
            (job, lease),
        )

    def commit(self, job: str, summary: Mapping[str, Any], lease: str | None = None) -> bool:
        """The work is done and only has to be stored: too late to cancel.

        It stays so over a restart: the next attempt goes on with storing. The project has no
        result from here to the job's end: of the files there, some may be of the one before.

        Returns:
            False: a cancel came first, the job has ended, or it is another's.
        """
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE jobs SET summary = ?2 WHERE id = ?1 AND state = 'running' "
                "AND cancelling = 0 AND (?3 IS NULL OR lease = ?3)",
                (job, json.dumps(summary), lease),
            ).rowcount
            if changed:
                connection.execute(
                    "UPDATE projects SET result = NULL "
                    "WHERE id = (SELECT project FROM jobs WHERE id = ?)",
                    (job,),
                )
        return changed > 0

    def finish(
        self,
        job: str,
        state: JobState,
        problem: Problem | None = None,
        lease: str | None = None,
    ) -> bool:
        """End a job, and make its working folder litter; when it is done, the photos, too.

        A project's photos stay while another of its jobs waits for them, and after a job that
        was cancelled or has failed, for the next try: then they go with the project at the
        latest. After an analysis the decisions by hand go: the ids in them were of the
        timeline before.

        Returns:
            False: it had ended already, or is another's, and nothing was changed.
        """
        with self._database.transaction() as connection:
            ended = _is_under(connection, job, lease) and self._end(connection, job, state, problem)
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

    def requeue(
        self, job: str, *, pause: float = 0.0, counted: bool = True, lease: str | None = None
    ) -> None:
        """Back into the queue, or to its end where a cancel was asked for.

        Args:
            pause: seconds before it may start again.
            counted: whether the attempt counts.
        """
        with self._database.transaction() as connection:
            if _is_under(connection, job, lease):
                self._requeue(connection, job, pause, counted)

    def requeue_orphans(self) -> int:
        """What a runner ran that isn't there any more waits again, the attempt uncounted.

        Returns:
            How many there were.
        """
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT id FROM jobs WHERE state = 'running' "
                "AND (runner IS NULL OR runner NOT IN (SELECT id FROM runners))"
            ).fetchall()
            for row in rows:
                self._requeue(connection, row["id"], 0.0, counted=False)
        return len(rows)

    def _requeue(self, connection: Connection, job: str, pause: float, counted: bool) -> None:
        wished = connection.execute(
            "SELECT 1 FROM jobs WHERE id = ? AND state = 'running' AND cancelling = 1", (job,)
        ).fetchone()
        if wished:
            self._end(connection, job, JobState.CANCELLED)
            return
        connection.execute(
            "UPDATE jobs SET state = 'queued', attempts = attempts - ?, not_before = ?, "
            "runner = NULL, lease = NULL WHERE id = ? AND state = 'running'",
            (0 if counted else 1, self._clock() + pause, job),
        )

    def _end(
        self,
        connection: Connection,
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
            "summary = CASE WHEN ? THEN summary END, runner = NULL, lease = NULL WHERE id = ?",
            (
                state,
                now,
                int(state is JobState.CANCELLED),
                _PROBLEM.dump_json(problem).decode() if problem else None,
                state is JobState.DONE,
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
        for path in litter:
            connection.execute("INSERT INTO litter VALUES (?) ON CONFLICT DO NOTHING", (path,))
        return True

    def _note_results(self, connection: Connection, row: Any, now: float) -> None:
        """What a job that is done leaves its project with: verdicts, and a masked video."""
        project, digest = row["project"], _digest(row["summary"])
        if row["kind"] != JobKind.RENDER:
            connection.execute(
                "UPDATE projects SET keep = '[]', mask = '[]', edits = '', "
                "edits_revision = edits_revision + 1, verdicts_digest = ? WHERE id = ?",
                (digest, project),
            )
        result = None
        if row["kind"] != JobKind.ANALYZE:
            result = _RESULT.dump_json(Result(row["id"], digest, now)).decode()
        connection.execute(
            "UPDATE projects SET result = ?, unfulfilled = NULL WHERE id = ?", (result, project)
        )


def _is_under(connection: Connection, job: str, lease: str | None) -> bool:
    """Whether a job is the lease's; without one, whoever asks may change it."""
    if lease is None:
        return True
    found = connection.execute("SELECT 1 FROM jobs WHERE id = ? AND lease = ?", (job, lease))
    return found.fetchone() is not None


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
        lease=row["lease"] or "",
    )
