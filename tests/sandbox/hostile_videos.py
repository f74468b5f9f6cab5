"""Videos that lie about themselves: sizes, counts, clocks, indexes, contents."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

from PIL import Image

from tests.sandbox.made import (
    HUGE,
    box,
    clip,
    ebml,
    from_maker,
    jpeg_of_size,
    muxed,
    patched,
    picture,
    png,
    saved,
    u16,
    u32,
    with_content,
    with_size,
)
from tests.sandbox.making import Holes, Maker, Row, wrong_types
from tests.support import videos

_HUGE_FILE = 5 * 2**30  # bytes, nearly all of them a hole
_DREF = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")


def _cut(suffix: str, share: float) -> bytes:
    data = clip(suffix)
    return data[: int(len(data) * share)]


def _patched(kind: bytes, offset: int, value: bytes) -> Maker:
    return lambda: patched(clip(), kind, offset, value)


def _sized(kind: bytes, size: int) -> Maker:
    return lambda: with_size(clip(), kind, size)


def _index_behind_a_hole() -> Holes:
    data = clip()
    start = data.rindex(b"moov") - 4
    hole = u32(1) + b"free" + struct.pack(">Q", _HUGE_FILE - start)
    return Holes(
        ((0, data[:start] + hole), (_HUGE_FILE, data[start:])), _HUGE_FILE + len(data) - start
    )


def _matroska_hole() -> Holes:
    head = clip(".mkv")[:400]
    return Holes(((0, head), (_HUGE_FILE, b"end")), _HUGE_FILE + 3)


def _transport_hole() -> Holes:
    data = clip(".ts")
    return Holes(((0, data), (2**30, data)), 2**30 + len(data))


def _index_box(content: bytes) -> Maker:
    return lambda: box(b"ftyp", b"isom" + u32(512) + b"isom") + box(b"moov", content)


def _nested(kind: bytes, depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = box(kind, data)
    return data


def _compressed_index() -> bytes:
    """QuickTime's cmov: an index of 200 MB in 200 kB."""
    packed = zlib.compress(box(b"free", bytes(200_000_000)), 9)
    return box(b"cmov", box(b"dcom", b"zlib") + box(b"cmvd", u32(200_000_008) + packed))


def _reference(kind: bytes, address: bytes) -> bytes:
    """A dref entry that has the frames in another file."""
    if kind == b"url ":
        return u32(0, 1) + box(b"url ", u32(0) + address + b"\0")
    volume = b"\x04disk".ljust(28, b"\0")
    name = b"\x06passwd".ljust(64, b"\0")
    alias = u32(0) + u16(0, 2, 0) + volume + bytes(12) + name + bytes(16) + u16(1, 1) + bytes(14)
    alias += u16(2, len(address)) + address + u16(0xFFFF, 0)
    return u32(0, 1) + box(b"alis", u32(0) + u32(0) + u16(len(alias)) + alias)


def _elsewhere(kind: bytes, address: bytes) -> Maker:
    return lambda: with_content(clip(".mov"), _DREF, _reference(kind, address))


def _reference_movie() -> bytes:
    address = b"http://127.0.0.1:00000/a.mov\0"
    rdrf = box(b"rdrf", u32(0) + b"url " + u32(len(address)) + address)
    return box(b"ftyp", b"qt  " + u32(0)) + box(b"moov", box(b"rmra", box(b"rmda", rdrf)))


def _matroska(*elements: bytes) -> bytes:
    header = ebml("1a45dfa3", ebml("4282", b"matroska"))
    return header + ebml("18538067", b"".join(elements))


def _matroska_track(width: int, height: int, codec: bytes, frame: bytes) -> bytes:
    size = ebml("b0", u32(width)) + ebml("ba", u32(height))
    entry = (
        ebml("d7", b"\1") + ebml("73c5", b"\1") + ebml("83", b"\1") + ebml("86", codec)
        + ebml("e0", size)
    )  # fmt: skip
    cluster = ebml("1f43b675", ebml("e7", b"\0") + ebml("a3", b"\x81\0\0\x80" + frame))
    return ebml("1654ae6b", ebml("ae", entry)) + cluster


def _linked() -> bytes:
    """A segment that continues in another file, which a reader may look for beside it."""
    info = ebml("1549a966", ebml("3eb923", bytes(16)) + ebml("3e83bb", b"/etc/passwd"))
    return _matroska(info, _matroska_track(64, 64, b"V_MJPEG", picture("JPEG", (64, 64))))


def _attachment() -> bytes:
    file = ebml("466e", b"../../evil.so") + ebml("4660", b"application/x-sharedlib")
    file += ebml("465c", b"\x7fELF" + bytes(5000)) + ebml("46ae", b"\1")
    attached = ebml("1941a469", ebml("61a7", file))
    return _matroska(attached, _matroska_track(64, 64, b"V_MJPEG", picture("JPEG", (64, 64))))


def _subtitles(path: Path, folder: Path) -> None:
    (folder / "words.srt").write_text("1\n00:00:00,000 --> 00:00:09,000\n/etc/passwd\n")
    videos.remuxed(folder / "words.srt", path)


def _encrypted(path: Path, folder: Path) -> None:
    videos.make_encrypted(path, videos.make_video(folder / "v.mp4"))


def _audio(path: Path, folder: Path) -> None:
    videos.make_audio(path)


def _frameless(path: Path, folder: Path) -> None:
    videos.make_frameless(path)


def _middle_damaged(path: Path, folder: Path) -> None:
    clip_ = videos.Clip(options={"preset": "ultrafast", "g": "4"})
    videos.damaged(videos.make_video(folder / "v.mp4", clip_), path, range(8, 16))


def _changing(path: Path, folder: Path) -> None:
    videos.joined(path, videos.Clip(), videos.Clip(size=(640, 480)))


def _no_keyframes(path: Path, folder: Path) -> None:
    """The second half of a single group of pictures."""
    with tempfile.TemporaryDirectory() as place:
        whole = videos.make_video(Path(place) / "v.ts", videos.Clip(options={"g": "999"}))
        data = whole.read_bytes()
    path.write_bytes(data[len(data) // 2 // 188 * 188 :])


def _made(suffix: str, make: Callable[[Path, Path], None]) -> Maker:
    return lambda: from_maker(suffix, make)


def _jumping() -> bytes:
    jpeg = picture("JPEG", (64, 64))
    return muxed(".mkv", "mjpeg", [jpeg] * 4, [0, 40, 8_000_000_000, 8_000_000_040])


def _back(path: Path, folder: Path) -> None:
    late = videos.Clip(pts=range(60_000, 60_960, 40), time_base=Fraction(1, 1000))
    path.write_bytes(videos.make_video(folder / "late.ts", late).read_bytes() + clip(".ts"))


def _bomb() -> bytes:
    return muxed(".mov", "png", [png(HUGE, HUGE)])


def _avi(kind: bytes, offset: int, value: bytes) -> Maker:
    def make() -> bytes:
        data = clip(".avi")
        start = data.index(kind) + 8 + offset
        return data[:start] + value + data[start + len(value) :]

    return make


def _images(format_: str) -> Maker:
    return lambda: picture(format_)


def _animated(format_: str, count: int = 3, delay: int = 0) -> bytes:
    pictures = [Image.new("RGB", (64, 48), (40 * n % 256, 0, 0)) for n in range(count)]
    rest = {"save_all": True, "append_images": pictures[1:], "duration": delay}
    return saved(pictures[0], format_, **rest)


def _written_over(format_: str, start: int, value: bytes) -> Maker:
    """An animation with some bytes of its header replaced."""

    def make() -> bytes:
        data = _animated(format_)
        return data[:start] + value + data[start + len(value) :]

    return make


_LIES = "a header that lies"
_TIME = "a clock that lies"
_CUT = "a file that ends early"
_MEMORY = "memory"
_OTHER = "other files"
_MP4 = ".mp4"

ROWS: list[Row] = [
    *wrong_types(_MP4),
    *(
        (f"cut-{suffix[1:]}-at-{share * 100:g}", _CUT, suffix, partial(_cut, suffix, share))
        for suffix, share in (
            (_MP4, 0.01), (_MP4, 0.3), (_MP4, 0.9), (_MP4, 0.995), (".mkv", 0.1), (".mkv", 0.6),
            (".avi", 0.5), (".ts", 0.5), (".flv", 0.5),
        )
    ),
    ("png-as-mp4", "the check of what it is", _MP4, _images("PNG")),
    ("gif-as-mp4", "the check of what it is", _MP4, _images("GIF")),
    ("jpeg-as-mp4", "the check of what it is", _MP4, _images("JPEG")),
    ("gif-of-65535", _MEMORY, ".gif", _written_over("GIF", 6, b"\xff" * 4)),
    ("gif-without-pictures", "there is nothing to see", ".gif",
     lambda: _animated("GIF")[:13] + b";"),
    ("gif-without-delays", _TIME, ".gif", lambda: _animated("GIF", count=300)),
    ("gif-cut", _CUT, ".gif", lambda: _animated("GIF")[:-60]),
    ("apng-of-2-to-31-pictures", _MEMORY, ".png",
     lambda: patched(_animated("PNG"), b"acTL", 0, u32(2**31 - 1))),
    ("apng-of-size-2-to-31", _MEMORY, ".png",
     lambda: patched(_animated("PNG"), b"IHDR", 0, u32(2**31 - 1, 2**31 - 1))),
    ("webp-of-16384", _MEMORY, ".webp", _written_over("WEBP", 24, b"\xff\x3f\0" * 2)),
    ("webp-of-noise", "the decoder", ".webp",
     lambda: _animated("WEBP")[:44] + bytes(range(256)) * 20),
    ("webp-without-delays", _TIME, ".webp", lambda: _animated("WEBP", count=100)),
    ("audio-only", "there is nothing to see", _MP4, _made(_MP4, _audio)),
    ("subtitles-only", "there is nothing to see", ".mkv", _made(".mkv", _subtitles)),
    ("frameless", "there is nothing to see", _MP4, _made(_MP4, _frameless)),
    ("encrypted", "there is nothing to see", _MP4, _made(_MP4, _encrypted)),
    ("box-of-size-0", _LIES, _MP4, _sized(b"trak", 0)),
    ("box-of-size-4", _LIES, _MP4, _sized(b"mdia", 4)),
    ("box-of-size-max", _LIES, _MP4, _sized(b"moov", 0xFFFFFFFF)),
    ("box-of-size-negative", _LIES, _MP4,
     lambda: u32(1) + b"free" + struct.pack(">Q", 2**64 - 16) + clip()),
    ("box-of-size-2-to-63", _LIES, _MP4,
     lambda: box(b"ftyp", b"isom" + u32(0)) + u32(1) + b"moov" + struct.pack(">Q", 2**63) + clip()),
    ("samples-2-to-31", _MEMORY, _MP4, _patched(b"stsz", 4, u32(1, 2**31 - 1))),
    ("samples-2-to-32", _MEMORY, _MP4, _patched(b"stsz", 8, u32(2**32 - 1))),
    ("sample-of-2-gb", _MEMORY, _MP4, _patched(b"stsz", 12, u32(2**31 - 1))),
    ("chunks-2-to-32", _MEMORY, _MP4, _patched(b"stco", 4, u32(2**32 - 1))),
    ("chunk-beyond-the-end", _LIES, _MP4, _patched(b"stco", 8, u32(2**32 - 1))),
    ("steps-2-to-32", _MEMORY, _MP4, _patched(b"stts", 4, u32(2**32 - 1))),
    ("frames-that-are-not-there", _LIES, _MP4, _patched(b"stts", 8, u32(2**31))),
    ("edits-2-to-32", _MEMORY, _MP4, _patched(b"elst", 4, u32(2**32 - 1))),
    ("edit-in-the-past", _TIME, _MP4, _patched(b"elst", 12, u32(0x80000000))),
    ("lasts-centuries", _TIME, _MP4, _patched(b"stts", 12, u32(2**31 - 1))),
    ("says-it-lasts-centuries", _TIME, _MP4, _patched(b"mdhd", 12, u32(1, 2**32 - 1))),
    ("time-base-zero", _TIME, _MP4, _patched(b"mdhd", 12, u32(0))),
    ("a-billion-frames-a-second", _TIME, _MP4, _patched(b"mdhd", 12, u32(2**31 - 1))),
    ("clock-jumps-ahead", _TIME, ".mkv", _jumping),
    ("clock-jumps-back", _TIME, ".ts", _made(".ts", _back)),
    ("avi-time-base-zero", _TIME, ".avi", _avi(b"strh", 20, bytes(8))),
    ("avi-billion-frames", _LIES, ".avi", _avi(b"avih", 16, b"\xff" * 4)),
    ("avi-list-of-4-gb", _LIES, ".avi", _avi(b"hdrl", -12, b"\xff" * 4)),
    ("size-65535-in-track", _LIES, _MP4, _patched(b"tkhd", 76, u32(0xFFFF0000, 0xFFFF0000))),
    ("size-65535-in-sample-entry", _LIES, _MP4, _patched(b"avc1", 24, u16(65535, 65535))),
    ("size-65535-mjpeg", _MEMORY, ".avi",
     lambda: muxed(".avi", "mjpeg", [jpeg_of_size(65500, 65500)])),
    ("size-65535-raw", _MEMORY, ".mkv",
     lambda: _matroska(_matroska_track(65535, 65535, b"V_UNCOMPRESSED", bytes(100)))),
    ("picture-bomb-png", _MEMORY, ".mov", _bomb),
    ("size-1x1", "the scaler", ".avi", lambda: muxed(".avi", "png", [png(1, 1)] * 3, size=(1, 1))),
    ("size-16x8000", "the scaler", ".mov", lambda: muxed(".mov", "png", [png(16, 8000)] * 3)),
    ("size-changes", "the scaler", ".ts", _made(".ts", _changing)),
    ("no-keyframes", "the decoder", ".ts", _made(".ts", _no_keyframes)),
    ("middle-damaged", "the decoder", _MP4, _made(_MP4, _middle_damaged)),
    ("noise-in-packets", "the decoder", ".mkv",
     lambda: muxed(".mkv", "mpeg4", [bytes(range(256)) * 20] * 50)),
    ("one-picture", "a still picture as a video", ".mov",
     lambda: muxed(".mov", "png", [png(64, 64)])),
    ("eight-videos-in-one", "which one is masked", ".mkv",
     lambda: muxed(".mkv", "mjpeg", [picture("JPEG", (64, 64))] * 9, streams=8)),
    ("index-behind-5-gb", "time", _MP4, _index_behind_a_hole),
    ("matroska-of-5-gb", "time", ".mkv", _matroska_hole),
    ("transport-stream-of-1-gb", "time", ".ts", _transport_hole),
    ("nested-boxes", "the stack", _MP4, _index_box(_nested(b"trak", 3000))),
    ("nested-user-data", "the stack", _MP4, _index_box(_nested(b"udta", 3000))),
    ("ten-thousand-tracks", _MEMORY, _MP4, _index_box(box(b"trak", b"") * 10_000)),
    ("compressed-index", _MEMORY, ".mov", lambda: _index_box(_compressed_index())()),
    ("mp4-that-is-html", "the browser", ".html",
     lambda: clip() + box(b"free", b"<html><script>alert(1)</script></html>")),
    ("frames-in-a-file", _OTHER, ".mov", _elsewhere(b"alis", b"/etc/passwd")),
    ("frames-at-a-url", _OTHER, ".mov", _elsewhere(b"url ", b"http://127.0.0.1:00000/a")),
    ("reference-movie", _OTHER, ".mov", _reference_movie),
    ("linked-segments", _OTHER, ".mkv", _linked),
    ("attachment", _OTHER, ".mkv", _attachment),
    ("element-of-2-to-56", _MEMORY, ".mkv",
     lambda: _matroska(bytes.fromhex("1654ae6b01fffffffffffffe"), bytes(100))),
]  # fmt: skip

READABLE = [
    # Some formats announce no length: what is there can be read.
    "cut-ts-at-50", "cut-flv-at-50", "gif-cut",
    # FFmpeg goes by the frames, not by what is said of them.
    "box-of-size-0", "chunks-2-to-32", "frames-that-are-not-there", "edits-2-to-32",
    "says-it-lasts-centuries", "time-base-zero", "avi-time-base-zero", "avi-billion-frames",
    "apng-of-2-to-31-pictures", "gif-without-delays", "webp-without-delays",
    "avi-list-of-4-gb", "size-65535-in-track", "size-65535-in-sample-entry",
    # Odd, but they show something.
    "size-16x8000", "size-changes", "middle-damaged", "one-picture", "eight-videos-in-one",
    "index-behind-5-gb", "transport-stream-of-1-gb", "mp4-that-is-html",
    # Their own frames; what they refer to is never opened.
    "frames-at-a-url", "linked-segments", "attachment",
]  # fmt: skip
