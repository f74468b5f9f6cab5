"""What a video file holds, and whether it can be processed, before any work begins."""

from __future__ import annotations

import heapq
import logging
import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import cast

import av
import av.error
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from bystander.errors import NotAVideo, TruncatedVideo, UnsupportedVideo, VideoTooLarge
from bystander.files import is_file
from bystander.media.colour import is_full_range
from bystander.media.cropping import Padding, read_padding
from bystander.media.demux import (
    ANIMATIONS,
    container_name,
    find_video_stream,
    has_decoder,
    open_media,
    read_packets,
    shows_picture,
    truncation,
)
from bystander.media.display import UPRIGHT, Orientation, pixel_aspects
from bystander.media.facts import AudioInfo, FieldOrder, HdrMetadata, VideoInfo
from bystander.media.fields import FieldPairing

log = logging.getLogger(__name__)

_PACKETS_TO_TRY = 600  # until one decodes: ten seconds and more at 60 frames per second
_PACKETS_OF_FIELDS = 120  # by which fields show that are coded by themselves
_MAX_STEP_BACK_SECONDS = 10  # seconds; no codec reorders frames that far
_MAX_REORDERED_PACKETS = 32  # H.264 and HEVC reorder 16 frames at most, fields being two each


# Formats that stay whole when files are appended to each other, whose clocks then begin
# again. Decoding timestamps only grow; recorders' jitter is less than this (as in FFmpeg).
_JOINABLE_FORMATS = {"mpegts", "mpeg", "flv"}
_MAX_DTS_JITTER_SECONDS = Fraction(1, 10)


# Their clocks start anywhere, hours in for a broadcast; players begin at the first frame.
_FORMATS_WITHOUT_ORIGIN = {"mpegts", "mpeg"}


# What FFmpeg's scaler is known to read. It refuses some of the others, and over yaf32 it
# aborts the process; tests/sandbox/test_pixel_formats.py tries every format that passes.
_PIXEL_FORMATS = re.compile(
    r"yuv[aj]?4(10|11|20|22|40|44)p((9|1[0246])[lb]e)?|nv(12|16|21|24|42|20[lb]e)"
    r"|p[024]1[026][lb]e|y21[026]le|yuyv422|uyvy422|yvyu422|uyyvyy411|v30xle|xv3[06]le"
    r"|ayuv(64[lb]e)?|vuy[ax]|gbra?p((9|1[0246])[lb]e)?|gray((9|1[0246])[lb]e)?"
    r"|ya(8|16[lb]e)|mono[wb]|pal8|(rgb|bgr)(8|24|4_byte|(444|555|565|48)[lb]e)"
    r"|(rgb|bgr)[a0]|[a0](rgb|bgr)|(rgba|bgra)64[lb]e|x2(rgb|bgr)10le"
)


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """Side lengths in pixels between which a picture is accepted."""

    min_side: int = 16
    max_side: int = 8192


@dataclass(frozen=True, slots=True)
class FrameCount:
    """What was counted of a video before: its packets needn't all be read again.

    Attributes:
        start_pts, last_pts: when the first and the last frame appear, ticks.
        frames: how many there are.
    """

    start_pts: int
    last_pts: int
    frames: int


@dataclass(frozen=True, slots=True)
class _Timing:
    start_pts: int
    end_pts: int
    frame_count: int
    average_rate: Fraction
    variable_frame_rate: bool
    field_coded: bool


def probe(
    path: Path, limits: ProbeLimits | None = None, counted: FrameCount | None = None
) -> VideoInfo:
    """Examine a video: one frame is decoded, all packets are counted.

    Args:
        counted: of this very video, so that only its first packets are looked at: in one of some
            gigabytes all of them take longer than anybody waits for a picture. When its last
            frame ends, and whether frames are evenly spaced, is guessed then.

    Raises:
        NotAVideo: not a media file, or one without moving pictures.
        TruncatedVideo: the file ends before its own index says it does.
        UnsupportedVideo: encrypted, too small or large, in a pixel format that isn't
            processed, or it can't be decoded.
    """
    limits = limits or ProbeLimits()
    _refuse_truncated(path)
    with open_media(path) as container:
        stream = find_video_stream(container)
        if stream is None:
            raise _no_video(path, container)
        if not has_decoder(stream):
            raise UnsupportedVideo(f"{path}: no decoder for its video", _CONVERT)
        picture = _first_picture(path, container, stream)
        _refuse_size(path, picture, limits)
        _refuse_pixel_format(path, picture)
        audio = tuple(
            AudioInfo(s.index, s.codec_context.name, s.channels, s.sample_rate)
            for s in container.streams.audio
            if has_decoder(s)
        )
    with open_media(path) as container:
        stream = find_video_stream(container)
        assert stream is not None
        if counted is None:
            timing = _measure_timing(path, container, stream)
        else:
            timing = _assume_timing(container, stream, counted)
        if timing.frame_count == 1 and container_name(container) in ANIMATIONS:
            raise _still_picture(path)
        orientation = orientation_of(path, picture)
        padding = read_padding(path, picture.width, picture.height)
        return _describe(container, stream, picture, timing, audio, orientation, padding)


_CONVERT = "Convert it to H.264 in MP4 and try again."


def _refuse_truncated(path: Path) -> None:
    if is_file(path) and (missing := truncation(path)) is not None:
        raise TruncatedVideo(
            f"{path} is incomplete: {missing}",
            "Copy it again from where it was recorded; the original may be whole.",
        )


def _no_video(path: Path, container: InputContainer) -> NotAVideo:
    if container.streams.video:
        return _still_picture(path)
    if container.streams.audio:
        return NotAVideo(f"{path} has sound but no picture", "Give a video file.")
    return NotAVideo(f"{path} has no video stream", "Give a video file.")


def _still_picture(path: Path) -> NotAVideo:
    return NotAVideo(f"{path} holds a still picture, no video", "Give a video file.")


def _first_picture(path: Path, container: InputContainer, stream: VideoStream) -> av.VideoFrame:
    """The first picture that decodes: it knows more than the container's header."""
    seen = 0
    for packet in read_packets(container, [stream]):
        seen += 1
        if packet.has_sidedata("encryption_info"):
            raise UnsupportedVideo(f"{path} is encrypted", "Give a copy without protection.")
        if pictures := _decode(stream, packet):
            return pictures[0]
        if seen == _PACKETS_TO_TRY:
            break
    if pictures := _decode(stream, None):
        return pictures[0]
    if seen == 0:
        raise UnsupportedVideo(f"{path} holds no frames", "Record or copy it again.")
    raise UnsupportedVideo(f"{path}: none of its first {seen} frames can be decoded", _CONVERT)


def _decode(stream: VideoStream, packet: av.Packet[av.stream.Stream] | None) -> list[av.VideoFrame]:
    try:
        return stream.codec_context.decode(packet)
    except av.error.FFmpegError as error:
        log.debug("a first frame doesn't decode: %s", error)
        return []


def _refuse_size(path: Path, picture: av.VideoFrame, limits: ProbeLimits) -> None:
    sides = (picture.width, picture.height)
    if min(sides) < limits.min_side or max(sides) > limits.max_side:
        raise VideoTooLarge(
            f"{path} is {picture.width}x{picture.height} pixels",
            f"Sides from {limits.min_side} to {limits.max_side} pixels can be processed.",
        )


def is_convertible(picture: av.VideoFrame) -> bool:
    """Whether FFmpeg's scaler is known to read pictures of this pixel format."""
    return _PIXEL_FORMATS.fullmatch(picture.format.name) is not None


def _refuse_pixel_format(path: Path, picture: av.VideoFrame) -> None:
    if not is_convertible(picture):
        raise UnsupportedVideo(
            f"{path}: pictures of pixel format {picture.format.name} aren't processed", _CONVERT
        )


def orientation_of(path: Path, picture: av.VideoFrame, usual: Orientation = UPRIGHT) -> Orientation:
    """What makes a decoded picture upright, as its display matrix says; `usual` without one.

    Raises:
        UnsupportedVideo: it is stored askew.
    """
    data = _side_data(picture, "DISPLAYMATRIX")
    if data is None:
        return usual
    # ISO/IEC 14496-12, 8.2.2: rows (a, b, u), (c, d, v), (x, y, w).
    a, b, _, c, d = (int(v) for v in np.frombuffer(data, np.int32)[:5])
    orientation = Orientation.of_matrix(a, b, c, d)
    if orientation is None:
        raise UnsupportedVideo(
            f"{path} is rotated by {-picture.rotation % 360} degrees, no multiple of 90", _CONVERT
        )
    return orientation


def shown_pts(path: Path) -> NDArray[np.int64]:
    """When each frame of a video is shown: int64 [F], ticks, in order.

    Raises:
        NotAVideo: it can't be opened, or holds no video.
        UnsupportedVideo: its clock can't be followed.
    """
    with open_media(path) as container:
        stream = find_video_stream(container)
        if stream is None:
            raise _no_video(path, container)
        return _shown(path, container, stream)[0]


def _measure_timing(path: Path, container: InputContainer, stream: VideoStream) -> _Timing:
    times, end, field_coded = _shown(path, container, stream)
    assert stream.time_base is not None
    return _timing(times, end, stream, stream.time_base, field_coded)


def _shown(
    path: Path, container: InputContainer, stream: VideoStream
) -> tuple[NDArray[np.int64], int, bool]:
    """When each frame is shown, when the last one ends, and whether any are coded as fields."""
    time_base = stream.time_base
    assert time_base is not None
    shown = array("q")  # 8 bytes a frame: 2 MB an hour
    clock = _Clock(time_base, container.format.name in _JOINABLE_FORMATS)
    pairing = FieldPairing(stream)
    first = end = None
    shown_until = None  # the end of the frame in the packet before, if that shows one
    for packet in read_packets(container, [stream]):
        if pairing.is_second_field(packet):
            if shown_until is not None and end is not None:
                end = max(end, shown_until + (packet.duration or 0))
            continue
        shown_until = None
        pts = packet.pts if packet.pts is not None else packet.dts
        if pts is None:
            raise UnsupportedVideo(f"{path}: frame {len(shown)} has no timestamp", _CONVERT)
        first = pts if first is None else first
        if clock.steps_back(packet, pts):
            raise UnsupportedVideo(
                f"{path}: its clock jumps back at frame {len(shown)}",
                "It was joined from several recordings; process each of them by itself, or "
                "join them anew with timestamps that go on (FFmpeg's concat demuxer).",
            )
        if not shows_picture(packet) or pts < first:
            continue
        shown.append(pts)
        shown_until = pts + (packet.duration or 0)
        end = shown_until if end is None else max(end, shown_until)
    if not shown or end is None:
        raise UnsupportedVideo(f"{path} shows no frames", "Record or copy it again.")
    return np.sort(np.frombuffer(shown, np.int64)), end, pairing.seen


def _assume_timing(container: InputContainer, stream: VideoStream, counted: FrameCount) -> _Timing:
    assert stream.time_base is not None
    pairing = FieldPairing(stream)
    for packet in islice(read_packets(container, [stream]), _PACKETS_OF_FIELDS):
        pairing.is_second_field(packet)
    length = (counted.last_pts - counted.start_pts) * stream.time_base
    rate = (counted.frames - 1) / length if length > 0 else stream.average_rate or Fraction(25)
    return _Timing(
        start_pts=counted.start_pts,
        end_pts=counted.last_pts + max(1, round(1 / (rate * stream.time_base))),
        frame_count=counted.frames,
        average_rate=rate.limit_denominator(100_000),
        variable_frame_rate=False,
        field_coded=pairing.seen,
    )


class _Clock:
    """Tells where a stream's timestamps begin again, as in files that were joined."""

    def __init__(self, time_base: Fraction, joinable: bool) -> None:
        self._largest_step = _MAX_STEP_BACK_SECONDS / time_base
        self._max_jitter = _MAX_DTS_JITTER_SECONDS / time_base if joinable else None
        self._latest_dts: int | None = None
        self._latest: list[int] = []  # heap of the latest presentation timestamps

    def steps_back(self, packet: Packet[Stream], pts: int) -> bool:
        """Whether `packet`, shown at `pts`, is of an earlier time than those before it."""
        if packet.is_discard:  # each part of an edit list begins with what it needs to decode
            return False
        latest, dts = self._latest, packet.dts
        if latest and max(latest) - pts > self._largest_step:
            return True
        if len(latest) == _MAX_REORDERED_PACKETS and pts < latest[0]:
            return True
        push = heapq.heappush if len(latest) < _MAX_REORDERED_PACKETS else heapq.heappushpop
        push(latest, pts)
        if dts is None or self._max_jitter is None:
            return False
        before = dts if self._latest_dts is None else self._latest_dts
        self._latest_dts = max(before, dts)
        return before - dts > self._max_jitter


def _timing(
    pts: NDArray[np.int64],
    end: int,
    stream: VideoStream,
    time_base: Fraction,
    field_coded: bool,
) -> _Timing:
    start, last, steps = int(pts[0]), int(pts[-1]), np.diff(pts)
    if last > start:
        rate = (pts.size - 1) / ((last - start) * time_base)
        # The header's rate is the rounder number where it says the same.
        header = stream.average_rate
        if header and abs(header - rate) < rate / 200:
            rate = header
    else:
        rate = stream.average_rate or Fraction(25)
    # In MP4 a packet's duration is the step to the next one decoded; where frames are
    # reordered and uneven, only the track's duration tells how long the last one stays.
    # Without an index FFmpeg estimates it, and may count a field too few or too many.
    name = container_name(stream.container)
    estimated = (field_coded and name in _FORMATS_WITHOUT_ORIGIN) or name in ANIMATIONS
    if stream.start_time == start and stream.duration is not None and not estimated:
        end = start + stream.duration
    if end <= last:  # the container gives no durations
        end = last + max(1, round(1 / (rate * time_base)))
    return _Timing(
        start_pts=start,
        end_pts=end,
        frame_count=int(pts.size),
        average_rate=rate.limit_denominator(100_000),
        variable_frame_rate=bool(steps.size and steps.max() - steps.min() > 1),
        field_coded=field_coded,
    )


def _describe(
    container: InputContainer,
    stream: VideoStream,
    picture: av.VideoFrame,
    timing: _Timing,
    audio: tuple[AudioInfo, ...],
    orientation: Orientation,
    padding: Padding,
) -> VideoInfo:
    time_base = stream.time_base
    assert time_base is not None
    aspect, coded_aspect = pixel_aspects(stream, picture)
    origin = 0
    if container.format.name in _FORMATS_WITHOUT_ORIGIN:
        starts = [s.start_time for s in container.streams if s.start_time is not None]
        # All their streams share one clock, whose tick is the video's.
        origin = min([timing.start_pts, *starts])
    return VideoInfo(
        container=container_name(container),
        codec=stream.codec_context.name,
        pixel_format=picture.format.name,
        bit_depth=max(component.bits for component in picture.format.components),
        coded_width=picture.width - padding[0],
        coded_height=picture.height - padding[1],
        orientation=orientation,
        coded_aspect=coded_aspect,
        sample_aspect_ratio=1 / aspect if orientation.is_sideways else aspect,
        time_base=time_base,
        start_pts=timing.start_pts,
        end_pts=timing.end_pts,
        origin_pts=origin,
        frame_count=timing.frame_count,
        # MPEG-4 part 2 may pack two frames in one packet.
        frame_count_exact=stream.codec_context.name != "mpeg4",
        average_rate=timing.average_rate,
        variable_frame_rate=timing.variable_frame_rate,
        color_primaries=picture.color_primaries,
        color_transfer=picture.color_trc,
        color_matrix=picture.colorspace,
        color_range=ColorRange.JPEG if is_full_range(picture) else picture.color_range,
        hdr=_hdr_metadata(picture),
        audio=audio,
        padding=padding,
        field_order=_field_order(stream, picture),
        field_coded=timing.field_coded,
    )


def _field_order(stream: VideoStream, picture: av.VideoFrame) -> FieldOrder:
    # AVFieldOrder: the field that is coded first, then the one that is shown first.
    top_top, bottom_bottom, top_bottom, bottom_top = 2, 3, 4, 5
    order = stream.codec_context.field_order
    if order in (bottom_bottom, top_bottom):
        return FieldOrder.BOTTOM_FIRST
    if order in (top_top, bottom_top):
        return FieldOrder.TOP_FIRST
    if not picture.interlaced_frame:
        return FieldOrder.PROGRESSIVE
    # DV's are known by their format, all others nearly always have the upper lines first.
    is_dv = stream.codec_context.name == "dvvideo"
    return FieldOrder.BOTTOM_FIRST if is_dv else FieldOrder.TOP_FIRST


def _hdr_metadata(picture: av.VideoFrame) -> HdrMetadata:
    display = light_level = None
    if (data := _side_data(picture, "MASTERING_DISPLAY_METADATA")) is not None:
        # AVMasteringDisplayMetadata: 10 AVRational, then two flags: which are set.
        numbers = [int(n) for n in np.frombuffer(data, np.int32)[:22]]
        if numbers[20] and numbers[21]:
            display = tuple(Fraction(numbers[i], numbers[i + 1] or 1) for i in range(0, 20, 2))
    if (data := _side_data(picture, "CONTENT_LIGHT_LEVEL")) is not None:
        greatest, average = (int(n) for n in np.frombuffer(data, np.uint32)[:2])
        light_level = (greatest, average)
    return HdrMetadata(display, light_level)


def _side_data(picture: av.VideoFrame, kind: str) -> bytes | None:
    # PyAV types what it holds as a dictionary with one key; it is a mapping of buffers.
    data = cast(Mapping[str, Buffer], picture.side_data).get(kind)
    return None if data is None else bytes(data)
