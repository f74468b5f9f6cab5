"""How wide a stored pixel is: what the container says, and what the pictures themselves say."""

from __future__ import annotations

import logging
from fractions import Fraction
from itertools import pairwise
from typing import Final

import av
from av.error import FFmpegError
from av.filter import Graph
from av.video.stream import VideoStream

log = logging.getLogger(__name__)

_STEPS: Final = 4096
_MAX_ASPECT: Final = 8
_MAX_DENOMINATOR: Final = 100
"""Of the usual aspects: 16/15, 40/33, 64/45, 160/99, ..."""


def pixel_aspects(stream: VideoStream, first: av.VideoFrame) -> tuple[Fraction, Fraction]:
    """Width to height of a stored pixel of a video, and what its first picture says of it.

    Players go by the container, where it says anything.

    Args:
        stream: nothing of which has been decoded.
        first: its first picture.
    """
    said = stream.codec_context.sample_aspect_ratio or Fraction(1)
    shown = stream.sample_aspect_ratio or Fraction(1)
    measured = AspectMeter().measure(first)
    if measured is None or measured == rounded(said):
        return shown, said
    # FFmpeg has looked on, beyond a change.
    return (measured, measured) if shown == said else (shown, measured)


def rounded(aspect: Fraction) -> Fraction:
    """What an `AspectMeter` makes of it."""
    steps = round(min(max(aspect, Fraction(1, _STEPS)), Fraction(_MAX_ASPECT)) * _STEPS)
    return Fraction(steps, _STEPS).limit_denominator(_MAX_DENOMINATOR)


class AspectMeter:
    """Tells the pixel aspect of single pictures, which PyAV has no attribute for.

    The scale filter knows it: a corner of the picture is made as wide as a pixel is.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._kind: tuple[int, int, str] | None = None

    def measure(self, picture: av.VideoFrame) -> Fraction | None:
        """Width to height of a stored pixel, `rounded`; 1 where the picture doesn't say.

        None for a picture that FFmpeg's filters don't take.
        """
        kind = (picture.width, picture.height, picture.format.name)
        try:
            if self._graph is None or kind != self._kind:
                self._graph, self._kind = _opened(picture), kind
            self._graph.vpush(picture)
            return rounded(Fraction(self._graph.vpull().width, _STEPS))
        except (FFmpegError, ValueError) as error:
            log.debug("the aspect of %s can't be measured: %s", picture, error)
            self._graph = None
            return None


def _opened(picture: av.VideoFrame) -> Graph:
    graph = Graph()
    width = f"max(1,min({_MAX_ASPECT * _STEPS},round({_STEPS}*sar)))"
    parts = [
        graph.add_buffer(
            width=picture.width,
            height=picture.height,
            format=picture.format,
            time_base=Fraction(1, 1000),
        ),
        graph.add("crop", "16:16:0:0"),
        graph.add("scale", f"w='{width}':h=2:eval=frame:flags=neighbor"),
        graph.add("buffersink"),
    ]
    for before, after in pairwise(parts):
        before.link_to(after)
    graph.configure()
    return graph
