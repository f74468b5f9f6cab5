from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from bystander.models.sessions import open_session
from tests.models.networks import SIDE, BySize, Drawn, yolo
from training.export.parity import compare, match

FRAMES = [np.zeros((SIDE, SIDE, 3), dtype=np.uint8)] * 2
LEFT = Drawn((8, 8, 28, 56), 0.9, (2, 2, 7, 14))
RIGHT = Drawn((36, 8, 56, 56), 0.8, (9, 2, 14, 14))


def person(x: int, width: int = 10) -> Instance:
    mask = Mask(x, 0, np.ones((10, width), dtype=bool))
    return Instance((x, 0, x + width, 10), 0.9, mask)


def test_a_network_is_no_different_from_itself(tmp_path: Path) -> None:
    session = open_session(yolo(tmp_path / "a.onnx", [LEFT, RIGHT]))

    parity = compare(session, session, FRAMES, confidence=0.25)

    assert (parity.frames, parity.people, parity.lost, parity.new) == (2, 4, 0, 0)
    assert parity.recall == parity.mask_iou == 1
    assert parity.boxes.largest == parity.scores.largest == parity.prototypes.largest == 0


def test_someone_whose_score_falls_below_the_confidence_is_lost(tmp_path: Path) -> None:
    faded = Drawn(RIGHT.box, 0.2, RIGHT.filled)
    original = open_session(yolo(tmp_path / "a.onnx", [LEFT, RIGHT]))
    other = open_session(yolo(tmp_path / "b.onnx", [LEFT, faded]))

    parity = compare(original, other, FRAMES, confidence=0.25)
    turned = compare(other, original, FRAMES, confidence=0.25)

    assert (parity.lost, parity.new, parity.recall) == (2, 0, 0.5)
    assert (turned.lost, turned.new, turned.recall) == (0, 2, 1)
    assert parity.scores.largest == pytest.approx(0.6)
    assert parity.boxes.largest == 0


def test_a_thinner_silhouette_shows_in_the_overlap(tmp_path: Path) -> None:
    thin = Drawn(LEFT.box, LEFT.score, (2, 2, 6, 14))
    original = open_session(yolo(tmp_path / "a.onnx", [LEFT]))
    other = open_session(yolo(tmp_path / "b.onnx", [thin]))

    parity = compare(original, other, FRAMES, confidence=0.25)

    assert parity.lost == 0
    assert 0.6 < parity.mask_iou < 0.95
    assert parity.prototypes.largest == 10


def test_a_network_that_would_look_a_second_time_is_compared_by_its_first_look() -> None:
    close, far = (BySize(share, 0.8, {128: 1.0, 64: 0.5}) for share in (0.9, 0.2))

    parity = compare(close, far, [np.zeros((128, 128, 3), dtype=np.uint8)], confidence=0.25)

    assert parity.boxes.largest == pytest.approx(0.7 * 128)


def test_frames_without_people_are_no_loss(tmp_path: Path) -> None:
    session = open_session(yolo(tmp_path / "a.onnx", []))

    parity = compare(session, session, FRAMES, confidence=0.25)

    assert (parity.people, parity.recall, parity.mask_iou) == (0, 1, 1)


def test_each_person_is_matched_once_and_the_best_overlap_first() -> None:
    found = match([person(0), person(2)], [person(2)])

    assert (list(found.overlaps), found.lost, found.new) == ([1], 1, 0)


def test_half_of_someone_is_not_the_same_person() -> None:
    found = match([person(0)], [person(0, width=4)])

    assert (found.overlaps, found.lost, found.new) == ((), 1, 1)
