"""How someone looks from one frame to the next: clothes' colours, cheaply.

Good for a few seconds under one light, within a shot. Across shots the body
embedding takes over (`bystander.models.bodies`).
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from bystander.masks import Mask

PARTS: Final = 3
LEVELS: Final = 6
LARGE: Final = 2000
NEIGHBOURHOOD: Final = 7
"""Grid pixels over which evidence for the owner of a pixel is averaged."""
OWN_PART: Final = 0.7
"""How much a part of the body has colours of its own: the rest it shares with the others."""
SELDOM: Final = 0.005
"""Share of a silhouette from which on its colour is one of the person's."""
UNSEEN: Final = 1e-3
"""Probability of a colour that somebody never showed."""


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


def likelihood_ratio(
    frame: NDArray[np.uint8],
    mask: Mask,
    own: NDArray[np.float32],
    other: NDArray[np.float32],
    heights: tuple[tuple[float, float], tuple[float, float]],
) -> NDArray[np.float32]:
    """How much rather a silhouette's pixels have somebody else's colours than the person's own.

    The log-likelihood ratio of each pixel is averaged over its neighbourhood, as neighbouring
    pixels belong together.

    Args:
        frame: uint8 [H, W, 3] RGB at grid size.
        mask: the silhouette, within the grid.
        own: `colour_histogram` of the silhouette's person, seen apart.
        other: that of the other person.
        heights: from where to where the person and the other reach, grid rows.

    Returns:
        float32 [h, w] of the mask's shape; above 0 the colours are rather the other's.
    """
    x0, y0, x1, y1 = mask.box
    pixels = frame[y0:y1, x0:x1].astype(np.int32) * LEVELS // 256
    bins = pixels @ np.array([LEVELS * LEVELS, LEVELS, 1])
    rows = np.arange(y0, y1)
    mine = _log_likelihood(own)[_part(rows, *heights[0])[:, None], bins]
    theirs = _log_likelihood(other)[_part(rows, *heights[1])[:, None], bins]
    window = (NEIGHBOURHOOD, NEIGHBOURHOOD)
    inside = mask.bits.astype(np.float32)
    weight = np.maximum(cv2.blur(inside, window), 1e-3)
    return np.asarray(cv2.blur((theirs - mine) * inside, window) / weight, dtype=np.float32)


def known_colours(frame: NDArray[np.uint8], mask: Mask, looks: NDArray[np.float32]) -> float:
    """Share of a silhouette's pixels in colours that a person was seen in, 0 to 1.

    Args:
        frame: uint8 [H, W, 3] RGB at grid size.
        mask: the silhouette, within the grid.
        looks: `colour_histogram` of the person.
    """
    x0, y0, x1, y1 = mask.box
    pixels = frame[y0:y1, x0:x1][mask.bits].astype(np.int32) * LEVELS // 256
    known = looks.reshape(PARTS, -1).sum(axis=0) >= SELDOM
    return float(known[pixels @ np.array([LEVELS * LEVELS, LEVELS, 1])].mean())


def _part(rows: NDArray[np.int_], top: float, bottom: float) -> NDArray[np.int_]:
    """Which part of a body from `top` to `bottom` each row lies in."""
    share = (rows - top) / max(bottom - top, 1.0)
    return np.asarray(np.clip((share * PARTS).astype(np.int_), 0, PARTS - 1))


def _log_likelihood(histogram: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probability of each colour in each part of the body: float32 [3, 216]."""
    cubes = histogram.reshape(PARTS, LEVELS, LEVELS, LEVELS).astype(np.float64)
    cubes /= np.maximum(cubes.sum(axis=(1, 2, 3), keepdims=True), 1e-6)
    cubes = OWN_PART * cubes + (1 - OWN_PART) * cubes.mean(axis=0)
    for axis in (1, 2, 3):  # light changes: a colour vouches for its neighbours
        cubes = convolve1d(cubes, (0.25, 0.5, 0.25), axis=axis, mode="nearest")
    return np.asarray(np.log(cubes.reshape(PARTS, -1) + UNSEEN), dtype=np.float32)
