"""Which detection shows whom."""

from __future__ import annotations

import numpy as np
import pytest

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from bystander.tracking.association import IMPOSSIBLE_LOG_RATIO, Likelihoods, assign
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.track import Detection
from bystander.tracking.tracker import TrackedFrame

from .bodies import BLUE, FPS, GREEN, RED, Body, Film, found, ids, mask_of, share, visible, whose

SETTINGS = TrackingSettings()
SURE, WEAK = 0.9, 0.3


def detections(*scores: float) -> list[Detection]:
    mask = Mask(0, 0, np.ones((4, 4), dtype=bool))
    nothing = np.zeros(1, dtype=np.float32)
    return [
        Detection(position, Instance((0, 0, 4, 4), score, mask), mask, 16, nothing, True)
        for position, score in enumerate(scores)
    ]


def assigned(log: list[list[float]], *scores: float) -> dict[int, int]:
    fit = Likelihoods(np.array(log), np.array(log), np.zeros_like(log), np.zeros_like(log))
    return assign(fit, detections(*scores), SETTINGS)


def test_the_matching_is_the_best_for_all_and_not_for_the_first() -> None:
    assert assigned([[-0.1, -0.2], [-0.3, -3.0]], SURE, SURE) == {0: 1, 1: 0}


def test_what_fits_nobody_better_than_somebody_new_is_nobodys() -> None:
    assert assigned([[SETTINGS.new_log_likelihood - 0.1]], SURE) == {}
    assert assigned([[SETTINGS.new_log_likelihood + 0.1]], SURE) == {0: 0}
    assert assigned([[IMPOSSIBLE_LOG_RATIO]], SURE) == {}


def test_confident_detections_choose_first_however_well_a_weak_one_fits() -> None:
    assert assigned([[-0.1, -0.5]], WEAK, SURE) == {0: 1}
    assert assigned([[-0.1, -0.5], [-0.6, IMPOSSIBLE_LOG_RATIO]], WEAK, SURE) == {0: 1, 1: 0}


def test_nobody_and_nothing_match_nothing() -> None:
    assert assigned([[-0.1], [-0.2]]) == {}
    assert assign(Likelihoods(*(np.zeros((0, 1)),) * 4), detections(SURE), SETTINGS) == {}


def test_where_somebody_is_heading_tells_whom_of_several_is_meant_and_not_whether() -> None:
    least = SETTINGS.new_log_likelihood
    log, against = np.array([[-0.1], [-0.4]]), np.array([[-0.5], [0.0]])
    fit = Likelihoods(log, log, against, np.zeros_like(log))
    assert assign(fit, detections(SURE), SETTINGS) == {1: 0}
    alone = Likelihoods(log[:1] + least + 0.2, log[:1], against[:1], np.zeros((1, 1)))
    assert assign(alone, detections(SURE), SETTINGS) == {0: 0}


def crossing(one: Body, other: Body) -> list[TrackedFrame]:
    """The one walks past before the other, who stands still."""
    film = Film()
    return [film.show([other, one.at(20 + 6 * step)]) for step in range(34)]


def test_two_in_different_clothes_cross_and_stay_who_they_are() -> None:
    ann, ben = Body.of(RED, 20), Body.of(GREEN, 140, seed=2)
    frames = crossing(ann, ben)
    last = frames[-1]
    assert whose(last, ann.at(218).mask).track == whose(frames[0], ann.at(20).mask).track
    assert whose(last, ben.mask).track == whose(frames[0], ben.mask).track
    assert set().union(*map(ids, frames)) == ids(frames[0]), "nobody new has come"
    assert [risk for frame in frames for risk in frame.risks] == []


def test_two_who_walk_through_each_other_stay_who_they_are() -> None:
    film, ann, ben = Film(), Body.of(RED, 40), Body.of(BLUE, 230, seed=2)
    frames = [film.show([ben.at(230 - 6 * n), ann.at(40 + 6 * n)]) for n in range(31)]
    assert whose(frames[-1], ann.at(220).mask).track == whose(frames[0], ann.mask).track
    assert whose(frames[-1], ben.at(50).mask).track == whose(frames[0], ben.mask).track
    assert len(ids(frames[-1])) == 2


def test_whoever_comes_first_in_the_list_makes_no_difference() -> None:
    film, ann, ben = Film(), Body.of(RED, 40), Body.of(GREEN, 200, seed=2)
    pairs = set()
    for n in range(6):
        bodies = [ann.at(40 + 2 * n), ben.at(200 - 2 * n)]
        seen = [found(mask) for mask in visible(*bodies)]
        frame = film.show(bodies, seen[:: 1 if n % 2 else -1])
        pairs.add(tuple(whose(frame, body.mask).track for body in bodies))
    assert len(pairs) == 1
    assert len(set(*pairs)) == 2


def test_a_weak_detection_as_large_as_a_cow_does_not_take_a_track() -> None:
    film, ann = Film(), Body.of(RED, 100)
    for n in range(4):
        film.show([ann.at(100 + 2 * n)])
    here = ann.at(108)
    cow = found(Mask(30, 20, np.ones((155, 230), dtype=bool)), score=0.15)
    frame = film.show([here], [cow])
    assert ids(frame) == {1}
    (person,) = frame.people
    assert person.detections == ()
    assert person.mask.area < 1.3 * here.mask.area
    assert share(person.mask, here.mask) > 0.9
    after = film.show([ann.at(110)])
    assert whose(after, ann.at(110).mask).track == 1


def test_a_weak_detection_is_taken_where_somebody_is_expected_and_nowhere_else() -> None:
    film, ann = Film(), Body.of(RED, 60)
    film.show([ann])
    stranger = Body.of(GREEN, 220, seed=2)
    seen = [found(ann.at(62).mask, score=0.15), found(stranger.mask, score=0.15)]
    frame = film.show([ann.at(62), stranger], seen)
    assert [(p.track, p.detections) for p in frame.people] == [(1, (0,))]


def test_a_part_of_somebody_is_joined_to_them() -> None:
    film, ann = Film(), Body.of(RED, 100)
    for _ in range(4):
        film.show([ann])
    trunk, leg = ann.part(bottom=70), ann.part(top=70, right=30)
    frame = film.show([ann], [found(leg, score=0.3), found(trunk)])
    (person,) = frame.people
    assert person.detections == (1, 0), "the whole one first"
    assert person.score == pytest.approx(0.9)
    assert share(person.mask, leg) == 1
    assert share(person.mask, trunk) == 1


def test_what_is_surely_a_person_within_somebody_is_a_person() -> None:
    film, ann = Film(), Body.of(RED, 100)
    for _ in range(4):
        film.show([ann])
    child = Body(Body.of(GREEN, 0, seed=2).cloth[:60, :24], 112, 90)
    frame = film.show([ann, child], [found(*visible(ann, child)[:1]), found(child.mask)])
    assert len(frame.people) == 2
    assert whose(frame, child.mask).track != 1
    assert whose(frame, ann.part(bottom=40)).track == 1


def test_a_weak_detection_away_from_everybody_is_somebody_new_only_from_a_certain_score() -> None:
    film, ann = Film(), Body.of(RED, 40)
    film.show([ann])
    stranger = Body.of(GREEN, 200, seed=2)
    faint, fair = SETTINGS.new_track - 0.05, SETTINGS.new_track + 0.05
    for score, people in ((faint, 1), (fair, 2)):
        seen = [found(ann.mask), found(stranger.mask, score=score)]
        assert len(film.show([ann, stranger], seen).people) == people


def test_somebody_in_other_clothes_where_somebody_was_lost_is_somebody_else() -> None:
    film, ann, ben = Film(), Body.of(RED, 100), Body.of(GREEN, 104, seed=2)
    for _ in range(4):
        film.show([ann])
    for _ in range(3):
        film.show([], [])
    frame = film.show([ben])
    assert ids(frame) == {2}


@pytest.mark.parametrize(("seconds", "same"), [(1, True), (8, False)])
def test_the_longer_somebody_is_gone_the_less_a_look_alike_is_taken_for_them(
    seconds: int, same: bool
) -> None:
    film, ann = Film(TrackingSettings(lost_seconds=30)), Body.of(RED, 100)
    for _ in range(4):
        film.show([ann])
    for _ in range(seconds * FPS):
        film.show([], [])
    assert (ids(film.show([ann])) == {1}) == same


def hiding(other: Body) -> list[TrackedFrame]:
    """Ann walks before another, who is hidden for a while, and they part again."""
    film, ann = Film(), Body.of(RED, 60)
    frames = [film.show([other, ann.at(60 + 6 * n)]) for n in range(9)]
    frames += [film.show([ann.at(108)]) for _ in range(4)]
    return frames + [film.show([other.at(108 - 6 * n), ann.at(108 + 3 * n)]) for n in range(14)]


def test_where_one_of_two_in_like_clothes_hides_it_is_told_that_they_may_be_swapped() -> None:
    frames = hiding(Body.of(RED, 108))
    risks = [risk for frame in frames for risk in frame.risks]
    assert risks
    assert {(risk.track, risk.other) for risk in risks} <= {(1, 2), (2, 1)}
    assert all(0 <= risk.probability <= 1 for risk in risks)
    assert [risk for frame in frames[:2] for risk in frame.risks] == [], "while both are plain"
    assert [risk for frame in frames[-4:] for risk in frame.risks] == [], "nor when apart again"


def test_where_clothes_differ_nobody_may_be_swapped() -> None:
    frames = hiding(Body.of(GREEN, 108, seed=2))
    risks = [risk for frame in frames for risk in frame.risks]
    assert [risk for risk in risks if risk.other is not None] == []
    assert all(risk.probability > 0.5 for risk in risks), "coming back is little doubted"
    assert ids(frames[-1]) == {1, 2}
    assert whose(frames[-1], Body.of(GREEN, 30).mask).track == 1, "who stood there at first"


def test_who_is_seen_whole_and_where_expected_is_no_less_probably_who_they_were() -> None:
    told = [risk for frame in hiding(Body.of(RED, 108)) for risk in frame.risks]
    assert min(risk.probability for risk in told) >= 0.5


def test_a_pixel_of_two_in_other_clothes_is_one_persons() -> None:
    film, ann, ben = Film(), Body.of(RED, 60), Body.of(GREEN, 160, seed=2)
    *_, frame = [film.show([ben.at(160 - 4 * n), ann.at(60 + 4 * n)]) for n in range(9)]
    assert share(mask_of(frame, 1), mask_of(frame, 2)) < 0.02
