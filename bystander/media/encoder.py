"""One encoder: pictures go in with their times, packets come out with them.

The encoder of an ordinary file and that of a segment are set up here, by the same lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal

import av
import av.error
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream
from pydantic import BaseModel, ConfigDict, Field

from bystander.choices import Codec, Deinterlace, EncoderBackend, SmartRender
from bystander.errors import UnsupportedVideo
from bystander.media.colour import PixelFormat
from bystander.media.cropping import NO_PADDING, Padding, padded
from bystander.media.facts import FieldOrder, HdrMetadata, VideoInfo
from bystander.media.hardware import HardwareEncoder, working_encoder
from bystander.media.scheduling import ordinary_scheduling

EncoderPreset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]


_ENCODERS: Final = {Codec.H264: "libx264", Codec.HEVC: "libx265", Codec.AV1: "libsvtav1"}
# x265 takes several times as long as x264 under the same name: these take about as long
# as x264's, and its files are still no larger.
_X265_PRESETS: dict[str, str] = {
    "ultrafast": "ultrafast", "superfast": "ultrafast", "veryfast": "ultrafast",
    "faster": "superfast", "fast": "superfast", "medium": "veryfast", "slow": "fast",
    "slower": "medium", "veryslow": "slow",
}  # fmt: skip
# Their frames say of themselves whether they are interlaced, and may be of both kinds.
_CODECS_WITH_BOTH: Final = {"h264", "mpeg2video", "vc1"}
# AVFieldOrder: the field that is coded and shown first.
_FIELD_ORDERS: Final = {
    FieldOrder.PROGRESSIVE: 1, FieldOrder.TOP_FIRST: 2, FieldOrder.BOTTOM_FIRST: 3,
}  # fmt: skip
# Frames that x265 may show after the one decoded last; fewer are decoded in order.
_X265_DELAY_FRAMES: Final = 2
# SVT-AV1 counts down to 0; it calls those above 9 unfit for anything but live video.
_SVT_PRESETS: dict[str, str] = {
    "ultrafast": "9", "superfast": "9", "veryfast": "9", "faster": "8", "fast": "7",
    "medium": "6", "slow": "5", "slower": "4", "veryslow": "3",
}  # fmt: skip


class Deinterlacing(StrEnum):
    """Which pictures are deinterlaced."""

    NONE = "none"
    FLAGGED = "flagged"
    EVERY = "every"


class HardwareEncoderFailed(UnsupportedVideo):
    """A hardware encoder that worked when it was tried doesn't any more."""


class EncoderSettings(BaseModel):
    """How the pictures are encoded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: Codec = Field(
        default=Codec.AUTO,
        title="Codec",
        description="auto: h264 for 8 bits a colour, hevc for 10 bits and HDR. h264 always has "
        "8 bits and plays everywhere; HDR can't be written as h264. hevc and av1 make smaller "
        "files, more slowly.",
    )
    preset: EncoderPreset = Field(
        default="faster",
        title="Preset",
        description="Slower presets make smaller files (docs/speed.md). x264's names; the other "
        "codecs take theirs of about the same speed.",
    )
    chroma: Literal["420", "444"] = Field(
        default="420",
        title="Chroma subsampling",
        description="420 plays everywhere; 444 has colour for every pixel, which few players "
        "take, and is nothing for av1.",
    )
    deinterlace: Deinterlace = Field(
        default=Deinterlace.AUTO,
        title="Deinterlace",
        description="auto: interlaced pictures stay interlaced as h264, and are deinterlaced for "
        "hevc and av1, which can't hold them; on: always, also where nothing says that they are "
        "interlaced; off: never, what can't hold them is refused.",
    )
    backend: EncoderBackend = Field(
        default=EncoderBackend.SOFTWARE,
        title="Encoder",
        description="software: on the processor, which gives the best quality for a file's size; "
        "nvenc, videotoolbox, qsv: by that hardware if it works here, else software; auto: by the "
        "first of them that does. HDR, 4:4:4 and interlaced pictures are left to software.",
    )
    smart_render: SmartRender = Field(
        default=SmartRender.AUTO,
        title="Smart render",
        description="auto: groups of pictures in which nothing is masked are copied, bit for bit, "
        "where source and result are H.264 and alike; off: everything is encoded.",
    )
    crf: int = Field(
        default=20,
        ge=0,
        le=51,
        title="Constant rate factor",
        description="Lower is better and larger; 18 is hard to tell from the source.",
    )

    def changed(self, wanted: Mapping[str, object]) -> EncoderSettings:
        """These with other values in the fields that `wanted` has a value for, not None."""
        given = {name: value for name, value in wanted.items() if value is not None}
        return EncoderSettings.model_validate({**self.model_dump(), **given})


@dataclass(frozen=True, slots=True)
class Encoding:
    """What the pictures of one video become.

    Attributes:
        codec: never AUTO.
        pixel_format: of the pictures that the encoder takes.
        padding: columns and lines that are repeated before encoding, and hidden in the file.
        field_order: of the pictures that the encoder takes.
        deinterlacing: what is done to the source's pictures before.
        hardware: what encodes; None is the processor.
    """

    codec: Codec
    pixel_format: PixelFormat
    padding: Padding = NO_PADDING
    field_order: FieldOrder = FieldOrder.PROGRESSIVE
    deinterlacing: Deinterlacing = Deinterlacing.NONE
    hardware: HardwareEncoder | None = None


def encoding_of(info: VideoInfo, source: Path, settings: EncoderSettings) -> Encoding:
    """What `settings` make of the pictures of a video.

    Raises:
        UnsupportedVideo: HDR is to become H.264, which no player takes with 10 bits, and
            which looks wrong with 8; or pictures that are to stay interlaced can't.
    """
    codec, deep = settings.codec, info.bit_depth > 8 or info.is_hdr
    if codec is Codec.AUTO:
        codec = Codec.HEVC if deep else Codec.H264
    if codec is Codec.H264:
        if info.is_hdr:
            raise UnsupportedVideo(
                f"{source} is HDR, which players don't take as H.264",
                "Choose the codec hevc or av1, or let it be chosen (auto).",
            )
        deep = False  # hardware doesn't decode H.264 of 10 bits
    order, deinterlacing = _interlacing(info, source, settings.deinterlace, codec)
    if settings.chroma == "444":
        pixel_format: PixelFormat = "yuv444p10le" if deep else "yuv444p"
        return Encoding(codec, pixel_format, NO_PADDING, order, deinterlacing)
    pixel_format = "yuv420p10le" if deep else "yuv420p"
    padding = info.width % 2, info.height % 2
    hardware = None
    if order is FieldOrder.PROGRESSIVE and not info.is_hdr:
        size = info.width + padding[0], info.height + padding[1]
        hardware = working_encoder(settings.backend, codec, pixel_format, size)
    return Encoding(codec, pixel_format, padding, order, deinterlacing, hardware)


def _interlacing(
    info: VideoInfo, source: Path, wanted: Deinterlace, codec: Codec
) -> tuple[FieldOrder, Deinterlacing]:
    if wanted is Deinterlace.ON:
        return FieldOrder.PROGRESSIVE, Deinterlacing.EVERY
    if info.field_order is FieldOrder.PROGRESSIVE:
        return FieldOrder.PROGRESSIVE, Deinterlacing.NONE
    turned = info.orientation.rotation != 0  # lines become columns, or the other field's
    # Of either field 4:2:0 has a line of colour for two lines: x264 takes no other heights.
    if codec is Codec.H264 and not turned and info.height % 4 == 0:
        return info.field_order, Deinterlacing.NONE
    if wanted is Deinterlace.OFF:
        raise UnsupportedVideo(
            f"{source} is interlaced, which {'turned pictures' if turned else codec} can't be",
            "Let it be deinterlaced, or choose the codec h264.",
        )
    flagged = info.codec in _CODECS_WITH_BOTH
    return FieldOrder.PROGRESSIVE, Deinterlacing.FLAGGED if flagged else Deinterlacing.EVERY


def encoder_name(encoding: Encoding) -> str:
    """FFmpeg's name of the encoder."""
    return encoding.hardware.name if encoding.hardware else _ENCODERS[encoding.codec]


def clock_of(info: VideoInfo) -> Fraction:
    """Seconds a tick of what is written: the source's ticks, of which none is split."""
    return Fraction(1, info.time_base.denominator)


def open_encoder(
    context: VideoCodecContext,
    info: VideoInfo,
    source: Path,
    settings: EncoderSettings,
    parameter_id: int = 0,
) -> None:
    """Set up and open a fresh codec context for the pictures of a video.

    Args:
        parameter_id: of the parameter sets; H.264 alone can have another one than 0.

    Raises:
        UnsupportedVideo: see `encoding_of`; or the encoder doesn't take pictures of this size.
        HardwareEncoderFailed: one that worked doesn't open.
    """
    encoding = encoding_of(info, source, settings)
    context.options = _encoder_options(encoding, settings, info.hdr, parameter_id)
    context.width = info.width + encoding.padding[0]
    context.height = info.height + encoding.padding[1]
    context.pix_fmt = _taken_format(encoding)
    context.field_order = _FIELD_ORDERS[encoding.field_order]
    if encoding.field_order is not FieldOrder.PROGRESSIVE:
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me
    context.framerate = info.average_rate
    context.time_base = clock_of(info)
    context.sample_aspect_ratio = info.sample_aspect_ratio
    context.bit_rate = 0  # FFmpeg's default of 200 kbit/s would overrule the rate factor
    context.flags |= Flags.global_header  # as every container written here wants it
    context.thread_type = "AUTO"  # PyAV's default of sliced threads costs quality
    context.color_primaries, context.color_trc = info.color_primaries, info.color_transfer
    context.colorspace, context.color_range = info.planar_colors
    try:
        with ordinary_scheduling():
            context.open()
    except av.error.FFmpegError as error:
        if encoding.hardware:
            raise _failed(encoding.hardware, source, error) from error
        raise UnsupportedVideo(
            f"{source}: {encoding.codec} can't encode pictures of "
            f"{info.width}x{info.height} ({encoding.pixel_format})",
            "Choose another codec.",
        ) from error


def _taken_format(encoding: Encoding) -> str:
    """What the encoder is given: the same samples, maybe in another order."""
    if encoding.hardware is None:
        return encoding.pixel_format
    return encoding.hardware.pixel_formats[encoding.pixel_format]


def _failed(
    hardware: HardwareEncoder, source: Path | None, error: av.error.FFmpegError
) -> HardwareEncoderFailed:
    what = f"{source}: {hardware.name} failed" if source else f"{hardware.name} failed"
    return HardwareEncoderFailed(f"{what} ({error})", "Choose the encoder software.")


class Encoder:
    """Encodes the pictures of a video, at its times.

    Args:
        context: opened by `open_encoder`.
        info: the facts of the video that the pictures are of.
        encoding: what `context` was opened for.
    """

    def __init__(self, context: VideoCodecContext, info: VideoInfo, encoding: Encoding) -> None:
        self._context = context
        self._encoding = encoding
        self._field_flags = _FieldFlags(info, encoding)
        self._info = info
        self._usual_duration = max(1, round(1 / (info.average_rate * clock_of(info))))
        self._durations: dict[int, int] = {}  # by pts, of the frames within the encoder
        self._taken = 0

    @classmethod
    def create(
        cls, info: VideoInfo, source: Path, settings: EncoderSettings, parameter_id: int = 0
    ) -> Encoder:
        """One that stands by itself, outside of any file; see `open_encoder`.

        Raises:
            UnsupportedVideo: see `open_encoder`.
        """
        encoding = encoding_of(info, source, settings)
        context = av.CodecContext.create(encoder_name(encoding), "w")
        assert isinstance(context, VideoCodecContext)
        open_encoder(context, info, source, settings, parameter_id)
        return cls(context, info, encoding)

    @property
    def extradata(self) -> bytes:
        """What a decoder must know before the first packet (SPS and the like)."""
        return self._context.extradata or b""

    def encode(
        self, picture: av.VideoFrame, pts: int, duration: int | None
    ) -> Iterator[Packet[VideoStream]]:
        """Take one picture; packets of this and earlier ones, in decoding order.

        Args:
            picture: upright, of the source's displayed size, in the encoding's pixel format.
                Its timestamp is overwritten.
            pts: when it is shown, ticks of the source's time base; increasing.
            duration: how long, in the same ticks.

        Raises:
            ValueError: another size or pixel format.
        """
        expected = (self._info.width, self._info.height, self._encoding.pixel_format)
        if (picture.width, picture.height, picture.format.name) != expected:
            raise ValueError(f"expected a picture of {expected}, not {picture}")
        picture = self._field_flags.put_on(padded(picture, self._encoding.padding))
        scale = self._info.time_base.numerator
        picture.pts = (pts - self._info.origin_pts) * scale
        picture.time_base = clock_of(self._info)
        self._taken += 1
        if picture.format.name != (taken := _taken_format(self._encoding)):
            picture = picture.reformat(format=taken)
        picture.pict_type = PictureType.NONE  # else the encoder repeats the source's choice
        self._durations[picture.pts or 0] = duration * scale if duration else self._usual_duration
        return self._packets(picture)

    def flush(self) -> Iterator[Packet[VideoStream]]:
        """The packets that are still within the encoder, which can take nothing more."""
        return self._packets(None)

    def _packets(self, picture: av.VideoFrame | None) -> Iterator[Packet[VideoStream]]:
        # Lazily: at the end an encoder holds seconds of work, which Ctrl-C must interrupt.
        for packet in self._encoded(picture):
            assert packet.pts is not None
            # Of a video shorter than its reordering x265 gives decoding times from memory
            # that it never wrote to.
            software = self._encoding.hardware is None
            if (
                software
                and self._encoding.codec is Codec.HEVC
                and self._taken <= _X265_DELAY_FRAMES
            ):
                packet.dts = packet.pts
            # Not every encoder passes it on; the one shown last must have it.
            packet.duration = self._durations.pop(packet.pts, self._usual_duration)
            yield packet

    def _encoded(self, picture: av.VideoFrame | None) -> Iterator[Packet[VideoStream]]:
        try:
            yield from self._context.encode_lazy(picture)
        except av.error.FFmpegError as error:
            if self._encoding.hardware is None:
                raise
            raise _failed(self._encoding.hardware, None, error) from error


class _FieldFlags:
    """Says of pictures which of their fields comes first: x264 asks each of them.

    PyAV can't, so a filter of FFmpeg's does it, which leaves the samples where they are.
    """

    def __init__(self, info: VideoInfo, encoding: Encoding) -> None:
        self._graph: av.filter.Graph | None = None
        if encoding.field_order is FieldOrder.PROGRESSIVE:
            return
        mode = "tff" if encoding.field_order is FieldOrder.TOP_FIRST else "bff"
        graph = self._graph = av.filter.Graph()
        source = graph.add_buffer(
            width=info.width + encoding.padding[0],
            height=info.height + encoding.padding[1],
            format=av.VideoFormat(encoding.pixel_format),
            time_base=clock_of(info),
        )
        graph.link_nodes(source, graph.add("setfield", mode), graph.add("buffersink")).configure()

    def put_on(self, picture: av.VideoFrame) -> av.VideoFrame:
        """`picture` with the flags, or as it is if it is progressive."""
        if self._graph is None:
            return picture
        self._graph.push(picture)
        flagged = self._graph.pull()
        assert isinstance(flagged, av.VideoFrame)
        return flagged


def _encoder_options(
    encoding: Encoding, settings: EncoderSettings, hdr: HdrMetadata, parameter_id: int
) -> dict[str, str]:
    if encoding.hardware:
        return encoding.hardware.options_at(settings.crf)
    options = {"preset": settings.preset, "crf": str(settings.crf)}
    # Closed captions ride on pictures; they are part of what must not be passed on.
    without_captions = {"a53cc": "0", "udu_sei": "0"}
    match encoding.codec:
        case Codec.AV1:
            options["preset"] = _SVT_PRESETS[settings.preset]
            parameters = _hdr_parameters(hdr, "mastering-display", "content-light", (1, 1))
            return options | ({"svtav1-params": ":".join(parameters)} if parameters else {})
        case Codec.HEVC:
            options["preset"] = _X265_PRESETS[settings.preset]
            # Closed groups of pictures: any keyframe can be begun at, also where segments join.
            parameters = ["log-level=error", "info=0", "open-gop=0"]
            parameters += _hdr_parameters(hdr, "master-display", "max-cll", (50_000, 10_000))
            return options | without_captions | {"x265-params": ":".join(parameters)}
        case _:
            # What FFmpeg tells x264 of the order comes too late.
            order = {FieldOrder.TOP_FIRST: "tff=1", FieldOrder.BOTTOM_FIRST: "bff=1"}
            parameters = [order[encoding.field_order]] if encoding.field_order in order else []
            parameters += [f"sps-id={parameter_id}"] if parameter_id else []
            extra = {"x264-params": ":".join(parameters)} if parameters else {}
            return options | without_captions | extra


def _hdr_parameters(
    hdr: HdrMetadata, display_name: str, light_name: str, units: tuple[int, int]
) -> list[str]:
    """ST 2086 and light level as encoders take them.

    Args:
        units: how many units of the encoder's make up 1 of the chromaticity, and 1 cd/m2.
    """
    parameters = []
    if hdr.display is not None:
        chromaticity, luminance = units

        def number(value: Fraction, unit: int) -> str:
            return str(round(value * unit)) if unit > 1 else f"{float(value):.6f}"

        red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y = (
            number(value, chromaticity) for value in hdr.display[:8]
        )
        least, greatest = (number(value, luminance) for value in hdr.display[8:])
        parameters.append(
            f"{display_name}=G({green_x},{green_y})B({blue_x},{blue_y})R({red_x},{red_y})"
            f"WP({white_x},{white_y})L({greatest},{least})"
        )
    if hdr.light_level is not None:
        parameters.append(f"{light_name}={hdr.light_level[0]},{hdr.light_level[1]}")
    return parameters
