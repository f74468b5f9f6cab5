"""timeline -> what would be masked, frame by frame, without encoding; or of a masked video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.material import frames
from bystander.media.encoder import EncoderSettings, encoding_of
from bystander.media.orientation import UPRIGHT
from bystander.media.planes import planes_of
from bystander.media.probe import VideoInfo, probe
from bystander.media.reader import Frame, VideoReader
from bystander.media.rgb import RgbScaler
from bystander.people.timeline import Timeline
from bystander.redaction.compositing import Compositor
from bystander.redaction.effects import EffectName, EffectSettings
from bystander.render import Drawing

Bits = NDArray[np.bool_]
Size = Literal["grid", "source"]

SOLID = (255, 0, 255)
"""RGB of a colour that no clip contains."""
TOLERANCE = 60
"""Largest difference in any RGB channel: room for 4:2:0 chroma and the encoder's loss."""
MASKED_ALPHA = 0.7
"""From this opacity on `SOLID` is within `TOLERANCE` over most pictures."""
WHITE_LUMA = 235


def masked_in_timeline(video: Path, timeline: Timeline, size: Size = "grid") -> Iterator[Bits]:
    """What rendering would draw over, in every frame: bool [h, w] at grid or source size.

    The product's own drawing, over black pictures in white.
    """
    info = probe(video)
    effect = EffectSettings(name=EffectName.SOLID, color="#ffffff")
    encoding = encoding_of(info, video, EncoderSettings())
    drawing = Drawing(timeline, info, effect, encoding)
    extent = (info.width, info.height)
    if size == "grid":
        extent = timeline.header.grid
        drawing._compositor = Compositor(extent, extent, info.display_size, effect, "yuv420p")
    black = av.VideoFrame(*extent, "yuv420p")
    for plane in planes_of(black):
        plane[...] = 0
    scaler = RgbScaler()
    blanks = (
        Frame(record.index, record.pts, None, black, UPRIGHT, False, scaler)
        for record in timeline.frames()
    )
    for _, picture in drawing.masked(blanks):
        yield planes_of(picture)[0] >= MASKED_ALPHA * WHITE_LUMA


def masked_in_video(output: Path) -> Iterator[Bits]:
    """What is masked in a video that was masked with `SOLID`: bool [H, W] a frame."""
    for _, frame in frames(output):
        yield masked_pixels(frame)


def masked_pixels(frame: NDArray[np.uint8]) -> Bits:
    """bool [H, W], True where `frame` (uint8 [H, W, 3] RGB) shows the solid colour."""
    difference = np.abs(frame.astype(np.int16) - np.array(SOLID, dtype=np.int16))
    return np.asarray(difference.max(axis=2) <= TOLERANCE)


def grid_pictures(video: Path, grid: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """Every frame at grid size: uint8 [h, w, 3] RGB."""
    info: VideoInfo = probe(video)
    for frame in VideoReader(video, info):
        yield frame.rgb(grid)
