"""What a worker needs, laid into its folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bystander.jobs.order import (
    CAST,
    ORDER,
    TIMELINE,
    VIDEO,
    CastOrder,
    CastPhoto,
    WorkOrder,
)
from bystander.jobs.settings import ServiceSettings
from bystander.jobs.storage import Storage
from bystander.jobs.vocabulary import Job, JobKind, Photo, Project


def prepared(folder: Path) -> bool:
    """Whether an attempt before this one has got so far; the order is written last."""
    return (folder / ORDER).exists()


def prepare(
    folder: Path,
    job: Job,
    project: Project,
    photos: Sequence[Photo],
    pictures: Path,
    storage: Storage,
    settings: ServiceSettings,
) -> None:
    """Fill a worker's folder; what an interrupted preparation left there is replaced.

    Args:
        folder: made where it is missing.
        photos: of the cast; those in which it can't be told who is meant are left out.
        pictures: the folder of their files.

    Raises:
        NotStored: the video, or the analysis that is to be rendered, is gone.
        StorageError: the storage can't be read, or the disk is full.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    storage.fetch(f"{project.id}/{VIDEO}", folder / VIDEO)
    if job.kind is JobKind.RENDER:
        storage.fetch(f"{project.id}/{TIMELINE}", folder / TIMELINE)
    usable = [photo for photo in photos if photo.chosen is not None]
    (folder / CAST).mkdir(mode=0o700, exist_ok=True)
    for photo in usable:
        _link(pictures / f"{photo.id}.jpg", folder / CAST / f"{photo.id}.jpg")
    given = {
        "keep": project.keep,
        "mask": project.mask,
        **job.order,
        "kind": job.kind,
        "cast": _cast(usable),
        "in_flight": settings.models.in_flight,
        "checkpoint_seconds": settings.jobs.checkpoint_seconds,
        "segment_frames": settings.jobs.segment_frames,
    }
    if job.kind is not JobKind.RENDER:  # their ids are of the analysis before
        del given["keep"], given["mask"]
    WorkOrder.model_validate(given).save(folder)


def _cast(photos: Sequence[Photo]) -> tuple[CastOrder, ...]:
    people: dict[str, list[CastPhoto]] = {}
    for photo in photos:
        assert photo.chosen is not None
        box = photo.faces[photo.chosen].box
        people.setdefault(photo.person, []).append(CastPhoto(file=f"{photo.id}.jpg", box=box))
    return tuple(CastOrder(name=name, photos=tuple(found)) for name, found in people.items())


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP):
            raise
        shutil.copy2(source, target)
