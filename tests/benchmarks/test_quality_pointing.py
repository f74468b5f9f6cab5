"""Clicks all over people, and whom the tracks that they choose show."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.quality.pointing import _clicks, _Shown
from benchmarks.quality.truth import Truth
from bystander.geometry.masks import Mask
from bystander.timeline.types import FrameRecord, Origin, Sighting

SIZE = 120, 60


@pytest.fixture
def persons(tmp_path: Path) -> Path:
    """Six frames: person 1 left, 20 by 40 pixels, 2 right, 10 by 20, and a speck of 3."""
    ids = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    ids[10:50, 10:30], ids[10:30, 90:100], ids[0, 0] = 1, 2, 3
    for index in range(6):
        cv2.imwrite(str(tmp_path / f"{index:05d}.png"), ids)
    return tmp_path


def sighting(track: int, x: int, origin: Origin = Origin.SEEN) -> Sighting:
    mask = Mask(x, 10, np.ones((20, 10), bool))
    return Sighting(track, (x, 10, x + 10, 30), 0.9, mask, origin)


def test_clicks_hit_whom_they_name_in_frames_some_apart(persons: Path) -> None:
    truth = Truth(persons)
    clicks = list(_clicks(truth, 25.0, np.random.default_rng(0)))
    assert {click.seconds for click, _ in clicks} == {0.0, 0.2}
    assert {(person, place) for _, (person, place) in clicks} == {
        (person, place) for person in (1, 2) for place in ("middle", "inside")
    }
    ids = truth.ids(0)
    assert ids is not None
    for click, (person, place) in clicks:
        assert ids[int(click.y), int(click.x)] == person
        if person == 1 and place == "middle":
            assert 14 <= click.x <= 26
            assert 14 <= click.y <= 46


def test_a_track_shows_whom_it_mostly_covers_near_the_click(persons: Path) -> None:
    shown = _Shown(Truth(persons), SIZE)
    for index in range(6):
        on_the_right = index >= 3
        shown.note(FrameRecord(index, index, (sighting(7, 90 if on_the_right else 15),)))
    assert shown.mostly(7, 1, 0, 1)
    assert not shown.mostly(7, 2, 0, 1)
    assert shown.mostly(7, 2, 5, 1)
    assert not shown.mostly(7, 1, 5, 1)


def test_what_is_only_inferred_or_nobodys_shows_nobody(persons: Path) -> None:
    shown = _Shown(Truth(persons), SIZE)
    seen = sighting(1, 50), sighting(2, 15, Origin.FILLED)
    shown.note(FrameRecord(0, 0, seen))
    assert not any(shown.mostly(track, person, 0, 5) for track in (1, 2) for person in (1, 2))


def test_where_the_maps_hold_one_person_a_part_of_a_track_is_enough(persons: Path) -> None:
    shown = _Shown(Truth(persons, complete=False), SIZE)
    shown.note(FrameRecord(0, 0, (sighting(1, 26), sighting(2, 28))))
    assert shown.mostly(1, 1, 0, 5)
    assert not shown.mostly(2, 1, 0, 5)
