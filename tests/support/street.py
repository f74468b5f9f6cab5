"""Drawn people before texture, so that it can be told how the camera moves."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from tests.support.drawn import Bits, Figure, Pixels, Scene, _draw


@dataclass(frozen=True)
class Street(Scene):
    """Figures before grey texture, which the camera pans over by `pan` pixels a frame."""

    frames: int = 72
    pan: float = 0.0
    seed: int = 0
    _walls: dict[int, Pixels] = field(default_factory=dict, compare=False)

    def background(self, number: int) -> Pixels:
        """What a frame would show without anybody: uint8 [H, W, 3] RGB."""
        wall = self._wall(sum(cut <= number for cut in self.cuts))
        at = np.array([[1, 0, -self.pan * number], [0, 1, 0]], dtype=np.float64)
        return np.asarray(cv2.warpAffine(wall, at, self.size), dtype=np.uint8)

    def picture(self, number: int) -> Pixels:
        canvas = self.background(number)
        for figure in self.figures:
            if number in figure.present:
                _draw(canvas, figure, number)
        return canvas

    def _wall(self, place: int) -> Pixels:
        if place not in self._walls:
            rng = np.random.default_rng((self.seed, place))
            width, height = self.size[0] + 400, self.size[1]
            coarse = rng.uniform(60, 160, (height // 12, width // 12)).astype(np.float32)
            grey = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            grey = grey.clip(40, 170).astype(np.uint8)
            self._walls[place] = np.repeat(grey[..., None], 3, axis=2)
        return self._walls[place]


@dataclass(frozen=True)
class Resized(Street):
    """A street as a video of another size stores it, of pixels of another shape, too."""

    street: Street = field(default_factory=lambda: Street([]))

    @classmethod
    def of(cls, street: Street, size: tuple[int, int]) -> Resized:
        return cls(street.figures, street.frames, street.cuts, size, street=street)

    def background(self, number: int) -> Pixels:
        return self._resized(self.street.background(number))

    def picture(self, number: int) -> Pixels:
        return self._resized(self.street.picture(number))

    def silhouette(self, figure: Figure, number: int) -> Bits:
        bits = self.street.silhouette(figure, number)
        return np.asarray(self._resized(bits.astype(np.uint8) * np.uint8(255)) == 255)

    def _resized(self, picture: Pixels) -> Pixels:
        smaller = self.size[0] < self.street.size[0]
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(picture, self.size, interpolation=how), dtype=np.uint8)
