"""Drawn people for tests: rectangles on the analysis grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask

GRID = (320, 180)


def figure(
    x: float, y: float = 60, width: int = 30, height: int = 80, score: float = 0.9
) -> Instance:
    """A person whose top-left corner is at grid x, y."""
    mask = Mask(round(x), round(y), np.ones((height, width), dtype=bool))
    return Instance((x, y, x + width, y + height), score, mask)


def colours(kind: int) -> NDArray[np.float32]:
    """A clothes' histogram; different kinds have nothing in common."""
    histogram = np.zeros(12, dtype=np.float32)
    histogram[3 * kind : 3 * kind + 3] = 1 / 3
    return histogram
