"""Networks drawn by hand: they answer the same whatever they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bystander.models.sessions import Tensor

SIDE = 64
ANCHORS = 8 * 8 + 4 * 4 + 2 * 2
PLANE = SIDE // 4


@dataclass(frozen=True)
class Drawn:
    """One proposal: a box in network pixels and a rectangle of raised logits in it."""

    box: tuple[float, float, float, float]
    score: float
    filled: tuple[int, int, int, int]  # x0, y0, x1, y1 in prototype pixels
    logit: float = 5.0
    label: int = 0


@dataclass(frozen=True)
class Query:
    """One query's answer: a box in shares of the picture, and a rectangle of raised logits."""

    box: tuple[float, float, float, float]  # x0, y0, x1, y1
    score: float
    filled: tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels of the mask
    label: int = 1


def save(
    path: Path,
    shape: Sequence[int | str],
    outputs: Sequence[NDArray[np.float32]],
    names: Sequence[str] = (),
) -> Path:
    """A network that takes float32 `shape` and always answers `outputs`, called `names`."""
    names = names or [f"output{i}" for i in range(len(outputs))]
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))
        for name, array in zip(names, outputs, strict=True)
    ]
    graph = helper.make_graph(
        nodes,
        "drawn",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
            for name, array in zip(names, outputs, strict=True)
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tests"
    )
    onnx.save(model, path)
    return path


def yolo(path: Path, people: Sequence[Drawn], classes: int = 1, batch: int = 1) -> Path:
    """A YOLO segmentation network of fixed size 64x64 that proposes `people`."""
    count = max(1, len(people))
    proposals = np.zeros((4 + classes + count, ANCHORS), dtype=np.float32)
    prototypes = np.full((count, PLANE, PLANE), -5, dtype=np.float32)
    for i, person in enumerate(people):
        x0, y0, x1, y1 = person.box
        proposals[:4, i] = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
        proposals[4 + person.label, i] = person.score
        proposals[4 + classes + i, i] = 1
        left, top, right, bottom = person.filled
        prototypes[i, top:bottom, left:right] = person.logit
    outputs = [np.stack([array] * batch) for array in (proposals, prototypes)]
    return save(path, (batch, 3, SIDE, SIDE), outputs)


def end_to_end(path: Path, people: Sequence[Drawn]) -> Path:
    """The same `people` as `yolo`, by a head that leaves nothing to suppress."""
    rows = np.zeros((300, 4 + 2 + 32), dtype=np.float32)
    prototypes = np.full((32, PLANE, PLANE), -5, dtype=np.float32)
    for i, person in enumerate(people):
        rows[i, :6] = *person.box, person.score, person.label
        rows[i, 6 + i] = 1
        left, top, right, bottom = person.filled
        prototypes[i, top:bottom, left:right] = person.logit
    return save(path, (1, 3, SIDE, SIDE), [rows[np.newaxis], prototypes[np.newaxis]])


def rf_detr(path: Path, people: Sequence[Query], classes: int = 91) -> Path:
    """An RF-DETR-Seg of 64x64 that answers `people`, its outputs in an order of their own.

    Names and shapes are those of `RFDETRSegNano.export` (rfdetr 1.11.2): input [1, 3, 312, 312],
    dets [1, 100, 4], labels [1, 100, 91], masks [1, 100, 78, 78]; with `num_classes=1` labels
    [1, 100, 2].
    """
    queries = len(people) + 1  # and one that is nobody
    dets = np.full((1, queries, 4), 0.5, dtype=np.float32)
    labels = np.full((1, queries, classes), -9, dtype=np.float32)
    masks = np.full((1, queries, PLANE, PLANE), -5, dtype=np.float32)
    for i, person in enumerate(people):
        x0, y0, x1, y1 = person.box
        dets[0, i] = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
        labels[0, i, person.label] = np.log(person.score / (1 - person.score))
        left, top, right, bottom = person.filled
        masks[0, i, top:bottom, left:right] = 5
    return save(path, (1, 3, SIDE, SIDE), [masks, dets, labels], ["masks", "dets", "labels"])


class BySize:
    """A YOLO of any size that finds somebody in the middle, and somebody in the corner.

    Attributes:
        share: of the picture's height that the first one's box covers.
        score: of the second one.
        filled: of the picture's width that the first one's silhouette covers, by that in pixels.
        shown: height and width of each picture.
    """

    inputs = (Tensor("images", (None, 3, None, None), "tensor(float)"),)
    outputs = ()

    def __init__(self, share: float, score: float, filled: dict[int, float]) -> None:
        self.share, self.score, self.filled = share, score, filled
        self.shown: list[tuple[int, int]] = []

    def run(self, feeds: Mapping[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        _, _, height, width = feeds["images"].shape
        self.shown.append((height, width))
        anchors = height * width * 21 // 1024
        proposals = np.zeros((1, 7, anchors), dtype=np.float32)
        proposals[0, :, 0] = width / 2, height / 2, width, height * self.share, 0.9, 1, 0
        corner = width / 8, height / 8, width / 4, height / 4
        proposals[0, :, 1] = *corner, self.score, 0, 1
        prototypes = np.full((1, 2, height // 4, width // 4), -6, dtype=np.float32)
        prototypes[0, 0, :, : round(self.filled.get(width, 0) * width / 4)] = 4
        return [proposals, prototypes]
