"""In the child: a plain copy of a photo, without anything that hides in its file."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from bystander.media.photos import PhotoLimits, load_photo
from bystander.sandbox.facts import PhotoFacts
from bystander.sandbox.limits import Limits

_LONGEST_SIDE = 2048  # pixels; faces need no more
_QUALITY = 95  # JPEG's; what recognition sees of a face isn't changed


def copy_photo(path: Path, folder: Path, limits: Limits) -> PhotoFacts:
    """Write `path` as the RGB JPEG 0.jpg in `folder`: upright, without metadata.

    Raises:
        UnreadablePhoto: no photo, damaged, or too large.
    """
    photo_limits = PhotoLimits(max_pixels=limits.max_pixels_photo, max_side=_LONGEST_SIDE)
    pixels = load_photo(path, photo_limits)
    Image.fromarray(pixels).save(folder / "0.jpg", "JPEG", quality=_QUALITY)
    height, width, _ = pixels.shape
    return PhotoFacts(width=width, height=height)
