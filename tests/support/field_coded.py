"""Field-coded H.264 and MPEG-2, bit by bit: no encoder at hand makes them.

Frame `number`'s odd lines are of the grey `level(number)`, its even lines `STEP` brighter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path

import av
from av.packet import Packet

WIDTH, HEIGHT = 96, 64
STEP = 4
FRAME_TICKS = 3600
CLOCK = Fraction(1, 90_000)
FRAME_NUMBERS = 16  # H.264's frame_num counts modulo this


def level(number: int) -> int:
    """The grey of frame `number`'s odd lines, 0 to 255."""
    return 40 + 8 * (number % 24)


class Shape(Enum):
    """How a frame is coded."""

    TOP_FIRST = "two fields, the odd lines first"
    BOTTOM_FIRST = "two fields, the even lines first"
    FRAME = "one picture"


@dataclass(frozen=True)
class CodedPicture:
    """A coded field or frame.

    Attributes:
        shown: number of the frame in the order of showing.
        second: it completes the frame that the one before began.
        field: it is half a frame.
    """

    data: bytes
    shown: int
    second: bool
    keyframe: bool
    field: bool


class _Bits:
    def __init__(self) -> None:
        self._bits: list[str] = []

    def put(self, value: int, count: int) -> _Bits:
        self._bits.append(f"{value:0{count}b}")
        return self

    def code(self, bits: str) -> _Bits:
        self._bits.append(bits)
        return self

    def unsigned(self, *values: int) -> _Bits:
        for value in values:
            digits = f"{value + 1:b}"
            self._bits.append("0" * (len(digits) - 1) + digits)
        return self

    def align(self, fill: str = "0") -> _Bits:
        self._bits.append(fill * (-len("".join(self._bits)) % 8))
        return self

    def samples(self, data: bytes) -> _Bits:
        self._bits.extend(f"{byte:08b}" for byte in data)
        return self

    def bytes(self) -> bytes:
        bits = "".join(self._bits)
        return int("1" + bits, 2).to_bytes(len(bits) // 8 + 1, "big")[1:]


def _unit(header: int, bits: _Bits) -> bytes:
    payload = bits.code("1").align().bytes()
    escaped, zeros = bytearray(), 0
    for byte in payload:
        if zeros == 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([header]) + bytes(escaped)


def _parameter_sets() -> bytes:
    sequence = _Bits().put(77, 8).put(0, 8).put(40, 8).unsigned(0, 0, 0, 4, 2)
    sequence.put(0, 1).unsigned(WIDTH // 16 - 1, HEIGHT // 32 - 1)
    sequence.code("00101")  # fields allowed, no MBAFF, direct 8x8, no crop, VUI
    sequence.code("00001").put(1, 32).put(50, 32).code("100011")
    sequence.unsigned(0, 0, 10, 10, 1, 2)  # one frame is reordered, two are held
    pictures = _Bits().unsigned(0, 0).code("00").unsigned(0, 0, 0).code("000")
    pictures.unsigned(0, 0, 0).code("000")
    return _unit(0x67, sequence) + _unit(0x68, pictures)


def _h264_picture(
    shape: Shape, shown: int, bottom: bool, frame_num: int, order: int, idr: bool, reference: bool
) -> bytes:
    field = shape is not Shape.FRAME
    bits = _Bits().unsigned(0, 7, 0).put(frame_num, 4)
    bits.code(f"1{bottom:d}" if field else "0")
    if idr:
        bits.unsigned(0)
    bits.put(order % 256, 8)
    if reference:
        bits.code("00" if idr else "0")
    bits.unsigned(0)  # QP
    for _ in range(WIDTH // 16 * (HEIGHT // 16) // (2 if field else 1)):
        bits.unsigned(25).align()  # I_PCM
        luma = bytes([level(shown) + (STEP if bottom else 0)]) * 256
        if not field:
            luma = (bytes([level(shown)]) * 16 + bytes([level(shown) + STEP]) * 16) * 8
        bits.samples(luma + bytes([128]) * 128)
    return _unit((0x60 if reference else 0) | (5 if idr else 1), bits)


def h264(shapes: Sequence[Shape], reordered: bool = False) -> list[CodedPicture]:
    """A keyframe for every shape, in decoding order.

    Args:
        reordered: frames 1 and 2, 3 and 4, ... are decoded in the other order; of each pair
            the one shown first isn't a reference.
    """
    numbers = list(range(len(shapes)))
    if reordered:
        for place in range(1, len(numbers) - 1, 2):
            numbers[place], numbers[place + 1] = numbers[place + 1], numbers[place]
    pictures, frame_num = [], 0
    for place, shown in enumerate(numbers):
        shape, reference = shapes[shown], not reordered or place % 2 == 1 or place == 0
        parities = {
            Shape.TOP_FIRST: (False, True), Shape.BOTTOM_FIRST: (True, False), Shape.FRAME: (False,)
        }[shape]  # fmt: skip
        for second, bottom in enumerate(parities):
            order = 2 * shown + (second if shape is not Shape.FRAME else 0)
            idr = place == 0 and not second
            data = _h264_picture(shape, shown, bottom, frame_num, order, idr, reference)
            start = b"\0\0\0\1\x09\xf0" + (_parameter_sets() if idr else b"")
            field = shape is not Shape.FRAME
            pictures.append(CodedPicture(start + data, shown, bool(second), idr, field))
        frame_num = (frame_num + reference) % FRAME_NUMBERS
    return pictures


_DC_SIZES = ("100", "00", "01", "101", "110", "1110", "11110", "111110")  # ISO 13818-2, B-12


def _mpeg2_picture(shape: Shape, shown: int, bottom: bool) -> bytes:
    field = shape is not Shape.FRAME
    structure = (2 if bottom else 1) if field else 3
    head = _Bits().put(shown, 10).put(1, 3).put(0xFFFF, 16).code("0").align().bytes()
    extension = _Bits().put(8, 4).put(0xFFFF, 16).put(0, 2).put(structure, 2)
    extension.code("0" if field else "1").code("0" * 6).code("100").align()
    data = b"\0\0\1\0" + head + b"\0\0\1\xb5" + extension.bytes()
    difference = level(shown) + (STEP if bottom else 0) - 128
    size = abs(difference).bit_length()
    value = difference if difference >= 0 else difference + (1 << size) - 1
    grey = _DC_SIZES[size] + (f"{value:0{size}b}" if size else "") + "10"
    same, chroma = _DC_SIZES[0] + "10", "0010"
    for row in range(HEIGHT // 16 // (2 if field else 1)):
        bits = _Bits().put(1, 5).code("0")
        for column in range(WIDTH // 16):
            bits.code("11").code("" if field else "0")  # and dct_type in a frame
            bits.code((same if column else grey) + 3 * same + 2 * chroma)
        data += b"\0\0\1" + bytes([row + 1]) + bits.align().bytes()
    return data


def mpeg2(shapes: Sequence[Shape]) -> list[CodedPicture]:
    """Intra pictures, each frame after a sequence header. Frames are all of the odd lines' grey."""
    sequence = _Bits().put(WIDTH, 12).put(HEIGHT, 12).put(1, 4).put(3, 4).put(2500, 18)
    sequence.code("1").put(112, 10).code("000")
    extension = _Bits().put(1, 4).put(0x48, 8).code("0010000").put(0, 12).code("1")
    extension.put(0, 8).code("0").put(0, 7).align()
    header = b"\0\0\1\xb3" + sequence.bytes() + b"\0\0\1\xb5" + extension.bytes()
    pictures = []
    for shown, shape in enumerate(shapes):
        parities = (False,) if shape is Shape.FRAME else (False, True)
        if shape is Shape.BOTTOM_FIRST:
            parities = (True, False)
        for second, bottom in enumerate(parities):
            start = b"" if second else header
            data = start + _mpeg2_picture(shape, shown, bottom)
            field = shape is not Shape.FRAME
            pictures.append(CodedPicture(data, shown, bool(second), not second, field))
    return pictures


def joined(pictures: Iterable[CodedPicture]) -> list[CodedPicture]:
    """Both fields of a frame in one packet."""
    packets: list[CodedPicture] = []
    for picture in pictures:
        if picture.second:
            first = packets.pop()
            both = first.data + picture.data
            packets.append(CodedPicture(both, first.shown, False, first.keyframe, False))
        else:
            packets.append(picture)
    return packets


def write(
    path: Path,
    pictures: Sequence[CodedPicture],
    codec: str = "h264",
    second_after: int = FRAME_TICKS // 2,
) -> Path:
    """A file with a packet for each of `pictures`, frames `FRAME_TICKS` apart from 7200 on.

    Args:
        second_after: ticks by which a second field is shown after the first one.
    """
    raw = path.with_suffix(".raw")
    raw.write_bytes(b"".join(picture.data for picture in pictures))
    format_of = {"h264": "h264", "mpeg2video": "mpegvideo"}
    with (
        av.open(str(raw), format=format_of[codec]) as source,
        av.open(str(path), "w") as output,
    ):
        stream = output.add_stream_from_template(source.streams.video[0])
        stream.time_base = CLOCK
        dts = 0
        for picture in pictures:
            packet = Packet(picture.data)
            packet.stream, packet.time_base = stream, CLOCK
            packet.pts = 7200 + FRAME_TICKS * picture.shown
            packet.dts = dts
            dts += FRAME_TICKS // 2 * (1 if picture.field else 2)
            if picture.second:
                packet.pts += second_after
            packet.duration = FRAME_TICKS // 2 * (1 if picture.field else 2)
            packet.is_keyframe = picture.keyframe
            output.mux(packet)
    raw.unlink()
    return path
