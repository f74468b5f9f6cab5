"""One segment of a video on disk: its packets, whole or not there.

No container: those round timestamps and add edit lists. All numbers little-endian:

    "BYSTSEG2", uint32 size of the extradata, the extradata
    for each packet, in decoding order:
        uint8 1, int64 pts, int64 duration (ticks), uint8 1 for a keyframe, uint32 size, data
    uint8 0, uint8 1 for the last segment of the video, uint64 drawn, uint64 filled (`Filled`),
    uint32 CRC-32 of all before it

A segment appears under its name when it is whole; one that is damaged doesn't load.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from av.packet import Packet
from av.video.stream import VideoStream

from bystander.errors import OutputUnwritable

MAGIC: Final = b"BYSTSEG2"
_SIZE: Final = struct.Struct("<I")
_PACKET: Final = struct.Struct("<qqBI")
_MORE, _END = b"\x01", b"\x00"
_TRAILER: Final = struct.Struct("<BQQ")
_BLOCK_BYTES: Final = 2**20
RENDER_AGAIN: Final = "Render again: what is damaged is made anew."


@dataclass(frozen=True, slots=True)
class Filled:
    """How much of what was drawn over shows the background, where the effect is `fill`.

    Whole numbers, so that the parts of a video add up to the same in any order.

    Attributes:
        drawn: 255ths of a luma pixel that were drawn over, of every person: 0 of other effects.
        filled: those of them that show the background, and no blur.
    """

    drawn: int = 0
    filled: int = 0

    def __add__(self, other: Filled) -> Filled:
        return Filled(self.drawn + other.drawn, self.filled + other.filled)

    @property
    def share(self) -> float | None:
        """0 to 1, None where nothing was drawn."""
        return self.filled / self.drawn if self.drawn else None


class DamagedSegment(OutputUnwritable):
    """The file is no segment, is cut short, or its checksum differs."""


@dataclass(frozen=True, slots=True)
class VideoSegment:
    """A whole segment on disk.

    Attributes:
        extradata: what a decoder must know before the first packet.
        pts: of its packets in decoding order, ticks of the output's clock.
        last: no other segment follows it in the video.
        filled: how much of what is drawn over in it is filled.
    """

    path: Path
    extradata: bytes
    pts: array[int]
    last: bool
    filled: Filled

    @classmethod
    def load(cls, path: Path) -> VideoSegment:
        """Check a segment and read all but its packets' data.

        Raises:
            DamagedSegment: it can't be used.
        """
        try:
            with path.open("rb") as file:
                _check(file)
                extradata, pts = _read_head(file), array("q")
                while file.read(1) == _MORE:
                    at, _, _, size = _PACKET.unpack(file.read(_PACKET.size))
                    pts.append(at)
                    file.seek(size, 1)
                last, drawn, filled = _TRAILER.unpack(file.read(_TRAILER.size))
        except (OSError, struct.error) as error:
            raise DamagedSegment(f"{path} can't be read ({error})", RENDER_AGAIN) from error
        return cls(path, extradata, pts, bool(last), Filled(drawn, filled))

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Its packets in decoding order, one in memory at a time, without a dts."""
        with self.path.open("rb") as file:
            _read_head(file)
            while file.read(1) == _MORE:
                pts, duration, keyframe, size = _PACKET.unpack(file.read(_PACKET.size))
                packet: Packet[VideoStream] = Packet(file.read(size))  # type: ignore[assignment]
                packet.pts, packet.duration, packet.is_keyframe = pts, duration, bool(keyframe)
                yield packet


class SegmentWriter:
    """Writes one segment; a context manager.

    Leaving without `finish`, or by an exception, removes what was written.

    Args:
        path: the segment's name.
        extradata: what a decoder must know before the first packet.

    Raises:
        OSError: the disk is full, or the folder is gone; by every method.
    """

    def __init__(self, path: Path, extradata: bytes) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._checksum = 0
        self._file = self._part.open("wb")
        self._write(MAGIC + _SIZE.pack(len(extradata)) + extradata)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        finally:
            self._part.unlink(missing_ok=True)

    def add(self, packet: Packet[VideoStream]) -> None:
        """Append a packet, in decoding order."""
        numbers = _PACKET.pack(packet.pts, packet.duration, packet.is_keyframe, packet.size)
        self._write(_MORE + numbers)
        self._write(memoryview(packet))

    def finish(self, last: bool, filled: Filled | None = None) -> None:
        """Let the segment appear; `last` if no other follows it."""
        filled = filled or Filled()
        self._write(_END + _TRAILER.pack(last, filled.drawn, filled.filled))
        self._file.write(_SIZE.pack(self._checksum))
        self._file.close()
        self._part.replace(self._path)

    def _write(self, data: bytes | memoryview) -> None:
        self._checksum = zlib.crc32(data, self._checksum)
        self._file.write(data)


def decoding_times(segments: Sequence[VideoSegment]) -> Iterator[int]:
    """The dts of every packet of the segments that make up a video, in decoding order.

    Strictly increasing, and never after the packet's pts, however uneven those are: each
    packet is decoded when the frame that is shown `delay` places before it in order is
    shown, the first ones as early as the `delay`-th frame is shown late.
    """
    shown, delay = array("q"), 0
    for segment in segments:
        ordered = sorted(segment.pts)
        place = {pts: number for number, pts in enumerate(ordered)}
        reordered = (number - place[pts] for number, pts in enumerate(segment.pts))
        delay = max((delay, *reordered))
        shown.extend(ordered)
    if not shown:
        return
    head_start = shown[delay] - shown[0]
    for number in range(len(shown)):
        yield shown[number] - head_start if number < delay else shown[number - delay]


def _check(file: BinaryIO) -> None:
    """Raises DamagedSegment; the file is at its beginning before and after."""
    if file.read(len(MAGIC)) != MAGIC:
        raise DamagedSegment(f"{file.name} is no segment of a video", RENDER_AGAIN)
    left = file.seek(0, 2) - _SIZE.size
    file.seek(0)
    checksum = 0
    while left > 0:
        block = file.read(min(left, _BLOCK_BYTES))
        checksum, left = zlib.crc32(block, checksum), left - len(block)
    if file.read() != _SIZE.pack(checksum):
        raise DamagedSegment(f"{file.name} is cut short or was changed", RENDER_AGAIN)
    file.seek(0)


def _read_head(file: BinaryIO) -> bytes:
    file.seek(len(MAGIC))
    (size,) = _SIZE.unpack(file.read(_SIZE.size))
    return file.read(size)
