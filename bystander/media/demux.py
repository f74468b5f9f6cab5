"""Opening a video safely, and its packets in file order.

Reader, prober and writer all see a file through this module, so that they agree on
which stream is the video and which packets show a picture.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import Container, InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from bystander.errors import NotAVideo
from bystander.files import exists, is_file
from bystander.media.webp import (
    INSTEAD_MS,
    SLOWEST_IGNORED_MS,
    WebpAsMatroska,
    is_animated_webp,
)

log = logging.getLogger(__name__)

# Containers that hold their own frames. Playlists (HLS, DASH, concat, image sequences)
# are left out: they would make this process open files or addresses of their choice.
_DEMUXERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,dv,gif,apng"
_OPEN_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": _DEMUXERS,
    # Of animated PNG, as browsers do: above 99 pictures a second, that is up to 10 ms each, ...
    "max_fps": "99",
    "default_fps": str(1000 // INSTEAD_MS),  # ... the file doesn't mean it
}

ANIMATIONS = frozenset({"gif", "apng", "webp"})
"""`container_name`s of moving pictures. Each builds on those before it, and there is no index:
they are read from the beginning."""

_PICTURES_NOT_VIDEO = (
    Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
)
# A damaged region makes a demuxer fail once or a few times before it finds its way again.
_DEMUX_FAILURES_IN_A_ROW = 100


def open_media(path: Path) -> InputContainer:
    """Open a local media file, and nothing that it may refer to.

    Raises:
        NotAVideo: no regular file, empty, or not in a container that is read here.
        VideoTooLarge: an animated WebP with pictures too large to be decoded.
    """
    if not is_file(path):
        what = "is not a regular file" if exists(path) else "doesn't exist"
        raise NotAVideo(f"{path} {what}", "Give the path of a video file.")
    if path.stat().st_size == 0:
        raise NotAVideo(f"{path} is empty", "Copy it again from where it was recorded.")
    try:
        if is_animated_webp(path):
            return av.open(WebpAsMatroska(path), "r", format="matroska", options=_OPEN_OPTIONS)
        # "file:" keeps a name such as "concat:a|b" from being read as a protocol;
        # undecodable tags are replaced, no tag is ever used.
        return av.open(f"file:{path}", options=_OPEN_OPTIONS, metadata_errors="replace")
    except PermissionError as error:
        raise NotAVideo(f"{path} can't be opened: permission denied") from error
    except av.error.FFmpegError as error:
        raise NotAVideo(
            f"{path} can't be read as a video ({error.strerror})",
            "MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV, Ogg and MXF files and animated GIF, PNG "
            "and WebP are read; still pictures and playlists that point at other files are not.",
        ) from error


def container_name(container: Container) -> str:
    """FFmpeg's name of the format, or "webp"."""
    return container.format.name if container.file is None else "webp"


def find_video_stream(container: InputContainer) -> VideoStream | None:
    """The stream FFmpeg holds for the main one, passing over cover art and thumbnails."""
    moving = [s for s in container.streams.video if not s.disposition & _PICTURES_NOT_VIDEO]
    best = container.streams.best("video")
    return next((s for s in moving if s is best), moving[0] if moving else None)


def has_decoder(stream: Stream) -> bool:
    """Whether this FFmpeg knows the stream's codec; PyAV gives it no context otherwise."""
    context: object = stream.codec_context
    return context is not None


def read_packets(container: InputContainer, streams: Sequence[Stream]) -> Iterator[Packet[Stream]]:
    """Every packet of `streams` in file order, stepping over damaged regions.

    Streams that aren't asked for are not read from the disk where the format allows it.
    """
    for stream in container.streams:
        if stream not in streams:
            stream.discard = av.stream.Discard.all
    clock = _GifClock() if container.format.name == "gif" else None
    failures, told = 0, False
    while failures < _DEMUX_FAILURES_IN_A_ROW:
        try:
            for packet in container.demux(*streams):
                if packet.size:  # the empty packets at the end only flush decoders
                    failures = 0
                    if clock is not None:
                        clock.correct(packet)
                    yield packet
            return
        except av.error.FFmpegError as error:
            failures += 1
            if not told:  # one region or many, and the same words in every pass
                name = container.name.removeprefix("file:")
                log.warning("%s: what is damaged is stepped over (%s)", name, error.strerror)
                told = True


class _GifClock:
    """Gives the packets of a GIF the times at which browsers show them."""

    def __init__(self) -> None:
        self._late = 0

    def correct(self, packet: Packet[Stream]) -> None:
        """Call with each packet, in file order."""
        if packet.pts is None or packet.time_base is None:
            return
        packet.pts += self._late
        packet.dts = packet.pts
        least, usual = (Fraction(ms, 1000) for ms in (SLOWEST_IGNORED_MS, INSTEAD_MS))
        duration = packet.duration or 0
        if duration * packet.time_base <= least:
            packet.duration = round(usual / packet.time_base)
            self._late += packet.duration - duration


def shows_picture(packet: Packet[Stream]) -> bool:
    """Whether the packet puts a picture on the screen.

    Packets before an MP4 edit list's start and VP8's hidden reference frames
    (RFC 6386, section 9.1: the show_frame bit) are only decoded.
    """
    if packet.is_discard:
        return False
    if packet.stream.codec_context.name == "vp8":
        return bool(memoryview(packet)[0] & 0x10)
    return True
