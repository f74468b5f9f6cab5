from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from bystander.geometry.types import Rgb
from bystander.models.sessions import open_session
from tests.conftest import shared
from tests.training.export.networks import tiny
from training.errors import CheckpointError, DataError
from training.export.frames import frames_in
from training.export.parity import compare
from training.export.quantise import Group, QuantiseSettings, group_of, kept_nodes, quantise

pytestmark = pytest.mark.sampled(2)


def noise(count: int, width: int = 96, height: int = 64) -> Iterator[Rgb]:
    drawn = np.random.default_rng(1)
    for _ in range(count):
        yield drawn.integers(0, 256, (height, width, 3), dtype=np.uint8)


def run(network: onnx.ModelProto, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(
        network.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    outputs: list[NDArray[np.float32]] = session.run(None, {"images": images})
    return outputs


def images(batch: int, height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(2).random((batch, 3, height, width), dtype=np.float32)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("/model.0/conv/Conv", "stem"),
        ("/model.1/act/Mul", "stem"),
        ("/model.2/cv1/conv/Conv", "backbone"),
        ("/model.10/m/m.0/attn/qkv/conv/Conv", "attention"),
        ("/model.13/Concat", "neck"),
        ("/model.23/cv2.0/cv2.0.1/conv/Conv", "box head"),
        ("/model.23/cv2.0/cv2.0.2/Conv", "box output"),
        ("/model.23/cv3.2/cv3.2.0/cv3.2.0.0/conv/Conv", "class head"),
        ("/model.23/cv3.2/cv3.2.2/Conv", "class output"),
        ("/model.23/cv4.1/cv4.1.2/Conv", "coefficient output"),
        ("/model.23/proto/cv2/conv/Conv", "prototypes"),
        ("/model.23/proto/cv3/conv/Conv", "prototype output"),
        ("/model.23/dfl/Softmax", "decoding"),
        ("/model.23/Concat_30", "decoding"),
        ("Constant_701", None),
    ],
)
def test_a_node_belongs_to_the_part_its_module_is_in(name: str, group: Group | None) -> None:
    assert group_of(name) == group


def test_every_size_of_input_still_fits() -> None:
    network = quantise(tiny(), noise(4))

    for batch, height, width in ((1, 64, 96), (3, 96, 64), (1, 96, 96)):
        proposals, prototypes = run(network, images(batch, height, width))
        anchors = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
        assert proposals.shape == (batch, 37, anchors)
        assert prototypes.shape == (batch, 32, height // 4, width // 4)


def test_weights_become_int8_per_channel_and_activations_uint8() -> None:
    network = quantise(tiny(), noise(4))

    stored = {tensor.name: tensor for tensor in network.graph.initializer}
    weight = stored["/model.5/conv.weight_quantized"]
    assert weight.data_type == TensorProto.INT8
    assert numpy_helper.to_array(stored["/model.5/conv.weight_scale"]).shape == (weight.dims[0],)
    activations = [node for node in network.graph.node if node.op_type == "QuantizeLinear"]
    assert activations
    assert {stored[node.input[2]].data_type for node in activations} == {TensorProto.UINT8}


def test_the_parts_named_stay_float() -> None:
    kept: tuple[Group, ...] = ("stem", "class output", "decoding")
    network = quantise(tiny(), noise(4), QuantiseSettings(kept_float=kept))

    stored = {tensor.name: tensor.data_type for tensor in network.graph.initializer}
    assert stored["/model.0/conv.weight"] == TensorProto.FLOAT
    assert stored["/model.23/cv3.0/cv3.0.2.weight"] == TensorProto.FLOAT
    assert stored["/model.23/cv2.0/cv2.0.2.weight_quantized"] == TensorProto.INT8
    assert "/model.5/conv.weight" not in stored


def test_scores_survive_only_because_the_decoding_stays_float() -> None:
    batch = images(1, 64, 96)
    exact = run(tiny(), batch)[0][:, 4]
    spared = run(quantise(tiny(), noise(4)), batch)[0][:, 4]
    ruined = run(quantise(tiny(), noise(4), QuantiseSettings(kept_float=())), batch)[0][:, 4]

    assert np.abs(spared - exact).mean() < np.abs(ruined - exact).mean() / 2


def test_the_same_frames_give_the_same_bytes() -> None:
    first, second = (quantise(tiny(), noise(3)) for _ in range(2))

    assert first.SerializeToString(deterministic=True) == second.SerializeToString(
        deterministic=True
    )


def test_the_original_is_not_touched() -> None:
    network = tiny()

    quantise(network, noise(2))

    assert network == tiny()


def test_no_more_frames_are_taken_than_asked_for() -> None:
    frames = noise(5)

    quantise(tiny(), frames, QuantiseSettings(frames=2))

    assert len(list(frames)) == 3


def test_ranges_that_were_kept_need_no_frames(tmp_path: Path) -> None:
    ranges = tmp_path / "ranges.json"
    first = quantise(tiny(), noise(3), ranges=ranges)

    again = quantise(tiny(), [], ranges=ranges)

    assert again.graph == first.graph


def test_without_frames_there_is_nothing_to_calibrate_with() -> None:
    with pytest.raises(DataError, match="no frame to calibrate"):
        quantise(tiny(), [])


def test_a_network_of_other_names_is_refused() -> None:
    network = tiny()
    for node in network.graph.node:
        node.name = node.name.replace("model", "net")

    with pytest.raises(CheckpointError, match="named after"):
        kept_nodes(network, ["stem"])


@pytest.mark.long
def test_the_real_network_keeps_nearly_everyone(tmp_path: Path) -> None:
    original = shared("models", "yolo11n-seg.onnx")
    calibration = frames_in(shared("images", "persons", "train2017"))
    measuring = list(frames_in(shared("images", "persons", "val2017")))[:8]
    path = tmp_path / "int8.onnx"

    network = quantise(onnx.load(original), calibration, QuantiseSettings(frames=8))
    onnx.save(network, path)
    parity = compare(open_session(original), open_session(path), measuring, confidence=0.25)

    assert path.stat().st_size < 5e6
    assert parity.people >= 10
    assert parity.recall >= 0.9
    assert parity.mask_iou >= 0.9
