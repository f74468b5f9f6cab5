"""Packets of field-coded video in, which of them only complete a frame out.

Interlaced H.264 and MPEG-2 may be coded in fields, the odd and even lines of a frame, each a
picture of its own and, in many files, a packet of its own. Two fields make one frame. Which
belong together is in their headers, and can be told without decoding.

Sources: ITU-T H.264 (08/2021), 7.3.2.1 (sequence parameter set), 7.3.3 (slice header) and 3.30
(complementary field pairs); ISO/IEC 13818-2, 6.2.3.1 and 6.3.10 (picture_structure).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from bystander.media.h264 import (
    IDR_SLICE,
    PPS,
    SLICE,
    SPS,
    BitReader,
    Ended,
    SequenceParameters,
    read_sequence,
    units_after_start_codes,
    units_of_configuration,
    units_of_lengths,
)

_SLICE_HEADER_BYTES: Final = 32  # more than what precedes bottom_field_flag can take
_PICTURE_START, _EXTENSION_START, _CODING_EXTENSION = 0x00, 0xB5, 8  # ISO/IEC 13818-2, 6.2


class _Structure(Enum):
    """What a coded picture is; the values are MPEG-2's picture_structure."""

    TOP = 1
    BOTTOM = 2
    FRAME = 3


@dataclass(frozen=True, slots=True)
class _CodedPicture:
    """What tells which fields make a frame.

    Attributes:
        number: H.264's frame_num, MPEG-2's temporal_reference: that of both fields.
        resets: an IDR picture, that no earlier one belongs to.
    """

    structure: _Structure
    number: int
    resets: bool = False

    def completes(self, first: _CodedPicture) -> bool:
        """Whether this is the second field of the frame that `first` began."""
        return (
            {self.structure, first.structure} == {_Structure.TOP, _Structure.BOTTOM}
            and self.number == first.number
            and (first.resets or not self.resets)
        )


class FieldPairing:
    """Tells which packets hold nothing but the second field of a frame begun before.

    Give it every packet of the stream in file order, from a keyframe on. Of codecs other
    than H.264 and MPEG-2 each packet is taken for a frame.

    Attributes:
        seen: whether any field came by.
    """

    def __init__(self, stream: VideoStream) -> None:
        context = stream.codec_context
        self._headers: _H264Headers | _Mpeg2Headers | None = None
        if context.name == "h264":
            self._headers = _H264Headers(context.extradata or b"")
        elif context.name == "mpeg2video":
            self._headers = _Mpeg2Headers()
        self.seen = False
        self._first: _CodedPicture | None = None  # a field whose other one is to come
        self._order: tuple[_Structure, _Structure] | None = None  # of the last two fields
        self._first_unread = False

    def is_second_field(self, packet: Packet[Stream]) -> bool:
        """Whether `packet` adds no frame to those that earlier packets have begun."""
        if self._headers is None:
            return False
        pictures = list(self._headers.pictures(packet))
        if not pictures:
            return self._takes_unread()
        # All of them, as each may begin a frame that the next one completes.
        return all([self._takes(picture) for picture in pictures])

    def _takes(self, picture: _CodedPicture) -> bool:
        """Whether `picture` completes a frame; it is remembered if it begins one."""
        first, self._first = self._first, None
        unread, self._first_unread = self._first_unread, False
        if picture.structure is _Structure.FRAME:
            self._order = None
            return False
        self.seen = True
        if first is not None and picture.completes(first):
            self._order = first.structure, picture.structure
            return True
        if unread and self._order is not None and picture.structure is self._order[1]:
            return True
        self._first = picture
        return False

    def _takes_unread(self) -> bool:
        """A damaged packet among fields is taken for the one that is due."""
        second = self._first is not None
        self._first, self._first_unread = None, not second and self._order is not None
        return second


class _H264Headers:
    """The coded pictures in packets of H.264, by their slice headers."""

    def __init__(self, extradata: bytes) -> None:
        self._length_bytes = 0  # of a NAL unit's size; 0: start codes (annex B)
        self._sequences: dict[int, SequenceParameters] = {}
        self._sequence_of: dict[int, int] = {}  # picture parameter set -> sequence
        if extradata[:1] == b"\x01" and len(extradata) > 6:  # ISO/IEC 14496-15, 5.3.3.1
            self._length_bytes = (extradata[4] & 3) + 1
            units = units_of_configuration(extradata)
        else:
            units = units_after_start_codes(extradata)
        for unit in units:
            self._learn(unit)

    def pictures(self, packet: Packet[Stream]) -> Iterator[_CodedPicture]:
        """The fields or the frame in `packet`; nothing if it can't be read."""
        # Parameters change at keyframes only, so progressive video costs next to nothing.
        frames_only = self._sequences and all(s.frames_only for s in self._sequences.values())
        if frames_only and not packet.is_keyframe:
            yield _CodedPicture(_Structure.FRAME, 0)
            return
        last = None
        for unit in self._units(bytes(packet)):
            kind = unit[0] & 31
            if kind in (SPS, PPS):
                self._learn(unit)
            if kind not in (SLICE, IDR_SLICE):
                continue
            picture = self._picture(unit, kind == IDR_SLICE)
            if picture is not None and picture != last:
                yield picture
            if picture is None or picture.structure is _Structure.FRAME:
                return
            last = picture

    def _units(self, data: bytes) -> Iterator[bytes]:
        if self._length_bytes:
            return units_of_lengths(data, self._length_bytes)
        return units_after_start_codes(data)

    def _learn(self, unit: bytes) -> None:
        try:
            bits = BitReader(unit[1:])
            if unit[0] & 31 == SPS:
                parameters = read_sequence(bits)
                self._sequences[parameters.number] = parameters
            elif unit[0] & 31 == PPS:
                picture_parameters, sequence = bits.unsigned(), bits.unsigned()
                self._sequence_of[picture_parameters] = sequence
        except Ended:
            return

    def _picture(self, unit: bytes, resets: bool) -> _CodedPicture | None:
        try:
            bits = BitReader(unit[1:_SLICE_HEADER_BYTES])
            bits.unsigned()  # first_mb_in_slice
            bits.unsigned()  # slice_type
            sequence = self._sequences.get(self._sequence_of.get(bits.unsigned(), -1))
            if sequence is None:
                return None
            if sequence.separate_planes:
                bits.take(2)
            number = bits.take(sequence.frame_num_bits)
            structure = _Structure.FRAME
            if not sequence.frames_only and bits.take(1):
                structure = _Structure.BOTTOM if bits.take(1) else _Structure.TOP
        except Ended:
            return None
        return _CodedPicture(structure, number, resets)


class _Mpeg2Headers:
    """The coded pictures in packets of MPEG-2, by their picture coding extensions."""

    def pictures(self, packet: Packet[Stream]) -> Iterator[_CodedPicture]:
        """The fields or the frame in `packet`; nothing if it can't be read."""
        number = None
        for unit in units_after_start_codes(bytes(packet)):
            if unit[0] == _PICTURE_START and len(unit) >= 3:
                number = int.from_bytes(unit[1:3], "big") >> 6
                continue
            extends = unit[0] == _EXTENSION_START and len(unit) >= 4
            if number is None or not extends:
                continue
            if unit[1] >> 4 == _CODING_EXTENSION and unit[3] & 3:
                structure = _Structure(unit[3] & 3)
                yield _CodedPicture(structure, number)
                if structure is _Structure.FRAME:
                    return
