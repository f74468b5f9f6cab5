"""Bytes that hostile files are made of: clips as they should be, boxes, packets, pictures."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from PIL import Image

from tests.support.videos import Clip, make_video, picture_array

HUGE = 20_000  # pixels a side


@cache
def clip(suffix: str = ".mp4", size: tuple[int, int] = (320, 240)) -> bytes:
    """A video of 24 frames."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Clip(
            pts=range(0, 960, 40),
            last_duration=40,
            time_base=Fraction(1, 1000),
            size=size,
            options={"preset": "ultrafast"},
        )
        return make_video(Path(folder) / f"v{suffix}", wanted).read_bytes()


def from_maker(suffix: str, make: object) -> bytes:
    """What `make(path, folder)` of tests.support.videos writes."""
    assert callable(make)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"made{suffix}"
        make(path, Path(folder))
        return path.read_bytes()


def muxed(
    suffix: str,
    codec: str,
    packets: Sequence[bytes],
    pts: Sequence[int] | None = None,
    size: tuple[int, int] = (64, 64),
    streams: int = 1,
) -> bytes:
    """`packets` as they are, whatever they hold, in a container; `pts` in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"v{suffix}"
        with av.open(str(path), "w") as output:
            tracks = []
            for _ in range(streams):
                stream = output.add_stream(codec, rate=25)
                assert isinstance(stream, VideoStream)
                stream.width, stream.height = size
                stream.pix_fmt = {"png": "rgb24", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
                stream.codec_context.time_base = Fraction(1, 1000)
                tracks.append(stream)
            for number, data in enumerate(packets):
                for stream in tracks:
                    packet = av.Packet(data)
                    packet.stream, packet.time_base = stream, Fraction(1, 1000)
                    packet.pts = packet.dts = pts[number] if pts else number * 40
                    packet.is_keyframe = True
                    output.mux(packet)
        return path.read_bytes()


def box(kind: bytes, content: bytes) -> bytes:
    """An ISO base media box (ISO/IEC 14496-12, section 4.2)."""
    return struct.pack(">I", 8 + len(content)) + kind + content


def patched(data: bytes, kind: bytes, offset: int, value: bytes) -> bytes:
    """`value` written `offset` bytes behind the type of the last box of `kind`."""
    start = data.rindex(kind) + 4 + offset
    return data[:start] + value + data[start + len(value) :]


def with_size(data: bytes, kind: bytes, size: int) -> bytes:
    """The last box of `kind` says that it has `size` bytes."""
    return patched(data, kind, -8, struct.pack(">I", size))


def with_content(data: bytes, path: Sequence[bytes], content: bytes) -> bytes:
    """The box at `path` holds `content`; the boxes around it say their new sizes."""
    position, result = 0, b""
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind, inside = data[position + 4 : position + 8], data[position + 8 : position + length]
        if kind == path[0]:
            inside = with_content(inside, path[1:], content) if path[1:] else content
            result += box(kind, inside)
        else:
            result += data[position : position + length]
        position += length
    return result


def u16(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def ebml(kind: str, content: bytes) -> bytes:
    """A Matroska element (RFC 8794) with a length of eight bytes."""
    return bytes.fromhex(kind) + (len(content) | 1 << 56).to_bytes(8, "big") + content


@cache
def picture(format_: str = "JPEG", size: tuple[int, int] = (320, 240), mode: str = "RGB") -> bytes:
    """A picture as it should be."""
    return saved(Image.fromarray(picture_array(3, *size)).convert(mode), format_)


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def noise(width: int = 320, height: int = 240) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG chunk (ISO/IEC 15948, 5.3)."""
    return u32(len(content)) + kind + content + u32(zlib.crc32(kind + content))


def png(
    width: int, height: int, *chunks: bytes, data: bytes | None = None, depth: int = 1
) -> bytes:
    """A grey PNG of one colour, really `width` x `height`, with `chunks` before its data."""
    if data is None:
        data = zlib.compress(bytes(height * (1 + (width * depth + 7) // 8)))
    header = chunk(b"IHDR", u32(width, height) + bytes([depth, 0, 0, 0, 0]))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + header + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose frame header (SOF0) claims another size."""
    data = picture("JPEG")
    start = data.index(b"\xff\xc0") + 5
    return data[:start] + u16(height, width) + data[start + 4 :]


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + u16(2 + len(content)) + content
