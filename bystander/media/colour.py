"""Decoded pictures -> RGB arrays or planes, by their colour matrix and range.

Redaction works on the Y, Cb and Cr planes themselves: a round trip through RGB
would change every pixel of the video, and cost more than the redaction.
"""

from __future__ import annotations

import threading
from typing import Any, Literal, cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from bystander.errors import UnsupportedVideo
from bystander.geometry.types import Rgb
from bystander.media.display import UPRIGHT, Orientation

# Above standard definition, players take an untagged picture for BT.709.
_MAX_BT601_HEIGHT_PX = 576
_MATRICES = {int(matrix) for matrix in Colorspace}


# Deprecated names of FFmpeg for the same samples in full range.
FULL_RANGE_NAMES = {"yuvj420p": "yuv420p", "yuvj444p": "yuv444p"}
_HALVED_BY_FIELDS = {"yuv422p", "yuvj422p"}
# Code points of ITU-T H.273, which FFmpeg uses too.
SPACE_BT709 = 1
MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}
MAX_BT601_HEIGHT_PX = 576
# Kr and Kb: BT.601-7 2.5.1, BT.709-6 3.2, BT.2020-2 table 4 (non-constant luminance).
LUMA_WEIGHTS: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}


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
    return known_matrix(picture.colorspace, picture.height)


def known_matrix(tag: int, height: int) -> int:
    """`tag`, or what players take for it where it says nothing, by the height in pixels."""
    if tag in _MATRICES:
        return tag
    return Colorspace.ITU601 if height <= _MAX_BT601_HEIGHT_PX else Colorspace.ITU709


def is_full_range(picture: av.VideoFrame) -> bool:
    """Whether luma uses 0 to 255 (8 bit), and not 16 to 235."""
    return picture.color_range == ColorRange.JPEG or picture.format.name.startswith("yuvj")


def is_rgb(picture: av.VideoFrame) -> bool:
    """Whether it holds red, green and blue, and not luma and chroma."""
    return is_rgb_format(picture.format.name)


def is_rgb_format(name: str) -> bool:
    """The same of a pixel format, by FFmpeg's name."""
    pixel_format = av.VideoFormat(name)
    return pixel_format.is_rgb or pixel_format.has_palette


def _known_range(picture: av.VideoFrame) -> ColorRange:
    full = is_full_range(picture) or is_rgb(picture)
    return ColorRange.JPEG if full else ColorRange.MPEG


PixelFormat = Literal["yuv420p", "yuv420p10le", "yuv444p", "yuv444p10le"]
Matrix = Literal["bt601", "bt709", "bt2020"]
RANGE_LIMITED, RANGE_FULL = 1, 2


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
    guess: Matrix = "bt601" if height <= MAX_BT601_HEIGHT_PX else "bt709"
    return MATRICES.get(matrix, guess), color_range == RANGE_FULL


def ycbcr(color: str, matrix: Matrix, full_range: bool, bits: int) -> tuple[int, int, int]:
    """Y', Cb, Cr samples of `bits` each for an R'G'B' colour '#rrggbb'.

    Source: ITU-T H.273 (07/2024), 8.3, equations for MatrixCoefficients and
    VideoFullRangeFlag.
    """
    pixel = np.array([[[int(color[i : i + 2], 16) for i in (1, 3, 5)]]], dtype=np.uint8)
    y, cb, cr = (int(plane[0, 0]) for plane in ycbcr_planes(pixel, matrix, full_range, bits))
    return y, cb, cr


def ycbcr_planes(
    colours: NDArray[np.uint8], matrix: Matrix, full_range: bool, bits: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]:
    """Y', Cb, Cr samples of `bits` each for R'G'B' colours: uint16 [H, W] of uint8 [H, W, 3].

    Source: as of `ycbcr`.
    """
    red, green, blue = (colours[..., i] / 255 for i in range(3))
    kr, kb = LUMA_WEIGHTS[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    differences = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    unit, top = 1 << (bits - 8), (1 << bits) - 1
    if full_range:
        y, *chroma = (top * value for value in (luma, *differences))
    else:
        y = unit * (16 + 219 * luma)
        chroma = [unit * 224 * value for value in differences]
    cb, cr = (np.minimum(top, np.rint(128 * unit + value)) for value in chroma)
    return np.rint(y).astype(np.uint16), cb.astype(np.uint16), cr.astype(np.uint16)


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
