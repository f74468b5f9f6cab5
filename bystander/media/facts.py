"""What `probe` says of a video: sizes, rate, colours, fields, sound."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from av.video.reformatter import ColorRange, Colorspace, ColorTrc

from bystander.geometry.coordinates import DisplaySize, display_size
from bystander.media.colour import is_rgb_format
from bystander.media.cropping import NO_PADDING, Padding
from bystander.media.display import Orientation


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """One audio stream: its index in the file, FFmpeg's codec name, channels, Hz."""

    index: int
    codec: str
    channels: int
    sample_rate: int


class FieldOrder(StrEnum):
    """Whether frames are filmed at once, or their odd and even lines one after the other."""

    PROGRESSIVE = "progressive"
    TOP_FIRST = "top first"
    BOTTOM_FIRST = "bottom first"


@dataclass(frozen=True, slots=True)
class HdrMetadata:
    """Static HDR metadata (SMPTE ST 2086, CTA-861.3); None where the video has none.

    Attributes:
        display: the mastering display's x, y of red, green, blue and white point, then
            its least and greatest luminance in cd/m2: 10 numbers.
        light_level: the greatest light level and frame average, cd/m2.
    """

    display: tuple[Fraction, ...] | None = None
    light_level: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Facts about a video. Timestamps are ticks of `time_base`.

    Attributes:
        container: FFmpeg's name of the format; "webp" for an animated one.
        codec, pixel_format: FFmpeg's names.
        bit_depth: bits per colour component.
        coded_width, coded_height: pixels of the decoded picture that are shown, before they
            are turned.
        orientation: what makes the decoded picture upright.
        sample_aspect_ratio: width to height of a pixel of the upright picture.
        coded_aspect: the same of a stored pixel, as the first picture says it; where it
            says none, 1. The container, which says another, goes first.
        time_base: seconds per tick.
        start_pts, end_pts: when the first frame appears and when the last one ends.
        origin_pts: the tick at which players start the clock; not 0 only in MPEG
            transport and program streams.
        frame_count: pictures shown, counted from packets, without decoding.
        frame_count_exact: False where packets and pictures may differ by a few.
        average_rate: frames per second.
        variable_frame_rate: the frames are not evenly spaced (within a tick).
        color_primaries, color_transfer, color_matrix, color_range: code points of
            ITU-T H.273 as FFmpeg numbers them; 2 (for range: 0) is unspecified.
        hdr: static HDR metadata.
        audio: every audio stream.
        padding: columns and lines that are stored and not shown, beside `coded_width` and
            `coded_height`.
        field_order: of its interlaced frames, if it has any.
        field_coded: of some frames the odd and the even lines are coded by themselves.
    """

    container: str
    codec: str
    pixel_format: str
    bit_depth: int
    coded_width: int
    coded_height: int
    orientation: Orientation
    sample_aspect_ratio: Fraction
    coded_aspect: Fraction
    time_base: Fraction
    start_pts: int
    end_pts: int
    origin_pts: int
    frame_count: int
    frame_count_exact: bool
    average_rate: Fraction
    variable_frame_rate: bool
    color_primaries: int
    color_transfer: int
    color_matrix: int
    color_range: int
    hdr: HdrMetadata
    audio: tuple[AudioInfo, ...]
    padding: Padding = NO_PADDING
    field_order: FieldOrder = FieldOrder.PROGRESSIVE
    field_coded: bool = False

    @property
    def width(self) -> int:
        """Stored pixels across the upright picture."""
        return self.orientation.size(self.coded_width, self.coded_height)[0]

    @property
    def height(self) -> int:
        """Stored pixels down the upright picture."""
        return self.orientation.size(self.coded_width, self.coded_height)[1]

    @property
    def display_size(self) -> DisplaySize:
        """Width and height at which the video is shown, in square pixels."""
        return display_size(self.width, self.height, self.sample_aspect_ratio)

    @property
    def duration(self) -> float:
        """Seconds from the first frame's appearance to the last one's end."""
        return float((self.end_pts - self.start_pts) * self.time_base)

    @property
    def planar_colors(self) -> tuple[int, int]:
        """Matrix and range of the pictures in planes, which RGB becomes BT.709 in."""
        if is_rgb_format(self.pixel_format):
            return Colorspace.ITU709, ColorRange.MPEG
        return self.color_matrix, self.color_range

    @property
    def is_hdr(self) -> bool:
        """High dynamic range: perceptual quantiser or hybrid log-gamma (ITU-R BT.2100)."""
        return self.color_transfer in (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
