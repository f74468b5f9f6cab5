"""Tracks and what is drawn from them: who may be linked, and which pairs count."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from bystander.geometry.types import Box
from training.faces.metrics import Scores
from training.faces.samples import Samples, yaw
from training.faces.settings import FaceExperimentSettings
from training.faces.several import (
    Trials,
    after_earlier,
    between_tracks,
    genuine_trials,
    photo_trials,
    rival_trials,
    within_tracks,
)
from training.faces.tracks import FaceTrack, Look, linked

SETTINGS = FaceExperimentSettings(counts=(1, 3), draws=4, references=2)
LEFT: Box = (0, 0, 40, 40)
RIGHT: Box = (200, 0, 240, 40)


def faces(*vectors: list[float]) -> Samples:
    count = len(vectors)
    array = np.array(vectors, dtype=np.float32).reshape(count, -1)
    return Samples(array, np.full(count, 0.5), np.full(count, 40.0), np.zeros(count))


def look(seconds: float, *boxes: Box, shot: int = 0) -> Look:
    return Look(round(10 * seconds), seconds, shot, boxes, faces(*[[1.0, 0.0]] * len(boxes)))


def moved(box: Box, by: float) -> Box:
    return box[0] + by, box[1], box[2] + by, box[3]


def track(person: int, seconds: Scores, clip: str = "clip") -> FaceTrack:
    """A face that is one axis of three: cosines are 1 within a person and 0 between two."""
    vectors = np.zeros((len(seconds), 3), dtype=np.float32)
    vectors[:, person] = 1
    count = len(seconds)
    samples = Samples(vectors, np.full(count, 0.5), np.full(count, 40.0), np.zeros(count))
    frames = np.round(seconds * 10).astype(np.intp)
    return FaceTrack(clip, frames, seconds, np.zeros((count, 4)), samples)


def test_a_face_that_moves_a_little_is_one_person() -> None:
    looks = [look(0, LEFT, RIGHT), look(0.1, moved(RIGHT, 5), moved(LEFT, 5)), look(0.2, LEFT)]
    assert linked(looks, SETTINGS) == [[(0, 0), (1, 1), (2, 0)], [(0, 1), (1, 0)]]


@pytest.mark.parametrize(
    "later",
    [
        look(0.1, LEFT, shot=1),
        look(0.1 + SETTINGS.gap, LEFT),
        look(0.1, moved(LEFT, 30)),
    ],
    ids=["over a cut", "after a gap", "elsewhere"],
)
def test_what_may_be_another_person_begins_a_track(later: Look) -> None:
    assert linked([look(0, LEFT), later], SETTINGS) == [[(0, 0)], [(1, 0)]]


def test_faces_that_touch_are_not_linked() -> None:
    beside = moved(LEFT, 20)
    assert len(linked([look(0, LEFT), look(0.1, LEFT, beside)], SETTINGS)) == 3
    assert len(linked([look(0, LEFT, beside), look(0.1, LEFT)], SETTINGS)) == 3


def test_a_face_is_one_person_with_itself_only_a_second_later() -> None:
    one = track(0, np.array([0.0, 0.5, 1.0, 1.6]))
    assert len(within_tracks([one], apart=1.0)) == 3  # 0 and 1, 0 and 1.6, 0.5 and 1.6


def test_only_faces_seen_together_are_two_people() -> None:
    first, beside = track(0, np.array([0.0, 0.1])), track(1, np.array([0.1, 0.2, 0.3]))
    later, elsewhere = track(0, np.array([5.0])), track(0, np.array([0.0]), clip="other")
    assert_allclose(between_tracks([first, beside, later, elsewhere]), np.zeros(6))


def test_trials_compare_a_reference_with_faces_of_its_own_and_of_others() -> None:
    seconds = np.arange(30) / 10
    tracks = [track(0, seconds), track(1, seconds)]
    own, rivals = genuine_trials(tracks, SETTINGS), rival_trials(tracks, SETTINGS)
    assert own.similarity.shape == (2 * 2 * 4, 3)  # tracks, references, draws
    assert_allclose(own.similarity, 1)
    assert_allclose(rivals.similarity, 0)
    photos = faces([0, 0, 1], [0, 1, 0])
    strangers = photo_trials(photos, tracks[:1], SETTINGS)
    assert_allclose(strangers.similarity, np.zeros((2, 3)))


def test_a_face_is_compared_with_the_median_of_those_before_it() -> None:
    seconds = np.arange(3) / 10
    first, beside = track(0, seconds), track(1, seconds)
    own, swapped = after_earlier([first, beside])
    assert_allclose(own, np.ones(2 * 2))
    assert_allclose(swapped, np.zeros(2 * 3))


def test_a_track_too_short_to_be_compared_with_itself_makes_no_trial() -> None:
    assert len(genuine_trials([track(0, np.arange(9) / 10)], SETTINGS)) == 0


def test_fewer_faces_are_the_middle_of_each_part() -> None:
    values = np.arange(9, dtype=np.float64)[None]
    trials = Trials(values, np.ones_like(values))
    assert trials.scores("mean", 1) == [4]
    assert trials.scores("max", 3) == [7]
    assert trials.scores("median", 9) == [4]


@pytest.mark.parametrize(
    ("nose", "degrees"), [((50.0, 20.0), 0.0), ((75.0, 20.0), 26.6), ((0.0, 20.0), 45.0)]
)
def test_the_nose_tells_how_far_a_head_is_turned(nose: tuple[float, float], degrees: float) -> None:
    landmarks = np.array([(0, 0), (100, 0), nose, (20, 80), (80, 80)], dtype=np.float32)
    assert yaw(landmarks) == pytest.approx(degrees, abs=0.1)


def test_yaw_does_not_care_how_a_head_is_tilted_or_how_large_it_is() -> None:
    points = np.array([(0, 0), (10, 0), (8, 5), (2, 8), (8, 8)], dtype=np.float32)
    turn: NDArray[np.float32] = np.array([[0, 3], [-3, 0]], dtype=np.float32)
    assert yaw(points @ turn) == pytest.approx(yaw(points))
