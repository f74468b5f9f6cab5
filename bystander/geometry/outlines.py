"""A silhouette -> the lines around it, in few corners."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Mask

TOLERANCE_PIXELS: Final = 1.0
"""Grid pixels by which a line may miss the silhouette's edge."""


def outlines(mask: Mask) -> list[NDArray[np.float64]]:
    """The closed lines around each part of a silhouette; its holes have none.

    Returns:
        Of each part its corners, float64 [N, 2], N >= 3, x and y on the grid, the largest first.
    """
    bits = np.pad(mask.bits.astype(np.uint8), 1)
    # Each pixel as four, so that a line runs around pixels, not through their middles.
    doubled = cv2.resize(bits, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corner = np.array([mask.x - 1, mask.y - 1])
    lines = []
    for ring in sorted(found, key=cv2.contourArea, reverse=True):
        few = cv2.approxPolyDP(ring, 2 * TOLERANCE_PIXELS, closed=True)
        points = (ring if len(few) < 3 else few)[:, 0].astype(np.float64)
        lines.append((points + 0.5) / 2 + corner)
    return lines
