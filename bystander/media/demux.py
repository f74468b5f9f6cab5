"""Opening a video safely, and its packets in file order.

Reader, prober and writer all see a file through this module, so that they agree on
which stream is the video and which packets show a picture.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from bystander.errors import NotAVideo
from bystander.files import exists, is_file

log = logging.getLogger(__name__)

# Containers that hold their own frames. Playlists (HLS, DASH, concat, image sequences)
# are left out: they would make this process open files or addresses of their choice.
_DEMUXERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,dv"
_OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}

_PICTURES_NOT_VIDEO = (
    Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
)
# A damaged region makes a demuxer fail once or a few times before it finds its way again.
_DEMUX_FAILURES_IN_A_ROW = 100


def open_media(path: Path) -> InputContainer:
    """Open a local media file, and nothing that it may refer to.

    Raises:
        NotAVideo: no regular file, empty, or not in a container that is read here.
    """
    if not is_file(path):
        what = "is not a regular file" if exists(path) else "doesn't exist"
        raise NotAVideo(f"{path} {what}", "Give the path of a video file.")
    if path.stat().st_size == 0:
        raise NotAVideo(f"{path} is empty", "Copy it again from where it was recorded.")
    try:
        # "file:" keeps a name such as "concat:a|b" from being read as a protocol;
        # undecodable tags are replaced, no tag is ever used.
        return av.open(f"file:{path}", options=_OPEN_OPTIONS, metadata_errors="replace")
    except PermissionError as error:
        raise NotAVideo(f"{path} can't be opened: permission denied") from error
    except av.error.FFmpegError as error:
        raise NotAVideo(
            f"{path} can't be read as a video ({error.strerror})",
            "MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV, Ogg and MXF files are read; still "
            "pictures and playlists that point at other files are not.",
        ) from error


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
    failures, told = 0, False
    while failures < _DEMUX_FAILURES_IN_A_ROW:
        try:
            for packet in container.demux(*streams):
                if packet.size:  # the empty packets at the end only flush decoders
                    failures = 0
                    yield packet
            return
        except av.error.FFmpegError as error:
            failures += 1
            if not told:  # one region or many, and the same words in every pass
                name = container.name.removeprefix("file:")
                log.warning("%s: what is damaged is stepped over (%s)", name, error.strerror)
                told = True


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
