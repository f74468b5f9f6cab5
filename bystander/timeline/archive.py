"""The timeline: the whole analysis of one video, in one file.

A zip archive that any tool can open:

    timeline.json        header: format version, video, grid, shots, tracklets, persons
    frames/000000.npz    250 frames each, plain NumPy arrays (never pickled):
        pts        int64  [F]     presentation timestamps, source ticks
        count      uint16 [F]     sightings in each frame, one a person
        tracklet   int32  [S]
        box        float32[S, 4]  x0, y0, x1, y1, grid pixels
        score      float32[S]
        origin     uint8  [S]     0 seen, 1 a face, 2 filled in, 3 continued: see `Origin`
        corner     int32  [S, 4]  mask bitmap: x, y, width, height, grid pixels
        runs       uint32 [R]     the masks' run-length codes, one after another
        run_count  uint32 [S]
    people/7.jpg         a small picture of tracklet 7
    pointed/0.jpg        a small picture of whom the header's first click meant, then

Masks are final: they are what is drawn over, whoever the verdicts say is to be masked
(`redaction.regions`). Frames are written as they come and read back one chunk at a time, so
memory does not grow with the video. Editing verdicts rewrites the header and copies the rest.
No photos and no embeddings are stored: pictures of people are, so a timeline is
as private as its video.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.errors import InvalidTimeline, OutputUnwritable, TimelineMismatch
from bystander.files import StrPath, replacing, temporary_beside
from bystander.geometry.masks import decode_runs, encode_runs
from bystander.timeline.header import MAX_GRID, ORIGINS, Header, dump_header, parse_header
from bystander.timeline.types import FrameRecord, Origin, Sighting

CHUNK_FRAMES: Final = 250
HEADER: Final = "timeline.json"
COMPRESSION_LEVEL: Final = 1

# A hostile file must not unpack into more than this.
MAX_HEADER_BYTES: Final = 256 * 2**20
MAX_CHUNK_BYTES: Final = 256 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class WriterState:
    """How far a `TimelineWriter` has come.

    Attributes:
        chunks: how many are whole.
        rest: the frames of the next one, packed as a chunk is; none if empty.
    """

    chunks: int = 0
    rest: bytes = b""


class TimelineWriter:
    """Writes a timeline frame by frame; it appears at `path` only when it is whole.

    Use as a context manager and call `finish` once at the end. Leaving without it,
    or by an exception, removes the unfinished file.

    Args:
        path: the timeline.
        chunks: a folder where finished chunks wait until the end, and stay if there is none:
            with `state`, writing can go on in another process.
        begun: the state from which to go on.
    """

    def __init__(
        self, path: Path, chunks: Path | None = None, begun: WriterState | None = None
    ) -> None:
        begun = begun or WriterState()
        self._path = path
        self._part = temporary_beside(path)
        self._waiting = chunks
        self._chunk: list[FrameRecord] = []
        self._chunks = begun.chunks
        if begun.rest:
            self._chunk = _unpack(begun.rest, begun.chunks * CHUNK_FRAMES)
        try:
            self._zip = zipfile.ZipFile(self._part, "w", zipfile.ZIP_STORED)
        except OSError as error:
            raise OutputUnwritable(
                f"the timeline can't be written to {path} ({error.strerror})",
                "Choose a folder that exists and may be written to.",
            ) from error

    def __enter__(self) -> TimelineWriter:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a full disk: the rest isn't wanted any more
            self._zip.close()
        self._part.unlink(missing_ok=True)

    @property
    def state(self) -> WriterState:
        """How far it has come."""
        return WriterState(self._chunks, _pack(self._chunk) if self._chunk else b"")

    def add_frame(self, record: FrameRecord) -> None:
        """Append the next frame, in the order they are shown."""
        self._chunk.append(record)
        if len(self._chunk) == CHUNK_FRAMES:
            self._flush()

    def add_chunk(self, packed: bytes) -> None:
        """Append a chunk of another timeline as it is (`Timeline.chunks`), between whole ones."""
        assert not self._chunk, "a chunk has been begun"
        self._store(packed)

    def finish(
        self,
        header: Header,
        pictures: Iterable[tuple[int, bytes]] = (),
        pointed: Iterable[bytes] = (),
    ) -> None:
        """Write the header and move the file into place.

        Args:
            header: everything but the frames.
            pictures: a small JPEG of each tracklet.
            pointed: one for each of the header's `pointed_at`.
        """
        self._flush()
        with self._disk_errors():
            if self._waiting is not None:
                for number in range(self._chunks):
                    self._write(_chunk_name(number), self._waits_at(number).read_bytes())
            for tracklet, jpeg in pictures:
                self._write(f"people/{tracklet}.jpg", jpeg)
            for number, jpeg in enumerate(pointed):
                self._write(f"pointed/{number}.jpg", jpeg)
            self._write(HEADER, dump_header(header))
            self._zip.close()
            self._part.replace(self._path)

    def _flush(self) -> None:
        if self._chunk:
            self._store(_pack(self._chunk))
            self._chunk = []

    def _store(self, content: bytes) -> None:
        with self._disk_errors():
            if self._waiting is None:
                self._write(_chunk_name(self._chunks), content)
            else:
                part = self._waits_at(self._chunks).with_suffix(".part")
                part.write_bytes(content)
                part.replace(self._waits_at(self._chunks))
        self._chunks += 1

    def _waits_at(self, number: int) -> Path:
        assert self._waiting is not None
        return self._waiting / f"{number:06d}.npz"

    def _write(self, name: str, content: bytes) -> None:
        self._zip.writestr(_entry(name), content)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputUnwritable(
                f"the timeline can't be written to {self._path} ({error.strerror})",
                "Free some space on that disk, or choose another folder.",
            ) from error


class Timeline:
    """A timeline on disk: the header in memory, the frames read as they are asked for."""

    def __init__(self, path: StrPath, header: Header) -> None:
        self.path = Path(path)
        self.header = header

    @classmethod
    def load(cls, path: StrPath) -> Timeline:
        """Open and check a timeline.

        Raises:
            InvalidTimeline: no such file, not a timeline, damaged, or of another version.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                raw = _read(archive, HEADER, MAX_HEADER_BYTES)
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise InvalidTimeline(
                f"{path} is not a timeline ({error})",
                "Make one with 'bystander analyze VIDEO -o TIMELINE'.",
            ) from error
        header = parse_header(Path(path), raw)
        return cls(path, header)

    def frames(self, start: int = 0) -> Iterator[FrameRecord]:
        """Every frame in order, one chunk in memory at a time.

        Args:
            start: begin with this frame; chunks before it are not read.

        Raises:
            InvalidTimeline: a chunk is damaged or doesn't fit the header.
        """
        index = 0
        for index, packed in self.chunks(start):
            records = self.unpacked(index, packed)
            yield from records[max(0, start - index) :]
            index += len(records)
        if index != self.header.video.frames:
            raise InvalidTimeline(
                f"{self.path} holds {index} frames, its header says {self.header.video.frames}",
                "Analyse the video again.",
            )

    def chunks(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """The chunks from that with the frame `start` on, as they are: first frame, and content.

        The last one always comes: it shows whether any frame is missing.

        Raises:
            InvalidTimeline: one can't be read.
        """
        with zipfile.ZipFile(self.path) as archive:
            names = sorted(n for n in archive.namelist() if n.startswith("frames/"))
            skipped = max(0, min(start // CHUNK_FRAMES, len(names) - 1))
            for number, name in enumerate(names[skipped:], skipped):
                try:
                    packed = _read(archive, name, MAX_CHUNK_BYTES)
                except (zipfile.BadZipFile, OSError) as error:
                    raise self._damaged(name, error) from error
                yield number * CHUNK_FRAMES, packed

    def unpacked(self, first: int, packed: bytes) -> list[FrameRecord]:
        """The frames of a chunk.

        Raises:
            InvalidTimeline: it is damaged or doesn't fit the header.
        """
        known = {tracklet.id for tracklet in self.header.tracklets}
        try:
            return _unpack(packed, first, known)
        except (ValueError, KeyError, IndexError, zipfile.BadZipFile, OSError) as error:
            raise self._damaged(_chunk_name(first // CHUNK_FRAMES), error) from error

    def _damaged(self, name: str, error: Exception) -> InvalidTimeline:
        return InvalidTimeline(
            f"{self.path} is damaged in {name} ({error})", "Analyse the video again."
        )

    def times(self) -> NDArray[np.float64]:
        """When a player shows each frame, and the end of the last one: seconds, [F + 1].

        Nothing but timestamps is read of the frames.

        Raises:
            InvalidTimeline: a chunk is damaged or doesn't fit the header.
        """
        video = self.header.video
        ticks = self.pts() - video.origin_pts
        seconds = ticks * (video.time_base[0] / video.time_base[1])
        end = (seconds[-1] if len(seconds) else 0.0) + 1 / video.rate
        return np.append(seconds, end)

    def pts(self) -> NDArray[np.int64]:
        """The timestamp of every frame: int64 [F], ticks of the source.

        Nothing else is read of the frames.

        Raises:
            InvalidTimeline: a chunk is damaged or doesn't fit the header.
        """
        with zipfile.ZipFile(self.path) as archive:
            names = sorted(n for n in archive.namelist() if n.startswith("frames/"))
            try:
                pts = [_read_pts(archive, name) for name in names]
            except (ValueError, KeyError, zipfile.BadZipFile, OSError) as error:
                raise InvalidTimeline(
                    f"{self.path} is damaged ({error})", "Analyse the video again."
                ) from error
        found = np.concatenate([np.empty(0, np.int64), *pts])
        if len(found) != self.header.video.frames:
            raise InvalidTimeline(
                f"{self.path} holds {len(found)} frames, its header says "
                f"{self.header.video.frames}",
                "Analyse the video again.",
            )
        return found

    def digest(self) -> str:
        """SHA-256 of everything that decides what is drawn, as hexadecimal digits.

        The verdicts are those of `header`; of the frames, their sizes and checksums count.
        """
        digest = hashlib.sha256(dump_header(self.header))
        with zipfile.ZipFile(self.path) as archive:
            for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
                if entry.filename.startswith("frames/"):
                    digest.update(f"{entry.filename} {entry.file_size} {entry.CRC}".encode())
        return digest.hexdigest()

    def picture(self, tracklet: int) -> bytes | None:
        """The stored picture of a tracklet, JPEG, if there is one."""
        return self._picture(f"people/{tracklet}.jpg")

    def pointed_picture(self, number: int) -> bytes | None:
        """The picture of whom click `number`, from 0, meant at that moment, JPEG."""
        return self._picture(f"pointed/{number}.jpg")

    def _picture(self, name: str) -> bytes | None:
        with zipfile.ZipFile(self.path) as archive:
            try:
                return _read(archive, name, MAX_CHUNK_BYTES)
            except KeyError:
                return None

    def pictures(self) -> Iterator[tuple[int, bytes]]:
        """Every stored picture with its tracklet's id, the archive opened once."""
        with zipfile.ZipFile(self.path) as archive:
            there = set(archive.namelist())
            for tracklet in self.header.tracklets:
                if (name := f"people/{tracklet.id}.jpg") in there:
                    yield tracklet.id, _read(archive, name, MAX_CHUNK_BYTES)

    def save(self, path: Path, header: Header) -> Timeline:
        """Write this timeline with another header (edited verdicts) to `path`, atomically."""
        try:
            with (
                replacing(path) as part,
                zipfile.ZipFile(self.path) as source,
                zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as target,
            ):
                for entry in source.infolist():
                    if entry.filename != HEADER:
                        target.writestr(_entry(entry.filename), source.read(entry))
                target.writestr(_entry(HEADER), dump_header(header))
        except OSError as error:
            raise OutputUnwritable(
                f"the timeline can't be written to {path} ({error.strerror})",
                "Choose a folder that exists and may be written to.",
            ) from error
        return Timeline(path, header)

    def check_video(self, path: Path, fingerprint: str) -> None:
        """Refuse a video that this timeline was not made from: its masks would be elsewhere.

        Raises:
            TimelineMismatch: the file differs.
        """
        if fingerprint != self.header.video.fingerprint:
            raise TimelineMismatch(
                f"{self.path} was not made from {path}",
                "Give the very file that was analysed, or analyse this one.",
            )


def _chunk_name(number: int) -> str:
    return f"frames/{number:06d}.npz"


def _entry(name: str) -> zipfile.ZipInfo:
    # A fixed date: the same analysis gives the same file, and no clock time leaks.
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


def _read_pts(archive: zipfile.ZipFile, name: str) -> NDArray[np.int64]:
    """The timestamps of a chunk: int64 [F], source ticks."""
    with archive.open(name) as file, zipfile.ZipFile(file) as chunk:
        raw = io.BytesIO(_read(chunk, "pts.npy", MAX_CHUNK_BYTES))
    pts: NDArray[np.int64] = np.lib.format.read_array(raw, allow_pickle=False)
    if pts.dtype != np.int64 or pts.ndim != 1:
        raise ValueError(f"{name} has timestamps of {pts.dtype}, {pts.ndim} dimensions")
    return pts


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    entry = archive.getinfo(name)
    if entry.file_size > limit:
        raise zipfile.BadZipFile(f"{name} unpacks to {entry.file_size} bytes")
    with archive.open(entry) as file:
        return file.read(limit + 1)


def _pack(records: list[FrameRecord]) -> bytes:
    sightings = [sighting for record in records for sighting in record.sightings]
    runs = [encode_runs(sighting.mask) for sighting in sightings]
    corners = [(s.mask.x, s.mask.y, s.mask.bits.shape[1], s.mask.bits.shape[0]) for s in sightings]
    return _npz(
        pts=np.array([record.pts for record in records], dtype=np.int64),
        count=np.array([len(record.sightings) for record in records], dtype=np.uint16),
        tracklet=np.array([s.tracklet for s in sightings], dtype=np.int32),
        box=np.array([s.box for s in sightings], dtype=np.float32).reshape(-1, 4),
        score=np.array([s.score for s in sightings], dtype=np.float32),
        origin=np.array([s.origin for s in sightings], dtype=np.uint8),
        corner=np.array(corners, dtype=np.int32).reshape(-1, 4),
        runs=np.concatenate([*runs, np.zeros(0, np.uint32)]),
        run_count=np.array([run.size for run in runs], dtype=np.uint32),
    )


def _npz(**arrays: NDArray[np.generic]) -> bytes:
    """As `numpy.savez_compressed`, in a third of its time; a sixth larger."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            raw = io.BytesIO()
            np.lib.format.write_array(raw, array, allow_pickle=False)
            archive.writestr(
                _entry(f"{name}.npy"),
                raw.getvalue(),
                zipfile.ZIP_DEFLATED,
                compresslevel=COMPRESSION_LEVEL,
            )
    return buffer.getvalue()


def _unpack(content: bytes, first: int, known: set[int] | None = None) -> list[FrameRecord]:
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        if sum(entry.file_size for entry in inner.infolist()) > MAX_CHUNK_BYTES:
            raise ValueError("the chunk unpacks to too many bytes")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        pts: NDArray[np.int64] = arrays["pts"]
        count, tracklet, box = arrays["count"], arrays["tracklet"], arrays["box"]
        score, origin, corner = arrays["score"], arrays["origin"], arrays["corner"]
        runs, run_count = arrays["runs"], arrays["run_count"]
    ends = np.cumsum(run_count, dtype=np.int64)
    if not (int(count.sum()) == len(tracklet) == len(box) == len(score) == len(corner)):
        raise ValueError("the chunk's arrays differ in length")
    if int(corner[:, 2:].max(initial=0)) > MAX_GRID or int(corner.min(initial=0)) < -MAX_GRID:
        raise ValueError("a mask lies outside the grid")
    records, at = [], 0
    for offset, (ticks, n) in enumerate(zip(pts.tolist(), count.tolist(), strict=True)):
        sightings = []
        if len(set(tracklet[at : at + n].tolist())) < n:
            raise ValueError(f"somebody is twice in frame {first + offset}")
        for i in range(at, at + n):
            if known is not None and int(tracklet[i]) not in known:
                raise ValueError(f"tracklet {int(tracklet[i])} is not in the header")
            if int(origin[i]) not in ORIGINS:
                raise ValueError(f"a sighting of origin {int(origin[i])}")
            x, y, width, height = (int(v) for v in corner[i])
            coded = runs[ends[i] - int(run_count[i]) : ends[i]]
            x0, y0, x1, y1 = (float(v) for v in box[i])
            sightings.append(
                Sighting(
                    tracklet=int(tracklet[i]),
                    box=(x0, y0, x1, y1),
                    score=float(score[i]),
                    mask=decode_runs(coded, x, y, width, height),
                    origin=Origin(int(origin[i])),
                )
            )
        records.append(FrameRecord(first + offset, ticks, tuple(sightings)))
        at += n
    return records
