"""Projects in the store: a video, the decisions over its people, and when all of it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from bystander.jobs.database import Database
from bystander.jobs.vocabulary import JobState, Project, Result, Video, new_id

_VIDEO = TypeAdapter(Video)
_RESULT = TypeAdapter(Result)


EMPTY: Final = (
    "(json_extract(video, '$.state') = 'absent' "
    "AND NOT EXISTS (SELECT 1 FROM photos WHERE photos.project = projects.id))"
)
"""Nothing was sent for it, or nothing of that is left."""


@dataclass(frozen=True, slots=True)
class Ages:
    """Seconds since the epoch, the earliest first.

    Attributes:
        empty: when each project without a video or photo was used last.
        expiring: when each of the others expires.
    """

    empty: tuple[float, ...]
    expiring: tuple[float, ...]


class Projects:
    """The projects. One that is condemned (being deleted) is as good as gone: nobody gets it."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database, self._clock = database, clock

    def create(self, owner: str, lifetime: float, visitor: str = "", network: str = "") -> Project:
        """A new, empty project, kept for `lifetime` seconds after its last use."""
        now = self._clock()
        project = Project(new_id(), owner, now, now + lifetime, visitor=visitor, network=network)
        self._database.change(
            "INSERT INTO projects (id, owner, created, lifetime, expires, video, visitor, network) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(project.id, owner, now, lifetime, project.expires, _json(project.video)),
                *(visitor, network),
            ),
        )
        return project

    def ages(self, owner: str, visitor: str = "", network: str = "") -> Ages:
        """When the projects of a token were used last, or of one visitor or network of it."""
        rows = self._database.rows(
            f"SELECT expires - lifetime AS used, expires, {EMPTY} AS empty FROM projects "
            "WHERE owner = ?1 AND NOT condemned AND (?2 = '' OR visitor = ?2) "
            "AND (?3 = '' OR network = ?3)",
            (owner, visitor, network),
        )
        return Ages(
            tuple(sorted(row["used"] for row in rows if row["empty"])),
            tuple(sorted(row["expires"] for row in rows if not row["empty"])),
        )

    def condemn_empty(self, unused_since: float) -> int:
        """Condemn projects that nothing was sent for; gives how many.

        In one statement, so that none is condemned of which an upload has just begun.
        """
        return self._database.change(
            f"UPDATE projects SET condemned = 1 WHERE {EMPTY} AND expires - lifetime <= ? "
            "AND NOT condemned",
            (unused_since,),
        )

    def get(self, project: str, owner: str) -> Project | None:
        """None where there is none, and where it is somebody else's."""
        row = self._database.row(
            "SELECT * FROM projects WHERE id = ? AND owner = ? AND NOT condemned", (project, owner)
        )
        return _project(row) if row else None

    def find(self, project: str) -> Project | None:
        """Whoever owns it: for the runner, never for an answer to a client."""
        row = self._database.row(
            "SELECT * FROM projects WHERE id = ? AND NOT condemned", (project,)
        )
        return _project(row) if row else None

    def list(
        self, owner: str, after: tuple[float, str] | None = None, limit: int | None = None
    ) -> tuple[Project, ...]:
        """The oldest first.

        Args:
            after: `created` and id of the last one of a list before, which may be gone by now.
            limit: how many at most.
        """
        created, project = after or (None, None)
        rows = self._database.rows(
            "SELECT * FROM projects WHERE owner = ?1 AND NOT condemned AND (?2 IS NULL "
            "OR created > ?2 OR (created = ?2 AND rowid > COALESCE("
            "(SELECT rowid FROM projects WHERE id = ?3), 0))) ORDER BY created, rowid LIMIT ?4",
            (owner, created, project, -1 if limit is None else limit),
        )
        return tuple(map(_project, rows))

    def ids(self) -> set[str]:
        """Of all that have anything stored, the condemned included."""
        return {row["id"] for row in self._database.rows("SELECT id FROM projects")}

    def touch(self, project: str) -> None:
        """It was used: its time to live begins anew."""
        self._database.change(
            "UPDATE projects SET expires = ? + lifetime WHERE id = ?", (self._clock(), project)
        )

    def set_video(self, project: str, video: Video) -> bool:
        """False: the project is gone; whatever was stored for it meanwhile must go, too."""
        changed = self._database.change(
            "UPDATE projects SET video = ?, expires = ? + lifetime WHERE id = ? AND NOT condemned",
            (_json(video), self._clock(), project),
        )
        return changed > 0

    def forget_video(self, project: str) -> bool:
        """There is no video yet, and nothing of an earlier one. False: the project is gone."""
        changed = self._database.change(
            "UPDATE projects SET video = ?, keep = '[]', mask = '[]', verdicts_digest = '', "
            "result = NULL, unfulfilled = NULL, expires = ? + lifetime "
            "WHERE id = ? AND NOT condemned",
            (_json(Video()), self._clock(), project),
        )
        return changed > 0

    def set_decisions(
        self, project: str, keep: Sequence[str], mask: Sequence[str], verdicts_digest: str
    ) -> bool:
        """Replace the decisions by hand. False: the project is gone.

        Args:
            verdicts_digest: of the verdicts as they are with these decisions.
        """
        changed = self._database.change(
            "UPDATE projects SET keep = ?, mask = ?, verdicts_digest = ?, unfulfilled = NULL, "
            "expires = ? + lifetime WHERE id = ? AND NOT condemned",
            (
                json.dumps(list(keep)),
                json.dumps(list(mask)),
                verdicts_digest,
                self._clock(),
                project,
            ),
        )
        return changed > 0

    def announced(self) -> int:
        """Bytes that uploads which have begun still want to send."""
        videos = (
            _VIDEO.validate_json(row["video"])
            for row in self._database.rows("SELECT video FROM projects WHERE NOT condemned")
        )
        return sum(max(0, video.size - video.received) for video in videos if video.size)

    def condemn(self, project: str) -> None:
        """From now on nobody gets it; no job of it starts. See `Janitor.purge`."""
        self._database.change("UPDATE projects SET condemned = 1 WHERE id = ?", (project,))

    def expired(self, now: float) -> tuple[str, ...]:
        """Ids of what is to be deleted: out of time and no job at work, or condemned before."""
        rows = self._database.rows(
            "SELECT id FROM projects WHERE condemned OR (expires <= ? AND NOT EXISTS ("
            "SELECT 1 FROM jobs WHERE jobs.project = projects.id AND jobs.state IN (?, ?)))",
            (now, JobState.QUEUED, JobState.RUNNING),
        )
        return tuple(row["id"] for row in rows)

    def delete(self, project: str) -> None:
        """Its row, and those of its photos and jobs."""
        self._database.change("DELETE FROM projects WHERE id = ?", (project,))
        self._database.scrub()


def _json(video: Video) -> str:
    return _VIDEO.dump_json(video).decode()


def _project(row: Any) -> Project:
    return Project(
        id=row["id"],
        owner=row["owner"],
        created=row["created"],
        expires=row["expires"],
        video=_VIDEO.validate_json(row["video"]),
        keep=tuple(json.loads(row["keep"])),
        mask=tuple(json.loads(row["mask"])),
        verdicts_digest=row["verdicts_digest"],
        result=_RESULT.validate_json(row["result"]) if row["result"] else None,
        unfulfilled=row["unfulfilled"],
        visitor=row["visitor"],
        network=row["network"],
    )
