"""Fine-tuning itself is run by `make train-smoke`; here what must hold before it starts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import shared
from training.errors import CheckpointError

torch = pytest.importorskip("torch", reason="needs the training environment")
pytest.importorskip("ultralytics", reason="needs the training environment")

from training.export.checkpoint import CheckpointSession, read_checkpoint  # noqa: E402
from training.fine_tune import PersonTrainer, RectangularOrder, _save, mixed  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def test_batches_are_of_one_shape_and_every_picture_is_seen() -> None:
    shapes = np.array([[384, 640]] * 10 + [[640, 384]] * 3)
    order = list(RectangularOrder(shapes, np.ones(13, dtype=int), batch=4, seed=0))
    assert len(order) == 16
    assert set(order) == set(range(13))
    for batch in np.reshape(order, (-1, 4)):
        assert len(np.unique(shapes[batch], axis=0)) == 1


def test_each_epoch_has_another_order() -> None:
    order = RectangularOrder(np.full((32, 2), 640), np.ones(32, dtype=int), batch=4, seed=0)
    assert list(order) != list(order)


def test_repeated_pictures_are_seen_as_often_as_asked() -> None:
    repeats = np.array([1, 3, 4])
    order = list(RectangularOrder(np.full((3, 2), 640), repeats, batch=8, seed=0))
    assert Counter(order) == {0: 1, 1: 3, 2: 4}


@pytest.fixture(scope="module")
def start() -> Path:
    return shared("models", "yolo11n-seg.pt")


def one_class(start: Path, folder: Path) -> Path:
    """The network as training begins with it: made by Ultralytics' own transfer."""
    content = torch.load(start, weights_only=False)
    trainer = PersonTrainer.__new__(PersonTrainer)
    trainer.data = {"nc": 1, "channels": 3, "names": {0: "person"}}
    trainer.args = type("Args", (), {"cls_remap": True})()
    network = trainer.get_model("yolo11n-seg.yaml", content["model"].float(), verbose=False)
    _save(network, folder / "one.pt")
    return folder / "one.pt"


def test_training_starts_from_what_coco_taught(start: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).random((1, 3, 96, 128), dtype=np.float32)
    before = CheckpointSession(read_checkpoint(start)).run({"images": picture})
    after = CheckpointSession(read_checkpoint(one_class(start, tmp_path))).run({"images": picture})
    np.testing.assert_allclose(after[0][:, :5], before[0][:, :5], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(after[0][:, 5:], before[0][:, 84:], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(after[1], before[1], rtol=1e-3, atol=1e-3)


def test_a_mixed_network_lies_between_start_and_end(start: Path, tmp_path: Path) -> None:
    trained = one_class(start, tmp_path)
    content = torch.load(trained, weights_only=False)
    for weight in content["model"].parameters():
        weight.data += 1
    torch.save(content, trained)
    network = mixed(start, trained, keep_start=0.25)
    source = torch.load(start, weights_only=False)["model"].float()
    weights = {name: value for name, value in network.named_parameters()}
    for name, value in source.named_parameters():
        row = value[:1] if weights[name].shape != value.shape else value
        torch.testing.assert_close(weights[name], row + 0.75, rtol=1e-4, atol=1e-4)


def test_a_checkpoint_of_another_architecture_is_refused_before_training(tmp_path: Path) -> None:
    from ultralytics.nn.tasks import DetectionModel

    from training.fine_tune import fine_tune
    from training.recipe import FineTuningSettings

    other = tmp_path / "detector.pt"
    torch.save({"model": DetectionModel("yolo11n.yaml", verbose=False)}, other)
    with pytest.raises(CheckpointError, match="DetectionModel"):
        fine_tune(other, tmp_path / "data.yaml", tmp_path / "out", FineTuningSettings())
