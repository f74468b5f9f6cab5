from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, save_model

from bystander.errors import ConfigError, ModelContract, ModelCorrupt, ModelError
from bystander.models.sessions import SessionSettings, Tensor, open_session
from tests.conftest import REPOSITORY

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)
BACKENDS = ["onnxruntime", pytest.param("openvino", marks=needs_openvino)]


@pytest.fixture
def doubler(tmp_path: Path) -> Path:
    """A network that adds its input, float32 [any, 3], to itself."""
    shape: list[int | str | None] = ["batch", 3]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubler",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    opsets = [helper.make_opsetid("", 17)]
    save_model(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "d.onnx")
    return tmp_path / "d.onnx"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_network_runs_on_every_shape_it_takes(doubler: Path, backend: str) -> None:
    session = open_session(doubler, SessionSettings.model_validate({"backend": backend}))
    assert session.inputs == (Tensor("x", (None, 3), "tensor(float)"),)
    assert session.outputs == (Tensor("y", (None, 3), "tensor(float)"),)
    for count in (1, 7, 2, 9, 4, 5, 1):
        x = np.random.default_rng(count).random((count, 3), dtype=np.float32)
        [y] = session.run({"x": x})
        np.testing.assert_allclose(y, 2 * x)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_session_serves_several_threads(doubler: Path, backend: str) -> None:
    session = open_session(doubler, SessionSettings.model_validate({"backend": backend}))
    inputs = [np.full((1 + i % 6, 3), i, dtype=np.float32) for i in range(60)]
    with ThreadPoolExecutor(4) as pool:
        for x, [y] in zip(inputs, pool.map(lambda x: session.run({"x": x}), inputs), strict=True):
            np.testing.assert_array_equal(y, 2 * x)


@needs_openvino
@pytest.mark.parametrize(("cores", "threads", "expected"), [(2, 1, 2), (2, 2, 1), (1, 4, 1)])
def test_openvino_takes_as_many_calls_at_once_as_there_are_cores_for(
    doubler: Path, monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, expected: int
) -> None:
    monkeypatch.setenv("BYSTANDER_CORES", str(cores))
    session = open_session(doubler, SessionSettings(backend="openvino", threads=threads))
    session.run({"x": np.zeros((1, 3), dtype=np.float32)})
    [compiled] = session._compiled.values()  # type: ignore[attr-defined]
    assert compiled.network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS") == expected
    assert compiled.network.get_property("ENABLE_CPU_PINNING") is False


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("length", [0, 50])
def test_a_truncated_network_is_corrupt(doubler: Path, backend: str, length: int) -> None:
    doubler.write_bytes(doubler.read_bytes()[:length])
    with pytest.raises(ModelCorrupt, match=r"d\.onnx"):
        open_session(doubler, SessionSettings.model_validate({"backend": backend}))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_wrong_shape_breaks_the_contract(doubler: Path, backend: str) -> None:
    session = open_session(doubler, SessionSettings.model_validate({"backend": backend}))
    with pytest.raises(ModelContract, match=r"float32 \(2, 5\)"):
        session.run({"x": np.zeros((2, 5), dtype=np.float32)})


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.onnx"):
        open_session(tmp_path / "gone.onnx")


def test_an_unknown_provider_names_the_available_ones(doubler: Path) -> None:
    with pytest.raises(ConfigError, match=r"Available: .*CPUExecutionProvider"):
        open_session(doubler, SessionSettings(providers=("quantum",)))


def test_a_provider_goes_by_its_short_name(doubler: Path) -> None:
    open_session(doubler, SessionSettings(providers=("cpu",)))


def test_a_precision_that_would_be_ignored_is_refused(doubler: Path) -> None:
    with pytest.raises(ConfigError, match="fp16"):
        open_session(doubler, SessionSettings(providers=("cpu",), precision="fp16"))


@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)
def test_openvino_gives_the_same_whatever_else_is_in_a_batch() -> None:
    network = REPOSITORY / "bystander/weights/person-seg-n.onnx"
    session = open_session(network, SessionSettings(backend="openvino"))
    frames = np.random.default_rng(1).random((3, 3, 64, 96), dtype=np.float32)
    together = session.run({"images": frames})
    for at in range(3):
        alone = session.run({"images": frames[at : at + 1]})
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[at])


@pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)
def test_openvino_can_be_compiled_for_any_shape(doubler: Path) -> None:
    session = open_session(doubler, SessionSettings(backend="openvino"), any_shape=True)
    for count in (1, 7, 2):
        x = np.random.default_rng(count).random((count, 3), dtype=np.float32)
        np.testing.assert_allclose(session.run({"x": x})[0], 2 * x)


def test_faces_are_found_in_the_segmenters_bf16_and_otherwise_in_fp32() -> None:
    for precision, expected in (("bf16", "bf16"), ("fp16", "fp32"), ("int8", "fp32")):
        settings = SessionSettings.model_validate({"precision": precision})
        assert settings.of_faces().precision.value == expected
