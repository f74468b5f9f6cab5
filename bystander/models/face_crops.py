"""Cutting out the part of a picture that a face model looks at to embed one face.

A face is compared in another process by sending this part of it, not the picture; packs
embed the same parts in this process, so that both give the same vectors, bit for bit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.instances import Box, Face
from bystander.models.face_alignment import _TEMPLATE, CHIP
from bystander.models.face_model import Image

GROWTH: Final = 1.0
"""Of the box's longer side, on each side: dlib's aligned square is wider than ArcFace's, and
its image pyramid reads around it."""
INTERPOLATION: Final = 2
"""Pixels beyond the aligned square that interpolating its edge may read."""
_FARTHEST: Final = 1e-4  # chip pixels per picture pixel: a million pixels are in any chip


def around(image: Image, face: Face) -> tuple[Image, Face]:
    """The part of a picture that holds every pixel that embedding `face` may touch.

    Args:
        image: uint8 [H, W, 3] RGB.
        face: in its pixels; may reach beyond its edges.

    Returns:
        uint8 [h, w, 3] RGB, a view of `image` of at least one pixel, and the face in its
        pixels.
    """
    height, width = image.shape[:2]
    corners = np.concatenate((_aligned_square(face), _grown(face.box)))
    x0, y0 = (math.floor(side) for side in corners.min(axis=0))
    x1, y1 = (math.ceil(side) for side in corners.max(axis=0))
    left, top = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    right, bottom = max(left + 1, min(x1, width)), max(top + 1, min(y1, height))
    return image[top:bottom, left:right], _moved(face, left, top)


def _moved(face: Face, left: int, top: int) -> Face:
    x0, y0, x1, y1 = face.box
    box: Box = (x0 - left, y0 - top, x1 - left, y1 - top)
    return replace(
        face, box=box, landmarks=face.landmarks - np.array((left, top), dtype=np.float32)
    )


def _grown(box: Box) -> NDArray[np.float64]:
    """Two opposite corners of the box and what lies around it, [2, 2] x, y."""
    x0, y0, x1, y1 = box
    margin = GROWTH * max(x1 - x0, y1 - y0)
    return np.array([[x0 - margin, y0 - margin], [x1 + margin, y1 + margin]])


def _aligned_square(face: Face) -> NDArray[np.float64]:
    """Where the corners of the chip that `align` makes lie in the picture, [n, 2] x, y."""
    here = face.landmarks[:, 0].astype(float) + 1j * face.landmarks[:, 1]
    there = _TEMPLATE[:, 0] + 1j * _TEMPLATE[:, 1]
    spread = here - here.mean()
    turn = np.vdot(spread, there - there.mean()) / max(np.vdot(spread, spread).real, 1e-9)
    # Landmarks that are in one point tell no size: then the chip shows the whole picture.
    turn = turn if abs(turn) > _FARTHEST else _FARTHEST
    edge = CHIP + INTERPOLATION
    chip = np.array([x + 1j * y for x in (-INTERPOLATION, edge) for y in (-INTERPOLATION, edge)])
    corners = (chip - there.mean()) / turn + here.mean()
    points = np.stack((corners.real, corners.imag), axis=1)
    return np.concatenate((points - INTERPOLATION, points + INTERPOLATION))
