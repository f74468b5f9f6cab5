"""What is asked of the sandbox's child, what it answers, and its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from bystander.choices import ShapeName
from bystander.config import Settings

GIB = 2**30
MAX_POSTERS = 5
ORDER = "order.json"
CLIP = "clip.mp4"
PICTURE = "0.jpg"
MASKS = "masks.json"
TIMELINE = "timeline"
PROXY_BITS_PER_SECOND = 5_000_000
"""At most, of a copy for browsers; they play it from a connection like that."""


class Limits(Settings):
    """The first four are of what is in the file, the last four of examining it."""

    max_duration: float = Field(4 * 3600.0, gt=0, description="seconds of a video")
    max_side: int = Field(8192, ge=16, le=16384, description="pixels of a video's side")
    max_frames: int = Field(1_000_000, ge=1, description="of a video")
    max_pixels_photo: int = Field(89_000_000, ge=1, description="of a photo, before decoding")
    memory: int = Field(
        4 * GIB, ge=GIB // 4, description="bytes of address space; libraries take 200 MB of it"
    )
    cpu: float = Field(120.0, gt=0, description="seconds of CPU")
    wall: float = Field(180.0, gt=0, description="seconds on the clock, the start included")
    output: int = Field(
        32 * 2**20,
        ge=2**20,
        description="bytes of a file that examining makes; a noisy photo has 7 MB",
    )


class _Facts(BaseModel):
    # The child that reports them may have been taken over: nothing is coerced or added.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class AudioFacts(_Facts):
    """One audio stream."""

    codec: str = Field(max_length=64, description="FFmpeg's name")
    channels: int = Field(ge=0)
    sample_rate: int = Field(ge=0, description="Hz")


class VideoFacts(_Facts):
    """What a video holds."""

    container: str = Field(max_length=64, description="FFmpeg's name")
    codec: str = Field(max_length=64, description="FFmpeg's name")
    width: int = Field(gt=0, description="display pixels: turned upright, pixels made square")
    height: int = Field(gt=0, description="display pixels")
    duration: float = Field(ge=0, description="seconds")
    frame_count: int = Field(gt=0)
    average_rate: float = Field(gt=0, description="frames per second")
    variable_frame_rate: bool = Field(description="the frames are not evenly spaced")
    rotation: int = Field(
        ge=0, lt=360, description="clockwise degrees from the stored to the displayed picture"
    )
    mirrored: bool = Field(
        default=False, description="left and right of the stored picture are swapped, then turned"
    )
    pixel_format: str = Field(
        "", max_length=64, description="FFmpeg's name; empty where it wasn't looked for"
    )
    hdr: bool = Field(description="perceptual quantiser or hybrid log-gamma")
    bit_depth: int = Field(gt=0, description="bits per colour component")
    audio: tuple[AudioFacts, ...] = Field(max_length=1000)
    posters: int = Field(ge=0, le=MAX_POSTERS, description="pictures 0.jpg, 1.jpg, ...")


class PhotoFacts(_Facts):
    """The re-encoded photo, or a picture of a video."""

    width: int = Field(gt=0, description="pixels")
    height: int = Field(gt=0, description="pixels")


class ClipFacts(_Facts):
    """A clip that was cut."""

    width: int = Field(gt=0, description="pixels")
    height: int = Field(gt=0, description="pixels")
    frames: int = Field(gt=0)


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


class MasksFacts(_Facts):
    """Masks that were drawn."""

    size: int = Field(ge=0, description="bytes of the file")


class MasksOrder(_Order):
    """Everybody's masks in every frame, as COCO's JSON. The timeline lies beside the order."""

    shape: ShapeName = Field(description="what of a masked person is drawn over")


class PictureOrder(_Order):
    """One picture of a video."""

    seconds: float = Field(ge=0, allow_inf_nan=False, description="after its first frame")
    longest: int = Field(ge=16, description="pixels of the picture's longer side, at most")


class CountedFrames(BaseModel):
    """What an analysis counted, see `bystander.media.probe.FrameCount`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_pts: int = Field(description="of the first frame, ticks of the video's time base")
    last_pts: int = Field(description="of the last frame")
    frames: int = Field(ge=1)


class FrameOrder(_Order):
    """One frame of a video that was analysed."""

    frame: int = Field(ge=0, description="its number")
    before: int | None = Field(description="pts of the frame before it; null of the first one")
    counted: CountedFrames
    longest: int = Field(ge=16, description="pixels of the picture's longer side, at most")


class FollowedKey(BaseModel):
    """A drawn mask, and how far it is followed from there: `bystander.editing.paths.Leg`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: int = Field(ge=0, description="the frame in which it was drawn")
    before: int = Field(ge=0, description="the first frame that it is followed to")
    after: int = Field(ge=0, description="the one after the last")
    corners: tuple[tuple[float, float], ...] = Field(description="x and y, grid pixels")


class FollowOrder(_Order):
    """Where a drawn mask goes."""

    keys: tuple[FollowedKey, ...] = Field(min_length=1, description="in order")
    grid: tuple[int, int] = Field(description="width and height of the analysis grid")
    counted: CountedFrames
    first: int = Field(ge=0, description="the frame that `pts` begins with")
    pts: tuple[int, ...] = Field(description="of every frame from `first` to the last that counts")
    seconds: float = Field(gt=0, description="after which it is given up")


_Number = Annotated[int, Field(ge=0)]
_Far = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class FollowedStep(NamedTuple):
    """Where a mask is in a frame, see `bystander.editing.paths.Place`.

    Attributes:
        key: number of the one that it follows from.
        dx, dy: grid pixels.
    """

    frame: _Number
    key: _Number
    dx: _Far
    dy: _Far
    scale: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class FollowFacts(_Facts):
    """How a mask was followed."""

    complete: bool = Field(description="it wasn't given up for want of time")


class Moment(BaseModel):
    """Where somebody is from `pts` on, until the next moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pts: int = Field(description="ticks of the video's time base")
    box: tuple[Share, Share, Share, Share] | None = Field(
        description="x0, y0, x1, y1 of the upright picture; null where they aren't in it"
    )


class ClipOrder(_Order):
    """A short video, with a frame around one person."""

    start: int = Field(0, description="pts of the first picture, ticks of the video's time base")
    begin: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="instead: seconds after the first frame"
    )
    seconds: float = Field(gt=0, le=60, description="how long it is, at most")
    moments: tuple[Moment, ...] = Field(description="in the order of time")
    longest: int = Field(640, ge=16, le=1920, description="pixels of the longer side, at most")
