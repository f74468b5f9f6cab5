"""Which pixels of a comparison a silhouette of the grid covers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bystander.auditing.masked import _within
from bystander.geometry.masks import Mask


@pytest.mark.parametrize("shape", [(360, 640), (540, 960), (270, 480), (300, 501)])
@pytest.mark.parametrize("place", [(100, 60), (-10, 200), (600, 330), (0, 0), (700, 10)])
def test_a_silhouette_is_scaled_and_loses_its_edge(
    shape: tuple[int, int], place: tuple[int, int]
) -> None:
    """The same as scaling and eroding the whole frame, wherever it lies."""
    grid = (640, 360)
    bits = np.random.default_rng(3).random((80, 60)) > 0.1
    mask = Mask(*place, bits)
    whole = mask.on_grid(*grid).view(np.uint8)
    scaled = cv2.resize(whole, shape[::-1], interpolation=cv2.INTER_NEAREST)
    expected = cv2.erode(scaled, np.ones((3, 3), np.uint8)).astype(bool)
    assert np.array_equal(_within(mask, grid, shape).on_grid(*shape[::-1]), expected)
