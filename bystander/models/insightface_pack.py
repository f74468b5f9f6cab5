"""Faces with InsightFace's model zoo: SCRFD finds them, ArcFace compares them.

SCRFD: Guo et al. 2021. ArcFace: Deng et al. 2019.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.errors import ConfigError, ModelContract
from bystander.instances import Face
from bystander.models.face_alignment import CHIP, align
from bystander.models.face_crops import around
from bystander.models.face_model import Embeddings, FaceThresholds, Image, normalised
from bystander.models.letterbox import STRIDE
from bystander.models.sessions import Session, SessionSettings, onnx_runtime, open_session

_OUTPUTS = 9  # of SCRFD with landmarks: scores, boxes and landmarks at three strides


class InsightFacePack:
    """An SCRFD detector and an ArcFace embedder.

    Args:
        name: of the pack.
        detector, embedder: ONNX files.
        thresholds, min_face: measured for this embedder, see `FaceModel`.
        score: least score of a face.
        sessions: how the networks are run.

    Raises:
        ConfigError: the package insightface is not installed.
        ModelCorrupt, ModelContract: a file is damaged, or holds another network.
    """

    def __init__(
        self,
        name: str,
        detector: Path,
        embedder: Path,
        thresholds: FaceThresholds,
        min_face: int,
        score: float = 0.5,
        sessions: SessionSettings | None = None,
    ) -> None:
        self.name = name
        self.thresholds = thresholds
        self.min_face = min_face
        self.files = (detector, embedder)
        self._score = score
        zoo = _model_zoo()
        finding = _open(detector, sessions, outputs=_OUTPUTS, side=None)
        self._detector = zoo.SCRFD(session=finding, static_shape_sessions=False)
        comparing = _open(embedder, sessions, outputs=1, side=CHIP)
        self._embedder = zoo.ArcFaceONNX(model_file=str(embedder), session=comparing)

    def detect(self, image: Image) -> list[Face]:
        height, width = image.shape[:2]
        # Padded here, so that InsightFace finds nothing to scale: faces keep their size.
        padded = cv2.copyMakeBorder(
            cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
            *(0, -height % STRIDE, 0, -width % STRIDE),
            borderType=cv2.BORDER_CONSTANT,
        )
        boxes, landmarks = self._detector.detect(
            padded, input_size=padded.shape[1::-1], det_thresh=self._score
        )
        return [
            Face((float(x0), float(y0), float(x1), float(y1)), float(score), points)
            for (x0, y0, x1, y1, score), points in zip(boxes, landmarks, strict=True)
        ]

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
            return np.zeros((0, self._embedder.output_shape[-1]), dtype=np.float32)
        chips = [cv2.cvtColor(align(image, face), cv2.COLOR_RGB2BGR) for image, face in sights]
        return normalised(self._embedder.get_feat(chips))


class _OnnxRuntimeLike:
    """A `Session` in the clothes of an ONNX Runtime session, which InsightFace expects."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_inputs(self) -> Sequence[Any]:
        return self._session.inputs

    def get_outputs(self) -> Sequence[Any]:
        return self._session.outputs

    def run(
        self, names: Sequence[str], feeds: Mapping[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        return self._session.run(feeds)


def _open(
    path: Path, settings: SessionSettings | None, outputs: int, side: int | None
) -> _OnnxRuntimeLike:
    session = open_session(path, settings)
    shapes = [tensor.shape for tensor in session.inputs]
    found = len(session.outputs)
    if found != outputs or len(shapes) != 1 or shapes[0][1:] != (3, side, side):
        raise ModelContract(
            f"{path} takes {shapes} and has {found} outputs, not [N, 3, {side}, {side}] and "
            f"{outputs}",
            "Use the file that configs/models.yaml names.",
        )
    return _OnnxRuntimeLike(session)


def _model_zoo() -> Any:
    # Imported late: it brings SciPy, scikit-image and onnx, which takes seconds.
    onnx_runtime()  # before InsightFace imports it
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return importlib.import_module("insightface.model_zoo")
    except ImportError as error:
        raise ConfigError(
            f"the package insightface can't be used: {error}",
            "Run `pip install insightface`, or choose the face pack dlib.",
        ) from error
