"""Fine-tuning itself is run by `make train-smoke`; here what must hold before it starts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bystander.models.sessions import open_session
from tests.conftest import shared
from training.errors import CheckpointError

torch = pytest.importorskip("torch", reason="needs the training environment")
pytest.importorskip("ultralytics", reason="needs the training environment")

from ultralytics.cfg import get_cfg  # noqa: E402
from ultralytics.utils.loss import v8SegmentationLoss  # noqa: E402

from training.export.checkpoint import CheckpointSession, read_checkpoint  # noqa: E402
from training.fine_tune import (  # noqa: E402
    PersonTrainer,
    RectangularOrder,
    TouchingPeopleLoss,
    _network,
    _save,
    carry_over,
    mixed,
)

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


SHIPPED = Path(__file__).parents[2] / "bystander" / "weights" / "person-seg-n.onnx"


def test_the_network_that_is_carried_over_answers_as_before(start: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).random((1, 3, 96, 128), dtype=np.float32)
    checkpoint = read_checkpoint(carry_over(SHIPPED, start, tmp_path / "start.pt"))
    before = open_session(SHIPPED).run({"images": picture})
    after = CheckpointSession(checkpoint).run({"images": picture})
    for one, other in zip(after, before, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("content", [None, b"no network"])
def test_weights_that_cannot_be_read_are_named(
    content: bytes | None, start: Path, tmp_path: Path
) -> None:
    network = tmp_path / "mine.onnx"
    if content is not None:
        network.write_bytes(content)
    with pytest.raises(CheckpointError, match="mine"):
        carry_over(network, start, tmp_path / "start.pt")


def test_only_where_people_touch_does_a_silhouette_weigh_more(start: Path, tmp_path: Path) -> None:
    network = _network(one_class(start, tmp_path)).train()
    network.args = get_cfg()
    ids = torch.zeros(1, 48, 80)
    ids[0, 8:40, 10:24] = 1
    people = {"img": torch.rand(1, 3, 192, 320), "batch_idx": torch.zeros(2)}
    predicted = network(people["img"])

    def loss(kind: Any, x0: int) -> float:
        """Of two people, the second from column `x0`, both 14 columns wide."""
        both = ids.clone()
        both[0, 8:40, x0 : x0 + 14] = 2
        boxes = torch.tensor(
            [[17 / 80, 0.5, 14 / 80, 32 / 48], [(x0 + 7) / 80, 0.5, 14 / 80, 2 / 3]]
        )
        batch = {**people, "cls": torch.zeros(2, 1), "bboxes": boxes, "masks": both}
        return float(kind.loss(predicted, batch)[1]["seg_loss"])

    usual, even, more = (
        v8SegmentationLoss(network),
        TouchingPeopleLoss(network, 0),
        TouchingPeopleLoss(network, 3),
    )
    assert loss(even, 24) == pytest.approx(loss(usual, 24), rel=1e-4)
    assert loss(more, 50) == pytest.approx(loss(usual, 50), rel=1e-4)
    assert loss(more, 24) > 1.05 * loss(usual, 24)


def test_a_checkpoint_of_another_architecture_is_refused_before_training(tmp_path: Path) -> None:
    from ultralytics.nn.tasks import DetectionModel

    from training.fine_tune import fine_tune
    from training.recipe import FineTuningSettings

    other = tmp_path / "detector.pt"
    torch.save({"model": DetectionModel("yolo11n.yaml", verbose=False)}, other)
    with pytest.raises(CheckpointError, match="DetectionModel"):
        fine_tune(other, tmp_path / "data.yaml", tmp_path / "out", FineTuningSettings())
