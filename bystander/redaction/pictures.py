"""A PNG file -> a picture that is drawn over people: it carries nothing of them.

Settings hold the file itself, in base64, so that whoever draws, a worker or another machine, needs
no other file.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.errors import ConfigError
from bystander.geometry.types import Rgb

Alpha = NDArray[np.uint8]
"""uint8 [H, W], 255 where the picture is opaque."""
MAX_PICTURE_BYTES: Final = 512 * 1024
MAX_PICTURE_SIDE_PX: Final = 1024
_PNG_BEGINS: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def read_picture(path: Path) -> str:
    """A PNG file as `EffectSettings.picture` takes it.

    Raises:
        ConfigError: it can't be read, or isn't a PNG of a size that is taken.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PICTURE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"the picture {path} can't be read ({error})", "Give a PNG file."
        ) from error
    encoded = base64.b64encode(content).decode()
    try:
        check_picture(encoded)
    except ValueError as error:
        raise ConfigError(f"the picture {path}: {error}", "Give another PNG file.") from error
    Sticker(encoded)
    return encoded


def check_picture(encoded: str) -> None:
    """Refuse what is no PNG of a size that is taken, without decoding it.

    Raises:
        ValueError: it isn't, and why.
    """
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("it is no base64") from error
    if len(content) > MAX_PICTURE_BYTES:
        raise ValueError(f"it has more than {MAX_PICTURE_BYTES // 1024} KiB")
    if len(content) < 24 or not content.startswith(_PNG_BEGINS):
        raise ValueError("it is no PNG file")
    width, height = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))
    if not (0 < width <= MAX_PICTURE_SIDE_PX and 0 < height <= MAX_PICTURE_SIDE_PX):
        raise ValueError(f"a side has more than {MAX_PICTURE_SIDE_PX} pixels, or none")


class Sticker:
    """A picture, ready to be drawn in any size.

    Args:
        encoded: base64 of a PNG.

    Raises:
        ConfigError: it isn't one that `check_picture` takes, or can't be decoded.
    """

    def __init__(self, encoded: str) -> None:
        try:
            check_picture(encoded)
        except ValueError as error:
            raise ConfigError(f"the picture: {error}", "Give another PNG file.") from error
        content = np.frombuffer(base64.b64decode(encoded), np.uint8)
        decoded = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        if decoded is None:
            raise ConfigError("the picture can't be decoded", "Give another PNG file.")
        if decoded.dtype == np.uint16:
            decoded = np.asarray(decoded // 257, np.uint8)
        if decoded.ndim == 2:
            decoded = cv2.cvtColor(decoded, cv2.COLOR_GRAY2BGR)
        alpha = decoded[..., 3] if decoded.shape[2] == 4 else np.full(decoded.shape[:2], 255)
        self._alpha = np.asarray(alpha, np.float32)
        # Multiplied by their opacity, so that what nobody sees mixes into nothing when scaled.
        self._colours = decoded[..., 2::-1].astype(np.float32) * self._alpha[..., None] / 255

    @property
    def size(self) -> tuple[int, int]:
        """Width, height, pixels."""
        height, width = self._alpha.shape
        return width, height

    def scaled(self, width: int, height: int) -> tuple[Rgb, Alpha]:
        """Its colours, uint8 [height, width, 3] RGB, and how opaque they are."""
        smaller = width * height < self._alpha.size
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        alpha = np.asarray(cv2.resize(self._alpha, (width, height), interpolation=how))
        colours = np.asarray(cv2.resize(self._colours, (width, height), interpolation=how))
        plain = colours * 255 / np.maximum(alpha, 1)[..., None]
        return (
            np.clip(np.rint(plain), 0, 255).astype(np.uint8),
            np.clip(np.rint(alpha), 0, 255).astype(np.uint8),
        )
