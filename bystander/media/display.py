"""Stored pixels -> how a player shows them: turned, mirrored, stretched."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final, Self, TypeVar

import av
import numpy as np
from av.error import FFmpegError
from av.filter import Graph
from av.video.stream import VideoStream
from numpy.typing import NDArray

SampleT = TypeVar("SampleT", bound=np.generic)

_MAX_SLANT: Final = 0.0175
"""Tangent of one degree: players take what is less askew for a quarter turn."""
_STEPS: Final = 4096
_MAX_ASPECT: Final = 8
_MAX_DENOMINATOR: Final = 100
"""Of the usual aspects: 16/15, 40/33, 64/45, 160/99, ..."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """What makes a stored picture upright: first it is mirrored, then turned.

    Attributes:
        rotation: clockwise degrees: 0, 90, 180 or 270.
        mirrored: left and right are swapped before it is turned.

    Raises:
        ValueError: a rotation by another angle.
    """

    rotation: int = 0
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.rotation not in (0, 90, 180, 270):
            raise ValueError(f"{self.rotation} degrees is no quarter turn")

    @classmethod
    def of_matrix(cls, a: int, b: int, c: int, d: int) -> Self | None:
        """The orientation that a display matrix asks for; None if it is askew.

        Source: ISO/IEC 14496-12, 8.2.2: a stored pixel (x, y) is shown at
        (ax + cy, bx + dy), up to a scale and a shift.
        """
        along, across = (abs(a), abs(d)), (abs(b), abs(c))
        if max(across) <= _MAX_SLANT * min(along):
            return cls(180 if d < 0 else 0, (a < 0) != (d < 0))
        if max(along) <= _MAX_SLANT * min(across):
            return cls(90 if c < 0 else 270, (b < 0) == (c < 0))
        return None

    @property
    def is_upright(self) -> bool:
        """Nothing is to be done."""
        return self == UPRIGHT

    @property
    def is_sideways(self) -> bool:
        """Rows become columns: width and height are swapped."""
        return self.rotation in (90, 270)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture from the stored one's, and the reverse."""
        return (height, width) if self.is_sideways else (width, height)

    def upright(self, pixels: NDArray[SampleT]) -> NDArray[SampleT]:
        """Stored samples [H, W] or [H, W, C] as they are to be seen; may be `pixels` itself."""
        if self.is_upright:
            return pixels
        mirrored = pixels[:, ::-1] if self.mirrored else pixels
        turns = -self.rotation // 90  # numpy counts counterclockwise
        return np.ascontiguousarray(np.rot90(mirrored, turns))


UPRIGHT: Final = Orientation()

log = logging.getLogger(__name__)


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
