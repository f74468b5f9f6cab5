"""A video and a span of time -> a file that shows just this span, without encoding.

Packets are copied from the keyframe before the span on, and an edit list (ISO/IEC 14496-12, 8.6.6)
says what of them is shown. Everything here honours edit lists, so that whatever is made of the
file begins and ends with the span, to the frame and to the sample.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import av.error
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from bystander.errors import ConfigError, UnsupportedVideo
from bystander.media.audio import AudioCopier
from bystander.media.cropping import iso_boxes, iso_child, read_movie
from bystander.media.demux import find_video_stream, open_media, read_packets
from bystander.media.facts import VideoInfo
from bystander.media.muxer import muxer_options
from bystander.media.probe import probe, shown_pts
from bystander.media.reader import UNSEEKABLE, seek_keyframe

MAX_REORDERED_PACKETS: Final = 64
"""After so many that are shown after the span, none is needed any more."""
_NOT_HELD: Final = (
    av.error.InvalidDataError, av.error.ArgumentError, av.error.PatchWelcomeError
)  # fmt: skip
"""What a muxer says of a codec, or of timestamps, that aren't for its files."""
_NAME_LETTERS: Final = 60
"""Of the video's name, that every file system takes with a suffix."""
_OF_TIMING: Final = frozenset(
    {"container", "time_base", "start_pts", "end_pts", "origin_pts", "frame_count", "audio",
     "average_rate", "variable_frame_rate", "field_coded"}
)  # fmt: skip
"""What a span may have otherwise than the video: all else has to be the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Trimmed:
    """A span of a video.

    Attributes:
        path: a file that shows just this.
        first, stop: of the video's frames, the first one and the one after the last.
        offset: seconds from the video's first frame to this one's.
        seconds: how long it is.
        pts: of its frames in the file, ticks of its time base: int64 [stop - first].
    """

    path: Path
    first: int
    stop: int
    offset: float
    seconds: float
    pts: NDArray[np.int64]


def trim(
    video: Path, start: float | None, end: float | None, folder: Path, muxer: str = "mov"
) -> Trimmed:
    """Cut a video to the frames that appear from `start` to before `end`, and their sound.

    Args:
        video: what to cut.
        start, end: seconds from the first frame; None for the video's own.
        folder: where the file goes, which is named after the video.
        muxer: FFmpeg's name of that of the final output: sound that it doesn't hold is encoded.

    Raises:
        VideoError: the video can't be read, or not be cut without encoding.
        ConfigError: no frame appears then.
        OSError: it can't be written.
    """
    info, pts = probe(video), shown_pts(video)
    seconds = (pts - pts[0]) * float(info.time_base)
    first = 0 if start is None else int(np.searchsorted(seconds, start - 1e-6))
    stop = len(pts) if end is None else int(np.searchsorted(seconds, end - 1e-6))
    if first >= stop:
        span = f"from {start or 0:g} s" + ("" if end is None else f" to {end:g} s")
        raise ConfigError(
            f"{video}: no frame appears {span}; it has {info.duration:.2f} s",
            "Give seconds from the first frame, the later ones last.",
        )
    if not info.frame_count_exact or info.container in UNSEEKABLE - {"avi"}:
        raise _refused(video, "its frames can't be told from its packets")
    ticks = int(pts[first]), int(pts[stop]) if stop < len(pts) else info.end_pts
    path = folder / f"{video.stem[:_NAME_LETTERS]}.mov"
    for kind in dict.fromkeys(["mp4" if muxer == "mp4" else "mov", "mov", "mp4"]):
        if _copied(video, info, ticks, path, kind):
            break
    else:
        raise _refused(video, f"MP4 and QuickTime files don't hold {info.codec}")
    length = (ticks[1] - ticks[0]) * info.time_base
    if not _end_tracks(path, length):
        raise _refused(video, "its index can't be written")
    found = _checked(video, path, info, [(int(one) - ticks[0]) * info.time_base
                                         for one in pts[first:stop]])  # fmt: skip
    return Trimmed(path, first, stop, float(seconds[first]), float(length), found)


def _refused(video: Path, why: str) -> UnsupportedVideo:
    return UnsupportedVideo(
        f"{video}: a part of it can't be cut out ({why})",
        "Convert it to H.264 in MP4 first, or mask all of it.",
    )


def _copied(video: Path, info: VideoInfo, ticks: tuple[int, int], path: Path, muxer: str) -> bool:
    """Copy what shows the ticks from first to last; False if the muxer doesn't hold that."""
    options = muxer_options(muxer, info)
    del options["movflags"]  # read once, here: its index may come last
    first, end = (tick * info.time_base for tick in ticks)
    step = max(1, round(1 / (info.average_rate * info.time_base)))
    try:
        with ExitStack() as resources:
            target_file = resources.enter_context(
                av.open(f"file:{path}", "w", format=muxer, container_options=options)
            )
            _, stream = _opened(video, resources)
            target = target_file.add_stream_from_template(stream)
            copier = AudioCopier(video, target_file, first, (first, end))
            sound = resources.enter_context(copier)
            target_file.start_encoding()
            packets = resources.enter_context(_from_keyframe(video, info, ticks[0]))
            for packet in _needed(_with_dts(packets, step), ticks[1]):
                sound.advance(_ticks(packet)[1] * info.time_base)
                _mux(target_file, target, packet, ticks[0])
            sound.finish()
    except (ValueError, *_NOT_HELD):
        return False
    return True


@contextmanager
def _from_keyframe(video: Path, info: VideoInfo, pts: int) -> Iterator[Iterator[Packet[Stream]]]:
    """The video's packets from the keyframe on that the frame at `pts` needs, or from the first."""
    with ExitStack() as resources:
        container, stream = _opened(video, resources)
        if info.container in UNSEEKABLE or not seek_keyframe(container, stream, pts):
            container, stream = _opened(video, resources)
        yield read_packets(container, [stream])


def _opened(video: Path, resources: ExitStack) -> tuple[InputContainer, VideoStream]:
    container = resources.enter_context(open_media(video))
    stream = find_video_stream(container)
    assert stream is not None
    return container, stream


def _needed(packets: Iterator[Packet[Stream]], end: int) -> Iterator[Packet[Stream]]:
    """The packets up to the last that is shown before `end`, in the order of decoding."""
    later: list[Packet[Stream]] = []  # those between may need them
    for packet in packets:
        pts, dts = _ticks(packet)
        if pts >= end:
            later.append(packet)
            if len(later) > MAX_REORDERED_PACKETS or dts >= end:
                return
            continue
        yield from later
        later.clear()
        yield packet


def _with_dts(packets: Iterator[Packet[Stream]], step: int) -> Iterator[Packet[Stream]]:
    """The packets, each with both timestamps: Matroska's first ones have none of decoding.

    Args:
        step: ticks from a frame to the next.
    """
    without: list[Packet[Stream]] = []
    for packet in packets:
        if packet.pts is None:
            packet.pts = packet.dts
        if packet.dts is None and len(without) < MAX_REORDERED_PACKETS:
            without.append(packet)
            continue
        for before, one in enumerate(reversed(without), 1):
            one.dts = None if packet.dts is None else packet.dts - before * step
        yield from without
        without.clear()
        if packet.dts is None:
            packet.dts = packet.pts
        yield packet
    for packet in without:
        packet.dts = packet.pts
        yield packet


def _ticks(packet: Packet[Stream]) -> tuple[int, int]:
    """When it is shown and decoded.

    Raises:
        ValueError: it doesn't say.
    """
    if packet.pts is None or packet.dts is None:
        raise ValueError("a packet without timestamps")
    return packet.pts, packet.dts


def _mux(output: OutputContainer, target: Stream, packet: Packet[Stream], origin: int) -> None:
    pts, dts = _ticks(packet)
    packet.pts, packet.dts = pts - origin, dts - origin
    packet.stream = target
    output.mux_one(packet)


def _end_tracks(path: Path, length: Fraction) -> bool:
    """Let no track of an MP4 or QuickTime file last longer; False if it has no edit lists."""
    with path.open("r+b") as file:
        found = read_movie(file)
        if found is None:
            return False
        data, start = bytearray(found[0]), found[1]
        raw = bytes(data)
        (movie,) = iso_boxes(raw, 0, len(raw))
        header = iso_child(raw, movie, b"mvhd")
        if not header:
            return False
        at = header[-1].content + (20 if raw[header[-1].content] == 1 else 12)
        (clock,) = struct.unpack_from(">I", raw, at)
        for track in iso_boxes(raw, movie.content, movie.end):
            if track.name != b"trak":
                continue
            edits = iso_child(raw, track, b"edts", b"elst")
            if not edits:
                return False
            _shorten(data, edits[-1].content, round(length * clock))
        file.seek(start)
        file.write(data)
    return True


def _shorten(data: bytearray, content: int, left: int) -> None:
    """Let the edits of a list last no longer than `left` ticks of the movie's clock."""
    wide = data[content] == 1
    entry, duration = (20, ">Q") if wide else (12, ">I")
    (count,) = struct.unpack_from(">I", data, content + 4)
    for number in range(count):
        at = content + 8 + number * entry
        (ticks,) = struct.unpack_from(duration, data, at)
        struct.pack_into(duration, data, at, min(ticks, left))
        left -= min(ticks, left)


def _checked(video: Path, path: Path, info: VideoInfo, shown: list[Fraction]) -> NDArray[np.int64]:
    """The timestamps of the file's frames, which show what those of the video do, as they do.

    Raises:
        UnsupportedVideo: they don't.
    """
    cut, pts = probe(path), shown_pts(path)
    if [int(one) * cut.time_base for one in pts] != shown:
        raise _refused(video, "its frames come at other times then")
    for one in fields(VideoInfo):
        before, after = getattr(info, one.name), getattr(cut, one.name)
        if one.name == "color_range":  # limited, if nothing is said
            before, after = before or ColorRange.MPEG, after or ColorRange.MPEG
        if one.name not in _OF_TIMING and before != after:
            raise _refused(video, f"it would lose its {one.name.replace('_', ' ')}")
    return pts
