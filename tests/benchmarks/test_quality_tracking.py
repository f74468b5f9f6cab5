"""HOTA, IDF1 and people found, on boxes of which we know whose they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.tracking import people_found, reference_boxes, tracking_score
from benchmarks.quality.truth import Truth

pytest.importorskip("trackers")

LEFT, RIGHT = (0.0, 0.0, 20.0, 60.0), (50.0, 0.0, 70.0, 60.0)
FRAMES = 10
TRUE = [{1: LEFT, 2: RIGHT} for _ in range(FRAMES)]


def test_who_is_followed_throughout_scores_one_whatever_they_are_called() -> None:
    score = tracking_score([{70: LEFT, 3: RIGHT}] * FRAMES, Truth(None, boxes=TRUE))
    assert score is not None
    assert [score.hota, score.idf1] == pytest.approx([1, 1])
    assert score.found == 2


def test_a_swap_halfway_costs_identity() -> None:
    swapped = [{1: LEFT, 2: RIGHT}] * 5 + [{1: RIGHT, 2: LEFT}] * 5
    score = tracking_score(swapped, Truth(None, boxes=TRUE))
    assert score is not None
    assert score.idf1 == pytest.approx(0.5)
    assert 0 < score.hota < 0.8


def test_without_ids_nothing_can_be_told(tmp_path: Path) -> None:
    assert tracking_score([{}], Truth(None)) is None
    assert tracking_score([{}], Truth(tmp_path, complete=False)) is None


def test_fragments_of_two_frames_are_nobody() -> None:
    frames = [{1: LEFT}] * 3 + [{2: LEFT}] * 2
    assert people_found(frames) == 1


@pytest.mark.parametrize("name", ["bytetrack", "botsort"])
def test_the_references_follow_two_people_who_walk(name: str) -> None:
    detections, pictures = [], []
    for frame in range(FRAMES):
        boxes = [[10 + 2 * frame, 10, 40 + 2 * frame, 90, 0.9], [100, 10, 130, 90, 0.9]]
        detections.append(np.array(boxes, dtype=np.float32))
        pictures.append(np.full((120, 160, 3), 90, dtype=np.uint8))
    frames = reference_boxes(name, detections, pictures, 25.0)
    assert {person for boxes in frames[3:] for person in boxes} == set(frames[-1])
    assert len(frames[-1]) == 2
