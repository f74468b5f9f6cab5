"""Photos of the cast, as upright RGB arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from bystander.errors import UnreadablePhoto

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
