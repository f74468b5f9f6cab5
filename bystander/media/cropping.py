"""A column and a line that are stored, but not shown: how odd sizes are kept in 4:2:0.

4:2:0 holds colour for two by two pixels, and H.264 and HEVC can crop by such pairs only. So a
video of odd width or height is encoded with its last column or line repeated, and the container
says what is shown: MP4 and QuickTime in a clean aperture (ISO/IEC 14496-12, 12.1.4), Matroska in
PixelCropRight and PixelCropBottom (RFC 9559, 5.1.4.1.28). FFmpeg reads and writes both, but PyAV
shows neither, so here the bytes of finished files are read and changed.
"""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import av
import numpy as np

from bystander.media.colour import blank_like, planes_of

Padding = tuple[int, int]
"""Columns at the right and lines at the bottom that are stored and not shown, each 0 or 1."""

NO_PADDING: Final = (0, 0)
_MAX_INDEX_BYTES: Final = 2**28  # an hour's index takes some MB


def padded(picture: av.VideoFrame, padding: Padding) -> av.VideoFrame:
    """`picture` (4:2:0, of odd width or height) with its last column or line repeated."""
    if padding == NO_PADDING:
        return picture
    width, height = picture.width + padding[0], picture.height + padding[1]
    larger = blank_like(picture, picture.format.name, width, height)
    for target, source in zip(planes_of(larger), planes_of(picture), strict=True):
        rows, columns = source.shape
        target[:rows, :columns] = source
        target[:rows, columns:] = source[:, -1:]
        target[rows:] = target[rows - 1 : rows]
    return larger


class PaddingCropper:
    """Takes off what is stored and not shown, without copying a picture."""

    def __init__(self, padding: Padding) -> None:
        self._padding = padding
        self._graph: av.filter.Graph | None = None
        self._of: tuple[int, int, str] | None = None

    def cropped(self, picture: av.VideoFrame) -> av.VideoFrame:
        """The part of `picture` that is shown."""
        if self._padding == NO_PADDING:
            return picture
        kind = (picture.width, picture.height, picture.format.name)
        if self._graph is None or kind != self._of:
            self._graph, self._of = self._opened(picture), kind
        self._graph.vpush(picture)
        return self._graph.vpull()

    def _opened(self, picture: av.VideoFrame) -> av.filter.Graph:
        width, height = picture.width - self._padding[0], picture.height - self._padding[1]
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=picture.width,
            height=picture.height,
            format=picture.format,
            time_base=picture.time_base,
        )
        crop = graph.add("crop", f"{width}:{height}:0:0:exact=1")
        graph.link_nodes(source, crop, graph.add("buffersink")).configure()
        return graph


def read_padding(path: Path, width: int, height: int) -> Padding:
    """What isn't shown of the pictures of a file's first video track.

    Args:
        width, height: as decoded, pixels.

    Returns:
        `NO_PADDING` also where more is hidden than a column and a line, or elsewhere.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(0)
            if head[4:8] == b"ftyp":
                found = _clean_aperture(file, width, height)
            elif head[:4] == _EBML_HEADER.to_bytes(4, "big"):
                found = _pixel_crop(file, width, height)
            else:
                return NO_PADDING
    except (OSError, struct.error, IndexError, ZeroDivisionError):
        return NO_PADDING
    return found if found in ((1, 0), (0, 1), (1, 1)) else NO_PADDING


def hide_padding(path: Path, width: int, height: int, padding: Padding) -> bool:
    """Change a whole MP4, QuickTime or Matroska file written by FFmpeg: some of it isn't shown.

    Args:
        width, height: as stored, pixels.

    Returns:
        False if there is no place for that in the file; it is as it was.

    Raises:
        OSError: it can't be read, or the disk is full.
    """
    with path.open("rb") as file:
        is_matroska = file.read(4) == _EBML_HEADER.to_bytes(4, "big")
    if is_matroska:
        return _write_pixel_crop(path, padding)
    return _write_clean_aperture(path, width, height, padding)


# ISO base media files ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IsoBox:
    """A box: its name, where it and its content begin, and where it ends."""

    name: bytes
    start: int
    content: int
    end: int


_VISUAL_ENTRY_BYTES: Final = 78  # of a visual sample entry before its boxes, 12.1.3
_ENTRY_WIDTH_OFFSET: Final = 24
_CLAP: Final = struct.Struct(">I4sIIIIiIiI")


def iso_boxes(data: bytes, start: int, end: int) -> Iterator[IsoBox]:
    """The boxes that lie one after the other from `start` to `end`."""
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        if size < content - start or start + size > end:
            return
        yield IsoBox(name, start, content, start + size)
        start += size


def iso_child(data: bytes, parent: IsoBox, *names: bytes) -> list[IsoBox]:
    """The way from `parent` down to the first box at the path `names`; empty if it isn't there."""
    way: list[IsoBox] = []
    for name in names:
        inside = way[-1] if way else parent
        found = next(
            (b for b in iso_boxes(data, inside.content, inside.end) if b.name == name), None
        )
        if found is None:
            return []
        way.append(found)
    return way


def read_movie(file: BinaryIO) -> tuple[bytes, int] | None:
    """The movie box, with its header, and where it begins in the file."""
    start = 0
    while len(header := _read_at(file, start, 16)) >= 8:
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if size < 8:
            return None
        if header[4:8] == b"moov":
            return (_read_at(file, start, size), start) if size <= _MAX_INDEX_BYTES else None
        start += size
    return None


def _video_entry(data: bytes) -> list[IsoBox]:
    """The way from the movie box to the sample entry of the first video track."""
    (movie,) = iso_boxes(data, 0, len(data))
    for track in (box for box in iso_boxes(data, movie.content, movie.end) if box.name == b"trak"):
        handler = iso_child(data, track, b"mdia", b"hdlr")
        if not handler or data[handler[-1].content + 8 : handler[-1].content + 12] != b"vide":
            continue
        table = iso_child(data, track, b"mdia", b"minf", b"stbl", b"stsd")
        if table:
            entry = next(iso_boxes(data, table[-1].content + 8, table[-1].end), None)
            return [movie, track, *table, entry] if entry else []
    return []


def _clean_aperture(file: BinaryIO, width: int, height: int) -> Padding:
    movie = read_movie(file)
    way = _video_entry(movie[0]) if movie else []
    if movie is None or not way:
        return NO_PADDING
    data, entry = movie[0], way[-1]
    stored = struct.unpack_from(">HH", data, entry.content + _ENTRY_WIDTH_OFFSET)
    inside = iso_boxes(data, entry.content + _VISUAL_ENTRY_BYTES, entry.end)
    clap = next((box for box in inside if box.name == b"clap"), None)
    if clap is None or stored != (width, height):
        return NO_PADDING
    numbers = struct.unpack_from(">IIIIiIiI", data, clap.content)
    shown = numbers[0] / numbers[1], numbers[2] / numbers[3]
    moved = numbers[4] / numbers[5], numbers[6] / numbers[7]
    hidden = round(width - shown[0]), round(height - shown[1])
    # The middle of what is shown lies that far from the middle of what is stored.
    return hidden if moved == (-hidden[0] / 2, -hidden[1] / 2) else NO_PADDING


def _write_clean_aperture(path: Path, width: int, height: int, padding: Padding) -> bool:
    with path.open("rb") as file:
        movie = read_movie(file)
    way = _video_entry(movie[0]) if movie else []
    if movie is None or not way:
        return False
    data, start = bytearray(movie[0]), movie[1]
    right, bottom = padding
    shown = width - right, height - bottom
    clap = _CLAP.pack(_CLAP.size, b"clap", shown[0], 1, shown[1], 1, -right, 2, -bottom, 2)
    _shift_chunks(data, way[0], start + way[-1].end, len(clap))
    _set_track_size(data, way[1], shown, (width, height))
    for box in way:
        struct.pack_into(">I", data, box.start, box.end - box.start + len(clap))
    data[way[-1].end : way[-1].end] = clap
    whole = path.with_suffix(".cropped")
    try:
        with path.open("rb") as source, whole.open("wb") as target:
            _copy(source, target, start)
            target.write(data)
            source.seek(start + len(movie[0]))
            shutil.copyfileobj(source, target)
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
    return True


def _shift_chunks(data: bytearray, movie: IsoBox, after: int, by: int) -> None:
    """The tables of all tracks say where in the file their samples are."""
    for track in (box for box in iso_boxes(bytes(data), movie.content, movie.end)):
        table = iso_child(bytes(data), track, b"mdia", b"minf", b"stbl")
        for box in iso_boxes(bytes(data), table[-1].content, table[-1].end) if table else ():
            if box.name in (b"stco", b"co64"):
                kind = ">u4" if box.name == b"stco" else ">u8"
                (count,) = struct.unpack_from(">I", data, box.content + 4)
                offsets = np.frombuffer(data, kind, count, box.content + 8)
                moved = (offsets + by * (offsets >= after).astype(kind)).astype(kind)
                data[box.content + 8 : box.content + 8 + moved.nbytes] = moved.tobytes()


def _set_track_size(
    data: bytearray, track: IsoBox, shown: tuple[int, int], stored: tuple[int, int]
) -> None:
    """The size at which the track is presented: 16.16 fixed point, with the pixel aspect."""
    (header,) = iso_child(bytes(data), track, b"tkhd")
    place = header.content + (76 if data[header.content] == 0 else 88)
    sizes = struct.unpack_from(">II", data, place)
    scaled = (
        round(size * part / whole) for size, part, whole in zip(sizes, shown, stored, strict=True)
    )
    struct.pack_into(">II", data, place, *scaled)


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0 and (block := source.read(min(count, 2**20))):
        target.write(block)
        count -= len(block)


def _read_at(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


# Matroska ------------------------------------------------------------------------------------

_EBML_HEADER, _SEGMENT, _TRACKS, _TRACK, _VIDEO = 0x1A45DFA3, 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_CLUSTER, _VOID, _CRC, _TRACK_TYPE = 0x1F43B675, 0xEC, 0xBF, 0x83
_PIXEL_WIDTH, _PIXEL_HEIGHT = 0xB0, 0xBA
_CROP_BOTTOM, _CROP_TOP, _CROP_LEFT, _CROP_RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD
_MAX_HEAD_BYTES: Final = 2**20  # in which the tracks are described
_MIN_VOID_BYTES: Final = 2


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Id, start, start of the content and end of each element; the last may reach too far."""
    while start < end:
        id_bytes = 9 - data[start].bit_length()
        size_at = start + id_bytes
        size_bytes = 9 - data[size_at].bit_length()
        content = size_at + size_bytes
        size = int.from_bytes(data[size_at:content], "big") & ((1 << 7 * size_bytes) - 1)
        identity = int.from_bytes(data[start:size_at], "big")
        yield identity, start, content, content + size
        start = content + size


def _find(data: bytes, start: int, end: int, wanted: int) -> tuple[int, int, int] | None:
    """Start, start of the content and end of the first element `wanted`."""
    for identity, begin, content, stop in _elements(data, start, end):
        if identity == wanted:
            return begin, content, stop
        if identity == _CLUSTER:
            return None
    return None


def _video_track(data: bytes) -> tuple[tuple[int, int, int], ...] | None:
    """The segment's tracks, of them the first video track, and its description of pictures."""
    segment = _find(data, 0, len(data), _SEGMENT)
    tracks = segment and _find(data, segment[1], min(segment[2], len(data)), _TRACKS)
    if not tracks or tracks[2] > len(data):
        return None
    for identity, begin, content, end in _elements(data, tracks[1], tracks[2]):
        video = _find(data, content, end, _VIDEO) if identity == _TRACK else None
        kind = _find(data, content, end, _TRACK_TYPE) if video else None
        if video and kind and data[kind[1]] == 1:
            return tracks, (begin, content, end), video
    return None


def _pixel_crop(file: BinaryIO, width: int, height: int) -> Padding:
    data = file.read(_MAX_HEAD_BYTES)
    found = _video_track(data)
    if found is None:
        return NO_PADDING
    values = {
        identity: int.from_bytes(data[content:end], "big")
        for identity, _, content, end in _elements(data, *found[2][1:])
    }
    stored = values.get(_PIXEL_WIDTH), values.get(_PIXEL_HEIGHT)
    if stored != (width, height) or values.get(_CROP_TOP) or values.get(_CROP_LEFT):
        return NO_PADDING
    return values.get(_CROP_RIGHT, 0), values.get(_CROP_BOTTOM, 0)


def _write_pixel_crop(path: Path, padding: Padding) -> bool:
    """Nothing in the file moves but what lies between the new elements and a void behind them."""
    with path.open("r+b") as file:
        data = bytearray(file.read(_MAX_HEAD_BYTES))
        found = _video_track(bytes(data))
        if found is None:
            return False
        tracks, track, video = found
        void = _find(bytes(data), video[2], track[2], _VOID)
        new = b"".join(
            identity.to_bytes(2, "big") + b"\x81\x01"
            for identity, hidden in zip((_CROP_RIGHT, _CROP_BOTTOM), padding, strict=True)
            if hidden
        )
        left = void[2] - void[0] - len(new) if void else 0
        size = video[2] - video[1] + len(new)
        if void is None or left < _MIN_VOID_BYTES or size > 126 or video[1] - video[0] != 2:
            return False
        data[video[0] + 1] = 0x80 | size
        filler = bytes([_VOID, 0x80 | (left - _MIN_VOID_BYTES)]) + bytes(left - _MIN_VOID_BYTES)
        data[video[2] : void[2]] = new + data[video[2] : void[0]] + filler
        checksum = _find(bytes(data), tracks[1], tracks[2], _CRC)
        if checksum is not None:  # RFC 8794, 11.3.1: of all that follows it
            value = zlib.crc32(data[checksum[2] : tracks[2]])
            data[checksum[1] : checksum[2]] = value.to_bytes(4, "little")
        file.seek(0)
        file.write(data)
    return True
