"""Two frames -> where each pixel came from, and masks moved from one to the other.

Optical flow is DIS (Kroeger et al. 2016), at half the grid's size: four times as fast, and
smoother.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits
from bystander.geometry.types import PixelBox, Rgb

Weights = NDArray[np.float32]

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


class MotionField:
    """Where each pixel of a frame was in the frame before.

    Args:
        grid: width, height of the analysis grid.

    Attributes:
        camera: how far the picture as a whole moved, x and y, grid pixels.
    """

    def __init__(self, grid: tuple[int, int]) -> None:
        self._grid = grid
        self._estimator = _estimator()
        self._before: NDArray[np.uint8] | None = None
        # float32 [H, W, 2], from a pixel to where it was; bool [H, W].
        self._flow: NDArray[np.float32] | None = None
        self._reliable: Bits | None = None
        self.camera = (0.0, 0.0)

    def __getstate__(self) -> dict[str, Any]:
        # OpenCV's object can't be pickled, and holds nothing from one frame to the next.
        return {name: value for name, value in vars(self).items() if name != "_estimator"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._estimator = _estimator()

    def reset(self) -> None:
        """Forget the frame before: a new shot begins."""
        self._before = self._flow = self._reliable = None

    def advance(self, picture: Rgb) -> None:
        """Go on to the next frame, uint8 [H, W, 3] RGB at grid size."""
        size = tuple(round(side * FLOW_SCALE) for side in self._grid)
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        now = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        before, self._before = self._before, now
        self._flow = self._reliable = None
        self.camera = (0.0, 0.0)
        if before is None:
            return
        flow = cast(Any, self._estimator.calc)(now, before, None)  # its stub wants a first guess
        dx, dy = np.median(flow[::8, ::8].reshape(-1, 2), axis=0) / -FLOW_SCALE
        self.camera = float(dx), float(dy)
        columns, rows = _pixels(now.shape[1], now.shape[0])
        again = cv2.remap(before, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR)
        errors = cv2.blur(cv2.absdiff(again, now), (3, 3))
        self._reliable = np.asarray(cv2.resize(errors, self._grid) <= MISMATCH_GREY_LEVELS)
        self._flow = cv2.resize(flow, self._grid) / np.float32(FLOW_SCALE)

    def moved(self, window: Window) -> Window | None:
        """Values of the frame before, where their pixels are now; None without such a frame."""
        if self._flow is None or not window.weights.size:
            return None
        box = widened(window.box, REACH_PX, self._grid)
        flow = self._flow[box[1] : box[3], box[0] : box[2]]
        columns, rows = _pixels(flow.shape[1], flow.shape[0])
        weights = cv2.remap(
            window.weights,
            columns + np.float32(box[0]) + flow[..., 0] - np.float32(window.x),
            rows + np.float32(box[1]) + flow[..., 1] - np.float32(window.y),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )
        return Window(box[0], box[1], np.asarray(weights, dtype=np.float32))

    def reliable(self, box: PixelBox) -> Bits:
        """Where flow found the pixels of the frame before again: bool [h, w] of `box`.

        It doesn't where something that was hidden comes out.
        """
        if self._reliable is None:
            return np.zeros((box[3] - box[1], box[2] - box[0]), dtype=bool)
        return self._reliable[box[1] : box[3], box[0] : box[2]]

    def with_background(self, box: PixelBox, inside: Bits) -> Bits:
        """Where the picture moves rather with the camera than with somebody: bool [h, w] of `box`.

        Args:
            inside: pixels that are surely theirs, bool [h, w]. Where they move no otherwise than
                the camera, nothing is told.
        """
        if self._flow is None or not inside.any():
            return np.zeros(inside.shape, dtype=bool)
        flow = self._flow[box[1] : box[3], box[0] : box[2]]
        own = flow[inside].mean(axis=0)
        camera = -np.array(self.camera, dtype=np.float32)
        if np.hypot(*(own - camera)) <= APART_PX:
            return np.zeros(inside.shape, dtype=bool)
        to_camera, to_own = (np.square(flow - motion).sum(axis=2) for motion in (camera, own))
        return np.asarray(to_camera < to_own)


def _estimator() -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)


def _pixels(width: int, height: int) -> tuple[Weights, Weights]:
    """x and y of every pixel, float32 [height, width] each."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return columns.astype(np.float32), rows.astype(np.float32)
