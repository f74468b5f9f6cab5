"""Faces without a download: CenterFace finds them, dlib's ResNet compares them.

Both networks come in wheels. CenterFace: `centerface.py`. The ResNet: King 2017,
"High quality face recognition with deep metric learning".
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bystander.errors import ConfigError
from bystander.instances import Face
from bystander.models.centerface import CenterFace
from bystander.models.face_crops import around
from bystander.models.face_model import Embeddings, FaceThresholds, Image, normalised
from bystander.models.sessions import SessionSettings

_WEIGHTS: Final = "dlib_face_recognition_resnet_model_v1.dat"
_DIMENSIONS: Final = 128
_CHIP_PX: Final = 150
"""Side of the picture that the network takes."""

# Where CenterFace's landmarks (eyes, nose tip, mouth corners) come to lie when dlib aligns a face
# by its own 68, as it did for training: medians over 132 faces of LFW and group photos, made
# symmetric. dlib's landmarks are not needed then: its file is the largest of all (100 MB), and
# they fail on profiles.
_TEMPLATE: Final = np.array(
    [[47.5, 46.4], [102.5, 46.4], [75.0, 78.9], [51.4, 103.6], [98.6, 103.6]]
)


class DlibPack:
    """CenterFace as detector, dlib's ResNet as embedder.

    Args:
        thresholds, min_face: see `FaceModel`.
        sessions: how the detector's network is run.

    Raises:
        ConfigError: dlib or weights are not installed.
        ModelCorrupt, ModelContract: the detector's file is damaged, or holds another network.
    """

    name = "dlib"

    def __init__(
        self,
        thresholds: FaceThresholds,
        min_face: int,
        sessions: SessionSettings | None = None,
    ) -> None:
        self.thresholds = thresholds
        self.min_face = min_face
        self._detector = CenterFace(sessions=sessions)
        self._dlib = _dlib()
        weights = _weights_folder() / _WEIGHTS
        self.files = (self._detector.file, weights)
        self._embedder = self._dlib.face_recognition_model_v1(str(weights))
        self._lock = threading.Lock()  # dlib's network keeps its activations in the object
        self._template = self._points(_TEMPLATE)
        # All of dlib's vectors point much the same way: strangers have a cosine of 0.85.
        # Seen from the vector of a blank picture they spread, and cosines tell people apart.
        blank = np.full((_CHIP_PX, _CHIP_PX, 3), 127, dtype=np.uint8)
        self._origin = np.array(self._embedder.compute_face_descriptor(blank))

    def detect(self, image: Image) -> list[Face]:
        return self._detector.detect(image)

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
        chips = [self._aligned(image, face) for image, face in sights]
        with self._lock:
            vectors = np.array(self._embedder.compute_face_descriptor(chips))
        return normalised(vectors - self._origin)

    def _aligned(self, image: Image, face: Face) -> Image:
        """The face upright: uint8 [150, 150, 3] RGB; dlib shrinks without aliasing."""
        size = self._dlib.chip_dims(_CHIP_PX, _CHIP_PX)
        place = self._dlib.chip_details(self._template, self._points(face.landmarks), size)
        chip = self._dlib.extract_image_chip(np.ascontiguousarray(image), place)
        return np.asarray(chip, dtype=np.uint8)

    def _points(self, points: NDArray[np.floating]) -> Any:
        return self._dlib.dpoints([self._dlib.dpoint(float(x), float(y)) for x, y in points])


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
