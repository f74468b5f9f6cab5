"""Everything that outlives the server's process, in a database: SQLite's file, or PostgreSQL."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from bystander.errors import ConfigError
from bystander.files import temporary_beside
from bystander.server.database import NO_LIMIT, Database, SQLiteDatabase
from bystander.server.jobs.idempotency import IdempotencyKeys
from bystander.server.jobs.leases import Runners
from bystander.server.jobs.queue import Jobs
from bystander.server.jobs.webhooks import Webhooks
from bystander.server.models import (
    JobState,
    Photo,
    PhotoFace,
    Problem,
    Project,
    Result,
    Video,
    new_id,
)
from bystander.server.settings import ServiceSettings

_FACES = TypeAdapter(tuple[PhotoFace, ...])
_PROBLEM = TypeAdapter(Problem | None)
EMPTY: Final = (
    "(json_extract(video, '$.state') = 'absent' "
    "AND NOT EXISTS (SELECT 1 FROM photos WHERE photos.project = projects.id))"
)
"""Nothing was sent for it, or nothing of that is left."""
ID_FILE: Final = "folder-id"
NEWEST_WEIGHT: Final = 0.2
"""Weight of the newest measurement of a speed, once there are a few."""


class Photos:
    """The photos. Their rows go when a job is done (`Jobs.finish`), or with the project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, photo: Photo) -> bool:
        """False: its project is gone; the picture must go, too."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "INSERT INTO photos (id, project, person, width, height, faces, chosen, problem) "
                "SELECT ?, id, ?, ?, ?, ?, ?, ? FROM projects WHERE id = ? AND condemned = 0",
                (photo.id, *_values(photo), photo.project),
            ).rowcount
        return changed > 0

    def get(self, project: str, photo: str) -> Photo | None:
        row = self._database.row(
            "SELECT * FROM photos WHERE project = ? AND id = ?", (project, photo)
        )
        return _photo(row) if row else None

    def list(self, project: str) -> tuple[Photo, ...]:
        """In the order in which they came."""
        rows = self._database.rows(
            "SELECT * FROM photos WHERE project = ? ORDER BY number", (project,)
        )
        return tuple(map(_photo, rows))

    def update(self, photo: Photo) -> bool:
        """False: it has gone meanwhile."""
        changed = self._database.change(
            "UPDATE photos SET person = ?, width = ?, height = ?, faces = ?, chosen = ?, "
            "problem = ? WHERE project = ? AND id = ?",
            (*_values(photo), photo.project, photo.id),
        )
        self._database.scrub()
        return changed > 0

    def delete(self, project: str, photo: str | None = None) -> int:
        """One photo, or all of a project; returns how many there were."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "DELETE FROM photos WHERE project = ?1 AND (?2 IS NULL OR id = ?2)",
                (project, photo),
            ).rowcount
        self._database.scrub()
        return changed


def _values(photo: Photo) -> tuple[object, ...]:
    return (
        photo.person,
        photo.width,
        photo.height,
        _FACES.dump_json(photo.faces).decode(),
        photo.chosen,
        _PROBLEM.dump_json(photo.problem).decode(),
    )


def _photo(row: Any) -> Photo:
    return Photo(
        id=row["id"],
        project=row["project"],
        person=row["person"],
        width=row["width"],
        height=row["height"],
        faces=_FACES.validate_json(row["faces"]),
        chosen=row["chosen"],
        problem=_PROBLEM.validate_json(row["problem"]),
    )


_VIDEO = TypeAdapter(Video)
_RESULT = TypeAdapter(Result)


@dataclass(frozen=True, slots=True)
class ProjectTimes:
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

    def ages(self, owner: str, visitor: str = "", network: str = "") -> ProjectTimes:
        """When the projects of a token were used last, or of one visitor or network of it."""
        rows = self._database.rows(
            f"SELECT expires - lifetime AS used, expires, {EMPTY} AS empty FROM projects "
            "WHERE owner = ?1 AND condemned = 0 AND (?2 = '' OR visitor = ?2) "
            "AND (?3 = '' OR network = ?3)",
            (owner, visitor, network),
        )
        return ProjectTimes(
            tuple(sorted(row["used"] for row in rows if row["empty"])),
            tuple(sorted(row["expires"] for row in rows if not row["empty"])),
        )

    def condemn_empty(self, unused_since: float) -> int:
        """Condemn projects that nothing was sent for; gives how many.

        In one statement, so that none is condemned of which an upload has just begun.
        """
        with self._database.transaction() as connection:
            return connection.execute(
                f"UPDATE projects SET condemned = 1 WHERE {EMPTY} AND expires - lifetime <= ? "
                "AND condemned = 0",
                (unused_since,),
            ).rowcount

    def get(self, project: str, owner: str) -> Project | None:
        """None where there is none, and where it is somebody else's."""
        row = self._database.row(
            "SELECT * FROM projects WHERE id = ? AND owner = ? AND condemned = 0", (project, owner)
        )
        return _project(row) if row else None

    def find(self, project: str) -> Project | None:
        """Whoever owns it: for the runner, never for an answer to a client."""
        row = self._database.row(
            "SELECT * FROM projects WHERE id = ? AND condemned = 0", (project,)
        )
        return _project(row) if row else None

    def shared(self, digest: str, owner: str) -> Project | None:
        """The project of an owner whose link has a token of this digest."""
        row = digest and self._database.row(
            "SELECT * FROM projects WHERE share = ? AND owner = ? AND condemned = 0",
            (digest, owner),
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
            "SELECT * FROM projects WHERE owner = ?1 AND condemned = 0 AND (?2 IS NULL "
            "OR created > ?2 OR (created = ?2 AND id > ?3)) ORDER BY created, id LIMIT ?4",
            (owner, created, project, NO_LIMIT if limit is None else limit),
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
            "UPDATE projects SET video = ?, expires = ? + lifetime WHERE id = ? AND condemned = 0",
            (_json(video), self._clock(), project),
        )
        return changed > 0

    def forget_video(self, project: str) -> bool:
        """There is no video yet, and nothing of an earlier one. False: the project is gone."""
        changed = self._database.change(
            "UPDATE projects SET video = ?, keep = '[]', mask = '[]', edits = '', "
            "edits_revision = edits_revision + 1, verdicts_digest = '', "
            "result = NULL, unfulfilled = NULL, expires = ? + lifetime "
            "WHERE id = ? AND condemned = 0",
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
            "expires = ? + lifetime WHERE id = ? AND condemned = 0",
            (
                json.dumps(list(keep)),
                json.dumps(list(mask)),
                verdicts_digest,
                self._clock(),
                project,
            ),
        )
        return changed > 0

    def set_edits(self, project: str, edits: str, revision: int, verdicts_digest: str) -> bool:
        """Replace what was mended by hand. False: it isn't at this revision any more, or is gone.

        Args:
            edits: the document, JSON.
            revision: that they replace.
            verdicts_digest: of the verdicts as they are with these edits.
        """
        changed = self._database.change(
            "UPDATE projects SET edits = ?, edits_revision = edits_revision + 1, "
            "verdicts_digest = ?, unfulfilled = NULL, expires = ? + lifetime "
            "WHERE id = ? AND condemned = 0 AND edits_revision = ?",
            (edits, verdicts_digest, self._clock(), project, revision),
        )
        return changed > 0

    def set_share(self, project: str, digest: str) -> bool:
        """Whose token shows the result from now on; "" for nobody's. False: the project is gone."""
        changed = self._database.change(
            "UPDATE projects SET share = ? WHERE id = ? AND condemned = 0", (digest, project)
        )
        return changed > 0

    def announced(self) -> int:
        """Bytes that uploads which have begun still want to send."""
        videos = (
            _VIDEO.validate_json(row["video"])
            for row in self._database.rows("SELECT video FROM projects WHERE condemned = 0")
        )
        return sum(max(0, video.size - video.received) for video in videos if video.size)

    def condemn(self, project: str) -> None:
        """From now on nobody gets it; no job of it starts. See `Janitor.purge`."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE projects SET condemned = 1 WHERE id = ?", (project,))

    def expired(self, now: float) -> tuple[str, ...]:
        """Ids of what is to be deleted: out of time and no job at work, or condemned before."""
        rows = self._database.rows(
            "SELECT id FROM projects WHERE condemned = 1 OR (expires <= ? AND NOT EXISTS ("
            "SELECT 1 FROM jobs WHERE jobs.project = projects.id AND jobs.state IN (?, ?)))",
            (now, JobState.QUEUED, JobState.RUNNING),
        )
        return tuple(row["id"] for row in rows)

    def delete(self, project: str) -> None:
        """Its row, and those of its photos and jobs."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM projects WHERE id = ?", (project,))
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
        edits=row["edits"],
        edits_revision=row["edits_revision"],
        verdicts_digest=row["verdicts_digest"],
        result=_RESULT.validate_json(row["result"]) if row["result"] else None,
        unfulfilled=row["unfulfilled"],
        visitor=row["visitor"],
        network=row["network"],
        share=row["share"],
    )


class ServiceStore:
    """Projects, photos, jobs, speeds. Safe from any thread; other processes may look on.

    Args:
        where: SQLite's file, created where there is none; or the URL of a PostgreSQL database.
        clock: seconds since the epoch.
        connections: to PostgreSQL, at most.

    Attributes:
        projects, photos, jobs, runners, webhooks, idempotency_keys: a table each.

    Raises:
        ConfigError: the database can't be used.
    """

    def __init__(
        self,
        where: Path | str,
        clock: Callable[[], float] = time.time,
        connections: int = 8,
    ) -> None:
        self._database = open_database(where, connections)
        self.projects = Projects(self._database, clock)
        self.photos = Photos(self._database)
        self.jobs = Jobs(self._database, clock)
        self.runners = Runners(self._database, self.jobs)
        self.idempotency_keys = IdempotencyKeys(self._database, clock)
        self.webhooks = Webhooks(self._database, clock)

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Look whether something may be added, and add it: nobody else writes meanwhile."""
        with self._database.transaction():
            yield

    def hold(self, name: str) -> AbstractContextManager[bool]:
        """Hold a lock of that name; gives whether nobody else does, in no service of this store."""
        return self._database.hold(name)

    def held(self, name: str) -> bool:
        """Whether anybody holds the lock of that name."""
        return self._database.held(name)

    def speed(self, key: str) -> float | None:
        """The mean of what was learnt under `key`."""
        row = self._database.row("SELECT value FROM speeds WHERE key = ?", (key,))
        return row["value"] if row else None

    def learn(self, key: str, value: float) -> None:
        """One more measurement: a plain mean at first, then an exponential one."""
        self._database.change(
            "INSERT INTO speeds VALUES (?1, ?2, 1) ON CONFLICT (key) DO UPDATE SET "
            "count = speeds.count + 1, value = speeds.value + (?2 - speeds.value) * "
            "CASE WHEN ?3 * (speeds.count + 1) > 1 THEN ?3 ELSE 1.0 / (speeds.count + 1) END",
            (key, value, NEWEST_WEIGHT),
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

    def belongs_to(self, folder: str) -> bool:
        """Whether the data folder of this id is the database's; the first one that asks is it."""
        with self._database.transaction() as connection:
            if connection.execute("SELECT id FROM data_folder").fetchone() is None:
                connection.execute("INSERT INTO data_folder VALUES (?)", (folder,))
            return bool(connection.execute("SELECT id FROM data_folder").fetchone()["id"] == folder)

    def close(self) -> None:
        self._database.close()


def open_store(settings: ServiceSettings) -> ServiceStore:
    """The store that the settings name, with the data folder that belongs to it.

    Raises:
        ConfigError: the database can't be used, or another data folder belongs to it.
    """
    data = settings.data
    if not settings.store.database:
        return ServiceStore(data / "bystander.sqlite")
    store = ServiceStore(settings.store.database, connections=settings.store.connections)
    if store.belongs_to(_id_of(data)):
        return store
    store.close()
    raise ConfigError(
        f"the data folder {data} isn't that of the database",
        "Let all services of a database share one folder; photos, uploads and work lie in it.",
    )


def _id_of(data: Path) -> str:
    """The id that a data folder has once it has been used with a database."""
    file = data / ID_FILE
    if not file.exists():
        part = temporary_beside(file)
        part.write_text(new_id(), encoding="ascii")
        with suppress(FileExistsError):  # another service was faster
            os.link(part, file)
        part.unlink()
    return file.read_text(encoding="ascii")


def open_database(where: Path | str, connections: int) -> Database:
    """SQLite's file, or a PostgreSQL database by its URL.

    Raises:
        ConfigError: it can't be used.
    """
    if isinstance(where, Path):
        return SQLiteDatabase(where)
    try:
        from bystander.server.postgres import PostgresDatabase
    except ImportError as error:
        raise ConfigError(
            f"a store in PostgreSQL needs {error.name}", "Install bystander[postgres]."
        ) from error
    return PostgresDatabase(where, connections)
