"""Streets without people, from what the photos show beside their person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from benchmarks.quality.people import Photo, Rgb
from bystander.models import Segmenter

MARGIN = 8  # pixels beside the person that still show shadow or hair
NARROWEST = 70  # pixels; a narrower strip shows nothing of a place
SEAM = 40  # pixels over which two strips are blended
LIKELY = 0.05  # a person this likely in a strip spoils it


def empty_strips(photos: Iterator[Photo], segmenter: Segmenter, count: int) -> list[Rgb]:
    """Up to `count` strips of the photos, beside their person, with nobody else in them."""
    strips: list[Rgb] = []
    for photo in photos:
        columns = np.flatnonzero(photo.person.any(axis=0))
        if not columns.size:
            continue
        left = photo.rgb[:, : max(0, int(columns[0]) - MARGIN)]
        right = photo.rgb[:, int(columns[-1]) + 1 + MARGIN :]
        for strip in (left, right):
            if strip.shape[1] < NARROWEST:
                continue
            whole = np.ascontiguousarray(strip)
            if not any(found.score >= LIKELY for found in segmenter.segment([whole])[0]):
                strips.append(whole)
        if len(strips) >= count:
            break
    return strips[:count]


def build_place(strips: Sequence[Rgb], size: tuple[int, int], rng: np.random.Generator) -> Rgb:
    """A place of `size` (width, height): strips and their mirror images side by side."""
    width, height = size
    canvas = _mirrored(strips[int(rng.integers(len(strips)))], height)
    while canvas.shape[1] < width:
        canvas = _joined(canvas, _mirrored(strips[int(rng.integers(len(strips)))], height))
    return np.ascontiguousarray(canvas[:, :width])


def _mirrored(strip: Rgb, height: int) -> Rgb:
    """The strip and its mirror image, which join without a seam, `height` px high."""
    both = np.concatenate((strip, strip[:, ::-1]), axis=1)
    factor = height / strip.shape[0]
    scaled = cv2.resize(both, (round(both.shape[1] * factor), height))
    return scaled.astype(np.uint8, copy=False)


def _joined(left: Rgb, right: Rgb) -> Rgb:
    weight = np.linspace(0, 1, SEAM, dtype=np.float32)[None, :, None]
    seam = left[:, -SEAM:] * (1 - weight) + right[:, :SEAM] * weight
    return np.concatenate((left[:, :-SEAM], seam.astype(np.uint8), right[:, SEAM:]), axis=1)
