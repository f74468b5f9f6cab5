"""How someone looks from one frame to the next: clothes' colours, cheaply.

Good for a few seconds under one light, within a shot. Across shots the body
embedding takes over (`bystander.models.bodies`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.masks import Mask

PARTS: Final = 3
LEVELS: Final = 6
LARGE: Final = 2000


def colour_histogram(frame: NDArray[np.uint8], mask: Mask) -> NDArray[np.float32]:
    """Colours of head, trunk and legs: three RGB histograms of one silhouette.

    Args:
        frame: uint8 [H, W, 3] RGB at grid size.
        mask: the silhouette on the grid.

    Returns:
        float32 [3 * 216], sums to 1; uniform for an empty silhouette.
    """
    height, width = frame.shape[:2]
    inside = mask.clipped(width, height)
    # Every second row and column of a large silhouette tells as much.
    step = 2 if inside.bits.size > LARGE else 1
    rows, columns = (step * index for index in inside.bits[::step, ::step].nonzero())
    bins = LEVELS**3
    if rows.size == 0:
        return np.full(PARTS * bins, 1 / (PARTS * bins), dtype=np.float32)
    colours = frame[rows + inside.y, columns + inside.x].astype(np.int32) * LEVELS // 256
    part = np.minimum(rows * PARTS // max(1, inside.bits.shape[0]), PARTS - 1)
    index = part * bins + colours @ np.array([LEVELS * LEVELS, LEVELS, 1])
    counts = np.bincount(index, minlength=PARTS * bins).astype(np.float32)
    return np.asarray(counts / counts.sum(), dtype=np.float32)
