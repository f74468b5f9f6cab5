"""An animated WebP -> raw pictures in Matroska, made while they are read.

FFmpeg decodes still WebP only. Pillow decodes animations, picture by picture; wrapped like this
they look to everyone else as any video does, at the cost of one picture in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from PIL import Image

from bystander.errors import NotAVideo, VideoTooLarge

log = logging.getLogger(__name__)

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
