"""From an Ultralytics checkpoint to ONNX. Needs torch and ultralytics (the `training` extra)."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from bystander.models.sessions import Array, Tensor
from bystander.models.store import sha256
from training.errors import CheckpointError

_COEFFICIENTS = 32
_CLASSES = (1, 80)  # what bystander.models.segmenter decodes
_EXPECTED = (
    "Expected is a YOLO11-seg checkpoint of Ultralytics (head `Segment`, 32 mask coefficients)"
    " with 1 class or COCO's 80, the first of which is person."
)
_SAMPLE = 64  # sides of the traced input; every axis but the channels is left open
_AXES = {
    "images": {0: "batch", 2: "height", 3: "width"},
    "output0": {0: "batch", 2: "anchors"},
    "output1": {0: "batch", 2: "mask_height", 3: "mask_width"},
}


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network as it was trained.

    Attributes:
        path: the file it was read from.
        sha256: the file's checksum.
        date: day on which the checkpoint was written, YYYY-MM-DD; empty if it doesn't say.
        classes: names of the classes, in the order of their channels.
        model: the torch module, fused, in evaluation mode, on the CPU.
    """

    path: Path
    sha256: str
    date: str
    classes: tuple[str, ...]
    model: Any


def read_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint and make sure that the product can use what is in it.

    A .pt file is a pickle, and a pickle can run any program when it is loaded. So only the
    classes on Ultralytics' own list are loaded (torch's `weights_only`); a checkpoint that
    names another one is refused. That narrows the risk, it doesn't vouch for the file:
    export only checkpoints whose origin is known.

    Raises:
        CheckpointError: no such file, damaged, not a checkpoint, or another architecture;
            the message says what it is and what is expected.
    """
    if not path.is_file():
        # Asked here because ultralytics would go and look for the name on the network.
        raise CheckpointError(f"there is no checkpoint {path}", "Check the path.")
    if path.suffix != ".pt":
        raise CheckpointError(f"{path} is no .pt file", _EXPECTED)
    content = _load(path)
    model = content.get("ema") or content.get("model")
    classes = _classes(path, model)
    return Checkpoint(
        path=path,
        sha256=sha256(path),
        date=str(content.get("date") or "")[:10],
        classes=classes,
        model=_for_inference(model),
    )


def to_onnx(checkpoint: Checkpoint, opset: int) -> onnx.ModelProto:
    """The network with open batch, height and width, and without suppression.

    Returns:
        `images` float32 [B, 3, H, W] RGB, 0 to 1, to `output0` float32
        [B, 4 + classes + 32, N] and `output1` float32 [B, 32, H/4, W/4]; the contract of
        `bystander.models.segmenter`.
    """
    import torch

    buffer = io.BytesIO()
    sample = torch.zeros(1, 3, _SAMPLE, _SAMPLE)
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter is deprecated; of the two it's the one whose nodes keep the
        # modules' names, which quantisation chooses them by.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            checkpoint.model,
            (sample,),
            buffer,
            opset_version=opset,
            input_names=["images"],
            output_names=["output0", "output1"],
            dynamic_axes=_AXES,
            dynamo=False,
        )
    network = onnx.load_model_from_string(buffer.getvalue())
    channels = network.graph.output[0].type.tensor_type.shape.dim[1]
    channels.dim_value = 4 + len(checkpoint.classes) + _COEFFICIENTS
    return network


class CheckpointSession:
    """The checkpoint run by torch, as a `bystander.models.sessions.Session`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._model = checkpoint.model
        channels = 4 + len(checkpoint.classes) + _COEFFICIENTS
        self.inputs = (Tensor("images", (None, 3, None, None), "tensor(float)"),)
        self.outputs = (
            Tensor("output0", (None, channels, None), "tensor(float)"),
            Tensor("output1", (None, _COEFFICIENTS, None, None), "tensor(float)"),
        )

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        import torch

        with torch.inference_mode():
            outputs = self._model(torch.from_numpy(feeds["images"]))
        return [output.numpy() for output in outputs]


def _load(path: Path) -> dict[str, Any]:
    """The checkpoint's content, read without running what a pickle asks for."""
    from ultralytics.nn import tasks

    if not tasks._SafeLoad.SUPPORTED:
        raise CheckpointError(
            "this torch can't load a checkpoint without running it",
            "Install the versions in the `training` extra.",
        )
    try:
        content, _ = tasks.torch_safe_load(path, safe_only=True)
    except Exception as error:  # a damaged pickle raises nearly anything
        # Without ultralytics' own advice, which is to use another network.
        why = re.split(r"Recommended|Use an official|Train a new", str(error))[0]
        why = " ".join(why.replace("ERROR ❌️", "").split())[:300].rstrip(".")
        raise CheckpointError(
            f"{path} is not a checkpoint, or a damaged one ({type(error).__name__}: {why})",
            _EXPECTED,
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, no checkpoint", _EXPECTED)
    return content


def _classes(path: Path, model: Any) -> tuple[str, ...]:
    """The names of the classes of `model`, or CheckpointError if it is of another kind."""
    from ultralytics.nn.modules.head import Segment
    from ultralytics.nn.tasks import SegmentationModel

    if not isinstance(model, SegmentationModel):
        kind = type(model).__name__
        raise CheckpointError(f"{path} holds no segmentation network but a {kind}", _EXPECTED)
    head = model.model[-1]
    # Not isinstance: later heads inherit from Segment, and answer in another form.
    if type(head) is not Segment or head.end2end or head.nm != _COEFFICIENTS:
        what = f"the head {type(head).__name__} with {getattr(head, 'nm', 0)} mask coefficients"
        raise CheckpointError(f"{path} has {what}", _EXPECTED)
    classes = tuple(str(model.names[index]) for index in range(len(model.names)))
    if head.nc not in _CLASSES or len(classes) != head.nc:
        raise CheckpointError(f"{path} tells {head.nc} classes apart", _EXPECTED)
    if classes[0] != "person":
        raise CheckpointError(f"the first class of {path} is {classes[0]!r}", _EXPECTED)
    return classes


def _for_inference(model: Any) -> Any:
    """Normalisation folded into the convolutions, and the head switched to raw outputs."""
    from ultralytics.nn.modules.block import C2f

    model = model.float().fuse(verbose=False).eval()
    for parameter in model.parameters():
        parameter.requires_grad = False
    for module in model.modules():
        if isinstance(module, C2f):
            module.forward = module.forward_split  # a single Split instead of slices
        if hasattr(module, "inplace"):
            module.inplace = False
    head = model.model[-1]
    # `dynamic`: the anchors are computed from the input's size, not kept as constants.
    head.export, head.dynamic, head.format, head.shape = True, True, "onnx", None
    return model
