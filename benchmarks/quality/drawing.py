"""timeline -> what would be masked, frame by frame, without encoding; or of a masked video."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.material import frames
from bystander.choices import EffectName
from bystander.media.colour import RgbScaler, planes_of
from bystander.media.display import UPRIGHT
from bystander.media.encoder import EncoderSettings, encoding_of
from bystander.media.facts import VideoInfo
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader
from bystander.pipeline.drawing import FrameMasker
from bystander.redaction.compositing import Compositor
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline

Bits = NDArray[np.bool_]
Size = Literal["grid", "source"]

SOLID = (255, 0, 255)
"""RGB of a colour that no clip contains."""
TOLERANCE = 60
"""Largest difference in any RGB channel: room for 4:2:0 chroma and the encoder's loss."""
MASKED_ALPHA = 0.7
"""From this opacity on `SOLID` is within `TOLERANCE` over most pictures."""
BLACK_LUMA, WHITE_LUMA = 16, 235


def masked_in_timeline(video: Path, timeline: Timeline, size: Size = "grid") -> Iterator[Bits]:
    """What rendering would draw over, in every frame: bool [h, w] at grid or source size.

    The product's own drawing, once in white and once in black: how far the two are apart is how
    strongly a pixel is drawn over. On the real pictures, because edges follow them.
    """
    info = probe(video)
    grid = timeline.header.grid
    extent = grid if size == "grid" else (info.width, info.height)
    drawn = []
    for color in ("#ffffff", "#000000"):
        effect = EffectSettings(name=EffectName.SOLID, color=color)
        drawing = FrameMasker(timeline, info, effect, encoding_of(info, video, EncoderSettings()))
        drawing._pixel_format = "yuv420p"
        drawing._compositor = Compositor(grid, extent, info.display_size, effect, "yuv420p")
        drawn.append(drawing.masked(_pictures(video, info, timeline, extent)))
    for (_, white, _), (_, black, _) in zip(*drawn, strict=True):
        apart = planes_of(white)[0].astype(np.int16) - planes_of(black)[0]
        yield apart >= MASKED_ALPHA * (WHITE_LUMA - BLACK_LUMA)


def _pictures(
    video: Path, info: VideoInfo, timeline: Timeline, extent: tuple[int, int]
) -> Iterator[Frame]:
    """The frames that the timeline knows, upright and of size `extent`."""
    scaler = RgbScaler()
    known = {record.pts: record.index for record in timeline.frames()}
    for frame in VideoReader(video, info):
        if frame.pts in known:
            picture = frame.upright("yuv420p")
            if (picture.width, picture.height) != extent:
                picture = picture.reformat(*extent)
            yield Frame(known[frame.pts], frame.pts, None, picture, UPRIGHT, False, scaler)


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
