"""Pictures and masks -> what somebody looks like: a colour histogram, and a memory of pixels.

Good within a shot, under one light. Across shots the body embedding takes over
(`bystander.models.bodies`).
"""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from bystander.geometry.masks import Bits, Mask
from bystander.geometry.types import Box

Lab = NDArray[np.uint8]
"""uint8 [H, W, 3], OpenCV's CIELAB: lightness, a and b, each 0 to 255."""
Histogram = NDArray[np.float32]

PARTS: Final = 3
LEVELS: Final = 6
MAX_PIXELS: Final = 2000
"""Every second row and column of a larger silhouette tells as much."""
MEMORY_FRAMES: Final = 8
MEMORY_PIXELS: Final = 48
"""Of a silhouette in one frame."""
MAX_DISTANCE: Final = 6.0
"""From the nearest remembered pixel: farther ones say no more."""
SMOOTHING_PX: Final = 7
"""Neighbouring pixels belong together: evidence is averaged over so many grid pixels."""
OWN_PART_SHARE: Final = 0.7
"""How much a part of the body has colours of its own: the rest it shares with the others."""
UNSEEN_PROBABILITY: Final = 1e-3
"""Probability of a colour that somebody never showed."""
COLOUR_UNIT_LAB: Final = 25.0
"""Levels of CIELAB that count as much as ..."""
HEIGHT_UNIT_SHARE: Final = 1 / 3
"""... this share of somebody's height."""


def to_lab(picture: NDArray[np.uint8]) -> Lab:
    """uint8 [H, W, 3] RGB, slightly blurred against noise, in CIELAB."""
    soft = cv2.GaussianBlur(picture, (3, 3), 0)
    return np.asarray(cv2.cvtColor(soft, cv2.COLOR_RGB2LAB), dtype=np.uint8)


def halved(lab: Lab) -> Lab:
    """uint8 [H, W, 3] as uint8 [ceil(H / 2), ceil(W / 2), 3]: means of four pixels each."""
    height, width = lab.shape[:2]
    even = cv2.copyMakeBorder(lab, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    size = (width + 1) // 2, (height + 1) // 2
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def colour_histogram(lab: Lab, mask: Mask) -> Histogram:
    """Colours of head, trunk and legs: three histograms of one silhouette.

    Args:
        lab: uint8 [H, W, 3] at grid size.
        mask: the silhouette on the grid.

    Returns:
        float32 [3 * 216], sums to 1; uniform for an empty silhouette.
    """
    height, width = lab.shape[:2]
    inside = mask.clipped(width, height)
    step = 2 if inside.bits.size > MAX_PIXELS else 1
    rows, columns = (step * index for index in inside.bits[::step, ::step].nonzero())
    bins = LEVELS**3
    if rows.size == 0:
        return np.full(PARTS * bins, 1 / (PARTS * bins), dtype=np.float32)
    colours = lab[rows + inside.y, columns + inside.x].astype(np.int32) * LEVELS // 256
    part = np.minimum(rows * PARTS // max(1, inside.bits.shape[0]), PARTS - 1)
    index = part * bins + colours @ np.array([LEVELS * LEVELS, LEVELS, 1])
    counts = np.bincount(index, minlength=PARTS * bins).astype(np.float32)
    return np.asarray(counts / counts.sum(), dtype=np.float32)


def similarity(a: Histogram, b: Histogram) -> float:
    """Bhattacharyya coefficient of two histograms, 0 to 1."""
    return float(np.sqrt(a * b).sum())


class PixelMemory:
    """Colours and heights of somebody's pixels in the last frames in which they were seen.

    The nearest of them tells how well a pixel fits to that person, as in space-time memory
    networks (STM, Oh et al. 2019), with colour and place in the body for features.
    """

    def __init__(self) -> None:
        self._frames: list[NDArray[np.float32]] = []
        self._tree: cKDTree | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_frames": self._frames, "_tree": None}

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, lab: Lab, mask: Mask, box: Box) -> None:
        """Remember pixels of a silhouette: those well inside `mask`.

        Args:
            lab: uint8 [H, W, 3] at grid size.
            mask: within the grid.
            box: the whole person, grid pixels.
        """
        if not mask.area:
            return
        kernel = np.ones((3, 3), np.uint8)
        core = cv2.erode(
            mask.bits.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0
        )
        rows, columns = core.nonzero()
        if rows.size < MEMORY_PIXELS // 2:
            return
        # A fixed stride through all pixels, coprime to most widths: spread, and repeatable.
        chosen = np.linspace(0, rows.size - 1, min(MEMORY_PIXELS, rows.size)).astype(np.int_)
        features = pixel_features(lab, rows[chosen] + mask.y, columns[chosen] + mask.x, box)
        self._frames.append(features)
        del self._frames[:-MEMORY_FRAMES]
        self._tree = None

    def distance(
        self, coarse: Lab, where: Bits, corner: tuple[int, int], box: Box
    ) -> NDArray[np.float32]:
        """How far each pixel is from the nearest remembered one; four neighbours are one.

        Args:
            coarse: uint8 [H / 2, W / 2, 3], see `halved`.
            where: bool [h, w], the pixels of the grid in question.
            corner: grid column and row of their top-left pixel.
            box: the whole person, grid pixels.

        Returns:
            float32 [h, w], at most `MAX_DISTANCE`; that, too, where nothing was asked.
        """
        if self._tree is None:
            self._tree = cKDTree(np.concatenate(self._frames))
        (height, width), left, top = where.shape, corner[0] % 2, corner[1] % 2
        asked = np.pad(where, ((top, (height + top) % 2), (left, (width + left) % 2)))
        asked = asked[::2, ::2] | asked[1::2, ::2] | asked[::2, 1::2] | asked[1::2, 1::2]
        rows, columns = asked.nonzero()
        x0, y0, x1, y1 = box
        features = pixel_features(
            coarse,
            rows + corner[1] // 2,
            columns + corner[0] // 2,
            (x0 / 2, y0 / 2, x1 / 2, y1 / 2),
        )
        nearest, _ = self._tree.query(features, distance_upper_bound=MAX_DISTANCE)
        sampled = np.full(asked.shape, MAX_DISTANCE, dtype=np.float32)
        sampled[rows, columns] = np.minimum(nearest, MAX_DISTANCE)
        spread = sampled.repeat(2, axis=0).repeat(2, axis=1)
        return spread[top : top + height, left : left + width]


def pixel_features(
    lab: Lab,
    rows: NDArray[np.int_],
    columns: NDArray[np.int_],
    box: Box,
) -> NDArray[np.float32]:
    """float32 [N, 4]: CIELAB, and height within `box`, of the grid's pixels."""
    colours = lab[rows, columns].astype(np.float32) / COLOUR_UNIT_LAB
    depth = (rows - box[1]) / max(box[3] - box[1], 1.0) / HEIGHT_UNIT_SHARE
    return np.column_stack((colours, depth.astype(np.float32)))


def smoothed(values: NDArray[np.float32], where: Bits, size: int) -> NDArray[np.float32]:
    """Each value averaged with those in a square of `size` pixels that lie in `where`."""
    weight = where.astype(np.float32)
    total = cv2.blur(np.where(where, values, np.float32(0)), (size, size))
    return np.asarray(total / np.maximum(cv2.blur(weight, (size, size)), 1e-3), dtype=np.float32)


def likelihood_ratio(
    lab: Lab,
    mask: Mask,
    own: NDArray[np.float32],
    other: NDArray[np.float32],
    heights: tuple[tuple[float, float], tuple[float, float]],
) -> NDArray[np.float32]:
    """How much rather a silhouette's pixels have somebody else's colours than the person's own.

    The log-likelihood ratio of each pixel is averaged over its neighbourhood, as neighbouring
    pixels belong together.

    Args:
        lab: uint8 [H, W, 3] at grid size.
        mask: the silhouette, within the grid.
        own: `colour_histogram` of the silhouette's person, seen apart.
        other: that of the other person.
        heights: from where to where the person and the other reach, grid rows.

    Returns:
        float32 [h, w] of the mask's shape; above 0 the colours are rather the other's.
    """
    x0, y0, x1, y1 = mask.box
    pixels = lab[y0:y1, x0:x1].astype(np.int32) * LEVELS // 256
    bins = pixels @ np.array([LEVELS * LEVELS, LEVELS, 1])
    rows = np.arange(y0, y1)
    mine = _log_likelihood(own)[_part(rows, *heights[0])[:, None], bins]
    theirs = _log_likelihood(other)[_part(rows, *heights[1])[:, None], bins]
    return smoothed(theirs - mine, mask.bits, SMOOTHING_PX)


def _part(rows: NDArray[np.int_], top: float, bottom: float) -> NDArray[np.int_]:
    """Which part of a body from `top` to `bottom` each row lies in."""
    share = (rows - top) / max(bottom - top, 1.0)
    return np.asarray(np.clip((share * PARTS).astype(np.int_), 0, PARTS - 1))


def _log_likelihood(histogram: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probability of each colour in each part of the body: float32 [3, 216]."""
    cubes = histogram.reshape(PARTS, LEVELS, LEVELS, LEVELS).astype(np.float64)
    cubes /= np.maximum(cubes.sum(axis=(1, 2, 3), keepdims=True), 1e-6)
    cubes = OWN_PART_SHARE * cubes + (1 - OWN_PART_SHARE) * cubes.mean(axis=0)
    for axis in (1, 2, 3):  # light changes: a colour vouches for its neighbours
        level = np.arange(LEVELS)
        below = cubes.take(np.maximum(level - 1, 0), axis)
        above = cubes.take(np.minimum(level + 1, LEVELS - 1), axis)
        cubes = (below + 2 * cubes + above) / 4
    return np.asarray(np.log(cubes.reshape(PARTS, -1) + UNSEEN_PROBABILITY), dtype=np.float32)
