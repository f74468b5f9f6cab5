"""Shapes in display pixels -> masks on the grid, and shapes that moved."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.editing.document import Box, Ellipse, Polygon
from bystander.geometry.coordinates import GridTransform
from bystander.geometry.masks import Mask
from bystander.geometry.types import Box as GridBox

_SUBPIXEL_BITS = 4
_ELLIPSE_CORNERS = 48


@dataclass(frozen=True, slots=True)
class Motion:
    """How a shape moved since it was drawn: it grew about its middle, which went on.

    Attributes:
        dx, dy: grid pixels.
        scale: of its size.
    """

    dx: float = 0.0
    dy: float = 0.0
    scale: float = 1.0


def outline(shape: Box | Ellipse | Polygon, transform: GridTransform) -> NDArray[np.float64]:
    """Its corners in grid pixels: float64 [N, 2], x and y."""
    if isinstance(shape, Polygon):
        corners = np.array(shape.points, dtype=np.float64)
    elif isinstance(shape, Box):
        left, top = shape.x, shape.y
        right, bottom = left + shape.width, top + shape.height
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    else:
        angles = np.linspace(0, 2 * np.pi, _ELLIPSE_CORNERS, endpoint=False)
        middle = np.array([shape.x + shape.width / 2, shape.y + shape.height / 2])
        radii = np.array([shape.width, shape.height]) / 2
        corners = middle + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    scale = np.array(transform.grid) / np.array(transform.display)
    return np.asarray(corners * scale, dtype=np.float64)


def moved(corners: NDArray[np.float64], motion: Motion) -> NDArray[np.float64]:
    """A shape's corners after it moved: float64 [N, 2]."""
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    shift = np.array([motion.dx, motion.dy])
    return np.asarray(middle + shift + (corners - middle) * motion.scale)


def box_of(corners: NDArray[np.float64]) -> GridBox:
    """The rectangle around a shape: x0, y0, x1, y1, grid pixels."""
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def rasterised(corners: NDArray[np.float64], grid: tuple[int, int]) -> Mask:
    """Every grid pixel that a shape touches, on a grid of that width and height."""
    width, height = grid
    x0, y0, x1, y1 = box_of(corners)
    left, top = max(0, int(np.floor(x0))), max(0, int(np.floor(y0)))
    right, bottom = min(width, int(np.ceil(x1))), min(height, int(np.ceil(y1)))
    if left >= right or top >= bottom:
        return Mask(0, 0, np.zeros((0, 0), dtype=bool))
    canvas = np.zeros((bottom - top, right - left), dtype=np.uint8)
    # A pixel's middle is at its number in OpenCV.
    points = (corners - [left + 0.5, top + 0.5]) * 2**_SUBPIXEL_BITS
    lines = [np.round(points).astype(np.int32)]
    cv2.fillPoly(canvas, lines, 1, shift=_SUBPIXEL_BITS)
    return Mask.from_frame(canvas.astype(bool), left, top)
