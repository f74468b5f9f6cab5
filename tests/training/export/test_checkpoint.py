"""Run these in an environment with the `training` extra; they skip where it isn't."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bystander.models.segmenter import PersonSegmenter
from bystander.models.sessions import open_session
from tests.conftest import shared
from training.errors import CheckpointError
from training.export.checkpoint import CheckpointSession, read_checkpoint, to_onnx
from training.export.files import save

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ultralytics = pytest.importorskip("ultralytics")


def untrained(path: Path, architecture: str, classes: dict[int, str]) -> Path:
    """A checkpoint as training writes it, of a network that has learnt nothing."""
    from ultralytics.nn import tasks

    kind = {"seg": "SegmentationModel", "pose": "PoseModel"}.get(
        architecture.rpartition("-")[2], "DetectionModel"
    )
    model: Any = getattr(tasks, kind)(f"{architecture}.yaml", nc=len(classes), verbose=False)
    model.names = classes
    torch.save({"model": model, "ema": None, "date": "2026-11-22T10:00:00"}, path)
    return path


def test_a_network_of_one_class_goes_through_onnx_unchanged(tmp_path: Path) -> None:
    path = untrained(tmp_path / "one.pt", "yolo11n-seg", {0: "person"})
    checkpoint = read_checkpoint(path)

    network = to_onnx(checkpoint, opset=17)

    assert checkpoint.classes == ("person",)
    assert checkpoint.date == "2026-11-22"
    save(network, tmp_path / "one.onnx", {})
    assert b"/work" not in (tmp_path / "one.onnx").read_bytes()
    assert str(tmp_path).encode() not in (tmp_path / "one.onnx").read_bytes()
    session = open_session(tmp_path / "one.onnx")
    PersonSegmenter(session)  # keeps the contract
    assert session.outputs[0].shape == (None, 4 + 1 + 32, None)
    for batch, height, width in ((1, 128, 128), (3, 64, 96), (1, 96, 64)):
        images = np.random.default_rng(0).random((batch, 3, height, width), dtype=np.float32)
        expected = CheckpointSession(checkpoint).run({"images": images})
        for given, wanted in zip(session.run({"images": images}), expected, strict=True):
            np.testing.assert_allclose(given, wanted, atol=5e-3)


def test_the_real_checkpoint_answers_like_the_export_beside_it() -> None:
    checkpoint = read_checkpoint(shared("models", "yolo11n-seg.pt"))
    images = np.random.default_rng(0).random((1, 3, 96, 128), dtype=np.float32)

    ours = CheckpointSession(checkpoint).run({"images": images})
    theirs = open_session(shared("models", "yolo11n-seg.onnx")).run({"images": images})

    assert len(checkpoint.classes) == 80
    for given, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(given, wanted, atol=1e-2)


@pytest.mark.parametrize(
    ("architecture", "classes", "what"),
    [
        ("yolo11n", {0: "person"}, "DetectionModel"),
        ("yolov8n-pose", {0: "person"}, "PoseModel"),
        ("yolo26n-seg", {0: "person"}, "Segment26"),
        ("yolo11n-seg", {0: "person", 1: "dog"}, "tells 2 classes apart"),
        ("yolo11n-seg", {0: "car"}, "'car'"),
    ],
)
def test_another_network_is_refused_by_what_it_is(
    architecture: str, classes: dict[int, str], what: str, tmp_path: Path
) -> None:
    path = untrained(tmp_path / "other.pt", architecture, classes)

    with pytest.raises(CheckpointError, match=what) as refused:
        read_checkpoint(path)

    assert "Expected is a YOLO11-seg checkpoint" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"hello, I am no checkpoint", b"PK\x03\x04"])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    whole = untrained(tmp_path / "whole.pt", "yolo11n-seg", {0: "person"}).read_bytes()
    path = tmp_path / "half.pt"
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(path)


def test_a_missing_checkpoint_is_not_looked_for_on_the_network(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        read_checkpoint(tmp_path / "yolo11n-seg.pt")


class Intruder:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (self.trace,)  # type: ignore[return-value]


def test_a_pickle_that_runs_a_program_is_refused_before_it_does(tmp_path: Path) -> None:
    torch.save({"model": Intruder(tmp_path / "trace")}, tmp_path / "evil.pt")

    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_checkpoint(tmp_path / "evil.pt")

    assert not (tmp_path / "trace").exists()
