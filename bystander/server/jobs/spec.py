"""One job as its worker sees it, and the folder that is prepared for it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from bystander.choices import Codec, Deinterlace, ProfileName, SmartRender
from bystander.config import Settings, describe
from bystander.editing.document import Edits
from bystander.errors import ConfigError, NotStored
from bystander.media.sound_spans import SoundSpan
from bystander.redaction.effects import EffectSettings
from bystander.server.models import Job, JobKind, Photo, Project
from bystander.server.settings import ServiceSettings
from bystander.storage import Storage
from bystander.tracing import TRACEPARENT_PATTERN

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
SEGMENTS_FOLDER: Final = "render"
"""In that of the checkpoints: segments of the result."""
EARLIER_FOLDER: Final = "earlier"
"""Likewise: those that an earlier rendering of the project has left."""
LOCK_FILE_NAME: Final = "lock"
EARLIER_TIMELINE_FILE: Final = "earlier.timeline"
EARLIER_AUDIT_FILE: Final = "earlier.json"
"""Of the result that this job is to replace, drawn by the same means."""
DRAWN_BY: Final = ("profile", "effect", "codec", "deinterlace", "smart_render", "segment_frames")
"""What two renderings have in common whose pictures differ by their timelines alone."""
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
        edits: what was mended by hand; after `keep` and `mask`.
        codec, deinterlace, smart_render: of the result; None as the profile says.
        sound: what is done to it, when; the last that is asked for counts.
        in_flight: calls of the networks kept waiting at once; 0 is one a core.
        checkpoint_seconds: of analysis that may be lost.
        segment_frames: of rendering that may be lost.
        traceparent: the request that asked for it, see `bystander.tracing`.
    """

    kind: JobKind
    profile: ProfileName = ProfileName.BALANCED
    cast: tuple[CastSpec, ...] = ()
    clicks: tuple[ClickSpec, ...] = ()
    keep: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    edits: Edits = Edits()
    effect: EffectSettings = EffectSettings()
    codec: Codec | None = None
    deinterlace: Deinterlace | None = None
    smart_render: SmartRender | None = None
    sound: tuple[SoundSpan, ...] = ()
    audit: bool = False
    in_flight: int = Field(0, ge=0, le=64)
    checkpoint_seconds: float = Field(10.0, gt=0)
    segment_frames: int = Field(240, ge=10)
    traceparent: str | None = Field(None, pattern=TRACEPARENT_PATTERN)

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
    earlier: Job | None = None,
) -> None:
    """Fill a worker's folder; what an interrupted preparation left there is replaced.

    Args:
        folder: made where it is missing.
        photos: of the cast; those in which it can't be told who is meant are left out.
        pictures: the folder of their files.
        earlier: what made the result that this job is to replace; its audit is gone on from.

    Raises:
        NotStored: the video, or the analysis that is to be rendered, is gone.
        StorageError: the storage can't be read, or the disk is full.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    storage.fetch(f"{project.id}/{VIDEO_FILE}", folder / VIDEO_FILE)
    if job.kind is JobKind.RENDER:
        storage.fetch(f"{project.id}/{TIMELINE_FILE}", folder / TIMELINE_FILE)
    cast = prepare_cast(folder, photos, pictures)
    given = {
        "keep": project.keep,
        "mask": project.mask,
        **job.order,
        "kind": job.kind,
        "cast": cast,
        "in_flight": settings.models.in_flight,
        "checkpoint_seconds": settings.jobs.checkpoint_seconds,
        "segment_frames": settings.jobs.segment_frames,
    }
    if job.kind is not JobKind.RENDER:  # their ids are of the analysis before
        for name in ("keep", "mask", "edits"):
            given.pop(name, None)
    spec = JobSpec.model_validate(given)
    if spec.audit and job.kind is JobKind.RENDER and earlier is not None:
        _fetch_earlier_audit(folder, project, spec, JobSpec.model_validate(earlier.order), storage)
    spec.save(folder)


def _fetch_earlier_audit(
    folder: Path, project: Project, spec: JobSpec, earlier: JobSpec, storage: Storage
) -> None:
    if any(getattr(spec, name) != getattr(earlier, name) for name in DRAWN_BY):
        return
    with suppress(NotStored):  # it wasn't audited
        storage.fetch(key_of(project.id, AUDIT_FILE), folder / EARLIER_AUDIT_FILE)
        storage.fetch(key_of(project.id, RENDERED_FILE), folder / EARLIER_TIMELINE_FILE)


def prepare_cast(folder: Path, photos: Sequence[Photo], pictures: Path) -> tuple[CastSpec, ...]:
    """Put photos into a worker's folder; whom they show.

    Args:
        photos, pictures: as for `prepare`.

    Raises:
        FileNotFoundError: one was deleted meanwhile.
    """
    usable = [photo for photo in photos if photo.chosen is not None]
    (folder / CAST_FOLDER).mkdir(mode=0o700, exist_ok=True)
    for photo in usable:
        _link(pictures / f"{photo.id}.jpg", folder / CAST_FOLDER / f"{photo.id}.jpg")
    return cast_of(usable)


def cast_of(photos: Sequence[Photo]) -> tuple[CastSpec, ...]:
    """Whom photos show in which it can be told who is meant."""
    people: dict[str, list[CastPhotoSpec]] = {}
    for photo in photos:
        if photo.chosen is None:
            continue
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
