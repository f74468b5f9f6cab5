"""From a silhouette on the analysis grid to an alpha matte in source pixels.

A silhouette comes from a network that sees the picture at a fraction of its size, so
hair and limbs stick out of it. It is *grown*, and fades out outside of what it was
grown to:

    inside the silhouette | grown by `growth`  | `softness` | beyond
    effect only           | effect only        | fades out  | untouched
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.coordinates import DisplaySize, GridTransform
from bystander.geometry.masks import Mask
from bystander.geometry.types import PixelBox
from bystander.redaction.effects import EffectSettings

Alpha = NDArray[np.uint8]
"""uint8 [H, W], 255 where only the effect is seen, 0 where only the picture is."""

MIN_GROWTH_PX = 1.2
"""Grid pixels: makes interpolation cover the whole silhouette."""

MIN_SOFTNESS_PX = 0.75
"""Grid pixels: with less, the grid's steps show along the edge."""


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """How strongly the pixels of one rectangle are drawn over.

    Attributes:
        x, y: the top-left pixel of `alpha`, source pixels.
        alpha: see `Alpha`.
    """

    x: int
    y: int
    alpha: Alpha

    def halved(self) -> Matte:
        """For 4:2:0 chroma: each sample as strong as the strongest of its four pixels."""
        rows = np.maximum(self.alpha[0::2], self.alpha[1::2])
        return Matte(self.x // 2, self.y // 2, np.maximum(rows[:, 0::2], rows[:, 1::2]))


class MatteMaker:
    """Makes the mattes of one video.

    Args:
        grid: width, height of the analysis grid.
        size: width, height of the source, stored pixels.
        display: width, height at which it is shown.
        settings: growth and softness.
        step: mattes begin and end on multiples of this many source pixels, the last
            one of a picture of odd size beyond its edge; 2 for 4:2:0 chroma.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        size: tuple[int, int],
        display: DisplaySize,
        settings: EffectSettings,
        step: int,
    ) -> None:
        self._grid, self._settings, self._step = grid, settings, step
        self._scale = size[0] / grid[0], size[1] / grid[1]
        self._display_per_grid = GridTransform(display, grid).display_per_grid

    def reach(self, extent: float) -> float:
        """Grid pixels by which the matte of somebody so tall reaches beyond their silhouette."""
        return sum(self._widths(extent))

    def matte(self, mask: Mask, extent: float, clear: Alpha | None = None) -> Matte:
        """255 over the whole silhouette and its growth, fading out beyond.

        What is interpolated is the distance to the silhouette and not the silhouette:
        it is smooth, so that the grid's steps don't show in the source.

        Args:
            mask: the silhouette; some of it lies on the grid.
            extent: the person's height in display pixels, which growth and softness follow.
            clear: uint8 [H, W] over the picture, how clear each of its pixels has to stay.
        """
        growth, softness = self._widths(extent)
        reach = growth + softness
        window = self._window(mask, int(reach) + 2)
        x0, y0, x1, y1 = window
        outside = np.ones((y1 - y0, x1 - x0), dtype=bool)
        mask.moved(-x0, -y0).clear(outside)
        distance = cv2.distanceTransform(outside.view(np.uint8), cv2.DIST_L2, 5)
        nearness = cv2.convertScaleAbs(np.minimum(distance, reach), alpha=-255 / reach, beta=255)
        smooth = cast(Alpha, cv2.GaussianBlur(nearness, (3, 3), 0))
        x, y, scaled = self._upscaled(smooth, window)
        alpha = cast(Alpha, cv2.LUT(scaled, _falloff(softness / reach)))
        if clear is not None:
            height, width = clear[y : y + alpha.shape[0], x : x + alpha.shape[1]].shape
            part = alpha[:height, :width]
            np.minimum(part, 255 - clear[y : y + height, x : x + width], out=part)
        return Matte(x, y, alpha)

    def _widths(self, extent: float) -> tuple[float, float]:
        """Growth and softness of a person, grid pixels."""
        height = extent / self._display_per_grid
        growth = max(self._settings.growth * height, MIN_GROWTH_PX)
        return growth, max(self._settings.softness * height, MIN_SOFTNESS_PX)

    def _window(self, mask: Mask, margin: int) -> PixelBox:
        """The rectangle around a silhouette on the grid, wider by `margin`."""
        x0, y0, x1, y1 = mask.clipped(*self._grid).box
        width, height = self._grid
        left, top = max(0, x0 - margin), max(0, y0 - margin)
        return left, top, min(width, x1 + margin), min(height, y1 + margin)

    def _upscaled(self, values: Alpha, window: PixelBox) -> tuple[int, int, Alpha]:
        """x, y of the first source pixel of a window on the grid, and its values there.

        0 where the window was widened to begin and end on multiples of `step`.
        """
        across, down = self._scale
        x0, x1 = round(window[0] * across), round(window[2] * across)
        y0, y1 = round(window[1] * down), round(window[3] * down)
        left, right, top, bottom = (edge % self._step for edge in (x0, x1, y0, y1))
        scaled: Any = cv2.resize(values, (x1 - x0, y1 - y0))
        if left or right or top or bottom:
            scaled = cv2.copyMakeBorder(scaled, top, bottom, left, right, cv2.BORDER_CONSTANT)
        return x0 - left, y0 - top, scaled


def _falloff(softness: float) -> NDArray[np.uint8]:
    """uint8 [256]: alpha by nearness, 255 down to nearness `softness`, then falling to 0."""
    ramp = np.clip(np.arange(256) / 255 / softness, 0, 1)
    # Smoothstep: a straight ramp shows a crease at both ends.
    return np.rint(255 * ramp * ramp * (3 - 2 * ramp)).astype(np.uint8)
