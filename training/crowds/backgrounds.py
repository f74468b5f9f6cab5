"""Places without people: streets from around the cut-out people, and annotated pictures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from bystander.geometry.masks import Bits
from bystander.models import Segmenter
from training.crowds.cutouts import Rgb

_MARGIN = 8  # pixels beside the person that still show shadow or hair
_NARROWEST = 60  # pixels; a narrower strip shows nothing of a place
_SEAM = 12  # pixels over which two strips are blended
_LIKELY = 0.05  # a person this likely in a strip spoils it


def strips_beside(rgb: Rgb, person: Bits, segmenter: Segmenter) -> list[Rgb]:
    """The parts of a photo left and right of its person, if nobody else is seen in them.

    Args:
        rgb: uint8 [H, W, 3] RGB.
        person: bool [H, W].
        segmenter: says whether others are there; of a confidence of at most 0.05.

    Returns:
        Up to two pictures of the photo's height, at least 60 px wide.
    """
    columns = np.flatnonzero(person.any(axis=0))
    width = rgb.shape[1]
    left, right = (int(columns[0]), int(columns[-1]) + 1) if columns.size else (width, width)
    strips = [rgb[:, : max(0, left - _MARGIN)], rgb[:, right + _MARGIN :]]
    wide = [np.ascontiguousarray(strip) for strip in strips if strip.shape[1] >= _NARROWEST]
    return [
        strip
        for strip in wide
        if not any(found.score >= _LIKELY for found in segmenter.segment([strip])[0])
    ]


def panorama(strips: Sequence[Rgb], width: int, height: int, rng: np.random.Generator) -> Rgb:
    """A place of `width` x `height` from one or several strips, mirrored until they fill it.

    A strip and its mirror image join without a seam; different strips are blended.
    """
    scale = float(rng.uniform(1.0, 1.8))
    canvas = np.zeros((height, 0, 3), dtype=np.uint8)
    while canvas.shape[1] < width + _SEAM:
        strip = strips[int(rng.integers(len(strips)))]
        if rng.random() < 0.5:
            strip = strip[:, ::-1]
        canvas = _joined(canvas, _cropped(strip, height, scale, rng))
    start = int(rng.integers(canvas.shape[1] - width + 1))
    return np.ascontiguousarray(canvas[:, start : start + width])


def _cropped(strip: Rgb, height: int, scale: float, rng: np.random.Generator) -> Rgb:
    """The strip and its mirror image, `height` rows of it, from anywhere in it."""
    both = np.concatenate((strip, strip[:, ::-1]), axis=1)
    factor = scale * height / strip.shape[0]
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(both, None, fx=factor, fy=factor, interpolation=kind)
    top = int(rng.integers(max(1, scaled.shape[0] - height + 1)))
    rows = scaled[top : top + height]
    return cv2.resize(rows, (rows.shape[1], height)).astype(np.uint8, copy=False)


def _joined(left: Rgb, right: Rgb) -> Rgb:
    if left.shape[1] < _SEAM or right.shape[1] < _SEAM:
        return np.concatenate((left, right), axis=1)
    weight = np.linspace(0, 1, _SEAM, dtype=np.float32)[None, :, None]
    seam = left[:, -_SEAM:] * (1 - weight) + right[:, :_SEAM] * weight
    parts = (left[:, :-_SEAM], seam.astype(np.uint8), right[:, _SEAM:])
    return np.concatenate(parts, axis=1)
