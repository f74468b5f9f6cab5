"""Photos of the cast in the store: what was found in them. The pictures are files beside it."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from bystander.jobs.database import Database
from bystander.jobs.vocabulary import Photo, PhotoFace, Problem

_FACES = TypeAdapter(tuple[PhotoFace, ...])
_PROBLEM = TypeAdapter(Problem | None)


class Photos:
    """The photos. Their rows go when a job is done (`Jobs.finish`), or with the project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, photo: Photo) -> bool:
        """False: its project is gone; the picture must go, too."""
        changed = self._database.change(
            "INSERT INTO photos (id, project, person, width, height, faces, chosen, problem) "
            "SELECT ?, id, ?, ?, ?, ?, ?, ? FROM projects WHERE id = ? AND NOT condemned",
            (photo.id, *_values(photo), photo.project),
        )
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
        changed = self._database.change(
            "DELETE FROM photos WHERE project = ?1 AND (?2 IS NULL OR id = ?2)", (project, photo)
        )
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
