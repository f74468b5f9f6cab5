"""A local file -> its packets, opened safely; whether it is whole, and its fingerprint.

A copy that was interrupted, a full memory card or a camera that lost power leave a
file whose outermost structure promises more bytes than there are. FFmpeg reads such
a file up to the gap and says nothing, so the structure is checked here: ISO base
media boxes (ISO/IEC 14496-12, section 4.2), RIFF chunks, EBML elements (RFC 8794).

Reader, prober and writer all see a file through this module, so that they agree on
which stream is the video and which packets show a picture.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av
import av.error
from av.container import Container, InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from bystander.errors import NotAVideo
from bystander.files import exists, is_file
from bystander.media.partial_files import FILE_PREFIX, RecordedFile, partial_file
from bystander.media.photos import INSTEAD_MS, SLOWEST_IGNORED_MS, WebpAsMatroska, is_animated_webp

_ISO_FIRST_BOXES = {b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}
_ISO_ESSENTIAL_BOXES = {b"moov", b"mdat", b"moof"}
_EBML_HEADER = bytes.fromhex("1a45dfa3")
_EBML_SEGMENT = bytes.fromhex("18538067")
_RIFF_SIZE_UNKNOWN = {0, 0xFFFFFFFF}
END_BYTES: Final = 2**20
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


def truncation(path: Path) -> str | None:
    """What is missing from the file's end, as a clause; None if nothing is.

    Files of other formats (transport streams, Ogg, ...) announce no length: None.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[4:8] in _ISO_FIRST_BOXES:
            return _iso_truncation(file, size)
        if head[:4] == b"RIFF":
            return _riff_truncation(head, size)
        if head[:4] == _EBML_HEADER:
            return _ebml_truncation(file, size)
    return None


def _iso_truncation(file: BinaryIO, size: int) -> str | None:
    position, has_index = 0, False
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:  # the last box reaches to the end of the file
            length = size - position
        if length < 8:  # no box: what a camera may append after the last one
            break
        has_index |= kind in (b"moov", b"moof")
        # Only the boxes that hold frames or their index: a trailing scrap of anything
        # else costs no picture.
        if kind in _ISO_ESSENTIAL_BOXES and position + length > size:
            return f"the last {position + length - size:,} bytes are missing"
        position += length
    return None if has_index else "its index (the 'moov' box) was never written"


def _riff_truncation(head: bytes, size: int) -> str | None:
    length = int.from_bytes(head[4:8], "little")
    if length in _RIFF_SIZE_UNKNOWN or 8 + length <= size:
        return None
    return f"the last {8 + length - size:,} bytes are missing"


def _ebml_truncation(file: BinaryIO, size: int) -> str | None:
    file.seek(len(_EBML_HEADER))
    header_length = _ebml_length(file)
    if header_length is None:
        return None
    file.seek(header_length, 1)
    if file.read(4) != _EBML_SEGMENT:
        return None
    length = _ebml_length(file)
    if length is None or file.tell() + length <= size:
        return None
    return f"the last {file.tell() + length - size:,} bytes are missing"


def _ebml_length(file: BinaryIO) -> int | None:
    """The variable-length integer at the file's position; None if it says "unknown"."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    extra_bytes = 8 - first[0].bit_length()
    value_bits = 7 * (extra_bytes + 1)
    value = int.from_bytes(first + file.read(extra_bytes), "big") & ((1 << value_bits) - 1)
    return None if value == (1 << value_bits) - 1 else value


def fingerprint(path: Path) -> str:
    """SHA-256 over a file's size, first and last MiB, as hexadecimal digits.

    Enough to tell two recordings apart without reading an hour of video.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(END_BYTES))
        file.seek(max(0, size - END_BYTES))
        digest.update(file.read(END_BYTES))
    return digest.hexdigest()


log = logging.getLogger(__name__)


def open_media(path: Path, file: RecordedFile | None = None) -> InputContainer:
    """Open a local media file, and nothing that it may refer to.

    Args:
        file: what to read `path` through, if by other means than FFmpeg's own.

    Raises:
        NotAVideo: no regular file, empty, or not in a container that is read here.
        NotFetched: only a part of it is here (`partial_files`), and more is needed. So does
            whatever reads on.
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
        if (read := file or partial_file(path)) is not None:
            return av.open(read, "r", options=_OPEN_OPTIONS, metadata_errors="replace")
        # "file:" keeps a name such as "concat:a|b" from being read as a protocol;
        # undecodable tags are replaced, no tag is ever used.
        return av.open(f"{FILE_PREFIX}{path}", options=_OPEN_OPTIONS, metadata_errors="replace")
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
    is_itself = container.file is None or container.name.startswith(FILE_PREFIX)
    return container.format.name if is_itself else "webp"


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
                name = container.name.removeprefix(FILE_PREFIX)
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
