"""Pictures that are bombs, lies, or something else as well."""

from __future__ import annotations

import io
import zipfile
import zlib
from functools import partial

import pillow_heif
from PIL import Image

from tests.sandbox.made import (
    HUGE,
    chunk,
    clip,
    jpeg_of_size,
    jpeg_segment,
    noise,
    patched,
    picture,
    png,
    saved,
    u16,
    u32,
)
from tests.sandbox.making import Maker, Row, wrong_types

pillow_heif.register_heif_opener()

_BOMB = zlib.compress(bytes(300_000_000), 9)  # 300 kB
_JPG, _PNG = ".jpg", ".png"


def _cut(format_: str, share: float, **options: object) -> bytes:
    data = saved(noise(), format_, **options)
    return data[: int(len(data) * share)]


def _huge_tiff() -> bytes:
    return saved(Image.new("1", (HUGE, HUGE)), "TIFF", compression="group4")


def _huge_gif() -> bytes:
    data = picture("GIF")
    return data[:6] + HUGE.to_bytes(2, "little") * 2 + data[10:]


def _huge_bmp() -> bytes:
    data = picture("BMP")
    return data[:18] + HUGE.to_bytes(4, "little") * 2 + data[26:]


def _huge_webp() -> bytes:
    """VP8L: 14 bits each of width and height, less one."""
    data = saved(Image.new("RGB", (64, 64)), "WEBP", lossless=True)
    start = data.index(b"VP8L") + 9
    value = int.from_bytes(data[start : start + 4], "little") | (1 << 28) - 1
    return data[:start] + value.to_bytes(4, "little") + data[start + 4 :]


def _huge_heic() -> bytes:
    return patched(picture("HEIF"), b"ispe", 4, u32(HUGE, HUGE))


def _animated(format_: str, frames: int) -> bytes:
    images = [Image.new("L", (32, 32), n % 251) for n in range(frames)]
    return saved(images[0], format_, save_all=True, append_images=images[1:], duration=10)


def _apng() -> bytes:
    """Says that it has 100,000 frames, and has 20,000 headers of frames."""
    frames = [chunk(b"fcTL", u32(n, 32, 32, 0, 0) + u16(1, 100) + b"\0\0") for n in range(20_000)]
    return png(32, 32, chunk(b"acTL", u32(100_000, 0)), *frames)


def _exif(content: bytes) -> Maker:
    data = picture("JPEG")
    return lambda: data[:2] + jpeg_segment(0xE1, b"Exif\0\0" + content) + data[2:]


def _directory(*entries: bytes, then: int = 0) -> bytes:
    return b"MM\0\x2a" + u32(8) + u16(len(entries)) + b"".join(entries) + u32(then)


def _many_segments() -> bytes:
    data = picture("JPEG")
    return data[:2] + jpeg_segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 300 + data[2:]


def _nested_thumbnails() -> bytes:
    data = picture("JPEG", (64, 64))
    while len(data) < 60_000:
        data = data[:2] + jpeg_segment(0xE2, data) + data[2:]
    return data


def _many_scans() -> bytes:
    """A progressive JPEG whose last scan is repeated: each pass goes over the whole picture."""
    data = saved(Image.new("L", (6000, 6000)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 2000 + b"\xff\xd9"


def _jpeg_and_zip() -> bytes:
    file = io.BytesIO(picture("JPEG"))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("evil.sh", "rm -rf /")
    return file.getvalue()


def _mpo() -> bytes:
    return saved(noise(), "MPO", save_all=True, append_images=[noise()] * 3)


def _bad_checksum() -> bytes:
    data = bytearray(png(64, 64))
    data[29] ^= 0xFF
    return bytes(data)


def _tagged() -> bytes:
    """Says where and by whom it was taken; the copy must not."""
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "SecretCamera", "SecretArtist"
    exif.get_ifd(0x8825)[1] = "N"
    return saved(noise(), "JPEG", exif=exif, comment=b"SecretComment")


_SIZE = "memory: a huge picture"
_TEXT = "memory: compressed metadata"
_CUT = "a file that ends early"
_META = "the reader of metadata"
_LIES = "a header that lies"
_TYPE = "formats that aren't needed"

ROWS: list[Row] = [
    *wrong_types(_JPG),
    ("svg", "other files and addresses", ".svg",
     b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:00000/"/></svg>'.__bytes__),
    ("video-as-jpeg", _TYPE, _JPG, clip),
    ("huge-png", _SIZE, _PNG, partial(png, HUGE, HUGE)),
    ("huge-jpeg", _SIZE, _JPG, partial(jpeg_of_size, HUGE, HUGE)),
    ("largest-jpeg", _SIZE, _JPG, partial(jpeg_of_size, 65500, 65500)),
    ("huge-webp", _SIZE, ".webp", _huge_webp),
    ("huge-gif", _SIZE, ".gif", _huge_gif),
    ("huge-bmp", _SIZE, ".bmp", _huge_bmp),
    ("huge-tiff", _SIZE, ".tiff", _huge_tiff),
    ("huge-heic", _SIZE, ".heic", _huge_heic),
    ("png-of-2-to-31", _SIZE, _PNG, partial(png, 2**31 - 1, 2**31 - 1, data=b"")),
    ("png-of-0", _LIES, _PNG, partial(png, 0, 0)),
    ("png-1x80000", _LIES, _PNG, partial(png, 1, 80_000)),
    ("png-data-bomb", "memory: more data than pixels", _PNG, partial(png, 64, 64, data=_BOMB)),
    ("png-bad-checksum", _LIES, _PNG, _bad_checksum),
    ("png-text-bomb", _TEXT, _PNG, lambda: png(64, 64, chunk(b"zTXt", b"a\0\0" + _BOMB))),
    ("png-itxt-bomb", _TEXT, _PNG,
     lambda: png(64, 64, chunk(b"iTXt", b"a\0\1\0\0\0" + _BOMB))),
    ("png-profile-bomb", _TEXT, _PNG, lambda: png(64, 64, chunk(b"iCCP", b"a\0\0" + _BOMB))),
    ("png-many-texts", _TEXT, _PNG,
     lambda: png(64, 64, *[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000)))] * 200)),
    ("gif-of-frames", _TYPE, ".gif", partial(_animated, "GIF", 1000)),
    ("apng-of-frames", "time: frames nobody needs", _PNG, _apng),
    ("webp-of-frames", "time: frames nobody needs", ".webp", partial(_animated, "WEBP", 1000)),
    ("mpo", "which picture is it", _JPG, _mpo),
    ("cut-jpeg", _CUT, _JPG, partial(_cut, "JPEG", 0.5)),
    ("cut-progressive-jpeg", _CUT, _JPG, partial(_cut, "JPEG", 0.5, progressive=True)),
    ("cut-png", _CUT, _PNG, partial(_cut, "PNG", 0.5)),
    ("cut-webp", _CUT, ".webp", partial(_cut, "WEBP", 0.5)),
    ("cut-heic", _CUT, ".heic", partial(_cut, "HEIF", 0.5)),
    ("jpeg-header-only", _CUT, _JPG, lambda: picture("JPEG")[:20]),
    ("exif-loop", _META, _JPG, _exif(_directory(u16(0x8769, 4) + u32(1, 8), then=8))),
    ("exif-beyond-the-end", _META, _JPG, _exif(_directory(u16(0x10F, 2) + u32(2**31, 2**31)))),
    ("exif-odd-orientation", _META, _JPG, _exif(_directory(u16(0x112, 3) + u32(1) + u16(999, 0)))),
    ("exif-of-18-mb", _META, _JPG, _many_segments),
    ("nested-thumbnails", _META, _JPG, _nested_thumbnails),
    ("two-thousand-scans", "time", _JPG, _many_scans),
    ("jpeg-that-is-a-zip", "the browser", _JPG, _jpeg_and_zip),
    ("tagged", "who took it and where", _JPG, _tagged),
    ("png-16-bit", "the converter", _PNG, partial(png, 64, 64, depth=16)),
    ("jpeg-cmyk", "the converter", _JPG, partial(picture, "JPEG", mode="CMYK")),
    ("png-palette", "the converter", _PNG, partial(picture, "PNG", mode="P")),
    ("png-1x1", "the converter", _PNG, partial(png, 1, 1)),
]  # fmt: skip

READABLE = [
    "png-1x80000", "png-data-bomb", "apng-of-frames", "webp-of-frames", "mpo", "exif-loop",
    "exif-beyond-the-end", "exif-odd-orientation", "exif-of-18-mb", "nested-thumbnails",
    "jpeg-that-is-a-zip", "tagged", "png-16-bit", "jpeg-cmyk", "png-palette", "png-1x1",
]  # fmt: skip
