"""Two frames -> where each pixel came from, and masks moved from one to the other.

Optical flow is DIS (Kroeger et al. 2016), at half the grid's size: four times as fast, and
smoother.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits
from bystander.geometry.types import PixelBox, Rgb

Weights = NDArray[np.float32]
Grey = NDArray[np.uint8]

FLOW_SCALE: Final = 0.5
MISMATCH_GREY_LEVELS: Final = 20.0
"""From this difference on flow hasn't found a pixel again: it was hidden a frame ago."""
REACH_PX: Final = 16
"""Grid pixels that somebody may move in a frame."""
APART_PX: Final = 1.0
"""Grid pixels a frame from which on two motions differ."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Values of a rectangle of the grid whose top-left pixel is `x, y`; 0 outside.

    Attributes:
        weights: float32 [h, w], 0 to 1.
    """

    x: int
    y: int
    weights: Weights

    @property
    def box(self) -> PixelBox:
        height, width = self.weights.shape
        return self.x, self.y, self.x + width, self.y + height

    def within(self, box: PixelBox) -> Weights:
        """The values in `box`, whatever lies outside the window being 0."""
        x0, y0, x1, y1 = box
        result = np.zeros((y1 - y0, x1 - x0), dtype=np.float32)
        mx0, my0, mx1, my1 = self.box
        left, top, right, bottom = max(x0, mx0), max(y0, my0), min(x1, mx1), min(y1, my1)
        if left < right and top < bottom:
            result[top - y0 : bottom - y0, left - x0 : right - x0] = self.weights[
                top - my0 : bottom - my0, left - mx0 : right - mx0
            ]
        return result


def widened(box: PixelBox, margin: int, grid: tuple[int, int]) -> PixelBox:
    """A rectangle wider by `margin` on all sides, clipped to the grid (width, height)."""
    x0, y0, x1, y1 = box
    return (
        min(max(0, x0 - margin), grid[0]),
        min(max(0, y0 - margin), grid[1]),
        max(0, min(grid[0], x1 + margin)),
        max(0, min(grid[1], y1 + margin)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Where each pixel of one frame lies in another one of the same shot.

    Attributes:
        places: float32 [H, W, 2], x and y there, grid pixels.
    """

    places: NDArray[np.float32]

    @classmethod
    def between(cls, now: Grey, other: Grey, grid: tuple[int, int]) -> Warp:
        """Estimate it, by optical flow.

        Args:
            now, other: uint8 [h, w], see `grey`.
            grid: width, height of the analysis grid.
        """
        return cls(_pixels(*grid) + _on_grid(_estimated(now, other), grid))

    @property
    def grid(self) -> tuple[int, int]:
        height, width = self.places.shape[:2]
        return width, height

    def moved(self, window: Window, reach: int = REACH_PX) -> Window | None:
        """Values of the other frame, where their pixels are now; None if nothing is left.

        Args:
            reach: how far they may have moved, grid pixels.
        """
        box = widened(window.box, reach, self.grid)
        places = self.places[box[1] : box[3], box[0] : box[2]]
        if not places.size or not window.weights.size:
            return None
        within = cast(Any, cv2.subtract)(places, (window.x, window.y, 0, 0))
        weights = cast(Any, cv2.remap)(
            window.weights, within, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        return Window(box[0], box[1], np.asarray(weights, dtype=np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Flow(Warp):
    """The same, and how far it can be relied on.

    Attributes:
        vectors: float32 [H, W, 2], x and y, grid pixels from a pixel to where it is there.
        reliable: bool [H, W], where the other frame has the pixel: not where something that is
            hidden there comes out.
        camera: how far the picture as a whole moved since, x and y, grid pixels.
    """

    vectors: NDArray[np.float32]
    reliable: Bits
    camera: tuple[float, float]

    @classmethod
    def between(cls, now: Grey, other: Grey, grid: tuple[int, int]) -> Flow:
        flow = _estimated(now, other)
        dx, dy = np.median(flow[::8, ::8].reshape(-1, 2), axis=0) / -FLOW_SCALE
        there = _pixels(now.shape[1], now.shape[0]) + flow
        again = cast(Any, cv2.remap)(other, there, None, cv2.INTER_LINEAR)
        errors = cv2.blur(cv2.absdiff(again, now), (3, 3))
        vectors = _on_grid(flow, grid)
        return cls(
            _pixels(*grid) + vectors,
            vectors,
            np.asarray(cv2.resize(errors, grid) <= MISMATCH_GREY_LEVELS),
            (float(dx), float(dy)),
        )

    def with_background(self, box: PixelBox, inside: Bits) -> Bits:
        """Where the picture moves rather with the camera than with somebody: bool [h, w] of `box`.

        Args:
            inside: pixels that are surely theirs, bool [h, w]. Where they move no otherwise than
                the camera, nothing is told.
        """
        if not inside.any():
            return np.zeros(inside.shape, dtype=bool)
        vectors = self.vectors[box[1] : box[3], box[0] : box[2]]
        own = np.array(cv2.mean(vectors, inside.view(np.uint8))[:2], dtype=np.float32)
        camera = -np.array(self.camera, dtype=np.float32)
        apart = own - camera
        if np.hypot(*apart) <= APART_PX:
            return np.zeros(inside.shape, dtype=bool)
        # Nearer to the camera's motion than to their own: on that side of the line between.
        middle = float(apart @ (own + camera)) / 2
        return np.asarray(cv2.transform(vectors, apart[None]) < middle)


def grey(picture: Rgb) -> Grey:
    """uint8 [H, W, 3] RGB at grid size as flow wants it: uint8 [H / 2, W / 2]."""
    height, width = picture.shape[:2]
    size = round(width * FLOW_SCALE), round(height * FLOW_SCALE)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _estimated(now: Grey, other: Grey) -> NDArray[np.float32]:
    """float32 [h, w, 2]: x and y from each pixel of `now` to where it is in `other`."""
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.asarray(cast(Any, estimator.calc)(now, other, None))  # its stub wants a first guess


def _on_grid(flow: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Vectors of `FLOW_SCALE`'s pixels as float32 [H, W, 2] in pixels of the grid."""
    return np.asarray(cv2.resize(flow, grid) / np.float32(FLOW_SCALE))


@lru_cache(maxsize=8)
def _pixels(width: int, height: int) -> NDArray[np.float32]:
    """x and y of every pixel, float32 [height, width, 2]."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack((columns, rows), axis=-1).astype(np.float32)
