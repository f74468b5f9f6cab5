"""Faces with dlib: no download needed, its weights come in a wheel.

Histograms of oriented gradients find them (Dalal and Triggs 2005), a regression forest
places landmarks (Kazemi and Sullivan 2014), a ResNet compares them (King 2017).
dlib's own CNN detector finds more, but takes seconds a frame on a CPU.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bystander.errors import ConfigError
from bystander.instances import Face
from bystander.models.face_crops import around
from bystander.models.face_model import Embeddings, FaceThresholds, Image, normalised

_WEIGHTS = ("shape_predictor_68_face_landmarks.dat", "dlib_face_recognition_resnet_model_v1.dat")
_DIMENSIONS = 128
_CHIP = 150  # side of the picture that the network takes

# Of the 68 landmarks: each eye's six, the nose's tip, the mouth's corners.
_FIVE = (slice(36, 42), slice(42, 48), slice(30, 31), slice(48, 49), slice(54, 55))


class DlibPack:
    """dlib's face detector and embedder.

    Args:
        thresholds, min_face: see `FaceModel`.
        upsample: how often a picture is doubled before it is searched; without, faces
            under about 70 pixels are missed (3 of 100 at 73, all at 39), and each doubling
            costs about four times as much.
        score: least score of HOG, about -0.5 to 3.

    Raises:
        ConfigError: dlib or its weights are not installed.
    """

    name = "dlib"

    def __init__(
        self,
        thresholds: FaceThresholds,
        min_face: int,
        upsample: int = 0,
        score: float = 0.0,
    ) -> None:
        self.thresholds = thresholds
        self.min_face = min_face
        folder = _weights_folder()
        self.files = tuple(folder / file for file in _WEIGHTS)
        self._upsample = upsample
        self._score = score
        self._dlib = _dlib()
        self._find = self._dlib.get_frontal_face_detector()
        self._place = self._dlib.shape_predictor(str(self.files[0]))
        self._compare = self._dlib.face_recognition_model_v1(str(self.files[1]))
        self._lock = threading.Lock()  # dlib's networks keep their activations in the object
        # All of dlib's vectors point much the same way: strangers have a cosine of 0.85.
        # Seen from the vector of a blank picture they spread, and cosines tell people apart.
        blank = np.full((_CHIP, _CHIP, 3), 127, dtype=np.uint8)
        self._origin = np.array(self._compare.compute_face_descriptor(blank))

    def detect(self, image: Image) -> list[Face]:
        image = np.ascontiguousarray(image)
        with self._lock:
            boxes, scores, _ = self._find.run(image, self._upsample, self._score)
        found = [
            Face(
                (float(box.left()), float(box.top()), box.right() + 1.0, box.bottom() + 1.0),
                _probability(score),
                _five_landmarks(self._place(image, box)),
            )
            for box, score in zip(boxes, scores, strict=True)
        ]
        return sorted(found, key=lambda face: -face.score)

    def embed(self, image: Image, faces: Sequence[Face]) -> Embeddings:
        return self.embed_each([around(image, face) for face in faces])

    def embed_each(self, sights: Sequence[tuple[Image, Face]]) -> Embeddings:
        """One vector for each pair of a picture and a face in it, in one network call.

        Args:
            sights: pictures uint8 [H, W, 3] RGB, of any sizes, and one face of each.

        Returns:
            float32 [N, D], see `FaceModel.embed`.
        """
        if not sights:
            return np.zeros((0, _DIMENSIONS), dtype=np.float32)
        pictures = [np.ascontiguousarray(image) for image, _ in sights]
        placed = []
        for picture, (_, face) in zip(pictures, sights, strict=True):
            left, top, right, bottom = (round(side) for side in face.box)
            box = self._dlib.rectangle(left, top, right - 1, bottom - 1)
            shapes = self._dlib.full_object_detections()
            shapes.append(self._place(picture, box))
            placed.append(shapes)
        with self._lock:
            found = self._compare.compute_face_descriptor(pictures, placed)
        vectors = np.array([vector for (vector,) in found])
        return normalised(vectors - self._origin)


def _five_landmarks(shape: Any) -> NDArray[np.float32]:
    points = np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float32)
    return np.stack([points[part].mean(axis=0) for part in _FIVE])


def _probability(score: float) -> float:
    """HOG's margin squeezed between 0 and 1; a convention, not a measured probability."""
    return float(1 / (1 + np.exp(-2 * score)))


def _dlib() -> Any:
    try:
        return importlib.import_module("dlib")
    except ImportError as error:
        raise ConfigError(f"dlib can't be used: {error}", "Run `pip install dlib-bin`.") from error


def _weights_folder() -> Path:
    # Found without importing the package: it needs pkg_resources, which setuptools dropped.
    package = importlib.util.find_spec("face_recognition_models")
    if package is None or package.origin is None:
        raise ConfigError(
            "dlib's weights are not installed", "Run `pip install face-recognition-models`."
        )
    return Path(package.origin).parent / "models"
