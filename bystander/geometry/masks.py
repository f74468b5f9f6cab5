"""Silhouettes as cropped bitmaps, and the geometry done on them.

Every mask lives on the *analysis grid*: the displayed frame (`bystander.geometry.coordinates`)
scaled to the size at which it is analysed, e.g. 640x360 for a 1080p video.
A mask keeps only the rectangle around its set pixels, so that twenty people
cost twenty small arrays and not twenty frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.types import Box

Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """One silhouette on the analysis grid.

    Attributes:
        x, y: grid column and row of the bitmap's top-left pixel; may be negative
            or beyond the grid for a mask that was moved, `paste` clips it.
        bits: bool [h, w], True inside the silhouette.
    """

    x: int
    y: int
    bits: Bits

    @classmethod
    def from_frame(cls, bits: Bits, x: int = 0, y: int = 0) -> Mask:
        """Crop `bits` (bool [H, W], its corner at grid `x, y`) to its set pixels."""
        rows = np.flatnonzero(bits.any(axis=1))
        if rows.size == 0:
            return cls(x, y, np.zeros((0, 0), dtype=bool))
        columns = np.flatnonzero(bits.any(axis=0))
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        left, right = int(columns[0]), int(columns[-1]) + 1
        return cls(x + left, y + top, np.ascontiguousarray(bits[top:bottom, left:right]))

    @property
    def area(self) -> int:
        """Number of set grid pixels."""
        return int(np.count_nonzero(self.bits))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of the bitmap in grid pixels, end-exclusive."""
        height, width = self.bits.shape
        return self.x, self.y, self.x + width, self.y + height

    def moved(self, dx: float, dy: float) -> Mask:
        """The same silhouette shifted by whole grid pixels (rounded)."""
        return Mask(self.x + round(dx), self.y + round(dy), self.bits)

    def carried(self, source: Box, target: Box) -> Mask:
        """The silhouette moved and scaled as the rectangle `source` is to become `target`.

        The two needn't be the silhouette's own outline: a detector's box also covers
        what it only guesses at.
        """
        across = (target[2] - target[0]) / max(source[2] - source[0], 1e-6)
        down = (target[3] - target[1]) / max(source[3] - source[1], 1e-6)
        x0, y0, x1, y1 = self.box
        return self.fitted(
            (
                target[0] + (x0 - source[0]) * across,
                target[1] + (y0 - source[1]) * down,
                target[0] + (x1 - source[0]) * across,
                target[1] + (y1 - source[1]) * down,
            )
        )

    def fitted(self, box: Box) -> Mask:
        """The silhouette stretched to fill `box` (x0, y0, x1, y1, grid pixels)."""
        x0, y0 = round(box[0]), round(box[1])
        width, height = max(1, round(box[2]) - x0), max(1, round(box[3]) - y0)
        if self.bits.size == 0 or self.bits.shape == (height, width):
            return Mask(x0, y0, self.bits)
        # Linear interpolation and a low threshold: thin limbs survive shrinking.
        scaled = cv2.resize(
            self.bits.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
        )
        return Mask(x0, y0, scaled >= 0.4)

    def grown(self, radius: int) -> Mask:
        """Dilated by a disc of `radius` grid pixels."""
        if radius <= 0 or self.bits.size == 0:
            return self
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        padded = np.pad(self.bits.astype(np.uint8), radius)
        return Mask(self.x - radius, self.y - radius, cv2.dilate(padded, kernel).astype(bool))

    def paste(self, canvas: Bits) -> None:
        """Set this silhouette's pixels in `canvas` (bool [H, W], the whole grid)."""
        rows, columns, bits = self._clipped(*canvas.shape)
        canvas[rows, columns] |= bits

    def clear(self, canvas: Bits) -> None:
        """Unset this silhouette's pixels in `canvas` (bool [H, W], the whole grid)."""
        rows, columns, bits = self._clipped(*canvas.shape)
        canvas[rows, columns] &= ~bits

    def without(self, others: Iterable[Mask]) -> Mask:
        """What of the silhouette none of `others` sets, cropped to it."""
        bits = self.bits.copy()
        for other in others:
            other.moved(-self.x, -self.y).clear(bits)
        return Mask.from_frame(bits, self.x, self.y)

    def without_pixels(self, pixels: Bits) -> Mask:
        """What of the silhouette `pixels` (bool [H, W], the whole grid) doesn't set."""
        rows, columns, bits = self._clipped(*pixels.shape)
        return Mask.from_frame(bits & ~pixels[rows, columns], columns.start, rows.start)

    def on_window(self, box: tuple[int, int, int, int]) -> Bits:
        """The silhouette as bool [h, w] over `box` (x0, y0, x1, y1, grid pixels)."""
        x0, y0, x1, y1 = box
        return self.moved(-x0, -y0).on_grid(x1 - x0, y1 - y0)

    def on_grid(self, width: int, height: int) -> Bits:
        """The silhouette as bool [height, width] over the whole grid."""
        canvas = np.zeros((height, width), dtype=bool)
        self.paste(canvas)
        return canvas

    def clipped(self, width: int, height: int) -> Mask:
        """The part of the silhouette inside a grid of `width` x `height`."""
        rows, columns, bits = self._clipped(height, width)
        return Mask(columns.start, rows.start, bits)

    def contains(self, x: float, y: float) -> bool:
        """Whether the grid pixel under (x, y) belongs to the silhouette."""
        column, row = int(x) - self.x, int(y) - self.y
        height, width = self.bits.shape
        return 0 <= row < height and 0 <= column < width and bool(self.bits[row, column])

    def _clipped(self, height: int, width: int) -> tuple[slice, slice, Bits]:
        x0, y0, x1, y1 = self.box
        left, top = min(max(x0, 0), width), min(max(y0, 0), height)
        right, bottom = max(left, min(x1, width)), max(top, min(y1, height))
        bits = self.bits[top - y0 : bottom - y0, left - x0 : right - x0]
        if bits.shape != (bottom - top, right - left):  # wholly outside the grid
            bits = np.zeros((bottom - top, right - left), dtype=bool)
        return slice(top, bottom), slice(left, right), bits


def intersection(a: Mask, b: Mask) -> int:
    """Number of grid pixels that both silhouettes set."""
    ax0, ay0, ax1, ay1 = a.box
    bx0, by0, bx1, by1 = b.box
    x0, y0, x1, y1 = max(ax0, bx0), max(ay0, by0), min(ax1, bx1), min(ay1, by1)
    if x0 >= x1 or y0 >= y1:
        return 0
    in_a = a.bits[y0 - ay0 : y1 - ay0, x0 - ax0 : x1 - ax0]
    in_b = b.bits[y0 - by0 : y1 - by0, x0 - bx0 : x1 - bx0]
    return int(np.count_nonzero(in_a & in_b))


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two silhouettes, 0 to 1."""
    both = intersection(a, b)
    return both / (a.area + b.area - both) if both else 0.0


def union(masks: Iterable[Mask]) -> Mask:
    """The smallest mask that covers all of `masks` (at least one)."""
    parts = list(masks)
    boxes = np.array([mask.box for mask in parts])
    x0, y0 = (int(v) for v in boxes[:, :2].min(axis=0))
    x1, y1 = (int(v) for v in boxes[:, 2:].max(axis=0))
    canvas = np.zeros((y1 - y0, x1 - x0), dtype=bool)
    for mask in parts:
        height, width = mask.bits.shape
        canvas[mask.y - y0 : mask.y - y0 + height, mask.x - x0 : mask.x - x0 + width] |= mask.bits
    return Mask(x0, y0, canvas)


def resized(bits: Bits, size: tuple[int, int]) -> Bits:
    """Bool [H, W] of any size as bool of `size` = (W, H), by the nearest pixel."""
    scaled = cv2.resize(bits.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return scaled.astype(bool)


def encode_runs(mask: Mask) -> NDArray[np.uint32]:
    """Run-length code of the bitmap: uint32 [n], row-major, starting with a run of False.

    The same order of runs as COCO's uncompressed RLE, over rows instead of columns.
    """
    flat = mask.bits.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate(([0], changes, [flat.size]))
    runs = np.diff(edges)
    if flat.size and flat[0]:
        runs = np.concatenate(([0], runs))
    return runs.astype(np.uint32)


def decode_runs(runs: NDArray[np.uint32], x: int, y: int, width: int, height: int) -> Mask:
    """The mask at grid `x, y` that `encode_runs` coded.

    Raises:
        ValueError: the runs don't add up to width x height.
    """
    if int(runs.sum(dtype=np.int64)) != width * height:
        raise ValueError(f"mask runs add up to {int(runs.sum())} pixels, not {width}x{height}")
    values = np.arange(runs.size) % 2 == 1
    return Mask(x, y, np.repeat(values, runs).reshape(height, width))
