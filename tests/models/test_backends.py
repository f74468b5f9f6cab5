from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bystander.choices import Precision
from bystander.errors import ConfigError
from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from bystander.models import ModelSettings, backends, choose_network, load_models, segmenter_files
from bystander.models.backends import BackendCandidate, Measurement, choose, measurements, self_test
from bystander.models.sessions import SessionSettings
from bystander.models.store import Catalogue, ModelStore, Variant

pytestmark = pytest.mark.sampled(4)

FP32 = BackendCandidate("onnxruntime", "cpu", Precision.FP32)
INT8 = BackendCandidate("onnxruntime", "cpu", Precision.INT8)
OPENVINO = BackendCandidate("openvino", "cpu", Precision.FP32)
BF16 = BackendCandidate("openvino", "cpu", Precision.BF16)
HERE = (FP32, INT8, OPENVINO, BF16)
NOTHING: Mapping[str, str] = {}  # set in the environment

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)


@pytest.fixture
def networks(tmp_path: Path) -> dict[Variant, Path]:
    """Files that stand for the two variants; nothing opens them."""
    for name in ("float", "int8"):
        (tmp_path / name).write_bytes(name.encode())
    return {"float": tmp_path / "float", "int8": tmp_path / "int8"}


def agreeing(candidate: BackendCandidate, milliseconds: float) -> Measurement:
    return Measurement(candidate, milliseconds, mean_iou=0.99, score_difference=0.01)


def machine(patch: pytest.MonkeyPatch, *measured: Measurement) -> list[int]:
    """A machine that has what was measured; returns a list that grows with each self-test."""
    tests: list[int] = []

    def test(networks: Mapping[Variant, Path]) -> tuple[Measurement, ...]:
        tests.append(1)
        return measured

    patch.setattr(backends, "_candidates", lambda: [one.candidate for one in measured])
    patch.setattr(backends, "self_test", test)
    return tests


def test_the_fastest_that_agrees_is_taken(
    networks: dict[Variant, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Measurement(BF16, 10, mean_iou=0.97, score_difference=0.01)
    machine(monkeypatch, agreeing(FP32, 60), agreeing(INT8, 5), agreeing(OPENVINO, 40), wrong)
    chosen = choose(SessionSettings(), "float", networks, tmp_path, NOTHING)
    assert (chosen.name, chosen.variant) == ("openvino fp32", "float")
    assert chosen.sessions.backend == "openvino"
    assert chosen.sessions.precision is Precision.FP32
    assert chosen.sessions.providers == ("cpu",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean_iou": 0.9799},
        {"score_difference": 0.031},
        {"unmatched": 1},
        {"failed": "no such instruction"},
    ],
)
def test_what_differs_from_fp32_is_never_taken(
    wrong: dict[str, float | str],
    networks: dict[Variant, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good: dict[str, float | str] = {"mean_iou": 0.98, "score_difference": 0.03}
    fast = Measurement(BF16, 1, **{**good, **wrong})  # type: ignore[arg-type]
    machine(monkeypatch, agreeing(FP32, 60), fast)
    assert choose(SessionSettings(), "float", networks, tmp_path, NOTHING).name == (
        "onnxruntime fp32"
    )
    machine(monkeypatch, agreeing(FP32, 60), Measurement(BF16, 1, **good))  # type: ignore[arg-type]
    elsewhere = tmp_path / "elsewhere"
    assert choose(SessionSettings(), "float", networks, elsewhere, NOTHING).name == "openvino bf16"


def test_less_than_a_tenth_of_the_time_is_no_reason_to_change(
    networks: dict[Variant, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, agreeing(FP32, 60), agreeing(OPENVINO, 55))
    chosen = choose(SessionSettings(), "float", networks, tmp_path, NOTHING)
    assert chosen.name == "onnxruntime fp32"


@pytest.mark.parametrize(
    ("bf16_ms", "name", "variant"),
    [(36, "onnxruntime int8", "int8"), (19, "openvino bf16", "float")],
)
def test_the_int8_network_gives_way_to_a_float_one_that_is_faster(
    bf16_ms: float,
    name: str,
    variant: Variant,
    networks: dict[Variant, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    int8 = Measurement(INT8, 31, mean_iou=0.95, score_difference=0.2)
    machine(monkeypatch, agreeing(FP32, 60), int8, agreeing(BF16, bf16_ms))
    chosen = choose(SessionSettings(), "int8", networks, tmp_path, NOTHING)
    assert (chosen.name, chosen.variant) == (name, variant)


@pytest.mark.parametrize(
    ("precision", "name", "variant"),
    [
        ("fp32", "openvino fp32", "float"),
        ("bf16", "openvino bf16", "float"),
        ("int8", "onnxruntime int8", "int8"),
    ],
)
@pytest.mark.parametrize("asked", ["float", "int8"])
def test_a_given_precision_is_kept_to_and_decides_the_variant(
    asked: Variant,
    precision: str,
    name: str,
    variant: Variant,
    networks: dict[Variant, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine(
        monkeypatch,
        agreeing(FP32, 60),
        agreeing(INT8, 30),
        agreeing(OPENVINO, 40),
        agreeing(BF16, 20),
    )
    settings = SessionSettings(precision=Precision(precision))
    chosen = choose(settings, asked, networks, tmp_path, NOTHING)
    assert (chosen.name, chosen.variant) == (name, variant)


def test_what_the_processor_lacks_is_refused(
    networks: dict[Variant, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = machine(monkeypatch, agreeing(FP32, 60), agreeing(OPENVINO, 40))
    for precision in (Precision.BF16, Precision.FP16):
        with pytest.raises(ConfigError, match=precision):
            choose(SessionSettings(precision=precision), "float", networks, tmp_path, NOTHING)
    settings = SessionSettings(backend="openvino", providers=("cuda",))
    with pytest.raises(ConfigError, match="doesn't run on cuda"):
        choose(settings, "float", networks, tmp_path, NOTHING)
    assert not tests


def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no provider TensorrtExecutionProvider here"):
        load_models(ModelSettings(sessions=SessionSettings(providers=("tensorrt",))))


def test_without_openvino_nothing_is_tried_and_nothing_said(
    networks: dict[Variant, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(backends, "self_test", None)
    with caplog.at_level(logging.DEBUG):
        chosen = choose(SessionSettings(), "float", networks, tmp_path / "cache", NOTHING)
    assert chosen.name == "onnxruntime fp32"
    assert not caplog.messages
    assert not (tmp_path / "cache").exists()
    settings = SessionSettings(precision=Precision.BF16)
    with pytest.raises(ConfigError, match="pip install openvino"):
        choose(settings, "float", networks, tmp_path, NOTHING)


def test_the_environment_decides_what_the_settings_leave_open(
    networks: dict[Variant, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, *(agreeing(one, 20) for one in HERE))
    environ = {"BYSTANDER_BACKEND": "onnxruntime:fp32"}
    assert choose(SessionSettings(), "float", networks, tmp_path, environ).name == (
        "onnxruntime fp32"
    )
    int8 = choose(SessionSettings(), "int8", networks, tmp_path, {"BYSTANDER_BACKEND": "openvino"})
    assert int8.name == "onnxruntime int8"
    given = SessionSettings(backend="openvino", precision=Precision.BF16)
    assert choose(given, "float", networks, tmp_path, environ).name == "openvino bf16"
    with pytest.raises(ConfigError, match="BYSTANDER_BACKEND=quick"):
        choose(given, "float", networks, tmp_path, {"BYSTANDER_BACKEND": "quick"})


def test_the_self_test_runs_once_for_weights_on_a_machine(
    networks: dict[Variant, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tests = machine(monkeypatch, agreeing(FP32, 60), agreeing(BF16, 20))
    with caplog.at_level(logging.INFO):
        first = measurements(networks, tmp_path)
        assert measurements(networks, tmp_path) == first
    assert len(tests) == 1
    assert [message for message in caplog.messages if "once" in message] == caplog.messages
    measurements(networks, tmp_path, again=True)
    assert len(tests) == 2
    networks["float"].write_bytes(b"other weights")
    measurements(networks, tmp_path)
    assert len(tests) == 3


@pytest.mark.parametrize("content", ["", "[", "{}", '[{"candidate": {}}]', "[1]"])
def test_what_is_kept_and_cannot_be_read_is_measured_again(
    content: str, networks: dict[Variant, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = machine(monkeypatch, agreeing(FP32, 60))
    measurements(networks, tmp_path)
    [kept] = (tmp_path / "backends").glob("*.json")
    kept.write_text(content)
    assert [m.candidate for m in measurements(networks, tmp_path)] == [FP32]
    assert len(tests) == 2
    assert json.loads(kept.read_text())


def test_a_cache_that_cannot_be_written_is_done_without(
    networks: dict[Variant, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, agreeing(FP32, 60), agreeing(BF16, 20))
    (tmp_path / "file").touch()
    chosen = choose(SessionSettings(), "float", networks, tmp_path / "file", NOTHING)
    assert chosen.name == "openvino bf16"


def test_of_several_at_once_one_runs_the_self_test(
    networks: dict[Variant, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = machine(monkeypatch, agreeing(FP32, 60), agreeing(BF16, 20))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: measurements(networks, tmp_path), range(8)))
    assert len(set(found)) == len(tests) == 1


def person(x: int, score: float, width: int = 10) -> Instance:
    return Instance((x, 0, x + width, 20), score, Mask(x, 0, np.ones((20, width), dtype=bool)))


def test_people_are_compared_with_whom_they_overlap() -> None:
    ours = [person(0, 0.9), person(50, 0.3), person(90, 0.2)]
    same = [person(50, 0.32), person(0, 0.89, width=8)]
    assert backends._compare(ours, same) == (0.9, 0.02, 0)
    assert backends._compare(ours, same[:1])[2] == 1
    assert backends._compare(ours, [*same, person(200, 0.26)])[2] == 1
    assert backends._compare([], []) == (0.0, 1.0, 0)


@needs_openvino
def test_on_this_machine_the_same_arithmetic_agrees_and_int8_does_not(tmp_path: Path) -> None:
    store = ModelStore.from_environment(Catalogue.load(), {"XDG_CACHE_HOME": str(tmp_path)})
    _, networks = segmenter_files(ModelSettings(), store)
    found = {one.candidate: one for one in self_test(networks)}
    assert {FP32, INT8, OPENVINO} <= set(found)
    assert found[FP32].mean_iou == found[OPENVINO].mean_iou == 1
    assert found[OPENVINO].agrees
    assert not found[INT8].agrees
    assert all(one.milliseconds > 0 and not one.failed for one in found.values())
    if BF16 in found:
        assert 0.98 <= found[BF16].mean_iou < 1
        assert found[BF16].agrees


@pytest.mark.long
@needs_openvino
def test_the_timeline_tells_what_ran_the_segmenter(tmp_path: Path) -> None:
    store = ModelStore.from_environment(Catalogue.load())
    settings = ModelSettings(
        sessions=SessionSettings(backend="openvino", precision=Precision.FP32), faces="dlib"
    )
    network, chosen = choose_network(settings, store)
    assert (network.name, chosen.name) == ("person-seg-n.onnx", "openvino fp32")
    models = load_models(settings, store)
    assert models.describe()["backend"] == "openvino fp32"
    picture = backends._picture()
    theirs = load_models(ModelSettings(faces="dlib"), store)
    assert theirs.describe()["backend"] == "onnxruntime fp32"
    for one, other in zip(
        models.segmenter.segment([picture])[0],
        theirs.segmenter.segment([picture])[0],
        strict=True,
    ):
        np.testing.assert_allclose(one.box, other.box, atol=0.05)
    faces = models.faces.detect(picture), theirs.faces.detect(picture)
    assert len(faces[0]) == len(faces[1]) > 0
    for face, same in zip(*faces, strict=True):
        np.testing.assert_allclose(face.landmarks, same.landmarks, atol=0.01)
