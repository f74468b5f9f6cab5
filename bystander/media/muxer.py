"""Encoded or new pictures -> the finished file, with the source's sound and nothing else."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from math import lcm
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
from av.container import OutputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from bystander.choices import Codec
from bystander.errors import OutputExists, OutputUnwritable
from bystander.files import check_name, temporary_beside
from bystander.media.audio import DISK_ERRORS, AudioCopier
from bystander.media.colour import PixelFormat
from bystander.media.cropping import NO_PADDING, hide_padding
from bystander.media.encoder import (
    Deinterlacing,
    Encoder,
    EncoderSettings,
    Encoding,
    encoder_name,
    encoding_of,
    open_encoder,
)
from bystander.media.facts import FieldOrder, VideoInfo
from bystander.media.hardware import tell_choice
from bystander.media.sound_spans import SoundSpan

log = logging.getLogger(__name__)

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""FFmpeg's name of the muxer, by the output's suffix."""
_MAX_TIMESCALE = 2**31 - 1


def check_output(path: Path, source: Path, overwrite: bool = False) -> None:
    """Refuse an output that can't be written, before any work is done.

    Raises:
        OutputExists: it exists and `overwrite` is not set.
        OutputUnwritable: its name, folder or permissions don't allow it.
    """
    check_name(path)
    if path.suffix.lower() not in MUXERS:
        raise OutputUnwritable(
            f"{path}: a video can't be written as '{path.suffix}'",
            f"Name it with one of {', '.join(MUXERS)}.",
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


def check_encoding(
    path: Path, info: VideoInfo, source: Path, settings: EncoderSettings
) -> Encoding:
    """What the pictures of a video become in a file called `path`.

    Raises:
        UnsupportedVideo: see `encoding_of`.
        OutputUnwritable: the codec can't be put into such a file.
    """
    encoding = encoding_of(info, source, settings)
    if encoding.codec is Codec.AV1 and path.suffix.lower() == ".mov":
        raise OutputUnwritable(
            f"{path}: AV1 can't be put into a .mov file", "Name it .mp4 or .mkv, or choose hevc."
        )
    # AV1 itself doesn't say it, and FFmpeg's Matroska muxer isn't told through PyAV.
    square = info.sample_aspect_ratio == 1
    if encoding.codec is Codec.AV1 and path.suffix.lower() == ".mkv" and not square:
        raise OutputUnwritable(
            f"{path}: AV1 in a .mkv file would lose the shape of the pixels, which aren't square",
            "Name it .mp4, or choose hevc.",
        )
    return encoding


class Muxer:
    """Writes a video file from packets, with the source's sound; a context manager.

    The file appears under its name when everything has been written, and not at all
    if the `with` block is left by an exception.

    Args:
        path: .mp4, .m4v, .mov or .mkv.
        info: the source's facts; size, colour and clock are taken from it.
        source: the source itself, for its sound.
        settings: how the packets are, or will be, encoded.
        overwrite: replace an existing file.
        parameter_sets: what a decoder must know before the first packet, if that isn't what
            `context` says.
        sound: what is done to the sound, when, as `sound_spans` gives it.

    Raises:
        OutputExists, OutputUnwritable: see `check_output`; also when the disk is full.
        OutputUnwritable, UnsupportedVideo: see `check_encoding`; or the encoder doesn't take
            pictures of this size.

    Attributes:
        encoding: what the pictures become.
        context: the encoder of the video track, open, within the `with` block.
    """

    context: VideoCodecContext

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        source: Path,
        settings: EncoderSettings,
        overwrite: bool = False,
        parameter_sets: bytes | None = None,
        sound: tuple[SoundSpan, ...] = (),
    ) -> None:
        check_output(path, source, overwrite)
        self._path = path
        self._parameter_sets = parameter_sets
        self._sound = sound
        self._info = info
        self._source = source
        self._settings = settings
        self.encoding = check_encoding(path, info, source, settings)
        self._overwrite = overwrite
        self._temporary = temporary_beside(path)
        self._last_packet: Packet[VideoStream] | None = None
        self._first_dts = 0
        self._start: int | None = None
        self._latest = self._end = 0
        self._resources = ExitStack()
        _log_changes(path, info, self.encoding)
        tell_choice(path, settings.backend, self.encoding.hardware)

    def __enter__(self) -> Self:
        try:
            with disk_errors(self._path):
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
            with disk_errors(self._path):
                self._finish()
        except BaseException:
            self._abort()
            raise

    def mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        """Append packets in decoding order, their duration being the frame's.

        Raises:
            OutputUnwritable: the disk is full.
        """
        with disk_errors(self._path):
            for packet in packets:
                self._mux_one(packet)

    def advance(self, until: Fraction) -> None:
        """Write the sound up to `until`, in seconds of the source's clock.

        Raises:
            OutputUnwritable: the disk is full.
        """
        with disk_errors(self._path):
            self._audio.advance(until)

    def _open(self) -> None:
        muxer = MUXERS[self._path.suffix.lower()]
        self._output: OutputContainer = self._resources.enter_context(
            av.open(
                f"file:{self._temporary}",
                "w",
                format=muxer,
                container_options=muxer_options(muxer, self._info),
            )
        )
        self._stream = self._add_video_stream()
        self.context = self._stream.codec_context
        origin = self._info.origin_pts * self._info.time_base
        copier = AudioCopier(self._source, self._output, origin, treated=self._sound)
        self._audio = self._resources.enter_context(copier)
        self._output.start_encoding()

    def _add_video_stream(self) -> VideoStream:
        stream: VideoStream = self._output.add_stream(  # type: ignore[assignment]
            encoder_name(self.encoding), rate=self._info.average_rate
        )
        if self.encoding.codec is Codec.HEVC and self._path.suffix.lower() != ".mkv":
            stream.codec_context.codec_tag = "hvc1"  # Apple's players don't know "hev1"
        open_encoder(stream.codec_context, self._info, self._source, self._settings)
        if self._parameter_sets is not None:
            stream.codec_context.extradata = self._parameter_sets
        return stream

    def _mux_one(self, packet: Packet[VideoStream]) -> None:
        """Write the packet before this one: the last one of all is written differently."""
        assert packet.pts is not None
        packet.stream = self._stream
        self._start = packet.pts if self._start is None else min(self._start, packet.pts)
        if packet.pts >= self._latest:
            self._latest, self._end = packet.pts, packet.pts + (packet.duration or 0)
        if self._last_packet is None:
            self._first_dts = packet.dts or 0
        else:
            self._output.mux_one(self._last_packet)
        self._last_packet = packet

    def _mux_last(self) -> None:
        """The last packet's duration makes the track as long as its frames are shown.

        In MP4 every other duration is the step to the next decoding timestamp.
        """
        packet = self._last_packet
        if packet is None or packet.dts is None or self._start is None:
            return
        packet.duration = self._end - self._start + self._first_dts - packet.dts
        self._output.mux_one(packet)

    def _finish(self) -> None:
        self._mux_last()
        self._audio.finish()
        self._resources.close()
        self._hide_padding()
        check_output(self._path, self._source, self._overwrite)
        os.replace(self._temporary, self._path)

    def _hide_padding(self) -> None:
        padding = self.encoding.padding
        if padding == NO_PADDING:
            return
        width, height = self._info.width + padding[0], self._info.height + padding[1]
        if not hide_padding(self._temporary, width, height, padding):
            log.warning("%s: its last column or line is shown twice", self._path)

    def _abort(self) -> None:
        # Unlinked before it is closed: closing would complete the file first.
        self._temporary.unlink(missing_ok=True)
        try:
            self._resources.close()
        except (av.error.FFmpegError, OSError) as error:
            log.debug("%s: closing the abandoned file: %s", self._temporary, error)
        self._temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """What keeps `path` from being written, such as a full disk, becomes OutputUnwritable."""
    try:
        yield
    except OSError as error:  # FFmpeg's are OSErrors too
        if error.errno not in DISK_ERRORS:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what, advice = "the disk is full", "Free some space and try again."
        else:
            what, advice = str(error.strerror), "Choose another folder for the output."
        raise OutputUnwritable(f"{path} can't be written: {what}", advice) from error


def _log_changes(path: Path, info: VideoInfo, encoding: Encoding) -> None:
    pixel_format = encoding.pixel_format
    if info.pixel_format.replace("yuvj", "yuv") != pixel_format:
        log.info("%s: its %s pictures become %s", path, info.pixel_format, pixel_format)
    if encoding.padding != NO_PADDING:
        log.info("%s: its odd size is stored as an even one, of which an edge is hidden", path)
    if "10" in pixel_format:
        log.info("%s: it keeps 10 bits a colour, as %s", path, encoding.codec)
    if encoding.deinterlacing is not Deinterlacing.NONE:
        log.info("%s: its interlaced pictures are deinterlaced", path)
    elif encoding.field_order is not FieldOrder.PROGRESSIVE:
        log.info("%s: its pictures stay interlaced, %s", path, encoding.field_order)
    if path.suffix.lower() == ".mkv":
        log.info("%s: Matroska counts in whole milliseconds, from zero", path)


def muxer_options(muxer: str, info: VideoInfo) -> dict[str, str]:
    """FFmpeg's options for a file whose clock hits every tick of a source, and that tells nothing
    of who wrote it."""
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


class VideoWriter:
    """Writes a video with new pictures; a context manager.

    Its arguments and the file are as with `Muxer`; `settings` say how to encode.

    Raises:
        OutputExists, OutputUnwritable: see `check_output`; also when the disk is full.
        OutputUnwritable, UnsupportedVideo: see `check_encoding`; or the encoder doesn't take
            pictures of this size.

    Attributes:
        encoding: what the pictures become.
        pixel_format: what `write` takes.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        source: Path,
        settings: EncoderSettings,
        overwrite: bool = False,
        sound: tuple[SoundSpan, ...] = (),
    ) -> None:
        self._info = info
        self._muxer = Muxer(path, info, source, settings, overwrite, sound=sound)
        self.encoding = self._muxer.encoding
        self.pixel_format: PixelFormat = self.encoding.pixel_format

    def __enter__(self) -> Self:
        self._muxer.__enter__()
        self._encoder = Encoder(self._muxer.context, self._info, self._muxer.encoding)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                self._muxer.mux(self._encoder.flush())
            except BaseException as failure:
                self._muxer.__exit__(type(failure), failure, failure.__traceback__)
                raise
        self._muxer.__exit__(kind, error, traceback)

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
        self._muxer.mux(self._encoder.encode(picture, pts, duration))
        self._muxer.advance(pts * self._info.time_base)
