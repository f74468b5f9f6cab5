"""The lines around a silhouette."""

from __future__ import annotations

import cv2
import numpy as np

from bystander.geometry.masks import Mask
from bystander.geometry.outlines import outlines


def _disc(size: int, x: int, y: int) -> Mask:
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    return Mask.from_frame(np.hypot(rows, columns) < size / 2, x, y)


def _filled(mask: Mask, width: int, height: int) -> Mask:
    canvas = np.zeros((height, width), np.uint8)
    for line in outlines(mask):
        cv2.fillPoly(canvas, [np.round((line - 0.5) * 16).astype(np.int32)], 1, shift=4)
    return Mask.from_frame(canvas.astype(bool))


def test_filled_again_it_is_the_silhouette() -> None:
    mask = _disc(60, 15, 20)

    again = _filled(mask, 100, 100)

    both = (again.on_grid(100, 100) & mask.on_grid(100, 100)).sum()
    assert both / (again.area + mask.area - both) > 0.95


def test_a_person_takes_few_corners() -> None:
    (line,) = outlines(_disc(120, 0, 0))

    assert len(line) < 40


def test_parts_have_lines_of_their_own_the_largest_first() -> None:
    bits = np.zeros((40, 80), dtype=bool)
    bits[5:10, 2:8] = True
    bits[5:35, 40:70] = True

    first, second = outlines(Mask(100, 50, bits))

    assert (first[:, 0].min(), first[:, 0].max()) == (140.25, 169.75)
    assert (second[:, 1].min(), second[:, 1].max()) == (55.25, 59.75)


def test_a_single_pixel_has_an_area() -> None:
    (line,) = outlines(Mask(3, 4, np.ones((1, 1), dtype=bool)))

    assert cv2.contourArea(line.astype(np.float32)) > 0
    assert np.allclose(line.mean(axis=0), (3.5, 4.5))


def test_nothing_has_none() -> None:
    assert outlines(Mask(0, 0, np.zeros((0, 0), dtype=bool))) == []
