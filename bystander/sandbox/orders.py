"""What the child is to show of a video: `order.json` in the folder that it writes to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

ORDER = "order.json"
CLIP = "clip.mp4"
PICTURE = "0.jpg"

Share = Annotated[float, Field(ge=-1, le=2, allow_inf_nan=False)]
"""Of the picture's width or height; somebody may reach beyond its edge."""


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def save(self, folder: Path) -> None:
        """Write it where the child looks for it."""
        (folder / ORDER).write_text(self.model_dump_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls.model_validate_json((folder / ORDER).read_bytes())


class PictureOrder(_Order):
    """One picture of a video."""

    seconds: float = Field(ge=0, allow_inf_nan=False, description="after its first frame")
    longest: int = Field(ge=16, description="pixels of the picture's longer side, at most")


class Moment(BaseModel):
    """Where somebody is from `pts` on, until the next moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pts: int = Field(description="ticks of the video's time base")
    box: tuple[Share, Share, Share, Share] | None = Field(
        description="x0, y0, x1, y1 of the upright picture; null where they aren't in it"
    )


class ClipOrder(_Order):
    """A short video with a frame around one person."""

    start: int = Field(description="pts of the first picture, ticks of the video's time base")
    seconds: float = Field(gt=0, le=60, description="how long it is, at most")
    moments: tuple[Moment, ...] = Field(description="in the order of time")
