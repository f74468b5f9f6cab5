"""Which groups of pictures of an H.264 file may be copied into the output, and their packets.

Packets are copied where they are sure to show in every player what they show in the source, and
hold nothing else: `CopyableStream.of` and `CopyableStream.packets` refuse whatever they don't know.

A group begins with an IDR picture: no later picture refers to one before it, nor is shown
before one that was decoded earlier. The output's one sample entry holds the parameter sets of the
source and of the encoder, which is given another id than the source uses (`encoder_id`).
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import av.error
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from bystander.choices import Codec
from bystander.media.cropping import NO_PADDING
from bystander.media.demux import find_video_stream, open_media, read_packets
from bystander.media.display import UPRIGHT
from bystander.media.encoder import Deinterlacing, Encoding, clock_of
from bystander.media.facts import FieldOrder, VideoInfo
from bystander.media.h264 import (
    AUD,
    DISPLAY_ORIENTATION_SEI,
    END_OF_SEQUENCE,
    END_OF_STREAM,
    FILLER,
    IDR_SLICE,
    PPS,
    SEI,
    SLICE,
    SPS,
    BitReader,
    Ended,
    SequenceParameters,
    annex_b,
    read_sequence,
    sei_types,
    units_of_configuration,
    units_of_lengths,
)

log = logging.getLogger(__name__)

_CONTAINERS: Final = ("mov", "matroska")
"""How FFmpeg's names of those begin whose packets are whole pictures, with exact times."""
_LARGEST_ID: Final = 31  # of a sequence parameter set
_PICTURES: Final = frozenset({SLICE, IDR_SLICE})
_LEFT_OUT: Final = frozenset({SEI, SPS, PPS, AUD, END_OF_SEQUENCE, END_OF_STREAM, FILLER})
"""What isn't passed on: metadata and captions (SEI), as when encoding; parameters, which are in the
sample entry; and what containers do without."""
_SLICE_HEADER_BYTES: Final = 16  # more than the first three of its numbers take


class NotCopyable(Exception):
    """The pictures have to be encoded; says why."""


@dataclass(frozen=True, slots=True)
class PictureGroup:
    """An IDR picture and what follows it, up to the next one.

    Attributes:
        start, stop: the number of its first frame, and of the one after its last.
        pts: of its packets in decoding order, ticks of the source.
        copyable: as far as can be told without decoding.
    """

    start: int
    stop: int
    pts: array[int]
    copyable: bool


@dataclass(frozen=True, slots=True)
class CopyableStream:
    """The video of a file of which some packets may be copied.

    Attributes:
        parameter_sets: of the source, with start codes.
        encoder_id: of the encoder's parameter sets, which none of the source's has.
        groups: of the whole video, in order.
        pts: of its frames in the order in which they are shown, ticks of the source.
    """

    video: Path
    info: VideoInfo
    parameter_sets: bytes
    encoder_id: int
    groups: Sequence[PictureGroup]
    pts: array[int] = field(repr=False)

    @classmethod
    def of(cls, video: Path, info: VideoInfo, encoding: Encoding) -> CopyableStream | None:
        """That of a file, read once from end to end; None if none of it may be copied.

        Args:
            info: its facts.
            encoding: what the pictures that aren't copied become.
        """
        try:
            _check_facts(info, encoding)
            with open_media(video) as container:
                stream = find_video_stream(container)
                if stream is None:
                    raise NotCopyable("it has no video any more")
                headers = _Headers(stream.codec_context.extradata or b"", info)
                packets = read_packets(container, [stream])
                groups = list(_groups(packets, headers))
            shown = array("q", sorted(pts for group in groups for pts in group.pts))
            _check_order(groups)
        except NotCopyable as reason:
            log.debug("%s: no packets are copied: %s", video, reason)
            return None
        return cls(video, info, headers.parameter_sets, headers.free_id, groups, shown)

    def packets(self, start: int, stop: int) -> Iterator[Packet[VideoStream]]:
        """The packets of frames `start` to `stop`, whole groups, in decoding order.

        They have start codes, no dts, and times as an encoder gives them. Each is decoded on
        the way, by itself: of all that is read from this only the last step tells that it may be
        used.

        Raises:
            NotCopyable: something in them doesn't decode, or isn't what it was.
        """
        wanted = [pts for group in self.groups if start <= group.start < stop for pts in group.pts]
        check = _DecodingCheck(self.parameter_sets, self.info)
        with open_media(self.video) as container:
            stream = find_video_stream(container)
            if stream is None:
                raise NotCopyable("it has no video any more")
            headers = _Headers(stream.codec_context.extradata or b"", self.info)
            container.seek(wanted[0], stream=stream)
            taken = 0
            for packet in read_packets(container, [stream]):
                if taken == 0 and packet.pts != wanted[0]:
                    continue
                if packet.pts != wanted[taken]:
                    raise NotCopyable("it is read in another order")
                copied = self._copied(packet, headers)
                check.take(copied, packet.pts)
                yield copied
                taken += 1
                if taken == len(wanted):
                    break
            if taken < len(wanted):
                raise NotCopyable("it isn't found again")
            check.finish(sorted(wanted))

    def _copied(self, packet: Packet[Stream], headers: _Headers) -> Packet[VideoStream]:
        picture = headers.picture(packet)
        if picture is None:
            raise NotCopyable("its packets hold something else than before")
        assert packet.pts is not None
        copied: Packet[VideoStream] = Packet(picture.data)  # type: ignore[assignment]
        scale = self.info.time_base.numerator
        copied.pts = (packet.pts - self.info.origin_pts) * scale
        usual = max(1, round(1 / (self.info.average_rate * clock_of(self.info))))
        duration = (packet.duration or 0) * scale or usual
        if packet.pts == self.pts[-1]:
            duration = (self.info.end_pts - packet.pts) * scale
        copied.duration, copied.is_keyframe = duration, picture.is_idr
        return copied


def _check_facts(info: VideoInfo, encoding: Encoding) -> None:
    """What the file and the output have to have in common. Raises NotCopyable."""
    conditions = {
        "its container": info.container.startswith(_CONTAINERS),
        "its codec": info.codec == "h264" and encoding.codec is Codec.H264,
        "its pixel format": info.pixel_format in ("yuv420p", "yuvj420p")
        and encoding.pixel_format == "yuv420p",
        "it is turned": info.orientation == UPRIGHT,
        "part of it is hidden": info.padding == NO_PADDING == encoding.padding,
        "its pixel aspect": info.sample_aspect_ratio == info.coded_aspect,
        "it is interlaced": info.field_order is FieldOrder.PROGRESSIVE
        and encoding.field_order is FieldOrder.PROGRESSIVE
        and not info.field_coded,
        "it is encoded by hardware": encoding.hardware is None,
        "it is deinterlaced": encoding.deinterlacing is Deinterlacing.NONE,
        "it can't be told how many frames it has": info.frame_count_exact,
    }
    for reason, holds in conditions.items():
        if not holds:
            raise NotCopyable(reason)


def _check_order(groups: Sequence[PictureGroup]) -> None:
    """Frames of one group are shown before those of the next. Raises NotCopyable."""
    latest: int | None = None
    for group in groups:
        if not group.pts:
            continue
        first, repeated = min(group.pts), len(set(group.pts)) < len(group.pts)
        late = group.copyable and group.pts[0] > first
        if repeated or late or (latest is not None and first <= latest):
            raise NotCopyable("its frames aren't shown group by group")
        latest = max(group.pts)


@dataclass(frozen=True, slots=True)
class _CopiedPicture:
    """What is passed on of a packet: the slices of its one picture, with start codes."""

    data: bytes
    is_idr: bool


class _Headers:
    """Reads packets by the parameter sets of the file's header, which have to hold throughout.

    Raises:
        NotCopyable: by every method and the constructor: the parameters don't allow it.
    """

    def __init__(self, extradata: bytes, info: VideoInfo) -> None:
        if extradata[:1] != b"\x01" or len(extradata) < 7:
            raise NotCopyable("its parameter sets aren't in its header")
        self._length_bytes = (extradata[4] & 3) + 1
        units = list(units_of_configuration(extradata))
        self._sequences: dict[int, bytes] = {}
        self._pictures: dict[int, bytes] = {}
        for unit in units:
            if unit[0] & 31 not in (SPS, PPS):
                raise NotCopyable("its header holds something else than parameter sets")
            known, number = self._set_of(unit)
            if known.setdefault(number, unit) != unit:
                raise NotCopyable("its header has several parameter sets of one id")
        if len(self._sequences) != 1 or not self._pictures:
            raise NotCopyable("it hasn't exactly one sequence parameter set")
        (sequence,) = self._sequences.values()
        _check_sequence(read_sequence(BitReader(sequence[1:])), info)
        self.parameter_sets = annex_b([sequence, *self._pictures.values()])
        used = {*self._sequences, *self._pictures}
        free = [number for number in range(_LARGEST_ID + 1) if number not in used]
        if not free:
            raise NotCopyable("no id is left for the encoder's parameter sets")
        self.free_id = free[0]

    def picture(self, packet: Packet[Stream]) -> _CopiedPicture | None:
        """The packet's picture; None if it may not be copied."""
        if packet.has_sidedata("new_extradata"):
            raise NotCopyable("its parameters change midway")
        slices, is_idr, first = [], False, True
        for unit in units_of_lengths(bytes(packet), self._length_bytes):
            kind = unit[0] & 31
            if kind in (SPS, PPS):
                self._check_same(unit)
            elif kind == SEI and DISPLAY_ORIENTATION_SEI in sei_types(unit):
                raise NotCopyable("it is turned midway")
            if kind in _LEFT_OUT:
                continue
            # Slices of one picture in order, and nothing besides.
            if kind not in _PICTURES or self._begins_picture(unit) != first:
                return None
            if not first and is_idr != (kind == IDR_SLICE):
                return None
            is_idr, first = kind == IDR_SLICE, False
            slices.append(unit)
        return _CopiedPicture(annex_b(slices), is_idr) if slices else None

    def _begins_picture(self, unit: bytes) -> bool | None:
        """Whether it is a picture's first slice; None if its parameters aren't known."""
        try:
            bits = BitReader(unit[1:_SLICE_HEADER_BYTES])
            first_macroblock, _ = bits.unsigned(), bits.unsigned()
            return first_macroblock == 0 if bits.unsigned() in self._pictures else None
        except Ended:
            return None

    def _check_same(self, unit: bytes) -> None:
        known, number = self._set_of(unit)
        if known.get(number) != unit:
            raise NotCopyable("its parameters change midway")

    def _set_of(self, unit: bytes) -> tuple[dict[int, bytes], int]:
        """Where a parameter set belongs, and its id."""
        try:
            bits = BitReader(unit[1:])
            if unit[0] & 31 == SPS:
                return self._sequences, read_sequence(bits).number
            return self._pictures, bits.unsigned()
        except Ended as error:
            raise NotCopyable("a parameter set is cut short") from error


def _check_sequence(sequence: SequenceParameters, info: VideoInfo) -> None:
    """What is coded is what is shown, but for the last macroblocks. Raises NotCopyable."""
    size = (info.coded_width, info.coded_height)
    if sequence.shown != (0, 0, *size):
        raise NotCopyable("it is cropped")
    if sequence.size != tuple(-(-side // 16) * 16 for side in size):
        raise NotCopyable("more is coded than the last macroblocks need")
    if not sequence.frames_only:
        raise NotCopyable("it may be interlaced")
    if not sequence.any_decoder or (sequence.chroma_format, sequence.bit_depth) != (1, 8):
        raise NotCopyable("its profile")


def _groups(packets: Iterator[Packet[Stream]], headers: _Headers) -> Iterator[PictureGroup]:
    """The groups of a stream; before the first IDR picture, and what is damaged: not copyable."""
    start, pts, copyable = 0, array("q"), False
    first: int | None = None
    for packet in packets:
        picture = headers.picture(packet)
        if packet.pts is None:
            raise NotCopyable("a packet has no timestamp")
        first = packet.pts if first is None else first
        if picture is not None and picture.is_idr:
            yield PictureGroup(start, start + len(pts), pts, copyable)
            start, pts, copyable = start + len(pts), array("q"), True
        # Hidden frames are no part of the output.
        hidden = packet.is_discard or packet.pts < first
        copyable &= not (picture is None or packet.is_corrupt or hidden)
        if not hidden:
            pts.append(packet.pts)
    yield PictureGroup(start, start + len(pts), pts, copyable)


class _DecodingCheck:
    """Decodes what is copied, with nothing but what the output will hold, and strictly."""

    def __init__(self, parameter_sets: bytes, info: VideoInfo) -> None:
        decoder = av.CodecContext.create("h264", "r")
        assert isinstance(decoder, VideoCodecContext)
        self._decoder = decoder
        self._decoder.extradata = parameter_sets
        self._decoder.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
        # With several, errors within a slice are hidden rather than told, and a thread that tells
        # of one waits for Python's lock, which whoever lets go of the decoder holds meanwhile.
        self._decoder.thread_count = 1
        self._expected = (info.coded_width, info.coded_height, info.pixel_format)
        self._shown: list[int] = []

    def take(self, packet: Packet[VideoStream], pts: int) -> None:
        """Raises NotCopyable."""
        undecoded: Packet[VideoStream] = Packet(bytes(packet))  # type: ignore[assignment]
        undecoded.pts, undecoded.time_base = pts, Fraction(1)
        self._decode(undecoded)

    def finish(self, expected: list[int]) -> None:
        """Raises NotCopyable: not each of the frames at `expected` was shown, once, in order."""
        self._decode(None)
        if self._shown != expected:
            raise NotCopyable("not all of its packets show a picture")

    def _decode(self, packet: Packet[VideoStream] | None) -> None:
        try:
            pictures = self._decoder.decode(packet)
        except av.error.FFmpegError as error:
            raise NotCopyable(f"it doesn't decode ({error.strerror})") from error
        for picture in pictures:
            found = (picture.width, picture.height, picture.format.name)
            if picture.is_corrupt or found != self._expected or picture.pts is None:
                raise NotCopyable("its pictures change midway")
            self._shown.append(picture.pts)
