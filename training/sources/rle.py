"""COCO's run-length codes of masks, and outlines of masks.

pycocotools decodes these too, but fills what a truncated code leaves open with
whatever is in memory; here a code that doesn't fit is an error.
"""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import BaseModel, Field

from bystander.geometry.masks import Bits
from training.labels import joined
from training.pictures import Polygon

_MORE = 0x20  # of the 6 bits of a character: the number goes on in the next one
_SIGN = 0x10  # of its last character: the number is negative
_FINER = 2  # outlines are traced on a grid this much finer than the pixels


class RunLengths(BaseModel):
    """A mask as the lengths of its runs, down the columns, the first one unset.

    Attributes:
        size: height, width in pixels.
        counts: the lengths, or the string that COCO compresses them to.
    """

    size: tuple[int, int] = Field(description="height, width")
    counts: str | list[int]

    def bits(self) -> Bits:
        """The mask as bool [height, width].

        Raises:
            ValueError: the runs don't fill the mask exactly.
        """
        counts = self.counts if isinstance(self.counts, list) else _decompress(self.counts)
        height, width = self.size
        if min(counts, default=0) < 0 or sum(counts) != height * width:
            raise ValueError(f"its run-length code doesn't fill {width}x{height} pixels")
        values = np.arange(len(counts)) % 2 == 1
        return np.repeat(values, counts).reshape(width, height).T


def _decompress(text: str) -> list[int]:
    """The lengths of COCO's compressed code (`rleFrString` of its C library).

    A variable-length code in base 32, the low digits first, from the character 48 on.
    From the fourth length on it states the difference to the last but one.
    """
    lengths: list[int] = []
    number = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64:
            raise ValueError(f"its run-length code has the character {character!r}")
        number |= (digit & 0x1F) << shift
        shift += 5
        if digit & _MORE:
            continue
        if digit & _SIGN:
            number -= 1 << shift
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError("its run-length code ends within a number")
    return lengths


def outlines(bits: Bits) -> tuple[Polygon, ...]:
    """The outlines of a mask, one ring per connected part; bridges lead to its holes.

    On a finer grid, where even a single pixel has an outline with four corners and
    `Annotation.bits` gets back the pixels that were set.

    Args:
        bits: bool [H, W].
    """
    fine = bits.astype(np.uint8).repeat(_FINER, axis=0).repeat(_FINER, axis=1)
    contours, hierarchy = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return ()
    rings = [(contour[:, 0].astype(np.float64) + 0.5) / _FINER for contour in contours]
    parents = hierarchy[0, :, 3]
    return tuple(
        joined([rings[part], *(rings[hole] for hole in np.flatnonzero(parents == part))])
        for part in np.flatnonzero(parents < 0)
    )
