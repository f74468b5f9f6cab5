"""Measures of silhouettes against the truth: pure functions over masks and arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Bits, Mask, intersection, iou

Floats = NDArray[np.float64]

SAME_PERSON = 0.5
"""Least mask IoU at which a silhouette counts as that of a true person, as in AP50."""

RECALLS: Floats = np.linspace(0, 1, 101)
"""Where COCO's evaluation reads the precision-recall curve."""

_DILATION_RATIO = 0.02  # of the image's diagonal: the published setting of Boundary IoU

Size = Literal["small", "medium", "large"]


@dataclass(frozen=True, slots=True)
class Matching:
    """Who was found in one image.

    Attributes:
        pairs: indices of truth and found that are the same person.
        missed: indices of the truth that nobody found.
        false: indices of what was found and is nobody.
    """

    pairs: tuple[tuple[int, int], ...]
    missed: tuple[int, ...]
    false: tuple[int, ...]


def match(truth: Sequence[Mask], crowds: Sequence[Mask], found: Sequence[Instance]) -> Matching:
    """Give each instance, the most certain first, the unmatched person it fits best.

    The greedy matching of COCO's evaluation at one IoU. An instance that fits nobody and
    lies in a crowd by more than half is neither right nor wrong.
    """
    free = dict(enumerate(truth))
    pairs, false = [], []
    for index in sorted(range(len(found)), key=lambda i: -found[i].score):
        mask = found[index].mask
        overlaps = {person: iou(mask, true) for person, true in free.items()}
        best = max(overlaps, key=overlaps.__getitem__, default=None)
        if best is not None and overlaps[best] >= SAME_PERSON:
            pairs.append((best, index))
            del free[best]
        elif not any(intersection(mask, c) >= SAME_PERSON * mask.area for c in crowds):
            false.append(index)
    return Matching(tuple(pairs), tuple(free), tuple(false))


def size_of(mask: Mask) -> Size:
    """COCO's size class of a silhouette, by its pixels."""
    if mask.area < 32**2:
        return "small"
    return "medium" if mask.area < 96**2 else "large"


def covered(masks: Sequence[Mask], width: int, height: int, growth: int = 0) -> Bits:
    """The pixels that some mask, dilated by `growth` pixels, sets: bool [height, width]."""
    canvas = np.zeros((height, width), dtype=bool)
    for mask in masks:
        mask.grown(growth).paste(canvas)
    return canvas


def uncovered(person: Mask, cover: Bits) -> int:
    """Number of a true person's pixels that `cover` (bool [H, W], the whole grid) leaves."""
    height, width = person.bits.shape
    under = cover[person.y : person.y + height, person.x : person.x + width]
    return int(np.count_nonzero(person.bits & ~under))


def boundary_iou(a: Mask, b: Mask, width: int, height: int) -> float:
    """IoU of the bands along the insides of two outlines, 0 to 1.

    Boundary IoU, Cheng et al., CVPR 2021, which unlike mask IoU doesn't forgive large
    silhouettes their blurred outlines. The band's width is a share of the diagonal of the
    image, `width` x `height` pixels.
    """
    band = max(1, round(_DILATION_RATIO * math.hypot(width, height)))
    return iou(_band(a, band), _band(b, band))


def _band(mask: Mask, width: int) -> Mask:
    if not mask.area:
        return mask
    # What lies beyond the crop, and so beyond the image, is outside the silhouette.
    bits = np.pad(mask.bits.astype(np.uint8), 1)
    inner = cv2.erode(bits, np.ones((3, 3), np.uint8), iterations=width)
    return Mask(mask.x - 1, mask.y - 1, (bits - inner).astype(bool))


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Every detection of a test set at one IoU, the most certain first.

    Attributes:
        image: int64 [D], the image that each is in.
        right: bool [D], it was matched.
        people: float64 [N], true people per image.
    """

    image: NDArray[np.int64]
    right: NDArray[np.bool_]
    people: Floats


def precision(ranking: Ranking, weights: Floats) -> Floats:
    """The interpolated precision-recall curve, as COCO's evaluation draws it.

    Args:
        weights: float64 [N], how often each image counts.

    Returns:
        float64 [101], the precision at `RECALLS`; nan if there are no people.
    """
    people = float(ranking.people @ weights)
    if people == 0:
        return np.full(RECALLS.size, np.nan)
    each = weights[ranking.image]
    right = np.cumsum(each * ranking.right)
    reported = np.cumsum(each)
    curve = right / np.maximum(reported, np.finfo(float).eps)
    curve = np.maximum.accumulate(curve[::-1])[::-1]
    reached = np.searchsorted(right / people, RECALLS, side="left")
    return np.append(curve, 0.0)[reached]


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """A figure that is a sum over images divided by another one, e.g. recall.

    Attributes:
        parts, wholes: float64 [N], of each image.
    """

    parts: Floats
    wholes: Floats

    def values(self, weights: Floats) -> Floats:
        """The figure in each of B samples; nan where there is nothing to divide by.

        Args:
            weights: float64 [B, N], how often each image counts in each.
        """
        with np.errstate(invalid="ignore"):
            return np.asarray((weights @ self.parts) / (weights @ self.wholes), dtype=np.float64)


def resamples(images: int, count: int, seed: int = 0) -> Floats:
    """How often each image counts in each bootstrap sample: float64 [count, images]."""
    chances = np.full(images, 1 / images)
    return np.random.default_rng(seed).multinomial(images, chances, size=count).astype(float)


def interval(values: Floats) -> tuple[float, float]:
    """The middle 95 % of bootstrapped values (percentile method); nan where there are none."""
    values = values[np.isfinite(values)]
    if not values.size:
        return math.nan, math.nan
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
