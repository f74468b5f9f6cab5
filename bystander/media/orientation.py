"""How stored pictures are turned and mirrored to be seen as they were filmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)

_MAX_SLANT: Final = 0.0175
"""Tangent of one degree: players take what is less askew for a quarter turn."""


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

    def upright(self, pixels: NDArray[Sample]) -> NDArray[Sample]:
        """Stored samples [H, W] or [H, W, C] as they are to be seen; may be `pixels` itself."""
        if self.is_upright:
            return pixels
        mirrored = pixels[:, ::-1] if self.mirrored else pixels
        turns = -self.rotation // 90  # numpy counts counterclockwise
        return np.ascontiguousarray(np.rot90(mirrored, turns))


UPRIGHT: Final = Orientation()
