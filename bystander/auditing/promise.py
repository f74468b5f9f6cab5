"""Whether a masked video shows finer cells than the weakest effect that is allowed.

Half the cell leaves four times the measurements of a face. What it leaves and the promised
cell doesn't is a band of detail that can be computed from the source; either the output
carries that band, or it doesn't.
"""

from __future__ import annotations

from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.masks import Bits
from bystander.redaction.effects import Box, blur, mosaic

WEAK: Final = 0.5
"""Median over everyone masked in a file, from which its effect is too weak. On four clips it
was 0.72 to 1.38 where cells were a half or a quarter of the promised, 0.25 to 0.43 at three
quarters, and 0.00 or less at the promised size, at twice that, and under a solid colour."""
LEAST_BAND: Final = 3.0
"""Grey levels, root mean square: a plainer region says nothing."""
FINEST: Final = 8
"""Pixels: the smallest cell that the effects draw."""


def finer_than_promised(
    source: NDArray[np.uint8], output: NDArray[np.uint8], region: Bits, box: Box, cell: int
) -> float | None:
    """How much of the detail that cells of `cell` pixels would have taken away is left.

    Single people give values far from 0 by chance, most of all where several overlap and the
    stronger effect was drawn over all: judge the median of many, see `strength_of`.

    Args:
        source, output: luma of the whole frame at its own size, uint8 [H, W].
        region: bool [H, W], what is masked of one person.
        box: around the region, pixels.
        cell: the side of the cells that the effect promises for them, pixels.

    Returns:
        About 1 for cells of half the side or less, about 0 for the promised, less for larger
        ones or a solid colour; None where the source is too plain to tell.
    """
    part = np.s_[box[1] : box[3], box[0] : box[2]]
    inside = region[part]
    half = max(FINEST, cell // 2 // 4 * 4)
    shares = []
    for effect in (blur, mosaic):
        promised = effect(source, box, cell).astype(np.float64)
        band = _centred((effect(source, box, half) - promised)[inside])
        left = _centred((output[part] - promised)[inside])
        energy = float(band @ band)
        if energy < LEAST_BAND**2 * max(band.size, 1):
            return None
        shares.append(float(band @ left) / energy)
    # Whichever effect was drawn, its own band tells; the other one's is the edges of tiles.
    return min(shares)


def strength_of(shares: list[float | None]) -> float | None:
    """The median over many people and frames; None where none of them tells."""
    told = [share for share in shares if share is not None]
    return median(told) if told else None


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values - values.mean()) if values.size else values
