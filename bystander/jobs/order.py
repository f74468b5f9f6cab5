"""What a worker is told to do: `job.json` in its folder, and the names of the files there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from bystander.config import Settings, describe
from bystander.errors import ConfigError
from bystander.jobs.vocabulary import JobKind
from bystander.media.encoder import Codec, Deinterlace
from bystander.redaction.effects import EffectSettings
from bystander.settings import ProfileName

ORDER: Final = "job.json"
VIDEO: Final = "video"
CAST: Final = "cast"
TIMELINE: Final = "timeline"
"""Of the analysis; given to a worker that only renders, written by the others."""
RENDERED: Final = "rendered.timeline"
"""The same with the decisions that the result was rendered by."""
RESULT: Final = "result.mp4"
AUDIT_PAGE: Final = "audit.html"
AUDIT: Final = "audit.json"
PREVIEW: Final = "preview.jpg"
CHECKPOINTS: Final = "checkpoints"
LOCK: Final = "lock"
OF_RENDERING: Final = (RENDERED, RESULT, AUDIT_PAGE, AUDIT)
OUTPUTS: Final = (TIMELINE, *OF_RENDERING)


def rendering_of(project: str) -> str:
    """The folder in storage of what belongs to one rendering, and goes when it is replaced."""
    return f"{project}/rendering/"


def key_of(project: str, name: str) -> str:
    """Where storage has an output of the project's jobs."""
    return rendering_of(project) + name if name in OF_RENDERING else f"{project}/{name}"


class CastPhoto(Settings):
    """A photo of somebody to keep.

    Attributes:
        file: name in the folder `CAST`.
        box: x0, y0, x1, y1 of the face that is meant, in pixels of the picture.
    """

    file: str = Field(pattern=r"^[a-z0-9]+\.jpg$")
    box: tuple[float, float, float, float]


class CastOrder(Settings):
    """Somebody to keep."""

    name: str
    photos: tuple[CastPhoto, ...]


class ClickOrder(Settings):
    """Somebody pointed at: seconds from the first frame, and display pixels."""

    seconds: float = Field(ge=0, strict=True)
    x: float = Field(ge=0, strict=True)
    y: float = Field(ge=0, strict=True)


class WorkOrder(Settings):
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
    cast: tuple[CastOrder, ...] = ()
    clicks: tuple[ClickOrder, ...] = ()
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
        part = folder / f".{ORDER}.part"
        part.write_text(self.model_dump_json(), encoding="utf-8")
        part.replace(folder / ORDER)

    @classmethod
    def load(cls, folder: Path) -> WorkOrder:
        """Raises ConfigError: there is none, or it is damaged."""
        try:
            return cls.model_validate_json((folder / ORDER).read_bytes())
        except OSError as error:
            raise ConfigError(f"there is no order in {folder} ({error})") from error
        except ValidationError as error:
            raise ConfigError(f"the order in {folder}: {describe(error)}") from error
