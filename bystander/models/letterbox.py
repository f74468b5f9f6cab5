"""Fitting frames into the shapes a network takes, and coming back to frame pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.types import Rgb

STRIDE_PX = 32
"""YOLO and SCRFD halve their input five times: sides are multiples of this."""

_GREY_LEVEL = 114  # the padding that YOLO is trained with
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)  # of ImageNet's channels, RGB
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A frame scaled, without distortion, and centred on a grey canvas.

    Attributes:
        frame: width, height of the frame in pixels.
        canvas: width, height of the network's input.
        scale: canvas pixels per frame pixel.
        left, top: canvas pixel of the frame's top-left corner.
    """

    frame: tuple[int, int]
    canvas: tuple[int, int]
    scale: float
    left: int
    top: int

    @property
    def scales(self) -> tuple[float, float]:
        """Canvas pixels per frame pixel, across and down."""
        return self.scale, self.scale

    @classmethod
    def around(cls, width: int, height: int) -> Letterbox:
        """Unscaled, on the smallest canvas whose sides are multiples of `STRIDE_PX`."""
        return cls.into(
            width, height, -(-width // STRIDE_PX) * STRIDE_PX, -(-height // STRIDE_PX) * STRIDE_PX
        )

    @classmethod
    def into(cls, width: int, height: int, canvas_width: int, canvas_height: int) -> Letterbox:
        """As large as fits a fixed canvas, but not enlarged."""
        scale = min(1.0, canvas_width / width, canvas_height / height)
        left = (canvas_width - round(width * scale)) // 2
        top = (canvas_height - round(height * scale)) // 2
        return cls((width, height), (canvas_width, canvas_height), scale, left, top)

    def blob(self, frames: Sequence[Rgb]) -> NDArray[np.float32]:
        """The frames as a network's input.

        Args:
            frames: uint8 [H, W, 3] RGB, each of the size `frame`.

        Returns:
            float32 [B, 3, canvas height, canvas width] RGB, 0 to 1.
        """
        canvas_width, canvas_height = self.canvas
        blob = np.full(
            (len(frames), 3, canvas_height, canvas_width), _GREY_LEVEL / 255, dtype=np.float32
        )
        for planes, frame in zip(blob, frames, strict=True):
            picture = frame if self.scale == 1 else _shrink(frame, self.scale)
            height, width = picture.shape[:2]
            inside = planes[:, self.top : self.top + height, self.left : self.left + width]
            for channel, plane in zip(cv2.split(picture), inside, strict=True):
                np.multiply(channel, np.float32(1 / 255), out=plane)
        return blob

    def to_frame(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Canvas pixels to frame pixels.

        Args:
            points: float32 [..., 2n], x and y in turn.
        """
        offset = np.array([self.left, self.top] * (points.shape[-1] // 2), dtype=np.float32)
        return (points - offset) / np.float32(self.scale)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A frame scaled to the whole canvas, by its own scale on each axis, as DETRs are trained.

    Attributes:
        frame: width, height of the frame in pixels.
        canvas: width, height of the network's input.
        left, top: canvas pixel of the frame's top-left corner.
    """

    frame: tuple[int, int]
    canvas: tuple[int, int]
    left: int = 0
    top: int = 0

    @property
    def scales(self) -> tuple[float, float]:
        """Canvas pixels per frame pixel, across and down."""
        return self.canvas[0] / self.frame[0], self.canvas[1] / self.frame[1]

    def blob(self, frames: Sequence[Rgb]) -> NDArray[np.float32]:
        """The frames as a network's input.

        Args:
            frames: uint8 [H, W, 3] RGB, each of the size `frame`.

        Returns:
            float32 [B, 3, canvas height, canvas width] RGB, of ImageNet's mean and deviation.
        """
        blob = np.empty((len(frames), 3, self.canvas[1], self.canvas[0]), dtype=np.float32)
        for planes, frame in zip(blob, frames, strict=True):
            # Of floats and without a filter against aliasing, as RF-DETR looks at pictures itself.
            picture = cv2.resize(
                frame.astype(np.float32), self.canvas, interpolation=cv2.INTER_LINEAR
            )
            planes[:] = ((picture / np.float32(255) - _MEAN) / _DEVIATION).transpose(2, 0, 1)
        return blob


def _shrink(frame: Rgb, scale: float) -> Rgb:
    height, width = frame.shape[:2]
    size = round(width * scale), round(height * scale)
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
