"""One job as its worker sees it, and the folder that is prepared for it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from bystander.config import Settings, describe
from bystander.errors import ConfigError
from bystander.media.encoder import Codec, Deinterlace
from bystander.redaction.effects import EffectSettings
from bystander.server.models import Job, JobKind, Photo, Project
from bystander.server.settings import ServiceSettings
from bystander.server.storage import Storage
from bystander.settings import ProfileName

SPEC_FILE: Final = "job.json"
VIDEO_FILE: Final = "video"
CAST_FOLDER: Final = "cast"
TIMELINE_FILE: Final = "timeline"
"""Of the analysis; given to a worker that only renders, written by the others."""
RENDERED_FILE: Final = "rendered.timeline"
"""The same with the decisions that the result was rendered by."""
RESULT_FILE: Final = "result.mp4"
AUDIT_PAGE_FILE: Final = "audit.html"
AUDIT_FILE: Final = "audit.json"
PREVIEW_FILE: Final = "preview.jpg"
CHECKPOINTS_FOLDER: Final = "checkpoints"
LOCK_FILE_NAME: Final = "lock"
OF_RENDERING: Final = (RENDERED_FILE, RESULT_FILE, AUDIT_PAGE_FILE, AUDIT_FILE)
OUTPUTS: Final = (TIMELINE_FILE, *OF_RENDERING)


def rendering_of(project: str) -> str:
    """The folder in storage of what belongs to one rendering, and goes when it is replaced."""
    return f"{project}/rendering/"


def key_of(project: str, name: str) -> str:
    """Where storage has an output of the project's jobs."""
    return rendering_of(project) + name if name in OF_RENDERING else f"{project}/{name}"


class CastPhotoSpec(Settings):
    """A photo of somebody to keep.

    Attributes:
        file: name in the folder `CAST_FOLDER`.
        box: x0, y0, x1, y1 of the face that is meant, in pixels of the picture.
    """

    file: str = Field(pattern=r"^[a-z0-9]+\.jpg$")
    box: tuple[float, float, float, float]


class CastSpec(Settings):
    """Somebody to keep."""

    name: str
    photos: tuple[CastPhotoSpec, ...]


class ClickSpec(Settings):
    """Somebody pointed at: seconds from the first frame, and display pixels."""

    seconds: float = Field(ge=0, strict=True)
    x: float = Field(ge=0, strict=True)
    y: float = Field(ge=0, strict=True)


class JobSpec(Settings):
    """One job, as its worker sees it.

    Attributes:
        keep, mask: decisions by hand, ids of persons (p2) or tracklets (t17).
        codec, deinterlace: of the result; None as the profile says.
        in_flight: calls of the networks kept waiting at once; 0 is one a core.
        checkpoint_seconds: of analysis that may be lost.
        segment_frames: of rendering that may be lost.
    """

    kind: JobKind
    profile: ProfileName = ProfileName.BALANCED
    cast: tuple[CastSpec, ...] = ()
    clicks: tuple[ClickSpec, ...] = ()
    keep: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    effect: EffectSettings = EffectSettings()
    codec: Codec | None = None
    deinterlace: Deinterlace | None = None
    audit: bool = False
    in_flight: int = Field(0, ge=0, le=64)
    checkpoint_seconds: float = Field(10.0, gt=0)
    segment_frames: int = Field(240, ge=10)

    def save(self, folder: Path) -> None:
        """Write it into the worker's folder, atomically."""
        part = folder / f".{SPEC_FILE}.part"
        part.write_text(self.model_dump_json(), encoding="utf-8")
        part.replace(folder / SPEC_FILE)

    @classmethod
    def load(cls, folder: Path) -> JobSpec:
        """Raises ConfigError: there is none, or it is damaged."""
        try:
            return cls.model_validate_json((folder / SPEC_FILE).read_bytes())
        except OSError as error:
            raise ConfigError(f"there is no order in {folder} ({error})") from error
        except ValidationError as error:
            raise ConfigError(f"the order in {folder}: {describe(error)}") from error


def prepared(folder: Path) -> bool:
    """Whether an attempt before this one has got so far; the order is written last."""
    return (folder / SPEC_FILE).exists()


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
    storage.fetch(f"{project.id}/{VIDEO_FILE}", folder / VIDEO_FILE)
    if job.kind is JobKind.RENDER:
        storage.fetch(f"{project.id}/{TIMELINE_FILE}", folder / TIMELINE_FILE)
    usable = [photo for photo in photos if photo.chosen is not None]
    (folder / CAST_FOLDER).mkdir(mode=0o700, exist_ok=True)
    for photo in usable:
        _link(pictures / f"{photo.id}.jpg", folder / CAST_FOLDER / f"{photo.id}.jpg")
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
    JobSpec.model_validate(given).save(folder)


def _cast(photos: Sequence[Photo]) -> tuple[CastSpec, ...]:
    people: dict[str, list[CastPhotoSpec]] = {}
    for photo in photos:
        assert photo.chosen is not None
        box = photo.faces[photo.chosen].box
        people.setdefault(photo.person, []).append(CastPhotoSpec(file=f"{photo.id}.jpg", box=box))
    return tuple(CastSpec(name=name, photos=tuple(found)) for name, found in people.items())


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP):
            raise
        shutil.copy2(source, target)
