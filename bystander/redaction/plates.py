"""Frames of one shot, and where people are in them -> the background behind everybody.

A *plate* is the place that the frames of a window show, without the people in it: of each pixel
the median of those frames in which it lies outside everybody's silhouette, generously grown. It is
*known* where several frames saw it and agree, and nowhere else: whom nobody detected disagrees
with what is there when they have gone. Of an unknown pixel nothing is kept.

A detection that comes late or breaks off tells that somebody was there before or after it, unseen.
So a frame counts as covered where anybody was in the frames around it, and where anybody appears
later for the first time or was seen before for the last time, unless they plainly have left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits
from bystander.redaction.camera import Homography, moved
from bystander.redaction.effects import Plane

Weight = NDArray[np.uint8]
"""uint8 [H, W], 255 where a plate is known, 0 where it isn't, between them near the edge."""

Small = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Y, Cb, Cr of a frame, uint8 [h, w] each, half as large as the analysis grid."""

MIN_CHANGE_GREY_LEVELS: Final = 14.0
LEFT_SHARE: Final = 0.6
"""Somebody has left where this share of the pixels that they were seen at changed by that much."""
MAX_LIGHT_GREY_LEVELS: Final = 14.0
"""By which the light alone may change."""
MIN_LEFT_PX: Final = 12
"""Pixels at half the grid's size; whoever is smaller isn't told to have left."""
MIN_SEEN: Final = 3
"""Frames that have to show a pixel of the background."""
MAX_DEVIATION_GREY_LEVELS: Final = 8.0
"""By which most of them may be off their median, of 256 levels."""
AGREEING_SHARE: Final = 0.6
"""Of the frames that show a pixel, so many are no further off."""
EDGE_GRID_PX: Final = 1.5
"""Grid pixels of a plate beside an unknown one, which interpolation would mix with it."""
SOFTNESS_GRID_PX: Final = 2.5
"""Grid pixels over which a plate fades out beside what is unknown."""
HOLE_GRID_PX: Final = 2
HOLE_FACTOR: Final = 2.5
"""Holes of that radius count as agreed on, too, where samples differ by this factor more."""
SPECK_GRID_PX: Final = 3
"""Radius up to which parts that are agreed on are too small to be filled."""
STRIPE_ROWS: Final = 64
MAX_SIDE: Final = 1.5
"""Sides of the picture up to which a plate may reach beyond its first frame, in all directions."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A frame that a plate is made of.

    Attributes:
        planes: Y, Cb, Cr, uint8 or uint16.
        motion: from its pixels to those of the window's first frame, luma pixels.
    """

    planes: Sequence[Plane]
    motion: Homography


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a plate covers, in pixels of the window's first frame.

    Attributes:
        x, y: of its corner, luma pixels, even.
        width, height: luma pixels, even.
        scale: luma pixels a grid pixel, across and down.
    """

    x: int
    y: int
    width: int
    height: int
    scale: tuple[float, float]

    @classmethod
    def of(
        cls, motions: Sequence[Homography], size: tuple[int, int], grid: tuple[int, int]
    ) -> Canvas:
        """Around all frames of `size` = (W, H) that are moved so."""
        width, height = size
        corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], np.float32)
        reached = np.concatenate([corners, *(moved(corners, motion) for motion in motions)])
        least = np.maximum(reached.min(axis=0), np.multiply(size, 1 - MAX_SIDE))
        most = np.minimum(reached.max(axis=0), np.multiply(size, MAX_SIDE))
        x, y = (int(v) // 2 * 2 for v in np.floor(least))
        right, bottom = (-(-int(v) // 2) * 2 for v in np.ceil(most))
        return cls(x, y, right - x, bottom - y, (width / grid[0], height / grid[1]))

    @property
    def grid(self) -> tuple[int, int]:
        """Width, height of the canvas in grid pixels."""
        return round(self.width / self.scale[0]), round(self.height / self.scale[1])

    def place(self, motion: Homography, step: int = 1) -> Homography:
        """From pixels of a frame to those of the canvas.

        Args:
            motion: of the frame, luma pixels.
            step: luma pixels a pixel of both, 2 for halved chroma.
        """
        return np.asarray(scaled(shifted(-self.x, -self.y) @ motion, (step, step)))

    def grid_place(self, motion: Homography) -> Homography:
        """From grid pixels of a frame to those of the canvas; `motion` is in luma pixels."""
        return np.asarray(scaled(shifted(-self.x, -self.y) @ motion, self.scale))


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """The background that the frames of a window show.

    Attributes:
        canvas: what it covers.
        planes: Y, Cb, Cr of it, 0 where nothing is known nor beside that.
        weights: how well each pixel is known, of luma and of chroma.
    """

    canvas: Canvas
    planes: tuple[Plane, Plane, Plane]
    weights: tuple[Weight, Weight]


def in_luma(motion: Homography, scale: tuple[float, float]) -> Homography:
    """A motion of grid pixels as one of luma pixels."""
    return np.asarray(scaled(motion, (1 / scale[0], 1 / scale[1])))


def warped_bits(bits: Bits, place: Homography, size: tuple[int, int]) -> Bits:
    """Bits where a motion takes them, rather too many: bool [H, W] of `size` = (W, H)."""
    if np.array_equal(place, np.eye(3)) and bits.shape == size[::-1]:
        return bits
    spread = cv2.warpPerspective(bits.view(np.uint8) * np.uint8(255), place, size)
    return np.asarray(spread > 0)


def has_left(then: Small, now: Small, place: Homography, mask: Bits) -> bool:
    """Whether somebody who was seen in one frame is plainly gone from there in another.

    Args:
        then: the frame that they were seen in.
        now: the other.
        place: from pixels of `then` to those of `now`.
        mask: where they were: bool [h, w], pixels of both.
    """
    size = mask.shape[::-1]
    there = warped_bits(mask, place, size)
    if np.count_nonzero(there) < MIN_LEFT_PX:
        return False
    changed = np.zeros(np.count_nonzero(there), dtype=bool)
    for index, (one, other) in enumerate(zip(then, now, strict=True)):
        before = cv2.warpPerspective(one, place, size, borderMode=cv2.BORDER_REPLICATE)
        away = other[there].astype(np.float32) - before[there].astype(np.float32)
        if index == 0:  # the light may have changed
            away -= np.median(away).clip(-MAX_LIGHT_GREY_LEVELS, MAX_LIGHT_GREY_LEVELS)
        changed |= np.abs(away) > MIN_CHANGE_GREY_LEVELS
    return bool(changed.mean() >= LEFT_SHARE)


def small_planes(planes: Sequence[Plane], grid: tuple[int, int]) -> Small:
    """A frame for `has_left`: uint8 [h, w] each, half as large as the grid."""
    size = grid[0] // 2, grid[1] // 2
    y, cb, cr = (_small(plane, size) for plane in planes)
    return y, cb, cr


def _small(plane: Plane, size: tuple[int, int]) -> NDArray[np.uint8]:
    small: Plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA))
    return np.asarray(small if small.dtype == np.uint8 else small >> 2, dtype=np.uint8)


def build_plate(
    canvas: Canvas, samples: Sequence[Sample], covered: Sequence[Bits], wanted: Bits
) -> Plate:
    """The background behind everybody.

    Args:
        canvas: what it is to cover.
        samples: frames that show it.
        covered: of each sample, where somebody may be: bool [h, w] over `canvas.grid`.
        wanted: where it is asked for, likewise. Elsewhere it is unknown.
    """
    known = wanted & _agreed(canvas, samples, covered)
    if known.all():  # there is no distance to nothing
        depth = np.full(known.shape, np.float32(np.inf))
    else:
        depth = np.asarray(cv2.distanceTransform(known.view(np.uint8), cv2.DIST_L2, 5))
    weight = np.rint(((depth - EDGE_GRID_PX) / SOFTNESS_GRID_PX).clip(0, 1) * 255)
    luma, *chroma = samples[0].planes
    step = 2 if chroma[0].shape[1] < luma.shape[1] else 1
    planes = [
        _background(canvas, index, samples, covered, known, step if index else 1)
        for index in range(3)
    ]
    weights: list[Weight] = [
        np.asarray(
            cv2.warpPerspective(
                weight.astype(np.uint8),
                scaled(np.eye(3), canvas.scale, (size, size)),
                (canvas.width // size, canvas.height // size),
                borderMode=cv2.BORDER_REPLICATE,
            ),
            dtype=np.uint8,
        )
        for size in (1, step)
    ]
    return Plate(canvas, (planes[0], planes[1], planes[2]), (weights[0], weights[1]))


def _agreed(canvas: Canvas, samples: Sequence[Sample], covered: Sequence[Bits]) -> Bits:
    """Where enough samples see the background, and agree on it: bool [h, w] over `canvas.grid`.

    At the grid's size: so fine texture may be a little off, which nobody is made of.
    """
    luma = samples[0].planes[0]
    size = round(luma.shape[1] / canvas.scale[0]), round(luma.shape[0] / canvas.scale[1])
    most = MAX_DEVIATION_GREY_LEVELS * (1 if luma.dtype == np.uint8 else 4)
    everywhere = np.ones(covered[0].shape, dtype=bool)
    agreed, nearly = everywhere.copy(), everywhere.copy()
    for index in range(3):
        small = [
            np.asarray(cv2.resize(sample.planes[index], size, interpolation=cv2.INTER_AREA))
            for sample in samples
        ]
        places = [canvas.grid_place(sample.motion) for sample in samples]
        deviation = _deviation(*_stacked(small, places, covered, everywhere))
        deviation = deviation.reshape(everywhere.shape)
        # Of single pixels in noise, what their neighbours say counts as well.
        smooth = cv2.blur(np.minimum(deviation, 4 * most), (3, 3))
        agreed &= np.isfinite(deviation) & (smooth <= most)
        nearly &= np.isfinite(deviation) & (smooth <= HOLE_FACTOR * most)
    # Whole parts are filled or blurred: specks of either would draw the eye to what is masked.
    closed = cv2.morphologyEx(agreed.view(np.uint8), cv2.MORPH_CLOSE, _disc(HOLE_GRID_PX))
    whole = cv2.morphologyEx(closed & nearly, cv2.MORPH_OPEN, _disc(SPECK_GRID_PX))
    return np.asarray(whole, dtype=bool)


def _background(
    canvas: Canvas,
    index: int,
    samples: Sequence[Sample],
    covered: Sequence[Bits],
    known: Bits,
    step: int,
) -> Plane:
    """Median of one plane over the samples that show the background.

    Beside it is the mean of what is known there, which interpolation mixes in where the grid is
    finer than the plane. It is 0 elsewhere.
    """
    height, width = canvas.height // step, canvas.width // step
    planes = [sample.planes[index] for sample in samples]
    places = [canvas.place(sample.motion, step) for sample in samples]
    values: Plane = np.zeros((height, width), dtype=planes[0].dtype)
    there = np.zeros((height, width), dtype=bool)
    grid_width, grid_height = canvas.grid
    columns = ((np.arange(width) + 0.5) * step / canvas.scale[0]).astype(int)
    columns = columns.clip(0, grid_width - 1)
    for top in range(0, height, STRIPE_ROWS):
        bottom = min(height, top + STRIPE_ROWS)
        rows = ((np.arange(top, bottom) + 0.5) * step / canvas.scale[1]).astype(int)
        cells = np.ix_(rows.clip(0, grid_height - 1), columns)
        asked = there[top:bottom] = known[cells]
        if asked.any():
            at = [shifted(0, -top) @ place for place in places]
            shown, clear = _stacked(planes, at, [bits[cells] for bits in covered], asked)
            values[top:bottom][asked] = _median(shown, clear)
    return _extended(values, there)


def _extended(values: Plane, known: Bits) -> Plane:
    """A plane, 0 where it isn't known, with the mean of what is known around each such sample.

    Args:
        values: uint8 or uint16 [H, W]; written to.
        known: bool [H, W].
    """
    side = 3, 3
    total = np.asarray(cv2.boxFilter(values, cv2.CV_16U, side, normalize=False))  # 9 of 10 bits fit
    count = np.asarray(cv2.boxFilter(known.view(np.uint8), cv2.CV_8U, side, normalize=False))
    beside = ~known & (count > 0)
    values[beside] = np.rint(total[beside] / count[beside]).astype(values.dtype)
    return values


def _stacked(
    planes: Sequence[Plane], places: Sequence[Homography], covered: Sequence[Bits], asked: Bits
) -> tuple[Plane, Bits]:
    """What each sample shows of the pixels that are asked for, and which it does: [N, K]."""
    size = asked.shape[::-1]
    shown, clear = [], []
    for plane, place, there in zip(planes, places, covered, strict=True):
        part: Any = cv2.warpPerspective(plane, place, size)
        inside = cv2.warpPerspective(_ones(plane.shape), place, size) == 255
        shown.append(part[asked])
        clear.append((inside & ~there)[asked])
    return np.stack(shown, axis=1), np.stack(clear, axis=1)


def _median(shown: Plane, clear: Bits) -> Plane:
    """Of each row the median of what is clear, 0 where nothing is."""
    ordered = np.sort(np.where(clear, shown, np.iinfo(shown.dtype).max), axis=1)
    count = np.count_nonzero(clear, axis=1)
    middle: Plane = ordered[np.arange(len(shown)), np.maximum(count - 1, 0) // 2]
    return np.where(count > 0, middle, 0).astype(shown.dtype)


def _deviation(shown: Plane, clear: Bits) -> NDArray[np.float32]:
    """Of each row, by how much most of what is clear is off its median: inf of too few."""
    middle = _median(shown, clear)[:, None]
    off = np.where(shown > middle, shown - middle, middle - shown)  # they are unsigned
    ordered = np.sort(np.where(clear, off, np.iinfo(shown.dtype).max), axis=1)
    count = np.count_nonzero(clear, axis=1)
    agreeing = np.maximum(np.ceil(AGREEING_SHARE * count).astype(int) - 1, 0)
    deviation: NDArray[np.float32] = ordered[np.arange(len(shown)), agreeing].astype(np.float32)
    deviation[count < MIN_SEEN] = np.inf
    return deviation


def _ones(shape: tuple[int, ...]) -> Weight:
    return np.full(shape, 255, dtype=np.uint8)


def _disc(radius: int) -> NDArray[np.uint8]:
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def shifted(x: float, y: float) -> Homography:
    return np.array([(1, 0, x), (0, 1, y), (0, 0, 1)], dtype=np.float64)


def scaled(
    motion: Homography, scale: tuple[float, float], onto: tuple[float, float] | None = None
) -> Homography:
    """A motion of pixels as one of pixels `scale` times as large, counted from their corners.

    Args:
        onto: the same of the pixels that it leads to, where those are others.
    """
    return np.asarray(np.linalg.inv(_larger(onto or scale)) @ motion @ _larger(scale))


def _larger(scale: tuple[float, float]) -> Homography:
    """From pixels `scale` times as large to pixels."""
    return np.array(
        [(scale[0], 0, scale[0] / 2 - 0.5), (0, scale[1], scale[1] / 2 - 0.5), (0, 0, 1)]
    )
