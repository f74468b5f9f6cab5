"""H.264 bytes -> their NAL units, and what parameter sets say; nothing is decoded.

Source: ITU-T H.264 (08/2021), 7.2 and 7.3.2 (syntax), 9.1 (Exp-Golomb codes), annex B (start
codes), D.2.1 (SEI messages); ISO/IEC 14496-15, 5.3.3.1 (AVCDecoderConfigurationRecord).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from bystander.geometry.types import PixelBox

# nal_unit_type, table 7-1
SLICE, IDR_SLICE, SEI, SPS, PPS, AUD, END_OF_SEQUENCE, END_OF_STREAM, FILLER = (
    1, 5, 6, 7, 8, 9, 10, 11, 12
)  # fmt: skip
DISPLAY_ORIENTATION_SEI: Final = 47
START_CODE: Final = b"\x00\x00\x01"
LONG_START_CODE: Final = b"\x00\x00\x00\x01"
BASELINE, MAIN, HIGH = 66, 77, 100  # profile_idc
_CONSTRAINED: Final = 0x40
"""constraint_set1_flag: a Baseline stream without what decoders of other profiles lack."""
# Profiles whose SPS holds chroma_format_idc and scaling lists, 7.3.2.1.1.
_HIGH_PROFILES: Final = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}


class Ended(Exception):
    """There are fewer bits than were asked for."""


class BitReader:
    """The bits of a NAL unit's payload, first to last (7.2 and 9.1)."""

    def __init__(self, payload: bytes) -> None:
        payload = payload.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value, self._left = int.from_bytes(payload, "big"), 8 * len(payload)

    def take(self, count: int) -> int:
        """u(count). Raises Ended."""
        if count > self._left:
            raise Ended
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def unsigned(self) -> int:
        """ue(v). Raises Ended."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """se(v). Raises Ended."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -code // 2


@dataclass(frozen=True, slots=True)
class SequenceParameters:
    """The part of a sequence parameter set that is asked for here.

    Attributes:
        number: seq_parameter_set_id.
        profile, constraints, level: as coded.
        chroma_format: 1 for 4:2:0.
        bit_depth: the larger of luma's and chroma's.
        frames_only: no picture is interlaced.
        size: width and height as coded, whole macroblocks, pixels.
        shown: x0, y0, x1, y1 of them that is shown.
    """

    number: int
    profile: int
    constraints: int
    level: int
    chroma_format: int
    bit_depth: int
    separate_planes: bool
    frame_num_bits: int
    frames_only: bool
    size: tuple[int, int]
    shown: PixelBox

    @property
    def any_decoder(self) -> bool:
        """Whether every decoder of High profile takes it."""
        if self.profile == BASELINE:
            return bool(self.constraints & _CONSTRAINED)
        return self.profile in (MAIN, HIGH)


def read_sequence(bits: BitReader) -> SequenceParameters:
    """Read a sequence parameter set, from behind its NAL unit's header, up to its VUI.

    Raises:
        Ended: it is cut short.
    """
    profile, constraints, level = bits.take(8), bits.take(8), bits.take(8)
    number, separate_planes = bits.unsigned(), False
    chroma_format, bit_depth = 1, 8
    if profile in _HIGH_PROFILES:
        chroma_format = bits.unsigned()
        separate_planes = bool(chroma_format == 3 and bits.take(1))
        bit_depth = 8 + max(bits.unsigned(), bits.unsigned())
        bits.take(1)
        if bits.take(1):
            for place in range(8 if chroma_format != 3 else 12):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if place < 6 else 64)
    frame_num_bits = bits.unsigned() + 4
    order_type = bits.unsigned()
    if order_type == 0:
        bits.unsigned()
    elif order_type == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.unsigned()):
            bits.signed()
    bits.unsigned()  # max_num_ref_frames
    bits.take(1)
    columns, rows = bits.unsigned() + 1, bits.unsigned() + 1  # macroblocks; of a field, the rows
    frames_only = bool(bits.take(1))
    if not frames_only:
        bits.take(1)
    bits.take(1)
    width, height = 16 * columns, 16 * rows * (1 if frames_only else 2)
    left = right = top = bottom = 0
    if bits.take(1):
        across = 2 if chroma_format in (1, 2) else 1
        down = (2 if chroma_format == 1 else 1) * (1 if frames_only else 2)
        left, right = across * bits.unsigned(), across * bits.unsigned()
        top, bottom = down * bits.unsigned(), down * bits.unsigned()
    return SequenceParameters(
        number,
        profile,
        constraints,
        level,
        chroma_format,
        bit_depth,
        separate_planes,
        frame_num_bits,
        frames_only,
        (width, height),
        (left, top, width - right, height - bottom),
    )


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    """7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def sei_types(unit: bytes) -> Iterator[int]:
    """The payload types of an SEI NAL unit's messages (7.3.2.3.1)."""
    data = unit[1:].replace(b"\x00\x00\x03", b"\x00\x00")
    at = 0
    while at + 2 <= len(data) and data[at:].rstrip(b"\x00") != b"\x80":
        numbers = []
        for _ in range(2):
            number = 0
            while at < len(data) and data[at] == 255:
                number, at = number + 255, at + 1
            if at == len(data):
                return
            numbers.append(number + data[at])
            at += 1
        yield numbers[0]
        at += numbers[1]


def units_after_start_codes(data: bytes) -> Iterator[bytes]:
    """What lies between start codes, from the byte after each on; none is empty."""
    start = data.find(START_CODE)
    while start >= 0:
        start += len(START_CODE)
        end = data.find(START_CODE, start)
        if unit := data[start : end if end >= 0 else len(data)]:
            yield unit
        start = end


def units_of_lengths(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """The NAL units of a packet, each of which its length goes before."""
    position = 0
    while position + length_bytes < len(data):
        size = int.from_bytes(data[position : position + length_bytes], "big")
        position += length_bytes
        if size:
            yield data[position : position + size]
        position += size


def units_of_configuration(extradata: bytes) -> Iterator[bytes]:
    """Parameter sets of an AVCDecoderConfigurationRecord."""
    position = 5
    for mask in (31, 255):  # the numbers of sequence and of picture parameter sets
        if position >= len(extradata):
            return
        count, position = extradata[position] & mask, position + 1
        for _ in range(count):
            size = int.from_bytes(extradata[position : position + 2], "big")
            unit = extradata[position + 2 : position + 2 + size]
            position += 2 + size
            if unit:
                yield unit


def annex_b(units: Iterable[bytes]) -> bytes:
    """NAL units with a start code before each."""
    return b"".join(LONG_START_CODE + unit for unit in units)


def joined_parameter_sets(one: bytes, other: bytes) -> bytes:
    """The parameter sets of two streams, of different ids, for one sample entry.

    A sample entry tells the profile and level of its first sequence parameter set, and has to
    tell what suffices for all of them (ISO/IEC 14496-15, 5.3.3.1): the highest profile goes
    first, and says the highest level. Of a level decoders only learn what they need at least.

    Args:
        one, other: with start codes.
    """
    # No unit ends in a zero byte; what follows it belongs to the next start code.
    units = [unit.rstrip(b"\x00") for unit in units_after_start_codes(one + other)]
    sequences = sorted(
        (unit for unit in units if unit[0] & 31 == SPS), key=lambda unit: (unit[1], unit[3])
    )[::-1]
    level = max(unit[3] for unit in sequences)
    first = sequences[0][:3] + bytes([level]) + sequences[0][4:]
    rest = [unit for unit in units if unit[0] & 31 == PPS]
    return annex_b([first, *sequences[1:], *rest])
