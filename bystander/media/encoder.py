"""One encoder: pictures go in with their times, packets come out with them.

The encoder of an ordinary file and that of a segment are set up here, by the same lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.error
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from pydantic import BaseModel, ConfigDict, Field

from bystander.errors import UnsupportedVideo
from bystander.media.planes import PixelFormat
from bystander.media.probe import HdrMetadata, VideoInfo

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]

_ENCODERS = {"h264": "libx264", "h265": "libx265", "av1": "libsvtav1"}
# SVT-AV1 counts down to 0; it calls those above 9 unfit for anything but live video.
_SVT_PRESETS: dict[str, str] = {
    "ultrafast": "9", "superfast": "9", "veryfast": "9", "faster": "8", "fast": "7",
    "medium": "6", "slow": "5", "slower": "4", "veryslow": "3",
}  # fmt: skip


class EncoderSettings(BaseModel):
    """How the pictures are encoded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: Literal["h264", "h265", "av1"] = Field(
        default="h264",
        title="Codec",
        description="h264 plays everywhere; h265 and av1 make smaller files, more slowly.",
    )
    preset: Preset = Field(
        default="fast", title="Preset", description="Slower presets make smaller files."
    )
    crf: int = Field(
        default=20,
        ge=0,
        le=51,
        title="Constant rate factor",
        description="Lower is better and larger; 18 is hard to tell from the source.",
    )


def encoder_name(settings: EncoderSettings) -> str:
    """FFmpeg's name of the encoder."""
    return _ENCODERS[settings.codec]


def clock_of(info: VideoInfo) -> Fraction:
    """Seconds a tick of what is written: the source's ticks, of which none is split."""
    return Fraction(1, info.time_base.denominator)


def pixel_format_of(info: VideoInfo) -> PixelFormat:
    """What the pictures of a video are encoded as: its own depth, 4:2:0 if its size allows."""
    odd = info.width % 2 or info.height % 2
    if info.bit_depth > 8:
        return "yuv444p10le" if odd else "yuv420p10le"
    return "yuv444p" if odd else "yuv420p"


def open_encoder(
    context: VideoCodecContext, info: VideoInfo, source: Path, settings: EncoderSettings
) -> None:
    """Set up and open a fresh codec context for the pictures of a video.

    Raises:
        UnsupportedVideo: the encoder doesn't take pictures of this size.
    """
    pixel_format = pixel_format_of(info)
    context.options = _encoder_options(settings, info.hdr)
    context.width, context.height, context.pix_fmt = info.width, info.height, pixel_format
    context.framerate = info.average_rate
    context.time_base = clock_of(info)
    context.sample_aspect_ratio = info.sample_aspect_ratio
    context.bit_rate = 0  # FFmpeg's default of 200 kbit/s would overrule the rate factor
    context.flags |= Flags.global_header  # as every container written here wants it
    context.thread_type = "AUTO"  # PyAV's default of sliced threads costs quality
    context.color_primaries, context.color_trc = info.color_primaries, info.color_transfer
    context.colorspace, context.color_range = info.color_matrix, info.color_range
    if av.VideoFormat(info.pixel_format).is_rgb:  # RGB, converted by `planes.to_planar`
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    try:
        context.open()
    except av.error.FFmpegError as error:
        raise UnsupportedVideo(
            f"{source}: {settings.codec} can't encode pictures of "
            f"{info.width}x{info.height} ({pixel_format})",
            "Choose another codec.",
        ) from error


class Encoder:
    """Encodes the pictures of a video, at its times.

    Args:
        context: opened by `open_encoder`.
        info: the facts of the video that the pictures are of.
    """

    def __init__(self, context: VideoCodecContext, info: VideoInfo) -> None:
        self._context = context
        self._info = info
        self._usual_duration = max(1, round(1 / (info.average_rate * clock_of(info))))
        self._durations: dict[int, int] = {}  # by pts, of the frames within the encoder

    @classmethod
    def create(cls, info: VideoInfo, source: Path, settings: EncoderSettings) -> Encoder:
        """One that stands by itself, outside of any file.

        Raises:
            UnsupportedVideo: it doesn't take pictures of this size.
        """
        context = av.CodecContext.create(encoder_name(settings), "w")
        assert isinstance(context, VideoCodecContext)
        open_encoder(context, info, source, settings)
        return cls(context, info)

    @property
    def extradata(self) -> bytes:
        """What a decoder must know before the first packet (SPS and the like)."""
        return self._context.extradata or b""

    def encode(
        self, picture: av.VideoFrame, pts: int, duration: int | None
    ) -> Iterator[Packet[VideoStream]]:
        """Take one picture; packets of this and earlier ones, in decoding order.

        Args:
            picture: upright, of the source's displayed size, in `pixel_format_of` it. Its
                timestamp is overwritten.
            pts: when it is shown, ticks of the source's time base; increasing.
            duration: how long, in the same ticks.

        Raises:
            ValueError: another size or pixel format.
        """
        expected = (self._info.width, self._info.height, pixel_format_of(self._info))
        if (picture.width, picture.height, picture.format.name) != expected:
            raise ValueError(f"expected a picture of {expected}, not {picture}")
        scale = self._info.time_base.numerator
        picture.pts = (pts - self._info.origin_pts) * scale
        picture.time_base = clock_of(self._info)
        picture.pict_type = PictureType.NONE  # else the encoder repeats the source's choice
        self._durations[picture.pts] = duration * scale if duration else self._usual_duration
        return self._packets(picture)

    def flush(self) -> Iterator[Packet[VideoStream]]:
        """The packets that are still within the encoder, which can take nothing more."""
        return self._packets(None)

    def _packets(self, picture: av.VideoFrame | None) -> Iterator[Packet[VideoStream]]:
        # Lazily: at the end an encoder holds seconds of work, which Ctrl-C must interrupt.
        for packet in self._context.encode_lazy(picture):
            assert packet.pts is not None
            # Not every encoder passes it on; the one shown last must have it.
            packet.duration = self._durations.pop(packet.pts, self._usual_duration)
            yield packet


def _encoder_options(settings: EncoderSettings, hdr: HdrMetadata) -> dict[str, str]:
    if settings.codec == "av1":
        return {"preset": _SVT_PRESETS[settings.preset], "crf": str(settings.crf)}
    options = {"preset": settings.preset, "crf": str(settings.crf)}
    # Closed captions ride on pictures; they are part of what must not be passed on.
    options |= {"a53cc": "0", "udu_sei": "0"}
    if settings.codec == "h265":
        names = ("master-display", "max-cll")
        parameters = ["log-level=error", "info=0"]
    else:
        names = ("mastering-display", "cll")
        parameters = []
    parameters += [
        f"{name}={value}"
        for name, value in zip(names, _hdr_parameters(hdr), strict=True)
        if value is not None
    ]
    key = "x265-params" if settings.codec == "h265" else "x264-params"
    return options | ({key: ":".join(parameters)} if parameters else {})


def _hdr_parameters(hdr: HdrMetadata) -> tuple[str | None, str | None]:
    """ST 2086 and light level as x264 and x265 write them: 1/50000 and 1/10000 cd/m2."""
    display = light_level = None
    if hdr.display is not None:
        red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y = (
            round(value * 50_000) for value in hdr.display[:8]
        )
        least, greatest = (round(value * 10_000) for value in hdr.display[8:])
        display = (
            f"G({green_x},{green_y})B({blue_x},{blue_y})R({red_x},{red_y})"
            f"WP({white_x},{white_y})L({greatest},{least})"
        )
    if hdr.light_level is not None:
        light_level = f"{hdr.light_level[0]},{hdr.light_level[1]}"
    return display, light_level
