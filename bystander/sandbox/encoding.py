"""In the child: pictures -> an MP4 file that every browser plays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from bystander.geometry.types import Rgb

TICK: Final = Fraction(1, 90_000)
"""Seconds; MPEG's clock divides all usual rates."""
_OPTIONS: Final = {"preset": "veryfast", "crf": "25"}
_BT709: Final = 1  # code point of ITU-T H.273 for primaries and transfer
_MIN_SIDE_PX: Final = 32


def encode(
    path: Path,
    size: tuple[int, int],
    pictures: Iterable[tuple[int, Rgb]],
    rate: Fraction,
    options: Mapping[str, str],
    tick: Fraction = TICK,
) -> int:
    """Write H.264 in yuv420p, its index first, without sound and metadata.

    Args:
        size: width and height of the pictures, even.
        pictures: each with its time, ticks from the beginning.
        rate: of the pictures, about.
        options: of x264, beside the usual ones.
        tick: seconds.

    Returns:
        How many pictures there were.
    """
    container_options = {
        "movflags": "+faststart",
        "fflags": "+bitexact",  # no program's name
        # In which is told when the first picture comes, in milliseconds otherwise.
        "movie_timescale": str(tick.denominator),
    }
    count = 0
    with av.open(str(path), "w", format="mp4", container_options=container_options) as output:
        stream = output.add_stream("libx264", rate=rate, options={**_OPTIONS, **options})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = tick
        context.color_primaries = context.color_trc = _BT709
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        for pts, pixels in pictures:
            picture = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            picture.pts, picture.time_base = pts, tick
            output.mux(stream.encode(picture))
            count += 1
        output.mux(stream.encode(None))
    return count


def even(size: tuple[int, int]) -> tuple[int, int]:
    """A size as 4:2:0 needs it, and large enough for x264 and for a frame around somebody."""
    return max(_MIN_SIDE_PX, size[0] // 2 * 2), max(_MIN_SIDE_PX, size[1] // 2 * 2)
