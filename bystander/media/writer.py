"""The masked video: new pictures at the source's timestamps, its sound, nothing else."""

from __future__ import annotations

import errno
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from math import lcm
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import av.error
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from pydantic import BaseModel, ConfigDict, Field

from bystander.errors import OutputExists, OutputUnwritable, UnsupportedVideo
from bystander.media.audio import DISK_ERRORS, AudioCopier
from bystander.media.planes import PixelFormat
from bystander.media.probe import HdrMetadata, VideoInfo

log = logging.getLogger(__name__)

Preset = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"
]

# What players take in an MP4 file; the muxer itself would accept more.
_MP4_AUDIO = frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac"})
_MOV_AUDIO = _MP4_AUDIO - {"opus", "flac"} | {
    "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le"
}  # fmt: skip
_FORMATS: dict[str, tuple[str, frozenset[str] | None]] = {
    ".mp4": ("mp4", _MP4_AUDIO),
    ".m4v": ("mp4", _MP4_AUDIO),
    ".mov": ("mov", _MOV_AUDIO),
    ".mkv": ("matroska", None),
}
_ENCODERS = {"h264": "libx264", "h265": "libx265", "av1": "libsvtav1"}
# SVT-AV1 counts down to 0; it calls those above 9 unfit for anything but live video.
_SVT_PRESETS: dict[str, str] = {
    "ultrafast": "9", "superfast": "9", "veryfast": "9", "faster": "8", "fast": "7",
    "medium": "6", "slow": "5", "slower": "4", "veryslow": "3",
}  # fmt: skip
_MAX_TIMESCALE = 2**31 - 1


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


def check_output(path: Path, source: Path, overwrite: bool = False) -> None:
    """Refuse an output that can't be written, before any work is done.

    Raises:
        OutputExists: it exists and `overwrite` is not set.
        OutputUnwritable: its name, folder or permissions don't allow it.
    """
    if path.suffix.lower() not in _FORMATS:
        raise OutputUnwritable(
            f"{path}: a video can't be written as '{path.suffix}'",
            f"Name it with one of {', '.join(_FORMATS)}.",
        )
    if not path.parent.is_dir():
        raise OutputUnwritable(
            f"{path}: its folder doesn't exist", f"Create {path.parent} and try again."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputUnwritable(
            f"{path}: its folder can't be written to", "Choose another folder for the output."
        )
    if not path.exists():
        return
    if source.exists() and path.samefile(source):
        raise OutputUnwritable(
            f"{path} is the source itself", "Choose another name for the output."
        )
    if not path.is_file():
        raise OutputUnwritable(f"{path} is not a regular file", "Choose another name.")
    if not overwrite:
        raise OutputExists(f"{path} exists already", "Choose another name, or allow overwriting.")


class VideoWriter:
    """Writes a video with new pictures; a context manager.

    The file appears under its name when everything has been written, and not at all
    if the `with` block is left by an exception.

    Args:
        path: .mp4, .m4v, .mov or .mkv.
        info: the source's facts; size, colour and clock are taken from it.
        source: the source itself, for its sound.
        settings: how to encode.
        overwrite: replace an existing file.

    Raises:
        OutputExists, OutputUnwritable: see `check_output`; also when the disk is full.
        UnsupportedVideo: the encoder doesn't take pictures of this size.

    Attributes:
        pixel_format: what `write` takes.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        source: Path,
        settings: EncoderSettings,
        overwrite: bool = False,
    ) -> None:
        check_output(path, source, overwrite)
        self.pixel_format: PixelFormat = _pixel_format(info)
        self._path = path
        self._info = info
        self._source = source
        self._settings = settings
        self._overwrite = overwrite
        self._temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
        self._clock = Fraction(1, info.time_base.denominator)
        self._usual_duration = max(1, round(1 / (info.average_rate * self._clock)))
        self._durations: dict[int, int] = {}  # by pts, of the frames within the encoder
        self._start: int | None = None
        self._end = 0
        self._last_packet: Packet[VideoStream] | None = None
        self._first_dts = 0
        self._resources = ExitStack()
        _log_changes(path, info, self.pixel_format)

    def __enter__(self) -> Self:
        try:
            with self._disk_errors():
                self._open()
        except BaseException:
            self._abort()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            with self._disk_errors():
                self._finish()
        except BaseException:
            self._abort()
            raise

    def write(self, picture: av.VideoFrame, pts: int, duration: int | None) -> None:
        """Append one frame.

        Args:
            picture: upright, of the source's displayed size, in `pixel_format`. Its
                timestamp is overwritten.
            pts: when it is shown, ticks of the source's time base; increasing.
            duration: how long, in the same ticks.

        Raises:
            OutputUnwritable: the disk is full.
            ValueError: another size or pixel format.
        """
        expected = (self._info.width, self._info.height, self.pixel_format)
        if (picture.width, picture.height, picture.format.name) != expected:
            raise ValueError(f"expected a picture of {expected}, not {picture}")
        scale = self._info.time_base.numerator
        picture.pts = (pts - self._info.origin_pts) * scale
        picture.time_base = self._clock
        picture.pict_type = PictureType.NONE  # else the encoder repeats the source's choice
        self._start = picture.pts if self._start is None else self._start
        self._durations[picture.pts] = duration * scale if duration else self._usual_duration
        self._end = picture.pts + self._durations[picture.pts]
        with self._disk_errors():
            self._encode(picture)
            self._audio.advance(pts * self._info.time_base)

    def _open(self) -> None:
        muxer, audio_codecs = _FORMATS[self._path.suffix.lower()]
        self._output: OutputContainer = self._resources.enter_context(
            av.open(
                f"file:{self._temporary}",
                "w",
                format=muxer,
                container_options=_muxer_options(muxer, self._info),
            )
        )
        self._stream = self._add_video_stream()
        origin = self._info.origin_pts * self._info.time_base
        self._audio = self._resources.enter_context(
            AudioCopier(self._source, self._output, audio_codecs, origin)
        )
        self._output.start_encoding()

    def _add_video_stream(self) -> VideoStream:
        info, settings = self._info, self._settings
        stream: VideoStream = self._output.add_stream(  # type: ignore[assignment]
            _ENCODERS[settings.codec],
            rate=info.average_rate,
            options=_encoder_options(settings, info.hdr),
        )
        stream.width, stream.height, stream.pix_fmt = info.width, info.height, self.pixel_format
        context = stream.codec_context
        context.time_base = self._clock
        context.sample_aspect_ratio = info.sample_aspect_ratio
        context.thread_type = "AUTO"  # PyAV's default of sliced threads costs quality
        context.color_primaries, context.color_trc = info.color_primaries, info.color_transfer
        context.colorspace, context.color_range = info.color_matrix, info.color_range
        if av.VideoFormat(info.pixel_format).is_rgb:  # RGB, converted by `planes.to_planar`
            context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        if settings.codec == "h265" and self._path.suffix.lower() != ".mkv":
            context.codec_tag = "hvc1"  # Apple's players don't know "hev1"
        try:
            context.open()
        except av.error.FFmpegError as error:
            raise UnsupportedVideo(
                f"{self._source}: {settings.codec} can't encode pictures of "
                f"{info.width}x{info.height} ({self.pixel_format})",
                "Choose another codec.",
            ) from error
        return stream

    def _encode(self, picture: av.VideoFrame | None) -> None:
        """Encode, and write what comes out but for the last packet."""
        # Lazily: at the end an encoder holds seconds of work, which Ctrl-C must interrupt.
        for packet in self._stream.codec_context.encode_lazy(picture):
            packet.stream = self._stream
            assert packet.pts is not None
            # Not every encoder passes it on; the one shown last must have it.
            packet.duration = self._durations.pop(packet.pts, self._usual_duration)
            if self._last_packet is None:
                self._first_dts = packet.dts or 0
            else:
                self._output.mux_one(self._last_packet)
            self._last_packet = packet

    def _write_last_packet(self) -> None:
        """The last packet's duration makes the track as long as its frames are shown.

        In MP4 every other duration is the step to the next decoding timestamp.
        """
        packet = self._last_packet
        if packet is None or packet.dts is None or self._start is None:
            return
        packet.duration = self._end - self._start + self._first_dts - packet.dts
        self._output.mux_one(packet)

    def _finish(self) -> None:
        self._encode(None)
        self._write_last_packet()
        self._audio.finish()
        self._resources.close()
        check_output(self._path, self._source, self._overwrite)
        os.replace(self._temporary, self._path)

    def _abort(self) -> None:
        # Unlinked before it is closed: closing would complete the file first.
        self._temporary.unlink(missing_ok=True)
        try:
            self._resources.close()
        except (av.error.FFmpegError, OSError) as error:
            log.debug("%s: closing the abandoned file: %s", self._temporary, error)
        self._temporary.unlink(missing_ok=True)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # FFmpeg's are OSErrors too
            if error.errno not in DISK_ERRORS:
                raise
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                what, advice = "the disk is full", "Free some space and try again."
            else:
                what, advice = str(error.strerror), "Choose another folder for the output."
            raise OutputUnwritable(f"{self._path} can't be written: {what}", advice) from error


def _pixel_format(info: VideoInfo) -> PixelFormat:
    odd = info.width % 2 or info.height % 2
    if info.bit_depth > 8:
        return "yuv444p10le" if odd else "yuv420p10le"
    return "yuv444p" if odd else "yuv420p"


def _log_changes(path: Path, info: VideoInfo, pixel_format: PixelFormat) -> None:
    if info.pixel_format.replace("yuvj", "yuv") != pixel_format:
        log.info("%s: its %s pictures become %s", path, info.pixel_format, pixel_format)
    if "444" in pixel_format:
        log.info("%s: an odd size needs 4:4:4 colour, which some players don't take", path)
    if "10" in pixel_format:
        log.info("%s: it keeps 10 bits a colour, which some players don't take", path)
    if path.suffix.lower() == ".mkv":
        log.info("%s: Matroska counts in whole milliseconds, from zero", path)


def _muxer_options(muxer: str, info: VideoInfo) -> dict[str, str]:
    # bitexact: no encoder name and no creation time in the file.
    options = {"fflags": "+bitexact"}
    if muxer == "matroska":
        return options
    timescale = info.time_base.denominator
    # The movie's clock counts by how much a track starts late: it must hit every track's
    # ticks.
    movie = lcm(timescale, *(track.sample_rate for track in info.audio if track.sample_rate))
    return options | {
        "video_track_timescale": str(timescale),
        "movie_timescale": str(movie if movie <= _MAX_TIMESCALE else timescale),
        "movflags": "+faststart",
    }


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
