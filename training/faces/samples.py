"""Faces as the experiments see them: arrays of vectors with what they were measured from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Face
from bystander.models.face_model import FaceModel, quality
from training.faces.metrics import Scores
from training.pages import Rgb

NOSE_DEPTH: Final = 0.5
"""How far the nose's tip stands out before the eyes, in distances between the eyes: about
30 of 63 mm in adults. The estimate of yaw hangs on it, so its degrees are rough."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """N faces.

    Attributes:
        vectors: float32 [N, D] of length 1.
        quality: float64 [N], see `bystander.models.face_model.quality`.
        width: float64 [N], of the detected box in pixels.
        yaw: float64 [N], degrees from frontal, 0 to 90, estimated.
    """

    vectors: NDArray[np.float32]
    quality: Scores
    width: Scores
    yaw: Scores

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: NDArray[np.intp] | NDArray[np.bool_] | list[int]) -> Self:
        return type(self)(
            self.vectors[index], self.quality[index], self.width[index], self.yaw[index]
        )


def measure(image: Rgb, faces: Sequence[Face], model: FaceModel) -> Samples:
    """Embed and judge faces.

    Args:
        image: uint8 [H, W, 3] RGB, the picture that `faces` lie in.
    """
    return Samples(
        model.embed(image, faces),
        np.array([quality(face, image) for face in faces], dtype=np.float64),
        np.array([face.box[2] - face.box[0] for face in faces], dtype=np.float64),
        np.array([yaw(face.landmarks) for face in faces], dtype=np.float64),
    )


def joined(parts: Sequence[Samples]) -> Samples:
    """All faces of `parts` (at least one), in order."""
    return Samples(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.width for part in parts]),
        np.concatenate([part.yaw for part in parts]),
    )


def yaw(landmarks: NDArray[np.float32]) -> float:
    """How far a face is turned aside, degrees from 0 (frontal) to 90.

    Turned by an angle, the eyes' distance shrinks with its cosine and the nose leaves the
    middle between them with its sine: their ratio is the tangent, times the nose's depth.

    Args:
        landmarks: float32 [5, 2], see `bystander.geometry.instances.Face`.
    """
    right, left, nose = (landmarks[i].astype(np.float64) for i in range(3))
    across = left - right
    distance = float(np.linalg.norm(across))
    if distance < 1e-6:
        return 90.0
    offset = abs(float((nose - (right + left) / 2) @ across)) / distance
    return math.degrees(math.atan2(offset, NOSE_DEPTH * distance))


def central(faces: Sequence[Face], width: int, height: int) -> Face | None:
    """The face nearest to the middle: whom a portrait is about, in LFW's convention."""

    def off(face: Face) -> float:
        x0, y0, x1, y1 = face.box
        return math.hypot((x0 + x1 - width) / 2, (y0 + y1 - height) / 2)

    return min(faces, key=off, default=None)
