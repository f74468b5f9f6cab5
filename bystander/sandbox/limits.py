"""What a file from a stranger may be, and what looking at it may cost."""

from __future__ import annotations

from pydantic import Field

from bystander.config import Settings

GIB = 2**30


class Limits(Settings):
    """The first four are of what is in the file, the last three of examining it."""

    max_duration: float = Field(4 * 3600.0, gt=0, description="seconds of a video")
    max_side: int = Field(8192, ge=16, le=16384, description="pixels of a video's side")
    max_frames: int = Field(1_000_000, ge=1, description="of a video")
    max_pixels_photo: int = Field(89_000_000, ge=1, description="of a photo, before decoding")
    memory: int = Field(
        4 * GIB, ge=GIB // 4, description="bytes of address space; libraries take 200 MB of it"
    )
    cpu: float = Field(120.0, gt=0, description="seconds of CPU")
    wall: float = Field(180.0, gt=0, description="seconds on the clock, the start included")
