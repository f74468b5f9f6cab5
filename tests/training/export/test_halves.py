from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from bystander.models.sessions import open_session
from tests.conftest import shared
from tests.training.export.networks import tiny
from training.export.frames import frames_in
from training.export.halves import store_halves
from training.export.parity import compare


def run(network: onnx.ModelProto) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(
        network.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    images = np.random.default_rng(3).random((2, 3, 64, 96), dtype=np.float32)
    outputs: list[NDArray[np.float32]] = session.run(None, {"images": images})
    return outputs


def rounded(network: onnx.ModelProto) -> onnx.ModelProto:
    """The float32 network whose weights went through float16."""
    for tensor in network.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if tensor.name.endswith(".weight") and weights.size >= 256:
            back = weights.astype(np.float16).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(back, tensor.name))
    return network


def test_the_arithmetic_is_that_of_float32_with_rounded_weights() -> None:
    for halved, expected in zip(run(store_halves(tiny())), run(rounded(tiny())), strict=True):
        np.testing.assert_array_equal(halved, expected)


def test_weights_take_half_the_room_and_small_tensors_are_left_alone() -> None:
    stored = {tensor.name: tensor for tensor in store_halves(tiny()).graph.initializer}

    assert stored["/model.5/conv.weight.half"].data_type == TensorProto.FLOAT16
    assert "/model.5/conv.weight" not in stored
    assert stored["/model.5/conv.bias"].data_type == TensorProto.FLOAT


def test_a_weight_beyond_float16_is_kept_as_it_is() -> None:
    network = tiny()
    weights = next(t for t in network.graph.initializer if t.name == "/model.5/conv.weight")
    huge = numpy_helper.to_array(weights).copy()
    huge[0, 0, 0, 0] = 1e6
    weights.CopyFrom(numpy_helper.from_array(huge, weights.name))

    stored = {tensor.name: tensor for tensor in store_halves(network).graph.initializer}

    np.testing.assert_array_equal(numpy_helper.to_array(stored["/model.5/conv.weight"]), huge)


def test_the_original_is_not_touched() -> None:
    network = tiny()

    store_halves(network)

    assert network == tiny()


@pytest.mark.long
def test_the_real_network_fits_the_repository_and_finds_the_same_people(
    tmp_path: Path,
) -> None:
    original = shared("models", "yolo11n-seg.onnx")
    measuring = list(frames_in(shared("images", "persons", "val2017")))[:6]
    path = tmp_path / "halves.onnx"

    onnx.save(store_halves(onnx.load(original)), path)
    parity = compare(open_session(original), open_session(path), measuring, confidence=0.25)

    assert path.stat().st_size < 6e6
    assert (parity.lost, parity.new) == (0, 0)
    assert parity.mask_iou > 0.99
    assert parity.scores.largest < 0.02
