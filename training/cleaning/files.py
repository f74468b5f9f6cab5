"""Decoding pictures, and judging files that can't be decoded or aren't what is stated."""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from training.cleaning.duplicates import Print, fingerprint
from training.cleaning.findings import Action, Finding
from training.pictures import Picture

_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for files that are no picture, damaged, or of absurd size."""

_UPRIGHT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a file turned out to hold.

    Attributes:
        fault: why it can't be decoded; None if it can.
        stored: width, height in pixels as it is stored.
        displayed: as it is displayed, i.e. turned as its EXIF orientation says.
        orientation: of EXIF; 1 is upright.
        print: of the displayed picture, to find it again in others.
    """

    fault: str | None = None
    stored: tuple[int, int] = (0, 0)
    displayed: tuple[int, int] = (0, 0)
    orientation: int = _UPRIGHT
    print: Print | None = None


def look(path: Path) -> Look:
    """Decode the file at `path` once, in full."""
    try:
        with _opened(path) as image:
            orientation = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
            stored = image.size
            upright = _upright(image)
    except _DAMAGE as error:
        return Look(_fault(error))
    return Look(None, stored, upright.size, orientation, fingerprint(upright))


def load(path: Path) -> NDArray[np.uint8]:
    """The picture at `path`, which `look` found decodable, as displayed.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    with _opened(path) as image:
        return np.asarray(_upright(image))


def broken(picture: Picture, seen: Look) -> Finding | None:
    """Whether the file can't be used, or the annotations are of a picture of another size."""
    if seen.fault is not None:
        return _finding(picture, "remove picture", f"The file {seen.fault}.")
    stated = (picture.width, picture.height)
    if stated != seen.displayed:
        turned = stated == seen.stored
        return _finding(
            picture,
            "remove picture",
            f"The annotations are of a picture of {_size(stated)}, the file shows one of "
            f"{_size(seen.displayed)}"
            + (f", turned by its EXIF orientation {seen.orientation}." if turned else "."),
        )
    if seen.orientation != _UPRIGHT:
        return _finding(
            picture,
            "look",
            f"The file is turned by its EXIF orientation {seen.orientation}; the annotations are "
            "taken to be of the turned picture.",
        )
    return None


def _opened(path: Path) -> Image.Image:
    with warnings.catch_warnings():
        # A large picture is no fault; one of absurd size is an error of Pillow's own.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path)


def _upright(image: Image.Image) -> Image.Image:
    image.load()  # not left to the conversion: a truncated file has to fail here
    return ImageOps.exif_transpose(image).convert("RGB")


def _fault(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "doesn't exist"
    return f"can't be decoded: {error}"


def _finding(picture: Picture, action: Action, reason: str) -> Finding:
    return Finding("broken file", action, picture.key, reason)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
