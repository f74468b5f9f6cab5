"""Where something drawn is, frame by frame, in a few bytes a frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bystander.editing.shapes import Motion, box_of, moved

Place = tuple[int, Motion]
"""Which of its keys a drawn shape follows, and how that moved."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskPath:
    """Where a drawn shape goes.

    Attributes:
        start: the first frame.
        keys: int16 [F], which of its keys it follows in each frame; -1 where it isn't there.
        motions: float32 [F, 3], how that moved: right, down, grid pixels; and grew.
    """

    start: int
    keys: NDArray[np.int16]
    motions: NDArray[np.float32]

    @classmethod
    def of(cls, places: Mapping[int, Place]) -> Self:
        """The path through these frames."""
        start, stop = min(places, default=0), max(places, default=-1) + 1
        keys = np.full(stop - start, -1, dtype=np.int16)
        motions = np.zeros((stop - start, 3), dtype=np.float32)
        for frame, (key, motion) in places.items():
            keys[frame - start] = key
            motions[frame - start] = motion.dx, motion.dy, motion.scale
        return cls(start, keys, motions)

    @classmethod
    def standing(cls, at: Sequence[int], first: int, last: int) -> Self:
        """The path of what isn't followed: at each key until the next one.

        Args:
            at: frames of its keys, in order.
            first, last: the first frame, and the one after the last.
        """
        frames = np.arange(first, last)
        keys = np.broadcast_to(np.int16(0), len(frames))
        if len(at) > 1:
            keys = np.maximum(np.searchsorted(at, frames, side="right") - 1, 0).astype(np.int16)
        still = np.array([0, 0, 1], dtype=np.float32)
        return cls(first, keys, np.broadcast_to(still, (len(frames), 3)))

    def within(self, first: int, last: int) -> MaskPath:
        """The part from `first` to before `last`."""
        begin, end = max(0, first - self.start), max(0, last - self.start)
        return MaskPath(self.start + begin, self.keys[begin:end], self.motions[begin:end])


@dataclass(frozen=True, slots=True, eq=False)
class DrawnShape:
    """A shape and its path.

    Attributes:
        corners: of each key: float64 [N, 2], grid pixels.
    """

    corners: Sequence[NDArray[np.float64]]
    path: MaskPath

    def __contains__(self, frame: int) -> bool:
        number = frame - self.path.start
        return 0 <= number < len(self.path.keys) and bool(self.path.keys[number] >= 0)

    def at(self, frame: int) -> NDArray[np.float64]:
        """Its corners in a frame that it is in: float64 [N, 2], grid pixels."""
        number = frame - self.path.start
        dx, dy, scale = self.path.motions[number].tolist()
        return moved(self.corners[self.path.keys[number]], Motion(dx, dy, scale))

    @property
    def frames(self) -> int:
        """In how many it is."""
        return int(np.count_nonzero(self.path.keys >= 0))

    @property
    def span(self) -> tuple[int, int]:
        """The first frame that it is in, and one past the last; there is one."""
        there = np.flatnonzero(self.path.keys >= 0)
        return self.path.start + int(there[0]), self.path.start + int(there[-1]) + 1

    @property
    def height(self) -> float:
        """Where it is tallest, grid pixels."""
        boxes = [box_of(corners) for corners in self.corners]
        heights = np.array([y1 - y0 for _, y0, _, y1 in boxes])
        there = self.path.keys >= 0
        return float((heights[self.path.keys[there]] * self.path.motions[there, 2]).max())
