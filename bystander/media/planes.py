"""Decoded pictures as numpy planes: formats, orientation, colours.

Redaction works on the Y, Cb and Cr planes themselves: a round trip through RGB
would change every pixel of the video, and cost more than the redaction.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from bystander.errors import UnsupportedVideo
from bystander.media.orientation import UPRIGHT, Orientation

PixelFormat = Literal["yuv420p", "yuv420p10le", "yuv444p", "yuv444p10le"]
Matrix = Literal["bt601", "bt709", "bt2020"]

# Deprecated names of FFmpeg for the same samples in full range.
FULL_RANGE_NAMES = {"yuvj420p": "yuv420p", "yuvj444p": "yuv444p"}

_HALVED_BY_FIELDS = {"yuv422p", "yuvj422p"}

# Code points of ITU-T H.273, which FFmpeg uses too.
SPACE_BT709 = 1
MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}
LARGEST_BT601_HEIGHT = 576
RANGE_LIMITED, RANGE_FULL = 1, 2

# Kr and Kb: BT.601-7 2.5.1, BT.709-6 3.2, BT.2020-2 table 4 (non-constant luminance).
LUMA_WEIGHTS: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}


def planes_of(picture: av.VideoFrame) -> list[NDArray[Any]]:
    """The Y, Cb and Cr planes of a picture in a `PixelFormat`, without copying.

    Returns:
        uint8 or uint16 [H, W] views of the picture's own memory, chroma rounded up
        where the luma size is odd. They write through: write to pictures made by
        `copy_of` or `blank_like` only, a decoder still refers to those it gave out.
    """
    dtype = np.dtype("<u2" if picture.format.name.endswith("10le") else "u1")
    views = []
    for plane in picture.planes:
        stride = plane.line_size // dtype.itemsize  # rows are padded for SIMD
        samples = np.frombuffer(cast(Any, plane), dtype=dtype)
        rows = samples[: plane.height * stride].reshape(plane.height, stride)
        views.append(rows[:, : plane.width])
    return views


def blank_like(picture: av.VideoFrame, pixel_format: str, width: int, height: int) -> av.VideoFrame:
    """A new picture with the time stamps and colour tags of `picture`, samples undefined.

    Side data isn't taken over: captions and camera data hide in it.
    """
    blank = av.VideoFrame(width, height, pixel_format)
    blank.pts, blank.dts, blank.duration = picture.pts, picture.dts, picture.duration
    if picture.time_base is not None:
        blank.time_base = picture.time_base
    for tag in ("colorspace", "color_range", "color_primaries", "color_trc"):
        setattr(blank, tag, getattr(picture, tag))
    return blank


def copy_of(picture: av.VideoFrame) -> av.VideoFrame:
    """A new picture with the samples, time stamps and colour tags of `picture`."""
    return _copied(picture, picture.format.name)


def to_planar(
    picture: av.VideoFrame, pixel_format: PixelFormat, orientation: Orientation = UPRIGHT
) -> av.VideoFrame:
    """A decoded picture in `pixel_format`, upright, as it is displayed.

    Samples are converted only where the format differs, and are bit-identical to the
    decoded ones otherwise; `picture` itself is returned where nothing is to be done.
    Range and matrix stay as they are. RGB becomes BT.709 in limited range.

    Args:
        picture: as decoded, in any format that swscale reads.
        pixel_format: the format to draw in.
        orientation: what makes the decoded picture upright.

    Raises:
        UnsupportedVideo: the picture's format can't be converted.
    """
    if picture.format.name != pixel_format:
        picture = _converted(picture, pixel_format)
    return upright_planes(picture, orientation)


def matrix_of(matrix: int, color_range: int, height: int) -> tuple[Matrix, bool]:
    """The colour matrix of a video and whether its range is full, from its tags.

    Args:
        matrix: H.273 MatrixCoefficients. Where it is unspecified or not one of the
            usual, players go by the size, and so does this.
        color_range: FFmpeg's, 2 is full.
        height: as decoded, pixels.
    """
    guess: Matrix = "bt601" if height <= LARGEST_BT601_HEIGHT else "bt709"
    return MATRICES.get(matrix, guess), color_range == RANGE_FULL


def ycbcr(color: str, matrix: Matrix, full_range: bool, bits: int) -> tuple[int, int, int]:
    """Y', Cb, Cr samples of `bits` each for an R'G'B' colour '#rrggbb'.

    Source: ITU-T H.273 (07/2024), 8.3, equations for MatrixCoefficients and
    VideoFullRangeFlag.
    """
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    kr, kb = LUMA_WEIGHTS[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    differences = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    unit, top = 1 << (bits - 8), (1 << bits) - 1
    if full_range:
        y, *chroma = (top * value for value in (luma, *differences))
    else:
        y = unit * (16 + 219 * luma)
        chroma = [unit * 224 * value for value in differences]
    cb, cr = (min(top, round(128 * unit + value)) for value in chroma)
    return round(y), cb, cr


def _converted(picture: av.VideoFrame, pixel_format: PixelFormat) -> av.VideoFrame:
    name = picture.format.name
    if FULL_RANGE_NAMES.get(name) == pixel_format:
        renamed = _copied(picture, pixel_format)
        renamed.color_range = RANGE_FULL
        return renamed
    in_fields = picture.interlaced_frame and picture.height % 4 == 0
    if in_fields and name in _HALVED_BY_FIELDS and pixel_format == "yuv420p":
        return _halved_by_fields(picture)
    is_rgb = picture.format.is_rgb or picture.format.has_palette
    is_full = is_rgb or name.startswith("yuvj") or picture.color_range == RANGE_FULL
    try:
        return picture.reformat(
            format=pixel_format,
            dst_colorspace=SPACE_BT709 if is_rgb else None,
            src_color_range=RANGE_FULL if is_full else picture.color_range,
            dst_color_range=RANGE_FULL if is_full and not is_rgb else RANGE_LIMITED,
            interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            threads=1,
        )
    except (FFmpegError, ValueError) as error:
        raise UnsupportedVideo(
            f"Pictures of format {name} can't be converted to {pixel_format}",
            "Re-encode the video as H.264 in yuv420p first.",
        ) from error


def _halved_by_fields(picture: av.VideoFrame) -> av.VideoFrame:
    """4:2:2 as 4:2:0: of each field two lines of chroma become one.

    Of neighbouring lines they would mix what was filmed at different times.
    """
    halved = blank_like(picture, "yuv420p", picture.width, picture.height)
    if picture.format.name == "yuvj422p":
        halved.color_range = RANGE_FULL
    luma, *chroma = planes_of(picture)
    target, *halves = planes_of(halved)
    np.copyto(target, luma)
    for half, whole in zip(halves, chroma, strict=True):
        for parity in (0, 1):
            lines = whole[parity::2].astype(np.uint16)
            half[parity::2] = (lines[0::2] + lines[1::2] + 1) >> 1
    return halved


def upright_planes(picture: av.VideoFrame, orientation: Orientation) -> av.VideoFrame:
    """A picture in planes as it is to be seen; `picture` itself where nothing is to be done."""
    if orientation.is_upright:
        return picture
    width, height = orientation.size(picture.width, picture.height)
    turned = blank_like(picture, picture.format.name, width, height)
    for target, source in zip(planes_of(turned), planes_of(picture), strict=True):
        np.copyto(target, _upright_plane(source, orientation))
    return turned


def _upright_plane(plane: NDArray[Any], orientation: Orientation) -> NDArray[Any]:
    """`Orientation.upright`, several times as fast."""
    import cv2  # the sandbox's child does without

    turns = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
    if orientation.mirrored:
        plane = cv2.flip(plane, 1)
    return cv2.rotate(plane, turns[orientation.rotation]) if orientation.rotation else plane


def _copied(picture: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    copy = blank_like(picture, pixel_format, picture.width, picture.height)
    for target, source in zip(planes_of(copy), planes_of(picture), strict=True):
        np.copyto(target, source)
    return copy
