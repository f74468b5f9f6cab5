from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bystander.instances import Instance
from bystander.people.tracking import Doubt, Tracker, TrackerSettings

from .figures import colours, figure

Appearances = Sequence[NDArray[np.float32]]


def follow(
    frames: Sequence[Sequence[tuple[Instance, int]]], settings: TrackerSettings | None = None
) -> tuple[list[list[int | None]], list[Doubt]]:
    """Tracklet ids of each frame's instances, in their order, and all doubts."""
    tracker = Tracker(settings or TrackerSettings(), fps=10)
    ids: list[list[int | None]] = []
    doubts: list[Doubt] = []
    for number, people in enumerate(frames):
        step = tracker.step(number, [i for i, _ in people], [colours(k) for _, k in people])
        linked = {link.detection: link.tracklet for link in step.links}
        ids.append([linked.get(position) for position in range(len(people))])
        doubts += step.doubts
    return ids, doubts


def test_someone_walking_stays_one_tracklet() -> None:
    ids, _ = follow([[(figure(5 * i), 0)] for i in range(20)])
    assert ids == [[1]] * 20


def test_two_people_keep_their_tracklets_whatever_order_they_come_in() -> None:
    frames = [[(figure(10), 0), (figure(200), 1)], [(figure(202), 1), (figure(12), 0)]]
    ids, _ = follow(frames)
    assert ids[1] == ids[0][::-1]


def test_a_weak_detection_is_taken_where_someone_is_expected_only() -> None:
    frames = [[(figure(10), 0)], [(figure(11, score=0.12), 0), (figure(200, score=0.12), 1)]]
    ids, _ = follow(frames)
    assert ids == [[1], [1, None]]


def test_someone_back_after_a_short_absence_is_the_same_tracklet() -> None:
    frames = [[(figure(4 * i), 0)] for i in range(5)] + [[]] * 4
    frames += [[(figure(4 * i), 0)] for i in range(9, 12)]
    ids, _ = follow(frames)
    assert ids[-1] == [1]


def test_someone_in_other_clothes_does_not_inherit_a_lost_tracklet() -> None:
    ids, _ = follow([[(figure(50), 0)]] * 5 + [[]] * 5 + [[(figure(50), 1)]])
    assert ids[-1] == [2]


def test_a_cut_ends_every_tracklet() -> None:
    tracker = Tracker(TrackerSettings(), fps=10)
    tracker.step(0, [figure(50)], [colours(0)])
    assert tracker.cut() == (1,)
    step = tracker.step(1, [figure(50)], [colours(0)])
    assert step.links[0].tracklet == 2


def test_people_in_different_clothes_can_cross_without_doubt() -> None:
    frames = [[(figure(100 + 6 * i, y=60), 0), (figure(190 - 6 * i, y=62), 1)] for i in range(16)]
    ids, doubts = follow(frames)
    assert ids == [[1, 2]] * 16
    assert doubts == []


def test_a_double_hidden_behind_another_raises_doubt() -> None:
    """Two people in the same clothes meet, one is seen, then two again: who is who?"""
    apart = [[(figure(100 + 6 * i), 0), (figure(190 - 6 * i), 0)] for i in range(7)]
    merged = [[(figure(145), 0)]] * 4
    _, doubts = follow(apart + merged + [[(figure(135), 0), (figure(156), 0)]] * 2)
    assert {doubt.tracklet for doubt in doubts} & {1, 2}
