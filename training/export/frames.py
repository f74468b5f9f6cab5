"""Pictures of a folder as the product would see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from bystander.geometry.types import Rgb
from training.errors import DataError

ANALYSIS = 640
"""Longest side, in pixels, at which videos are analysed; see `analysis_size`."""

_SUFFIXES = {".jpg", ".jpeg", ".png"}


def frames_in(folder: Path) -> Iterator[Rgb]:
    """The pictures of `folder` in the order of their names, shrunk to analysis size.

    Yields:
        uint8 [H, W, 3] RGB, its longer side at most 640.

    Raises:
        DataError: there is no picture, or one can't be read.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise DataError(f"there is no JPEG or PNG picture in {folder}", "Check the folder.")
    yield from frames(paths)


def frames(paths: Iterable[Path]) -> Iterator[Rgb]:
    """The pictures at `paths`, shrunk to analysis size, as `frames_in`."""
    for path in paths:
        bgr = cv2.imread(str(path))
        if bgr is None:
            raise DataError(f"can't read the picture {path}", "Delete it or get it again.")
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        height, width = rgb.shape[:2]
        scale = ANALYSIS / max(height, width)
        if scale < 1:
            size = round(width * scale), round(height * scale)
            rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        yield np.asarray(rgb, dtype=np.uint8)
