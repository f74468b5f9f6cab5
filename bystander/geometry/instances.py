"""What the networks see in one frame: people and faces.

Coordinates are *grid pixels*: the displayed frame (`bystander.geometry.coordinates`) scaled to
the analysis size, see `bystander.geometry.masks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Mask
from bystander.geometry.types import Box, PixelBox


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One person in one frame.

    Attributes:
        box: grid pixels; covers the silhouette.
        score: the detector's confidence, 0 to 1.
        mask: the silhouette.
    """

    box: Box
    score: float
    mask: Mask


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One detected face, in the pixels of the picture it was found in.

    Attributes:
        box: x0, y0, x1, y1.
        score: the detector's confidence, 0 to 1.
        landmarks: float32 [5, 2] x, y of right eye, left eye, nose tip and mouth
            corners, as seen by the viewer from left to right (InsightFace's order).
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32]


def box_area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (box_area(a) + box_area(b) - both)


def overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area of the intersection of each pair of boxes.

    Args:
        a, b: float64 [A, 4] and [B, 4]; x0, y0, x1, y1.

    Returns:
        float64 [A, B], 0 where they don't meet.
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def box_areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas of float64 [N, 4] boxes: float64 [N]."""
    return np.asarray(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1))


def as_boxes(boxes: Iterable[Box | PixelBox]) -> NDArray[np.float64]:
    """float64 [N, 4], of no boxes too."""
    return np.array(list(boxes), dtype=np.float64).reshape(-1, 4)


def shared(a: Box, b: Box) -> float:
    """Intersection over the smaller of two boxes, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / max(min(box_area(a), box_area(b)), 1e-6)


def centre(box: Box) -> tuple[float, float]:
    """x and y of the middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def translated(box: Box, dx: float, dy: float) -> Box:
    """A box so far to the right and down."""
    x0, y0, x1, y1 = box
    return x0 + dx, y0 + dy, x1 + dx, y1 + dy


def shift(before: Box, after: Box) -> tuple[float, float]:
    """How far someone moved, x and y, as their box went from `before` to `after`.

    Only as far as opposite edges moved together: where one edge moves and the other
    doesn't, somebody is being covered or uncovered, and stays where they are.
    """
    moves = (a - b for a, b in zip(after, before, strict=True))
    left, top, right, bottom = moves
    return _common(left, right), _common(top, bottom)


def _common(a: float, b: float) -> float:
    return min(a, b, key=abs) if a * b > 0 else 0.0
