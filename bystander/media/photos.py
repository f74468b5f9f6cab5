"""Photo files -> upright RGB arrays; an animated WebP -> raw pictures.

FFmpeg decodes still WebP only. Pillow decodes animations, picture by picture; wrapped like this
they look to everyone else as any video does, at the cost of one picture in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from bystander.errors import NotAVideo, UnreadablePhoto, VideoTooLarge

_SUFFIXES: Final = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "HEIF": (".heic", ".heif", ".hif"),
    "AVIF": (".avif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
}
"""By Pillow's name of the format. What is in a file counts, not how it is called."""
PHOTO_SUFFIXES: Final = tuple(suffix for group in _SUFFIXES.values() for suffix in group)
PHOTO_FORMATS: Final = "JPEG, PNG, WebP, HEIC, AVIF, BMP and TIFF"

pillow_heif.register_heif_opener()


SLOWEST_IGNORED_MS: Final = 10
"""Delays up to this are shown ..."""
INSTEAD_MS: Final = 100
"""... as this one, in every browser."""
_MAX_SIDE_PX: Final = 8192
_MAX_FILE_BYTES: Final = 256_000_000
"""Pillow reads the whole file."""
_ANIMATION: Final = 0b10
"""The flag in the VP8X chunk, see the WebP container specification (RFC 9649, 2.7)."""
_UNKNOWN_SIZE: Final = b"\x01" + b"\xff" * 7
_RGB24: Final = b"RGB\x18"
_DAMAGE: Final = (EOFError, OSError, ValueError, SyntaxError)
"""What Pillow raises for it."""


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """What a photo may cost to read.

    Attributes:
        max_bytes: of the file.
        max_pixels: of the picture in the file, checked before it is decoded.
        max_side: longer side in pixels of the result; faces need no more.
    """

    max_bytes: int = 50_000_000
    max_pixels: int = 89_000_000  # Pillow warns above this
    max_side: int = 2048


def load_photo(path: Path, limits: PhotoLimits | None = None) -> NDArray[np.uint8]:
    """A photo as uint8 [H, W, 3] RGB, upright, transparency laid on white.

    Raises:
        UnreadablePhoto: missing, in none of `PHOTO_FORMATS`, damaged, or too large.
    """
    limits = limits or PhotoLimits()
    if not path.is_file():
        raise UnreadablePhoto(f"{path} is not a file", "Give the path of a photo.")
    if (size := path.stat().st_size) > limits.max_bytes:
        raise UnreadablePhoto(
            f"{path} has {size / 1e6:.0f} MB, more than {limits.max_bytes / 1e6:.0f}",
            "Save it smaller.",
        )
    try:
        with Image.open(path, formats=tuple(_SUFFIXES)) as image:
            if image.width * image.height > limits.max_pixels:
                raise _too_many_pixels(path, limits)
            return _upright_rgb(image, limits.max_side)
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(path, limits) from error
    except UnidentifiedImageError as error:
        raise UnreadablePhoto(
            f"{path} is not a photo that can be read", f"{PHOTO_FORMATS} are."
        ) from error
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises for damage
        raise UnreadablePhoto(f"{path} is damaged ({error})", "Copy or save it again.") from error


def photo_files(path: Path) -> list[Path]:
    """`path` itself, or the photos in the folder `path`, sorted by name.

    Raises:
        UnreadablePhoto: it doesn't exist, or the folder has no photos.
    """
    if not path.is_dir():
        if not path.is_file():
            raise UnreadablePhoto(f"{path} doesn't exist", "Give a photo or a folder of photos.")
        return [path]
    files = sorted(
        file
        for file in path.iterdir()
        if file.is_file()
        and file.suffix.lower() in PHOTO_SUFFIXES
        and not file.name.startswith(".")
    )
    if not files:
        raise UnreadablePhoto(f"{path} has no photos", f"{PHOTO_FORMATS} are read.")
    return files


def _too_many_pixels(path: Path, limits: PhotoLimits) -> UnreadablePhoto:
    return UnreadablePhoto(
        f"{path} has more than {limits.max_pixels / 1e6:g} million pixels", "Save it smaller."
    )


def _upright_rgb(image: Image.Image, max_side: int) -> NDArray[np.uint8]:
    image.draft("RGB", (max_side, max_side))  # JPEG: decodes at a fraction of the size
    image = _in_eight_bits(ImageOps.exif_transpose(image))
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered)
    return np.asarray(image.convert("RGB")).copy()


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be scaled down without clipping or stepping."""
    if image.mode in ("1", "P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if not image.mode.startswith(("I", "F")):
        return image
    grey: NDArray[Any] = np.nan_to_num(np.asarray(image).astype(np.float64))
    # Only of 16 bits it is said what white is; the others may mean any range by it.
    usual = (65_535.0,) if image.mode.startswith("I;16") else (1.0, 255.0, 65_535.0)
    brightest = float(grey.max())
    white = next((value for value in usual if brightest <= value), brightest)
    return Image.fromarray((grey.clip(0, white) * (255 / white) + 0.5).astype(np.uint8))


log = logging.getLogger(__name__)


def is_animated_webp(path: Path) -> bool:
    """Whether a file says that it is one."""
    with path.open("rb") as file:
        head = file.read(30)
    return (
        len(head) == 30
        and (head[:4], head[8:16]) == (b"RIFF", b"WEBPVP8X")
        and bool(head[20] & _ANIMATION)
    )


class WebpAsMatroska:
    """A file to read once, from its beginning: uncompressed RGB pictures with their times.

    Transparency is laid on white. The animation is played once.

    Args:
        path: an animated WebP.

    Raises:
        NotAVideo: it is damaged, or too large a file.
        VideoTooLarge: its pictures are larger than can be processed.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        with path.open("rb") as file:
            head = file.read(30)
        sides = [1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27)]
        if max(sides) > _MAX_SIDE_PX:
            raise VideoTooLarge(
                f"{path} is {sides[0]}x{sides[1]} pixels",
                f"Sides up to {_MAX_SIDE_PX} pixels can be processed.",
            )
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise NotAVideo(
                f"{path} is an animated WebP of more than {_MAX_FILE_BYTES / 1e6:.0f} MB",
                "Convert it to MP4 and try again.",
            )
        try:
            self._image = Image.open(path, formats=("WEBP",))
        except _DAMAGE as error:
            raise NotAVideo(f"{path} is damaged ({error})", "Copy or save it again.") from error
        self._content = self._written()
        self._rest = memoryview(b"")

    def read(self, count: int) -> bytes:
        """At most `count` bytes; none at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._content, b""))
        part, self._rest = self._rest[:count], self._rest[count:]
        return bytes(part)

    def close(self) -> None:
        self._image.close()

    def _written(self) -> Iterator[bytes]:
        yield _header(*self._image.size)
        now = 0
        for number in range(getattr(self._image, "n_frames", 1)):
            try:
                self._image.seek(number)
                pixels = _on_white(self._image).tobytes()
            except _DAMAGE as error:
                log.warning("%s: damaged from picture %d on (%s)", self.name, number, error)
                return
            duration = int(self._image.info.get("duration") or 0)
            if duration <= SLOWEST_IGNORED_MS:
                duration = INSTEAD_MS
            yield _cluster(now, duration, pixels)
            now += duration


def _on_white(image: Image.Image) -> Image.Image:
    layered = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")


def _header(width: int, height: int) -> bytes:
    """Everything before the first picture: RFC 9559, ids in section 5.1."""
    picture = _element("b0", _number(width)) + _element("ba", _number(height))
    picture += _element("2eb524", _RGB24)
    track = b"".join(
        (
            _element("d7", _number(1)),  # its number
            _element("73c5", _number(1)),  # its UID
            _element("83", _number(1)),  # video
            _element("86", b"V_UNCOMPRESSED"),
            _element("e0", picture),
        )
    )
    return b"".join(
        (
            _element("1a45dfa3", _element("4282", b"matroska")),
            bytes.fromhex("18538067") + _UNKNOWN_SIZE,
            _element("1549a966", _element("2ad7b1", _number(1_000_000))),  # ns a tick
            _element("1654ae6b", _element("ae", track)),
        )
    )


def _cluster(start_ms: int, duration_ms: int, pixels: bytes) -> bytes:
    block = _element("a1", b"\x81\0\0\0" + pixels) + _element("9b", _number(duration_ms))
    return _element("1f43b675", _element("e7", _number(start_ms, 8)) + _element("a0", block))


def _element(identifier: str, content: bytes) -> bytes:
    """RFC 8794: the id, the length in 56 bits, the content."""
    return bytes.fromhex(identifier) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _number(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "big")
