"""Where those who are kept may be, from frame to frame."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.auditing.kept import KeptArea, KeptPeople
from bystander.geometry.masks import Mask
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    FrameRecord,
    Sighting,
    Tracklet,
    Verdict,
)

Pixels = NDArray[np.uint8]
GRID = (320, 180)
RATE = 10.0
ANNA, STRANGER = 1, 2


def tracklet(number: int, decision: Decision) -> Tracklet:
    verdict = Verdict(0, 100, decision, Evidence(EvidenceKind.CLICK))
    return Tracklet(number, 0, 0, 100, 100, 100.0, None, (verdict,))


def area(shots: tuple[int, ...] = (0,), kept: Decision = Decision.KEEP) -> KeptArea:
    tracklets = {ANNA: tracklet(ANNA, kept), STRANGER: tracklet(STRANGER, Decision.MASK)}
    return KeptArea(tracklets, GRID, RATE, shots)


def picture(shift: int = 0) -> Pixels:
    """A field of soft spots, moved to the right."""
    grain = np.random.default_rng(1).uniform(0, 255, (30, 60)).astype(np.float32)
    wide = cv2.resize(grain, (400, 200), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    view = wide[:180, 40 - shift : 360 - shift].astype(np.uint8)
    return np.dstack([view] * 3)


def record(frame: int, **people: int) -> FrameRecord:
    """Each named person's left edge; they are 40 x 100."""
    ids = {"anna": ANNA, "stranger": STRANGER}
    sightings = tuple(
        Sighting(ids[who], (x, 40, x + 40, 140), 0.9, Mask(x, 40, np.ones((100, 40), dtype=bool)))
        for who, x in people.items()
    )
    return FrameRecord(frame, frame, sightings)


def seen(area: KeptArea, shown: Pixels, known: FrameRecord) -> KeptPeople:
    kept = area.see(shown, known)
    assert kept is not None
    return kept


def test_what_is_lost_of_a_kept_person_stays_theirs_where_they_moved_to() -> None:
    kept = area()
    kept.see(picture(), record(0, anna=100))
    moved = seen(kept, picture(8), record(1)).area
    assert moved[60:120, 115:140].all()
    assert not moved[:, :95].any()


def test_it_is_theirs_for_half_a_second_only() -> None:
    kept = area()
    kept.see(picture(), record(0, anna=100))
    after = [seen(kept, picture(), record(frame)) for frame in range(1, 8)]
    assert [bool(one.area.any()) for one in after] == [True] * 4 + [False] * 3
    assert [one.people for one in after] == [1] * 4 + [0] * 3


def test_nothing_is_remembered_over_a_cut() -> None:
    kept = area(shots=(0, 1))
    kept.see(picture(), record(0, anna=100))
    after = seen(kept, picture(), record(1))
    assert not after.area.any()
    assert after.people == 0


def test_where_a_stranger_is_seen_now_is_theirs() -> None:
    kept = area()
    kept.see(picture(), record(0, anna=100))
    after = seen(kept, picture(), record(1, stranger=120)).area
    assert not after[45:135, 125:155].any()
    assert after[60:120, 102:116].all()


@pytest.mark.parametrize("decision", list(Decision))
def test_there_is_none_where_nobody_is_kept(decision: Decision) -> None:
    kept = area(kept=decision).see(picture(), record(0, anna=100))
    assert (kept is None) is (decision is Decision.MASK)
