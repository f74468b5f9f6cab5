"""What every face model does, and faces cut out and aligned for it.

A face is compared in another process by sending this part of it, not the picture; packs
embed the same parts in this process, so that both give the same vectors, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Face
from bystander.geometry.types import Box, Rgb

Embeddings = NDArray[np.float32]
CHIP_PX = 112
"""Side of an aligned face in pixels."""
# Where ArcFace expects eyes, nose tip and mouth corners in a chip (Deng et al. 2019).
_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
# From here on, larger or sharper adds nothing. Chosen by hand on LFW photos that were shrunk,
# blurred and compressed. Over these, quality and the similarity to photos of the same person
# have a rank correlation of 0.51; hard compression is what it fails to notice.
_EYE_DISTANCE_PX = 16.0  # pixels; a face 38 pixels wide
_SHARP_VARIANCE = 80.0  # variance of the chip's Laplacian
GROWTH_SHARE: Final = 1.0
"""Of the box's longer side, on each side: dlib's aligned square is wider than ArcFace's, and
its image pyramid reads around it."""
INTERPOLATION_PX: Final = 2
"""Pixels beyond the aligned square that interpolating its edge may read."""
_MIN_SCALE: Final = 1e-4  # chip pixels per picture pixel: a million pixels are in any chip


@dataclass(frozen=True, slots=True)
class FaceThresholds:
    """How far a model's cosine similarities can be trusted. They differ from model to model.

    Attributes:
        same: from here on one good sample speaks for the same person.
        different: below here it speaks for another person.
    """

    same: float
    different: float


class FaceModel(Protocol):
    """Finds faces and turns each into a vector that is near to those of the same person."""

    @property
    def name(self) -> str:
        """The pack's name in configs/models.yaml."""
        ...

    @property
    def thresholds(self) -> FaceThresholds: ...

    @property
    def min_face(self) -> int:
        """Width of a face in pixels under which comparing it is guesswork."""
        ...

    def detect(self, image: Rgb) -> list[Face]:
        """The faces in a picture, the most certain first.

        Args:
            image: uint8 [H, W, 3] RGB. Searched at its own size.

        Returns:
            Faces in the picture's pixels, each with landmarks.
        """
        ...

    def embed(self, image: Rgb, faces: Sequence[Face]) -> Embeddings:
        """One vector for each face.

        Args:
            image: uint8 [H, W, 3] RGB, the picture that `faces` were found in.

        Returns:
            float32 [N, D], of length 1, so that a dot product is a cosine similarity.
        """
        ...


def normalised(vectors: NDArray[np.floating]) -> Embeddings:
    """The vectors, float [N, D], scaled to length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)


def align(image: Rgb, face: Face) -> Rgb:
    """The face turned upright: uint8 [112, 112, 3] RGB from uint8 [H, W, 3] RGB.

    The similarity transform (rotation, scale, shift) that brings the landmarks nearest to
    ArcFace's template, in closed form: as complex numbers it is z -> turn * z + shift.
    """
    here = face.landmarks[:, 0] + 1j * face.landmarks[:, 1]
    there = _TEMPLATE[:, 0] + 1j * _TEMPLATE[:, 1]
    spread = here - here.mean()
    turn = np.vdot(spread, there - there.mean()) / max(np.vdot(spread, spread).real, 1e-9)
    shift = there.mean() - turn * here.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return cv2.warpAffine(image, matrix, (CHIP_PX, CHIP_PX)).astype(np.uint8, copy=False)


def quality(face: Face, image: Rgb) -> float:
    """How much a face says about who it is, 0 (nothing) to 1 (as much as a portrait).

    The product of four shares, because one that is missing spoils the others:
    size (distance between the eyes), frontality (the nose midway between the eyes),
    sharpness (standard deviation of the aligned face's Laplacian) and the detector's score.

    Args:
        face: found in `image`.
        image: uint8 [H, W, 3] RGB.
    """
    size = min(1.0, _eye_distance(face.landmarks) / _EYE_DISTANCE_PX)
    grey = cv2.cvtColor(align(image, face), cv2.COLOR_RGB2GRAY)
    sharpness = math.sqrt(min(1.0, float(cv2.Laplacian(grey, cv2.CV_32F).var()) / _SHARP_VARIANCE))
    return size * frontality(face.landmarks) * sharpness * min(1.0, max(0.0, face.score))


def frontality(landmarks: NDArray[np.float32]) -> float:
    """1 for a face towards the camera, 0 for a profile.

    Args:
        landmarks: float32 [5, 2], see `Face`.
    """
    (ax, ay), (bx, by), (nx, ny) = (map(float, point) for point in landmarks[:3])
    across, down = bx - ax, by - ay
    along = ((nx - ax) * across + (ny - ay) * down) / max(across**2 + down**2, 1e-9)
    return max(0.0, 1.0 - 2.0 * abs(along - 0.5))


def _eye_distance(landmarks: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(landmarks[1] - landmarks[0]))


def face_region(image: Rgb, face: Face) -> tuple[Rgb, Face]:
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
    margin = GROWTH_SHARE * max(x1 - x0, y1 - y0)
    return np.array([[x0 - margin, y0 - margin], [x1 + margin, y1 + margin]])


def _aligned_square(face: Face) -> NDArray[np.float64]:
    """Where the corners of the chip that `align` makes lie in the picture, [n, 2] x, y."""
    here = face.landmarks[:, 0].astype(float) + 1j * face.landmarks[:, 1]
    there = _TEMPLATE[:, 0] + 1j * _TEMPLATE[:, 1]
    spread = here - here.mean()
    turn = np.vdot(spread, there - there.mean()) / max(np.vdot(spread, spread).real, 1e-9)
    # Landmarks that are in one point tell no size: then the chip shows the whole picture.
    turn = turn if abs(turn) > _MIN_SCALE else _MIN_SCALE
    edge = CHIP_PX + INTERPOLATION_PX
    chip = np.array(
        [x + 1j * y for x in (-INTERPOLATION_PX, edge) for y in (-INTERPOLATION_PX, edge)]
    )
    corners = (chip - there.mean()) / turn + here.mean()
    points = np.stack((corners.real, corners.imag), axis=1)
    return np.concatenate((points - INTERPOLATION_PX, points + INTERPOLATION_PX))
