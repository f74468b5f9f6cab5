"""Small pictures and silhouettes that the redaction tests draw on."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Mask
from bystander.media.colour import planes_of

GRID = 160, 90
SIZE = 480, 270


def noise(
    size: tuple[int, int] = SIZE, pixel_format: str = "yuv420p", seed: int = 0
) -> av.VideoFrame:
    """A picture of random samples that use the whole range."""
    picture = av.VideoFrame(*size, pixel_format)
    picture.pts, picture.time_base = 7, Fraction(1, 25)
    random = np.random.default_rng(seed)
    top = 1 << (10 if "10" in pixel_format else 8)
    for plane in planes_of(picture):
        plane[:] = random.integers(0, top, plane.shape)
    return picture


def samples(picture: av.VideoFrame) -> list[NDArray[Any]]:
    """Copies of a picture's planes."""
    return [plane.copy() for plane in planes_of(picture)]


def figure(x: int, top: int, height: int, grid: tuple[int, int] = GRID) -> Mask:
    """Someone standing, on the analysis grid."""
    canvas = np.zeros(grid[::-1], dtype=np.uint8)
    head = height / 7
    parts = (
        (0, 0.6, 0.45, 0.6),
        (0, 2.6, 0.9, 1.6),
        (-0.35, 5.2, 0.35, 1.8),
        (0.35, 5.2, 0.35, 1.8),
    )
    for dx, dy, across, down in parts:
        centre = round(x + dx * head), round(top + dy * head)
        cv2.ellipse(canvas, centre, (round(across * head), round(down * head)), 0, 0, 360, 1, -1)
    return Mask.from_frame(canvas.astype(bool))


def rectangle(x0: int, y0: int, x1: int, y1: int) -> Mask:
    return Mask(x0, y0, np.ones((y1 - y0, x1 - x0), dtype=bool))


def in_source(mask: Mask, plane: NDArray[Any]) -> NDArray[np.bool_]:
    """bool like `plane`: the samples with a pixel in a set grid pixel (`GRID` to `SIZE`)."""
    bits = mask.on_grid(*GRID).astype(np.uint8)
    scaled = cv2.resize(bits, SIZE, interpolation=cv2.INTER_NEAREST).astype(bool)
    height, width = plane.shape
    step = SIZE[1] // height
    return np.asarray(scaled.reshape(height, step, width, step).any(axis=(1, 3)))
