"""int8: activations as uint8, weights as int8, each with its QuantizeLinear/DequantizeLinear.

Post-training static quantisation (Jacob et al. 2018) by ONNX Runtime: the ranges of the
activations are observed on real frames. Activations are unsigned and weights signed
because x86 multiplies that pair in one instruction (VNNI); signed activations are slower.
"""

from __future__ import annotations

import contextlib
import logging
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)
from pydantic import Field

from bystander.config import Settings
from bystander.geometry.types import Rgb
from bystander.models.letterbox import Letterbox
from training.errors import CheckpointError, DataError

Group = Literal[
    "stem", "backbone", "attention", "neck",
    "box head", "box output", "class head", "class output",
    "coefficient head", "coefficient output", "prototypes", "prototype output", "decoding",
]  # fmt: skip
"""The parts of a YOLO11-seg network; an "output" is a branch's last convolution."""

GROUPS: tuple[Group, ...] = get_args(Group)

_TYPES = (
    "Add", "Concat", "Conv", "ConvTranspose", "MaxPool", "Mul", "Resize", "Sigmoid", "Split",
)  # fmt: skip
"""Not the convolutions alone: else their activations (SiLU = Sigmoid, Mul) go back to float
and to int8 again after each of them: 49 ms a frame instead of 40, where float32 takes 71."""

_NODE = re.compile(r"^/model\.(?P<block>\d+)/(?P<path>.*)$")
_HEAD = 23  # the blocks of YOLO11, the same in all its sizes
_ATTENTION = 10
_NECK = 11
_BRANCHES: dict[str, tuple[Group, Group]] = {
    "cv2": ("box head", "box output"),
    "cv3": ("class head", "class output"),
    "cv4": ("coefficient head", "coefficient output"),
    "proto": ("prototypes", "prototype output"),
}


class QuantiseSettings(Settings):
    """What becomes int8, and from how many frames it is learnt."""

    kept_float: tuple[Group, ...] = Field(
        default=(
            "stem",
            "attention",
            "box output",
            "class output",
            "coefficient output",
            "decoding",
        ),
        description="parts that stay float32; measured on COCO's YOLO11n-seg (share of 125 people"
        " still found, overlap of silhouettes): decoding 0.936, 0.948; and attention 0.952, 0.953;"
        " and stem 0.984, 0.963; and the three outputs 0.984, 0.968, at no time worth measuring",
    )
    frames: int = Field(
        default=100, ge=1, description="calibration frames used, the first of those given"
    )


def quantise(
    network: onnx.ModelProto,
    frames: Iterable[Rgb],
    settings: QuantiseSettings | None = None,
    ranges: Path | None = None,
) -> onnx.ModelProto:
    """`network` in int8, but for the parts that must stay float.

    An activation's range is from the mean of its least value to the mean of its greatest
    one over the frames: a rare outlier doesn't coarsen the steps of all others. Measured on
    COCO's YOLO11n-seg, calibrated on 47 pictures and compared on 46 others, silhouettes then
    overlap those of float32 by 0.963; with the extremes of all frames by 0.945, with the
    percentiles 99.99 and 99.999 (of 30 pictures) by 0.960 and 0.959.

    Args:
        network: a YOLO11-seg export, float32, with its nodes named after their modules.
        frames: uint8 [H, W, 3] RGB of any sizes, as the product will see them.
        ranges: a file for the observed ranges: read if it is there, else written.

    Raises:
        DataError: there are no frames to calibrate with.
        CheckpointError: the network's nodes carry other names.
    """
    settings = settings or QuantiseSettings()
    with tempfile.TemporaryDirectory(prefix="bystander-int8-") as scratch, _quiet():
        original, prepared, quantised = (
            Path(scratch, name) for name in ("original.onnx", "prepared.onnx", "int8.onnx")
        )
        # As files: ONNX Runtime moves the weights out of a network that it is handed in memory.
        onnx.save(network, original)
        # Without symbolic shapes: they need another package, and only ranks are used here.
        quant_pre_process(original, prepared, skip_symbolic_shape=True)
        reader = _Reader(frames, settings.frames)
        kept = kept_nodes(onnx.load(prepared), settings.kept_float)
        quantize_static(
            prepared,
            quantised,
            reader,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_TYPES),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=kept,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": True},
            calibration_cache_path=ranges,
        )
        return onnx.load(quantised)


def kept_nodes(network: onnx.ModelProto, groups: Iterable[Group]) -> list[str]:
    """Names of the nodes of `groups`, in the order of the graph.

    Raises:
        CheckpointError: not one node is named after a YOLO11 head's module.
    """
    wanted = set(groups)
    found = [(node.name, group_of(node.name)) for node in network.graph.node]
    if not any(group == "decoding" for _, group in found):
        raise CheckpointError(
            "the network's nodes aren't named after YOLO11-seg's modules",
            "Export it with training.export.checkpoint; quantisation chooses parts by name.",
        )
    return [name for name, group in found if group in wanted]


def group_of(name: str) -> Group | None:
    """The part that a node belongs to; None for one outside of all modules.

    Args:
        name: e.g. "/model.23/cv3.0/cv3.0.2/Conv", as torch names an exported node.
    """
    parsed = _NODE.match(name)
    if parsed is None:
        return None
    block, path = int(parsed["block"]), parsed["path"]
    if block == _HEAD:
        return _group_in_head(path)
    if block == _ATTENTION:
        return "attention"
    if block >= _NECK:
        return "neck"
    return "stem" if block < 2 else "backbone"


def _group_in_head(path: str) -> Group:
    branch = _BRANCHES.get(re.split(r"[./]", path)[0])
    if branch is None:
        return "decoding"
    last = re.match(r"cv\d\.\d/cv\d\.\d\.2/Conv|proto/cv3/", path)
    return branch[1 if last else 0]


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """The frames as a network's feeds, one at a time."""

    def __init__(self, frames: Iterable[Rgb], limit: int) -> None:
        self._frames: Iterator[Rgb] = iter(frames)
        self._left = limit
        self._limit = limit

    def get_next(self) -> dict[str, Any] | None:
        frame = next(self._frames, None) if self._left else None
        if frame is None:
            if self._left == self._limit:
                raise DataError(
                    "there is no frame to calibrate int8 with",
                    "Give a folder of pictures such as the network will see.",
                )
            return None
        self._left -= 1
        height, width = frame.shape[:2]
        return {"images": Letterbox.around(width, height).blob([frame])}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime advises through the root logger to do what was just done."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
