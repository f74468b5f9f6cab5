"""A decoded picture -> the same picture in its video's one shape, and opaque.

Size, pixel aspect, pixel format, colours and orientation may change within a video, those of the
masked one can't: the first picture says what they are. What differs is fitted in with black bars,
by the aspect at which it is displayed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Self

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from bystander.errors import UnsupportedVideo
from bystander.geometry.coordinates import display_size
from bystander.media.colour import (
    MATRICES,
    Matrix,
    blank_like,
    is_full_range,
    is_rgb,
    is_rgb_format,
    known_matrix,
    planes_of,
    upright_planes,
    ycbcr,
)
from bystander.media.cropping import NO_PADDING, Padding, PaddingCropper
from bystander.media.display import UPRIGHT, AspectMeter, Orientation, rounded
from bystander.media.facts import VideoInfo
from bystander.media.probe import ProbeLimits, is_convertible, orientation_of

log = logging.getLogger(__name__)

_MAX_SIDE_PX: Final = ProbeLimits().max_side
_SMALLEST_BAR_PX: Final = 2
"""A narrower one comes from rounding; the picture is stretched over it."""
_MAX_REPORTS: Final = 5
"""Shapes that are told of; a hostile video may change with every frame."""
_BAND_ROWS: Final = 256
_SCALING: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND


@dataclass(frozen=True, slots=True)
class PictureShape:
    """How a picture is stored, and shown.

    Attributes:
        width, height: pixels as stored.
        pixel_format: FFmpeg's name.
        matrix: ITU-T H.273 MatrixCoefficients, guessed where it isn't tagged.
        full_range: luma uses all values.
        orientation: what makes it upright.
        aspect: width to height of a pixel of the upright picture.
    """

    width: int
    height: int
    pixel_format: str
    matrix: int
    full_range: bool
    orientation: Orientation
    aspect: Fraction

    @classmethod
    def of(cls, info: VideoInfo) -> Self:
        """That of a video: its first picture's."""
        return cls(
            info.coded_width,
            info.coded_height,
            info.pixel_format,
            known_matrix(info.color_matrix, info.coded_height),
            info.color_range == ColorRange.JPEG,
            info.orientation,
            info.sample_aspect_ratio,
        )

    @classmethod
    def of_picture(cls, picture: av.VideoFrame, orientation: Orientation, aspect: Fraction) -> Self:
        """That of a decoded picture."""
        return cls(
            picture.width,
            picture.height,
            picture.format.name,
            known_matrix(picture.colorspace, picture.height),
            is_full_range(picture),
            orientation,
            aspect,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture, pixels."""
        return self.orientation.size(self.width, self.height)

    @property
    def displayed(self) -> Fraction:
        """Width to height of the upright picture on a screen."""
        return self.size[0] * self.aspect / self.size[1]


class PictureFitter:
    """Fits the pictures of one video, as its decoder gives them, into the video's shape.

    Args:
        shape: the video's.
        coded_aspect: what its first picture says of a stored pixel, see `pixel_aspects`.
        stream: whose pictures they are, before the first is decoded.
        path: of the video, for what is told of it.
        padding: what the decoder gives beside `shape`, and isn't shown.
    """

    def __init__(
        self,
        shape: PictureShape,
        coded_aspect: Fraction,
        stream: VideoStream,
        path: Path,
        padding: Padding = NO_PADDING,
    ) -> None:
        self._shape = shape
        self._stream = stream
        self._path = path
        self._stored = shape.width + padding[0], shape.height + padding[1]
        self._cropper = PaddingCropper(padding)
        self._coded_aspect = coded_aspect
        self._aspects: AspectMeter | None = None
        self._orientation = shape.orientation
        self._has_alpha = shows_alpha(stream)
        self._told: set[PictureShape] = set()

    @classmethod
    def of(cls, info: VideoInfo, stream: VideoStream, path: Path) -> Self:
        """That of a probed video."""
        return cls(PictureShape.of(info), info.coded_aspect, stream, path, info.padding)

    def fit(
        self, picture: av.VideoFrame, seconds: float
    ) -> tuple[av.VideoFrame, Orientation] | None:
        """`picture` in the video's shape, and what makes it upright; None if that can't be.

        It is `picture` itself where nothing is to be done.

        Args:
            seconds: when it is shown, for what is told of it.
        """
        # A stream may change its format midway, into one that FFmpeg's scaler dies of.
        if not is_convertible(picture) or max(picture.width, picture.height) > _MAX_SIDE_PX:
            return None
        aspect = self._stored_aspect(picture)
        if (picture.width, picture.height) == self._stored:
            picture = self._cropper.cropped(picture)
        found = self._shape_of(picture, aspect)
        if found != self._shape:
            self._tell(found, seconds)
        if self._has_alpha and has_alpha(picture.format):
            picture = _on_white(picture, found)
        same_kind = is_rgb_format(found.pixel_format) == is_rgb_format(self._shape.pixel_format)
        if same_kind and replace(found, pixel_format=self._shape.pixel_format) == self._shape:
            return picture, found.orientation  # whoever asks for planes or RGB gets them
        return fitted(picture, found, self._shape)

    def _shape_of(self, picture: av.VideoFrame, stored_aspect: Fraction) -> PictureShape:
        try:
            # H.264 says it with keyframes only, and means all pictures until the next.
            self._orientation = orientation_of(self._path, picture, self._orientation)
        except UnsupportedVideo as error:  # askew, from here on
            log.debug("%s", error)
        aspect = _turned(stored_aspect, self._orientation)
        return PictureShape.of_picture(picture, self._orientation, aspect)

    def _stored_aspect(self, picture: av.VideoFrame) -> Fraction:
        """The container's aspect, as long as the pictures don't begin to say another one."""
        usual = _turned(self._shape.aspect, self._shape.orientation)
        if self._aspects is None:
            # The decoder knows of a change before the first picture with it comes out.
            if (self._stream.codec_context.sample_aspect_ratio or 1) == self._coded_aspect:
                return usual
            self._aspects = AspectMeter()
        aspect = self._aspects.measure(picture)
        if aspect is None or aspect == rounded(self._coded_aspect):
            return usual
        return aspect

    def _tell(self, found: PictureShape, seconds: float) -> None:
        if found in self._told or len(self._told) == _MAX_REPORTS:
            return
        self._told.add(found)
        what = _described(found)
        if (before := _described(self._shape)) == what:
            log.info("%s: from %.2f s on its colours are stored otherwise", self._path, seconds)
            return
        log.warning(
            "%s: from %.2f s on its picture is %s; it is fitted into the %s of the first one",
            self._path,
            seconds,
            what,
            before,
        )


def _turned(aspect: Fraction, orientation: Orientation) -> Fraction:
    """The aspect of the upright picture's pixels from the stored one's, and the reverse."""
    return 1 / aspect if orientation.is_sideways else aspect


def shows_alpha(stream: VideoStream) -> bool:
    """Whether players look at the transparency of a stream's pictures, where they have one.

    In AVI and in raw video the fourth byte of a pixel means nothing, and is mostly 0.
    """
    return stream.container.format.name != "avi" and stream.codec_context.name != "rawvideo"


def has_alpha(pixel_format: av.VideoFormat) -> bool:
    """Whether pictures of a format can be transparent."""
    return pixel_format.has_palette or any(part.is_alpha for part in pixel_format.components)


def fitted(
    picture: av.VideoFrame, found: PictureShape, shape: PictureShape
) -> tuple[av.VideoFrame, Orientation]:
    """`picture` in the middle of a black one of another shape, as large as it goes.

    Args:
        picture: opaque.
        found: its shape.
        shape: the shape wanted; its pixel format says how finely colour is stored.

    Returns:
        The picture, and what makes it upright.
    """
    same_geometry = (found.width, found.height, found.orientation, found.aspect) == (
        (shape.width, shape.height, shape.orientation, shape.aspect)
    )
    width, height = shape.size if same_geometry else _inner_size(found, shape)
    scaled = _converted(picture, found, shape, found.orientation.size(width, height))
    if same_geometry:
        return scaled, shape.orientation
    upright = upright_planes(scaled, found.orientation)
    canvas = blank_like(upright, upright.format.name, *shape.size)
    left, top = (shape.size[0] - width) // 2 // 2 * 2, (shape.size[1] - height) // 2 // 2 * 2
    black = _black(canvas, shape)
    for target, source, value in zip(planes_of(canvas), planes_of(upright), black, strict=True):
        # 4:2:0 has one row of chroma for two of luma; for the last one of an odd number, too.
        down, across = (round(shape.size[axis] / target.shape[1 - axis]) for axis in (1, 0))
        y, x = top // down, left // across
        target[:] = value
        target[y : y + source.shape[0], x : x + source.shape[1]] = source
    return canvas, UPRIGHT


def _inner_size(found: PictureShape, shape: PictureShape) -> tuple[int, int]:
    """Width and height that an upright picture takes within another one: even, or all of it."""
    outer = shape.size
    share = min(max(found.displayed / shape.displayed, Fraction(1, 1000)), Fraction(1000))
    wanted = (outer[0] * min(Fraction(1), share), outer[1] * min(Fraction(1), 1 / share))
    sizes = []
    for whole, part in zip(outer, wanted, strict=True):
        even = max(2, round(part / 2) * 2)
        sizes.append(whole if whole - even <= _SMALLEST_BAR_PX else even)
    return sizes[0], sizes[1]


def _converted(
    picture: av.VideoFrame, found: PictureShape, shape: PictureShape, size: tuple[int, int]
) -> av.VideoFrame:
    """`picture` in another size and in planes, in the colours of `shape`."""
    to = av.VideoFormat(shape.pixel_format)
    deep = "10le" if max(part.bits for part in to.components) > 8 else ""
    if is_rgb_format(shape.pixel_format):
        name, matrix, color_range = f"gbrp{deep}", None, ColorRange.JPEG
    else:
        halved = (to.chroma_width(16), to.chroma_height(16)) == (8, 8)
        name = f"yuv{'420' if halved else '444'}p{deep}"
        matrix, color_range = shape.matrix, _range(shape.full_range)
    from_rgb = is_rgb(picture)
    converted = picture.reformat(
        *size,
        name,
        src_colorspace=None if from_rgb else found.matrix,
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG if from_rgb else _range(found.full_range),
        dst_color_range=color_range,
        interpolation=_SCALING,
        threads=1,
    )
    if matrix is not None:
        converted.colorspace = matrix
    converted.color_range = color_range
    return converted


def _range(full: bool) -> ColorRange:
    return ColorRange.JPEG if full else ColorRange.MPEG


def _black(canvas: av.VideoFrame, shape: PictureShape) -> tuple[int, ...]:
    if is_rgb(canvas):
        return 0, 0, 0
    matrix: Matrix = MATRICES.get(shape.matrix, "bt709")  # black is the same in all of them
    bits = canvas.format.components[0].bits
    return ycbcr("#000000", matrix, shape.full_range, bits)


def _on_white(picture: av.VideoFrame, found: PictureShape) -> av.VideoFrame:
    """The picture with what is transparent laid on white: what is stored there isn't seen."""
    deep = max(part.bits for part in picture.format.components) > 8
    layered: NDArray[Any] = picture.reformat(
        format="rgba64le" if deep else "rgba",
        src_colorspace=None if is_rgb(picture) else found.matrix,
        src_color_range=ColorRange.JPEG if is_rgb(picture) else _range(found.full_range),
        dst_color_range=ColorRange.JPEG,
        threads=1,
    ).to_ndarray()
    top = np.iinfo(layered.dtype).max
    if layered[..., 3].min() == top:
        return picture
    laid = np.empty((*layered.shape[:2], 3), layered.dtype)
    for first in range(0, len(laid), _BAND_ROWS):
        rows = slice(first, first + _BAND_ROWS)
        laid[rows] = _blended(layered[rows], top)
    opaque = av.VideoFrame.from_ndarray(laid, "rgb48le" if deep else "rgb24")
    opaque.pts = picture.pts
    if picture.time_base is not None:
        opaque.time_base = picture.time_base
    if is_rgb(picture):
        return opaque
    rgb = PictureShape.of_picture(opaque, found.orientation, found.aspect)
    plain = replace(found, pixel_format="yuv444p10le" if deep else "yuv444p")
    return _converted(opaque, rgb, plain, (picture.width, picture.height))


def _blended(layered: NDArray[Any], top: int) -> NDArray[np.uint32]:
    """RGBA [H, W, 4] laid on white: uint32 [H, W, 3]."""
    alpha = layered[..., 3:].astype(np.uint32)
    return (layered[..., :3] * alpha + top * (top - alpha) + top // 2) // top


def _described(shape: PictureShape) -> str:
    width, height = shape.size
    text = f"{width}x{height}"
    if shape.aspect != 1:
        text += " (shown as {}x{})".format(*display_size(width, height, shape.aspect))
    return text
