"""In the child: a few seconds of a video, small, with a frame around the person in question.

For whoever reviews: a face in a small picture may be anybody's; somebody who moves among others
is recognised. It plays in every browser, whatever the video is stored as.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

from bystander.errors import UnsupportedVideo
from bystander.media.rgb import Rgb
from bystander.sandbox.facts import ClipFacts
from bystander.sandbox.limits import Limits
from bystander.sandbox.orders import CLIP, ClipOrder
from bystander.sandbox.source import Frame, Source, size_within

_LONGEST_SIDE: Final = 640  # pixels
_FASTEST: Final = 30  # pictures a second; of more, some are left out
_TICK: Final = Fraction(1, 90_000)  # seconds; MPEG's clock divides all usual rates
_OPTIONS: Final = {"preset": "veryfast", "crf": "25", "g": "60"}
_BT709: Final = 1  # code point of ITU-T H.273 for primaries and transfer

# A bright line between dark ones is seen on anything.
_ACCENT: Final = (255, 190, 0)
_DARK: Final = (20, 20, 24)
_EDGE: Final = 2  # pixels of the dark line on either side
_LINE: Final = 3  # ... and of the bright one
_MARGIN: Final = 2  # pixels left free around the person

Box = tuple[float, float, float, float]


def write_clip(path: Path, folder: Path, limits: Limits) -> ClipFacts:
    """Write the clip that the order in `folder` asks for: H.264, no sound, no metadata.

    Raises:
        VideoError: nothing in the span can be decoded.
    """
    order = ClipOrder.load(folder)
    source = Source(path, limits.max_side)
    frames = _span(source, order)
    first = next(frames, None)
    if first is None:
        raise UnsupportedVideo(f"{path} shows nothing that can be decoded there")
    size = _even(size_within(source.shape, _LONGEST_SIDE))
    shown = (
        (round((frame.pts - first.pts) * source.time_base / _TICK), _drawn(frame, size, order))
        for frame in chain([first], frames)
    )
    count = _encode(folder / CLIP, size, shown)
    return ClipFacts(width=size[0], height=size[1], frames=count)


def _span(source: Source, order: ClipOrder) -> Iterator[Frame]:
    """The frames of the order's span, no more than `_FASTEST` a second."""
    end = order.start + order.seconds / source.time_base
    # A little less, so that clocks of milliseconds lose none of 30 a second.
    step = Fraction(9, 10 * _FASTEST) / source.time_base
    due: Fraction | int = order.start
    for frame in source.frames(order.start):
        if frame.pts >= end:
            return
        if frame.pts >= due:
            yield frame
            due = frame.pts + step


def _drawn(frame: Frame, size: tuple[int, int], order: ClipOrder) -> Rgb:
    pixels = frame.rgb(size)
    before = bisect_right(order.moments, frame.pts, key=lambda moment: moment.pts)
    box = order.moments[before - 1].box if before else None
    return _framed(pixels, box) if box else pixels


def _encode(path: Path, size: tuple[int, int], pictures: Iterable[tuple[int, Rgb]]) -> int:
    """Write `pictures`, each with its time in ticks of `_TICK`; how many there were."""
    options = {"movflags": "+faststart", "fflags": "+bitexact"}  # no name of the program
    count = 0
    with av.open(str(path), "w", format="mp4", container_options=options) as output:
        stream = output.add_stream("libx264", rate=_FASTEST, options=dict(_OPTIONS))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = _TICK
        context.color_primaries = context.color_trc = _BT709
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        for pts, pixels in pictures:
            picture = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            picture.pts, picture.time_base = pts, _TICK
            output.mux(stream.encode(picture))
            count += 1
        output.mux(stream.encode(None))
    return count


def _framed(pixels: Rgb, box: Box) -> Rgb:
    """`pixels` with a frame around `box`, of which some is seen at any edge.

    Args:
        pixels: uint8 [H, W, 3] RGB.
        box: x0, y0, x1, y1 as shares of the picture's sides.
    """
    height, width = pixels.shape[:2]
    outside = _MARGIN + 2 * _EDGE + _LINE
    left, right = _inside(box[0] * width - outside, box[2] * width + outside, width)
    top, bottom = _inside(box[1] * height - outside, box[3] * height + outside, height)
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    draw.rectangle((left, top, right, bottom), outline=_DARK, width=2 * _EDGE + _LINE)
    draw.rectangle(
        (left + _EDGE, top + _EDGE, right - _EDGE, bottom - _EDGE), outline=_ACCENT, width=_LINE
    )
    return np.asarray(image, dtype=np.uint8)


def _inside(low: float, high: float, size: int) -> tuple[int, int]:
    """First and last pixel of a side of the frame, within the picture and far enough apart."""
    least = 2 * (2 * _EDGE + _LINE)
    first = max(0, min(round(low), size - 1 - least))
    return first, max(first + least, min(round(high), size - 1))


def _even(size: tuple[int, int]) -> tuple[int, int]:
    """As 4:2:0 needs it, and large enough for a frame."""
    return max(32, size[0] // 2 * 2), max(32, size[1] // 2 * 2)
