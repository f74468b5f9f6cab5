"""People through a shot: lost and found, hidden and back."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bystander.geometry.masks import Mask
from bystander.tracking.appearance import PixelMemory
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.tracker import TrackedFrame

from .bodies import (
    FPS,
    GREEN,
    GRID,
    RED,
    Body,
    Film,
    found,
    ids,
    mask_of,
    picture,
    share,
    visible,
    whose,
)

GAP = round(TrackingSettings().max_gap * FPS)
"""Frames that somebody lost in the open is waited for."""


def test_someone_walking_stays_one_person() -> None:
    film, ann = Film(), Body.of(RED, 20)
    assert [ids(film.show([ann.at(20 + 5 * n)])) for n in range(20)] == [{1}] * 20


def test_who_is_found_once_is_there_in_that_frame() -> None:
    film, ann = Film(), Body.of(RED, 60)
    frame = film.show([ann])
    assert [(p.track, p.detections, p.score, p.apart) for p in frame.people] == [
        (1, (0,), 0.9, True)
    ]
    assert mask_of(frame, 1).box == ann.mask.box
    assert ids(film.show([])) == set()


def test_a_persons_box_is_that_of_what_is_detected_and_not_of_what_flow_trails_behind() -> None:
    film, ann = Film(), Body.of(RED, 20)
    for n in range(10):
        here = ann.at(20 + 6 * n)
        (person,) = film.show([here]).people
        assert person.box == here.mask.box


def test_an_empty_video_has_nobody() -> None:
    film = Film()
    for _ in range(3):
        frame = film.show([])
        assert (frame.people, frame.risks, frame.hidden, frame.ended) == ((), (), (), ())


def test_a_detection_outside_the_picture_is_nobody() -> None:
    film, ann = Film(), Body.of(RED, 60)
    frame = film.show([ann], [found(ann.mask), found(ann.at(400).mask)])
    assert [p.detections for p in frame.people] == [(0,)]


def test_whoever_is_found_within_somebody_and_owns_nothing_is_nobody() -> None:
    film, ann = Film(), Body.of(RED, 100)
    for _ in range(4):
        film.show([ann])
    for _ in range(6):
        frame = film.show([ann], [found(ann.mask), found(ann.part(8, 20, 40, 80))])
        assert ids(frame) == {1}
        assert (frame.risks, frame.hidden, frame.ended) == ((), (), ())


def test_people_near_each_other_are_not_apart() -> None:
    film = Film()
    bodies = [Body.of(RED, 20), Body.of(GREEN, 44, seed=2), Body.of(RED, 200, seed=3)]
    tall = [found(body.mask) for body in bodies]
    frame = film.show(bodies, tall)
    assert [whose(frame, body.mask).apart for body in (bodies[0], bodies[2])] == [False, True]


def lost(frames: int) -> tuple[Film, TrackedFrame, list[TrackedFrame]]:
    """Ann is seen, gone for some frames with nobody before her, and seen there again."""
    film, ann = Film(), Body.of(RED, 60)
    for n in range(6):
        film.show([ann.at(60 + 4 * n)])
    gone = [film.show([]) for _ in range(frames)]
    return film, film.show([ann.at(60 + 4 * min(6 + frames, 10))]), gone


@pytest.mark.parametrize("frames", [1, 3, GAP - 2])
def test_lost_in_the_open_and_soon_found_again_somebody_is_who_they_were(frames: int) -> None:
    _, frame, _ = lost(frames)
    assert ids(frame) == {1}


def test_lost_in_the_open_for_long_somebody_is_over_and_told_so_once() -> None:
    _, frame, gone = lost(3 * GAP)
    assert [ended for each in gone for ended in each.ended] == [1]
    assert ids(frame) == {2}


def test_lost_in_the_open_nobody_is_hidden() -> None:
    _, _, gone = lost(GAP)
    assert [each.hidden for each in gone] == [()] * GAP


def test_whom_the_network_misses_flow_follows_for_some_frames() -> None:
    film, ann = Film(), Body.of(RED, 60)
    for n in range(6):
        film.show([ann.at(60 + 3 * n)])
    for n in range(6, 9):
        here = ann.at(60 + 3 * n)
        (person,) = film.show([here], []).people
        assert (person.track, person.detections, person.histogram) == (1, (), None)
        assert share(person.mask, here.mask) > 0.8
    assert ids(film.show([ann.at(60 + 27)])) == {1}


def test_whom_the_network_does_not_find_again_flow_does_not_follow_for_ever() -> None:
    film, ann = Film(), Body.of(RED, 60)
    for _ in range(6):
        film.show([ann])
    frames = [film.show([ann], []) for _ in range(4 * GAP)]
    assert frames[-1].people == ()
    assert [ended for each in frames for ended in each.ended] == [1]


def hidden_for(
    seconds: float, settings: TrackingSettings | None = None
) -> tuple[Film, Body, Body, list[TrackedFrame]]:
    """Ann walks before Ben and stays there: 1 is Ann, 2 is Ben."""
    film, ann, ben = Film(settings), Body.of(RED, 36), Body.of(GREEN, 120, seed=2)
    for _ in range(4):
        film.show([ann, ben])
    for x in range(42, 121, 6):
        film.show([ben, ann.at(x)])
    frames = [film.show([ben, ann.at(120)]) for _ in range(round(seconds * FPS))]
    return film, ann.at(120), ben, frames


@pytest.mark.parametrize("seconds", [0.5, 3, 8])
def test_hidden_behind_somebody_for_seconds_and_back_one_is_who_they_were(seconds: float) -> None:
    film, ann, ben, frames = hidden_for(seconds)
    assert all(ids(frame) == {1} for frame in frames)
    *_, frame = [film.show([ben, ann.at(x)]) for x in range(114, 59, -6)]
    assert whose(frame, ben.mask).track == 2
    assert whose(frame, ann.at(60).mask).track == 1
    assert share(mask_of(frame, 2), ben.mask) == 1


def test_who_is_hidden_is_told_in_every_frame() -> None:
    _, _, _, frames = hidden_for(3)
    assert [frame.hidden for frame in frames] == [(2,)] * len(frames)
    assert [frame.ended for frame in frames] == [()] * len(frames)


def test_who_comes_out_on_the_other_side_is_who_they_were() -> None:
    film, ann, ben, _ = hidden_for(2)
    *_, frame = [film.show([ben.at(x), ann]) for x in range(126, 199, 6)]
    assert whose(frame, ben.at(198).mask).track == 2
    assert whose(frame, ann.mask).track == 1


def test_who_comes_out_in_other_clothes_is_somebody_else() -> None:
    film, ann, _, _ = hidden_for(2)
    stranger = Body.of((60, 60, 180), 120, seed=3)
    *_, frame = [film.show([stranger.at(x), ann]) for x in range(126, 199, 6)]
    assert whose(frame, stranger.at(198).mask).track == 3
    assert whose(frame, ann.mask).track == 1


def test_somebody_hidden_goes_along_when_the_camera_moves() -> None:
    wide = np.concatenate([picture(), picture()[:, ::-1]], axis=1)
    film, ann, ben, _ = hidden_for(1)
    for n in range(20):  # the camera turns, everybody moves to the left by 4
        frame = np.ascontiguousarray(wide[:, 4 * n : 4 * n + GRID[0]])
        here = ann.at(120 - 4 * n)
        tracked = film.take([found(here.mask.clipped(*GRID))], picture(here, background=frame))
        assert tracked.hidden == (2,)
    (track,) = (track for track in film.tracker._tracks if track.id == 2)
    assert abs(track.box[2] - (ben.mask.box[2] - 76)) < 12


def test_somebody_hidden_is_over_some_time() -> None:
    film, ann, ben, frames = hidden_for(4, TrackingSettings(hidden_seconds=2))
    assert [ended for frame in frames for ended in frame.ended] == [2]
    assert frames[-1].hidden == ()
    *_, frame = [film.show([ben, ann.at(x)]) for x in range(114, 59, -6)]
    assert ids(frame) == {1, 3}


def test_a_cut_ends_everybody_seen_hidden_or_lost() -> None:
    film, ann, ben, _ = hidden_for(2)
    assert set(film.cut()) == {1, 2}
    frame = film.show([ann, ben.at(220)])
    assert ids(frame) == {3, 4}
    assert film.cut() == (3, 4)
    assert film.cut() == ()


def test_pickled_and_gone_on_with_the_same_people_are_found() -> None:
    film, ann, ben, _ = hidden_for(1)
    again: Film = pickle.loads(pickle.dumps(film))
    for x in range(114, 59, -6):
        bodies = [ben, ann.at(x)]
        seen = [found(mask) for mask in visible(*bodies) if mask.area > 600]
        one, other = (each.take(seen, picture(*bodies)) for each in (film, again))
        assert [(p.track, p.detections, p.score) for p in one.people] == [
            (p.track, p.detections, p.score) for p in other.people
        ]
        for mine, theirs in zip(one.people, other.people, strict=True):
            assert mine.mask.box == theirs.mask.box
            np.testing.assert_array_equal(mine.mask.bits, theirs.mask.bits)
        assert (one.risks, one.hidden, one.ended) == (other.risks, other.hidden, other.ended)


def test_the_tracker_leaves_the_picture_and_the_detections_as_they_are() -> None:
    film, ann, ben = Film(), Body.of(RED, 60), Body.of(GREEN, 90, seed=2)
    shown, seen = picture(ann, ben), [found(mask) for mask in visible(ann, ben)]
    before, masks = shown.copy(), [instance.mask.bits.copy() for instance in seen]
    for _ in range(3):
        film.take(seen, shown)
    np.testing.assert_array_equal(shown, before)
    for instance, mask in zip(seen, masks, strict=True):
        np.testing.assert_array_equal(instance.mask.bits, mask)


def test_as_many_frames_a_second_are_remembered_whatever_the_frame_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remembered: list[Mask] = []
    monkeypatch.setattr(PixelMemory, "add", lambda self, lab, mask, box: remembered.append(mask))
    counts = {}
    for fps in (30, 60, 120):
        remembered.clear()
        film = Film(fps=fps)
        for _ in range(fps):
            film.show([Body.of(RED, 60)])
        counts[fps] = len(remembered)
    assert counts[30] == pytest.approx(15, abs=2)
    assert counts[60] == pytest.approx(counts[30], abs=2)
    assert counts[120] == pytest.approx(counts[30], abs=2)
