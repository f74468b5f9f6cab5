"""Decoded pictures: to RGB arrays at low cost, to other pixel formats, upright."""

from __future__ import annotations

import threading
from typing import Any, cast

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]

# Above standard definition, players take an untagged picture for BT.709.
_LARGEST_BT601_HEIGHT = 576
_MATRICES = {int(matrix) for matrix in Colorspace}


class RgbScaler(threading.local):
    """Scales and converts pictures, keeping swscale's tables from frame to frame.

    Each thread that uses it gets tables of its own: swscale's can't be shared.
    """

    def __init__(self) -> None:
        self._scale = VideoReformatter()
        self._convert = VideoReformatter()

    def rgb(self, picture: av.VideoFrame, size: tuple[int, int]) -> Rgb:
        """`picture` as uint8 [H, W, 3] RGB, `size` = (W, H), not rotated.

        Shrinking averages areas, so that fine detail doesn't alias. It is done in the
        picture's own colour space: shrinking first and converting the few pixels left
        takes half the time of swscale doing both at once (1080p to 360p: 1.2 ms
        against 2.4 ms on one core).
        """
        width, height = size
        matrix, color_range = color_matrix(picture), _known_range(picture)
        if (width, height) != (picture.width, picture.height) and not is_rgb(picture):
            picture = self._scale.reformat(
                picture,
                width,
                height,
                "yuv420p",
                src_color_range=color_range,
                dst_color_range=color_range,
                interpolation=Interpolation.AREA,
                threads=1,
            )
        converted = self._convert.reformat(
            picture,
            width,
            height,
            "rgb24",
            src_colorspace=matrix,
            src_color_range=color_range,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return converted.to_ndarray()  # type: ignore[return-value]  # rgb24 is uint8


def color_matrix(picture: av.VideoFrame) -> int:
    """The YCbCr matrix to decode with; guessed from the size where it isn't tagged."""
    if picture.colorspace in _MATRICES:
        return picture.colorspace
    return Colorspace.ITU601 if picture.height <= _LARGEST_BT601_HEIGHT else Colorspace.ITU709


def is_full_range(picture: av.VideoFrame) -> bool:
    """Whether luma uses 0 to 255 (8 bit), and not 16 to 235."""
    return picture.color_range == ColorRange.JPEG or picture.format.name.startswith("yuvj")


def is_rgb(picture: av.VideoFrame) -> bool:
    """Whether it holds red, green and blue, and not luma and chroma."""
    return picture.format.is_rgb or picture.format.has_palette


def _known_range(picture: av.VideoFrame) -> ColorRange:
    full = is_full_range(picture) or is_rgb(picture)
    return ColorRange.JPEG if full else ColorRange.MPEG


def convert(picture: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    """`picture` in a YCbCr `pixel_format`, its matrix and range kept.

    RGB becomes BT.709 of limited range. It is `picture` itself if it is in that format.
    """
    if picture.format.name == pixel_format:
        return picture
    if is_rgb(picture):
        return picture.reformat(
            format=pixel_format, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
    color_range = _known_range(picture)
    return picture.reformat(
        format=pixel_format, src_color_range=color_range, dst_color_range=color_range
    )


def rotate(picture: av.VideoFrame, rotation: int) -> av.VideoFrame:
    """`picture` turned clockwise by `rotation` degrees (0, 90, 180, 270).

    It must be planar YCbCr whose chroma is subsampled the same in both directions
    (4:2:0 or 4:4:4). It is `picture` itself for 0.
    """
    if rotation == 0:
        return picture
    code = {
        90: cv2.ROTATE_90_CLOCKWISE,
        180: cv2.ROTATE_180,
        270: cv2.ROTATE_90_COUNTERCLOCKWISE,
    }[rotation]
    sideways = rotation in (90, 270)
    width, height = picture.width, picture.height
    turned = av.VideoFrame(*((height, width) if sideways else (width, height)), picture.format.name)
    for source, target in zip(_planes(picture), _planes(turned), strict=True):
        target[:] = cv2.rotate(source, code)
    turned.colorspace, turned.color_range = picture.colorspace, picture.color_range
    turned.color_trc, turned.color_primaries = picture.color_trc, picture.color_primaries
    return turned


def _planes(picture: av.VideoFrame) -> list[NDArray[Any]]:
    """Y, Cb, Cr: uint8 or uint16 [H, W], views of the picture's own memory."""
    dtype = np.uint16 if picture.format.components[0].bits > 8 else np.uint8
    views = []
    for plane in picture.planes:
        samples = np.frombuffer(cast(Any, plane), dtype)  # a buffer, which isn't in its type
        lines = samples.reshape(plane.height, -1)  # padded for SIMD
        views.append(lines[:, : plane.width])
    return views
