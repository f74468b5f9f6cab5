"""What examining a file found, as the API tells it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MOST_POSTERS = 5


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
    hdr: bool = Field(description="perceptual quantiser or hybrid log-gamma")
    bit_depth: int = Field(gt=0, description="bits per colour component")
    audio: tuple[AudioFacts, ...] = Field(max_length=1000)
    posters: int = Field(ge=0, le=MOST_POSTERS, description="pictures 0.jpg, 1.jpg, ...")


class PhotoFacts(_Facts):
    """The re-encoded photo, or a picture of a video."""

    width: int = Field(gt=0, description="pixels")
    height: int = Field(gt=0, description="pixels")


class ClipFacts(_Facts):
    """A clip that was cut."""

    width: int = Field(gt=0, description="pixels")
    height: int = Field(gt=0, description="pixels")
    frames: int = Field(gt=0)
