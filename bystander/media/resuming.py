"""The masked video in segments, so that an interrupted rendering goes on where it was.

No container: those round timestamps and add edit lists. All numbers little-endian:

    "BYSTSEG1", uint32 size of the extradata, the extradata
    for each packet, in decoding order:
        uint8 1, int64 pts, int64 duration (ticks), uint8 1 for a keyframe, uint32 size, data
    uint8 0, uint8 1 for the last segment of the video, uint32 CRC-32 of all before it

A segment appears under its name when it is whole; one that is damaged doesn't load.

Every `length` frames an encoder ends and another begins; what one has encoded lies in a
file of its own in a folder. At the end their packets are joined, without encoding.
Where a video is cut depends on the frames' numbers only, so a disturbed run cuts where
an undisturbed one does, and gives the same pictures, bit for bit.
"""

from __future__ import annotations

import json
import logging
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import av
from av.packet import Packet
from av.video.stream import VideoStream

from bystander.errors import OutputUnwritable
from bystander.media.colour import PixelFormat
from bystander.media.encoder import Encoder, EncoderSettings, clock_of
from bystander.media.facts import VideoInfo
from bystander.media.muxer import Muxer, check_encoding, check_output, disk_errors

MAGIC: Final = b"BYSTSEG1"
_SIZE: Final = struct.Struct("<I")
_PACKET: Final = struct.Struct("<qqBI")
_MORE, _END = b"\x01", b"\x00"
_TRAILER: Final = struct.Struct("<BI")
_BLOCK_BYTES: Final = 2**20
_AGAIN: Final = "Render again: what is damaged is made anew."
SEGMENT_FRAMES: Final = 240
OWNER_FILE: Final = "render.json"


class DamagedSegment(OutputUnwritable):
    """The file is no segment, is cut short, or its checksum differs."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A whole segment on disk.

    Attributes:
        extradata: what a decoder must know before the first packet.
        pts: of its packets in decoding order, ticks of the output's clock.
        last: no other segment follows it in the video.
    """

    path: Path
    extradata: bytes
    pts: array[int]
    last: bool

    @classmethod
    def load(cls, path: Path) -> Segment:
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
                last, _ = _TRAILER.unpack(file.read(_TRAILER.size))
        except (OSError, struct.error) as error:
            raise DamagedSegment(f"{path} can't be read ({error})", _AGAIN) from error
        return cls(path, extradata, pts, bool(last))

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

    def finish(self, last: bool) -> None:
        """Let the segment appear; `last` if no other follows it."""
        self._write(_END + bytes([last]))
        self._file.write(_SIZE.pack(self._checksum))
        self._file.close()
        self._part.replace(self._path)

    def _write(self, data: bytes | memoryview) -> None:
        self._checksum = zlib.crc32(data, self._checksum)
        self._file.write(data)


def decoding_times(segments: list[Segment]) -> Iterator[int]:
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
        raise DamagedSegment(f"{file.name} is no segment of a video", _AGAIN)
    left = file.seek(0, 2) - _SIZE.size
    file.seek(0)
    checksum = 0
    while left > 0:
        block = file.read(min(left, _BLOCK_BYTES))
        checksum, left = zlib.crc32(block, checksum), left - len(block)
    if file.read() != _SIZE.pack(checksum):
        raise DamagedSegment(f"{file.name} is cut short or was changed", _AGAIN)
    file.seek(0)


def _read_head(file: BinaryIO) -> bytes:
    file.seek(len(MAGIC))
    (size,) = _SIZE.unpack(file.read(_SIZE.size))
    return file.read(size)


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RenderCheckpoints:
    """Where an interrupted rendering finds what it had done.

    Attributes:
        folder: an existing folder; other files in it are left alone.
        length: frames that at most are rendered twice. Each segment begins with a
            keyframe and ends without knowing what follows, so short ones make large files.
    """

    folder: Path
    length: int = SEGMENT_FRAMES


class SegmentedWriter:
    """Writes what a `VideoWriter` does, in segments; a context manager.

    Within the `with` block `done` says how many frames an earlier run has left; `write`
    takes those that follow. Left by an exception, it keeps the segments that are whole.
    Segments that are damaged, and all after them, are made again; once the output is
    whole, they are removed.

    Args:
        path, info, source, settings, overwrite: see `VideoWriter`.
        checkpoints: where the segments are.
        digest: of everything else that the pictures depend on. Segments that were
            written under another one are discarded.

    Raises:
        OutputExists, OutputUnwritable: see `check_output`; also when the disk is full.
        OutputUnwritable, UnsupportedVideo: see `check_encoding`; or the encoder doesn't take
            pictures of this size.

    Attributes:
        pixel_format: what `write` takes.
    """

    def __init__(
        self,
        path: Path,
        info: VideoInfo,
        source: Path,
        settings: EncoderSettings,
        checkpoints: RenderCheckpoints,
        digest: str,
        overwrite: bool = False,
    ) -> None:
        check_output(path, source, overwrite)
        encoding = check_encoding(path, info, source, settings)
        self.pixel_format: PixelFormat = encoding.pixel_format
        self._path, self._info, self._source = path, info, source
        self._settings, self._overwrite = settings, overwrite
        self._folder, self._length, self._digest = checkpoints.folder, checkpoints.length, digest
        self._segments: list[Segment] = []
        self._current = ExitStack()
        self._in_current = 0

    @property
    def done(self) -> int:
        """Frames written, by this run and those before it."""
        return sum(len(segment.pts) for segment in self._segments) + self._in_current

    @property
    def complete(self) -> bool:
        """An earlier run has left every frame; only joining is to be done."""
        return bool(self._segments) and self._segments[-1].last

    @property
    def shown(self) -> int | None:
        """The source's pts of the last frame in a whole segment; None if there is none."""
        if not self._segments:
            return None
        ticks = max(self._segments[-1].pts)
        return ticks // self._info.time_base.numerator + self._info.origin_pts

    def __enter__(self) -> Self:
        with disk_errors(self._path):
            self._encoder = Encoder.create(self._info, self._source, self._settings)
            self._take_over()
            self._begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._current, disk_errors(self._path):
            if kind is not None:
                return
            if not self.complete:
                self._end(last=True)
        self._join()
        self._discard()

    def write(self, picture: av.VideoFrame, pts: int, duration: int | None) -> None:
        """Append one frame; see `VideoWriter.write`."""
        with disk_errors(self._path):
            if self._in_current == self._length:
                self._end(last=False)
                self._encoder = Encoder.create(self._info, self._source, self._settings)
                self._begin()
            self._add(self._encoder.encode(picture, pts, duration))
            self._in_current += 1

    def _take_over(self) -> None:
        """Find the segments that an earlier run has left, and delete what is of no use."""
        owner = self._folder / OWNER_FILE
        document = {"digest": self._digest, "length": self._length}
        if _read_json(owner) != document:
            if owner.exists():
                log.info("what an earlier rendering left is of another video, or out of date")
            self._discard()
            part = owner.with_name(f"{OWNER_FILE}.part")
            part.write_text(json.dumps(document), encoding="utf-8")
            part.replace(owner)
        while not self.complete and (segment := self._usable(len(self._segments))) is not None:
            self._segments.append(segment)
        for file in set(self._files()) - {segment.path for segment in self._segments}:
            file.unlink()
        if self._segments:
            log.info("going on after frame %d, rendered earlier", self.done)

    def _usable(self, number: int) -> Segment | None:
        name = self._name(number)
        if not name.exists():
            return None
        try:
            segment = Segment.load(name)
        except DamagedSegment as error:
            log.warning("%s", error)
            return None
        whole = segment.last or len(segment.pts) == self._length
        return segment if whole and segment.extradata == self._encoder.extradata else None

    def _begin(self) -> None:
        name = self._name(len(self._segments))
        self._writer = self._current.enter_context(SegmentWriter(name, self._encoder.extradata))
        self._in_current = 0

    def _end(self, last: bool) -> None:
        self._add(self._encoder.flush())
        self._writer.finish(last)
        self._current.close()
        self._segments.append(Segment.load(self._name(len(self._segments))))
        self._in_current = 0

    def _add(self, packets: Iterable[Packet[VideoStream]]) -> None:
        for packet in packets:
            self._writer.add(packet)

    def _join(self) -> None:
        muxer = Muxer(self._path, self._info, self._source, self._settings, self._overwrite)
        with disk_errors(self._path), muxer:
            if any(segment.extradata != muxer.context.extradata for segment in self._segments):
                raise OutputUnwritable(
                    f"{self._path}: its segments were encoded in different ways",
                    "Remove the checkpoints and render again.",
                )
            origin = self._info.origin_pts * self._info.time_base
            clock = clock_of(self._info)
            for packet in self._packets():
                muxer.mux([packet])
                assert packet.dts is not None
                muxer.advance(packet.dts * clock + origin)

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        times = decoding_times(self._segments)
        for segment in self._segments:
            for packet in segment.packets():
                packet.dts, packet.time_base = next(times), clock_of(self._info)
                yield packet

    def _name(self, number: int) -> Path:
        return self._folder / f"{number:06d}.segment"

    def _files(self) -> list[Path]:
        return [*self._folder.glob("*.segment"), *self._folder.glob("*.segment.part")]

    def _discard(self) -> None:
        (self._folder / OWNER_FILE).unlink(missing_ok=True)
        for file in self._files():
            file.unlink()


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
