"""What every face model can do, whoever made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bystander.instances import Face

Image = NDArray[np.uint8]
Embeddings = NDArray[np.float32]


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

    def detect(self, image: Image) -> list[Face]:
        """The faces in a picture, the most certain first.

        Args:
            image: uint8 [H, W, 3] RGB. Searched at its own size.

        Returns:
            Faces in the picture's pixels, each with landmarks.
        """
        ...

    def embed(self, image: Image, faces: Sequence[Face]) -> Embeddings:
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
