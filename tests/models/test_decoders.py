from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bystander.errors import ModelContract
from bystander.geometry.instances import Instance
from bystander.models.decoders import suppress
from bystander.models.segmenter import PersonSegmenter
from bystander.models.sessions import SessionSettings, open_session
from tests.models.networks import Drawn, Query, end_to_end, rf_detr, save, yolo

SQUARE = np.zeros((64, 64, 3), dtype=np.uint8)
WIDE = np.zeros((90, 160, 3), dtype=np.uint8)
PERSON = Query(box=(0.25, 0.25, 0.5, 0.75), score=0.9, filled=(4, 4, 8, 12))


def found_by(network: Path, frame: np.ndarray = WIDE) -> list[Instance]:
    session = open_session(network, SessionSettings(threads=1))
    return PersonSegmenter(session).segment([frame])[0]


def test_a_person_lands_where_a_stretched_frame_shows_them(tmp_path: Path) -> None:
    """A mask's pixels are 10 wide and 5.6 high in the frame: each axis has its own scale."""
    [found] = found_by(rf_detr(tmp_path / "d.onnx", [PERSON]))
    assert found.score == pytest.approx(0.9)
    assert found.mask.box == pytest.approx((40, 22.5, 80, 67.5), abs=1)
    assert found.mask.area == pytest.approx(40 * 45, rel=0.06)
    assert found.box == pytest.approx((40, 22.5, 80, 67.5), abs=1)


def test_a_silhouette_beyond_its_box_is_cut_near_it(tmp_path: Path) -> None:
    stray = Query(box=PERSON.box, score=0.9, filled=(0, 0, 16, 16))
    [found] = found_by(rf_detr(tmp_path / "d.onnx", [stray]))
    assert found.mask.box == pytest.approx((40, 22.5, 80, 67.5), abs=4)


@pytest.mark.parametrize(
    ("classes", "person", "other"),
    [
        pytest.param(91, 1, 0, id="coco-by-its-own-numbers"),
        pytest.param(91, 1, 18, id="coco-dog"),
        pytest.param(2, 0, 1, id="fine-tuned-on-people-and-background"),
        pytest.param(6, 0, 5, id="fine-tuned-on-five-classes"),
    ],
)
def test_people_are_the_class_of_people(
    tmp_path: Path, classes: int, person: int, other: int
) -> None:
    answers = [
        Query(PERSON.box, 0.8, PERSON.filled, person),
        Query((0.6, 0.1, 0.9, 0.9), 0.95, (10, 2, 14, 14), other),
    ]
    found = found_by(rf_detr(tmp_path / "d.onnx", answers, classes))
    assert [instance.score for instance in found] == [pytest.approx(0.8)]


def test_what_is_hardly_likely_is_nobody(tmp_path: Path) -> None:
    ghost = Query((0.6, 0.1, 0.9, 0.9), 0.05, (10, 2, 14, 14))
    assert len(found_by(rf_detr(tmp_path / "d.onnx", [ghost, PERSON]))) == 1


def test_two_people_in_one_box_stay_two(tmp_path: Path) -> None:
    """A DETR tells them apart by itself: suppression would leave one of them unmasked."""
    left = Query(PERSON.box, 0.9, (4, 4, 6, 12))
    right = Query(PERSON.box, 0.8, (6, 4, 8, 12))
    assert len(found_by(rf_detr(tmp_path / "d.onnx", [right, left]))) == 2


def test_two_queries_for_one_person_are_one(tmp_path: Path) -> None:
    again = Query(PERSON.box, 0.3, (4, 4, 8, 10))
    [found] = found_by(rf_detr(tmp_path / "d.onnx", [again, PERSON]))
    assert found.score == pytest.approx(0.9)


def test_an_rf_detr_of_another_form_is_refused_when_opened(tmp_path: Path) -> None:
    outputs = [np.zeros(shape, np.float32) for shape in ((1, 9, 4), (1, 9, 91), (1, 8, 16, 16))]
    network = save(tmp_path / "d.onnx", (1, 3, 64, 64), outputs, ["dets", "labels", "masks"])
    with pytest.raises(ModelContract, match=r"RF-DETR.*'masks': \(1, 8, 16, 16\)"):
        found_by(network)


@pytest.mark.parametrize("broken", ["labels", "dets"])
def test_who_answers_no_numbers_is_refused(tmp_path: Path, broken: str) -> None:
    """Nothing is above a threshold that isn't a number: nobody would be masked."""
    outputs = {
        "dets": np.full((1, 9, 4), 0.5, np.float32),
        "labels": np.full((1, 9, 91), 2, np.float32),
        "masks": np.zeros((1, 9, 16, 16), np.float32),
    }
    outputs[broken][0, 3] = np.nan
    network = save(tmp_path / "d.onnx", (1, 3, 64, 64), list(outputs.values()), list(outputs))
    with pytest.raises(ModelContract, match="no numbers"):
        found_by(network)


def test_an_end_to_end_head_finds_what_a_raw_one_does(tmp_path: Path) -> None:
    person = Drawn(box=(16, 8, 48, 56), score=0.9, filled=(5, 3, 11, 13))
    dog = Drawn(box=(0, 0, 12, 12), score=0.99, filled=(0, 0, 3, 3), label=16)
    [raw] = found_by(yolo(tmp_path / "y.onnx", [person]), SQUARE)
    [ended] = found_by(end_to_end(tmp_path / "e.onnx", [dog, person]), SQUARE)
    assert ended.score == raw.score
    assert ended.mask.box == raw.mask.box
    assert ended.mask.area == raw.mask.area


def test_nobody_outside_the_picture_breaks_it(tmp_path: Path) -> None:
    outside = Drawn(box=(80, 80, 99, 99), score=0.9, filled=(0, 0, 1, 1))
    person = Drawn(box=(16, 8, 48, 56), score=0.8, filled=(5, 3, 11, 13))
    found = found_by(end_to_end(tmp_path / "e.onnx", [outside, person]), SQUARE)
    assert found[-1].mask.box == pytest.approx((20, 12, 44, 52), abs=1)


def test_the_same_box_twice_is_kept_once() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], dtype=np.float32)
    assert suppress(boxes, 0.6) == [0, 2]


@pytest.mark.parametrize(
    "shapes",
    [
        pytest.param([(1, 512)], id="an-embedder"),
        pytest.param([(1, 300, 39), (1, 33, 16, 16)], id="coefficients-of-another-number"),
        pytest.param([(1, 37, 84), (1, 32, 8, 8)], id="prototypes-of-another-size"),
        pytest.param([(1, 84, 84)], id="a-detector"),
    ],
)
def test_another_network_is_refused_when_opened(
    tmp_path: Path, shapes: list[tuple[int, ...]]
) -> None:
    outputs = [np.zeros(shape, dtype=np.float32) for shape in shapes]
    with pytest.raises(ModelContract, match="neither a YOLO nor an RF-DETR"):
        found_by(save(tmp_path / "other.onnx", (1, 3, 64, 64), outputs))
