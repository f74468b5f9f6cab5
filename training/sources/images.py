"""What is known of an image file without decoding it."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import ExifTags, Image

IMAGE_SUFFIXES = frozenset(
    (".bmp", ".dng", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp")
)
"""File names that Ultralytics has taken for images in all of its releases since 8.3."""

_TURNED = range(5, 9)  # EXIF orientations that exchange width and height


def displayed_size(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels as the picture is displayed; None if it can't be read.

    Labels refer to the displayed picture: whoever drew them saw it so, and OpenCV
    decodes it so.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures; nothing is decoded here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return (height, width) if orientation in _TURNED else (width, height)
