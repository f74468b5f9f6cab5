"""One frame as the audit looks at it: arrays only, so that threads may share the work."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.auditing.kept import Kept
from bystander.auditing.likeness import Likeness
from bystander.auditing.redrawn import Plan
from bystander.coordinates import DisplayBox, DisplaySize
from bystander.masks import Bits
from bystander.people.vocabulary import FrameRecord

Picture = NDArray[np.uint8]
"""uint8 [H, W, 3] RGB, upright."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A frame of source and output.

    Attributes:
        index: of the source's frame.
        seconds: when a player of the output shows it.
        source, output: at the size at which they are compared.
        people: source and output, each in the size in which people are looked for in it; None
            where nobody looks.
        details: source and output as faces are looked for in them.
        in_source: looks begin with the source in this frame, else with the output.
        record: who is there by the timeline, if there is one and it knows the frame.
        plan: what was to be drawn, if that is known.
        carried: what the output's frame carries beside its pixels.
        kept: those who may be seen; None if nobody is kept in the whole video.
    """

    index: int
    seconds: float
    source: Picture
    output: Picture
    people: tuple[Picture, Picture] | None
    details: tuple[Picture, Picture] | None
    record: FrameRecord | None
    plan: Plan | None
    carried: frozenset[str]
    kept: Kept | None = None
    in_source: bool = False

    @property
    def at(self) -> tuple[int, float]:
        """Number and second."""
        return self.index, self.seconds


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A view's likeness, and where in it people may be seen.

    Attributes:
        likeness: of source and output.
        allowed: bool [H, W], the area of those whom the timeline keeps; None without a timeline.
        size: width, height of the output, display pixels.
    """

    view: View
    likeness: Likeness
    allowed: Bits | None
    size: DisplaySize

    @property
    def scale(self) -> float:
        """Display pixels per pixel compared."""
        width: int = self.likeness.clear.shape[1]
        return self.size[0] / width

    def exposed(self, region: Bits) -> tuple[int, int]:
        """Pixels with detail under `region` (bool [H, W]), and those that are clear and
        shouldn't be."""
        detailed, clear = self.likeness.detailed & region, self.likeness.clear & region
        if self.allowed is not None:
            clear &= ~self.allowed
        return int(np.count_nonzero(detailed)), int(np.count_nonzero(clear))

    def enlarged(self, bits: Bits) -> Bits:
        """A mask over the whole frame, of any size, as bool [H, W] of the size compared."""
        height, width = self.likeness.clear.shape
        scaled = cv2.resize(bits.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        return scaled.astype(bool)

    def boxed(self, box: DisplayBox) -> Bits:
        """The pixels in a box: bool [H, W]."""
        bits = np.zeros(self.likeness.clear.shape, dtype=bool)
        x0, y0, x1, y1 = (max(0, round(value / self.scale)) for value in box)
        bits[y0:y1, x0:x1] = True
        return bits
