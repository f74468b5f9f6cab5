from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from bystander.masks import Mask
from bystander.people.filling import Filler
from bystander.people.vocabulary import FrameRecord, Origin, Sighting

from .figures import GRID, figure


def sighting(x: float, tracklet: int = 1) -> Sighting:
    person = figure(x)
    return Sighting(tracklet, person.box, person.score, person.mask)


def complete(
    frames: list[list[Sighting]],
    max_gap: int = 6,
    extension: int = 2,
    edge_extension: int = 0,
    firm: Mapping[int, Mask] = MappingProxyType({}),
) -> dict[int, FrameRecord]:
    """Every frame's record; `firm` holds in all of them."""
    filler = Filler(GRID, max_gap, extension, edge_extension=edge_extension)
    records: list[FrameRecord] = []
    for number, sightings in enumerate(frames):
        records += filler.push(number, number * 100, sightings, (), firm)
    records += filler.flush()
    assert [record.index for record in records] == list(range(len(frames)))
    assert [record.pts for record in records] == [100 * i for i in range(len(frames))]
    return {record.index: record for record in records}


def test_someone_seen_before_and_after_was_there_in_between() -> None:
    records = complete([[sighting(10)], [], [], [sighting(40)]], extension=0)
    filled = records[1].sightings[0]
    assert filled.origin is Origin.FILLED
    assert filled.box[0] == 20
    assert filled.mask.contains(35, 100)


def test_tracklets_are_continued_at_both_ends_with_their_motion() -> None:
    frames: list[list[Sighting]] = [[] for _ in range(20)]
    for number in range(8, 13):
        frames[number] = [sighting(10.0 * number)]
    records = complete(frames)
    assert [number for number, record in records.items() if record.sightings] == list(range(6, 15))
    assert records[6].sightings[0].box[0] == 60
    assert records[14].sightings[0].box[0] == 140
    assert records[14].sightings[0].origin is Origin.EXTENDED


def test_nothing_reaches_beyond_the_shot() -> None:
    filler = Filler(GRID, 6, 3)
    first = list(filler.push(0, 0, [sighting(10)], ())) + list(filler.flush())
    second = list(filler.push(1, 100, [], ())) + list(filler.flush())
    assert len(first[0].sightings) == 1
    assert second[0].sightings == ()


def test_a_continuation_leaves_the_frame_with_the_person() -> None:
    frames = [[sighting(230 + 20 * i)] for i in range(4)] + [[]] * 4
    records = complete(frames, extension=3)
    assert records[4].sightings[0].mask.box == (310, 60, 320, 140)
    assert records[5].sightings == ()


def test_frames_are_held_back_no_longer_than_a_gap_may_last() -> None:
    filler = Filler(GRID, max_gap=5, extension=2)
    held = [len(list(filler.push(i, i, [sighting(i)], ()))) for i in range(60)]
    assert sum(held) >= 60 - (5 + 2 + 4)


def frames_with(record: dict[int, FrameRecord], tracklet: int = 1) -> list[int]:
    return [n for n, r in record.items() if any(s.tracklet == tracklet for s in r.sightings)]


def alone_in(frame: int, one: Sighting, frames: int = 20) -> list[list[Sighting]]:
    return [[one] if number == frame else [] for number in range(frames)]


@pytest.mark.parametrize("x", [0, 1, 289, 290], ids=lambda x: f"x={x}")
def test_at_the_left_and_right_edge_a_tracklet_is_continued_for_longer(x: float) -> None:
    records = complete(alone_in(10, sighting(x)), edge_extension=5)
    assert frames_with(records) == list(range(5, 16))


@pytest.mark.parametrize(("x", "y"), [(3, 60), (287, 60), (100, 0), (100, 100)])
def test_elsewhere_a_tracklet_is_continued_as_always(x: float, y: float) -> None:
    person = figure(x, y)
    one = Sighting(1, person.box, person.score, person.mask)
    assert frames_with(complete(alone_in(10, one), edge_extension=5)) == list(range(8, 13))


def test_each_end_of_a_tracklet_is_continued_by_where_it_is() -> None:
    """Somebody comes in at the left edge and is lost in the middle."""
    frames: list[list[Sighting]] = [[] for _ in range(20)]
    for number in range(8, 12):
        frames[number] = [sighting(40.0 * (number - 8))]
    found = frames_with(complete(frames, edge_extension=5))
    assert max(found) == 13
    slow = [*frames[:8], *([sighting(0)] for _ in range(4)), *frames[12:]]
    assert frames_with(complete(slow, edge_extension=5)) == list(range(3, 17))


def test_frames_wait_for_the_longest_continuation() -> None:
    filler = Filler(GRID, max_gap=6, extension=1, edge_extension=9)
    records: list[FrameRecord] = []
    for number, sightings in enumerate(alone_in(40, sighting(0), frames=60)):
        records += filler.push(number, number, sightings, (1,) if number == 46 else ())
    records += filler.flush()
    assert [record.index for record in records if record.sightings] == list(range(31, 47))


def test_a_continuation_leaves_out_what_is_surely_somebody_elses() -> None:
    other = Mask(110, 60, np.ones((80, 30), dtype=bool))
    records = complete(alone_in(10, sighting(100)), firm={2: other})
    (extended,) = records[11].sightings
    assert extended.origin is Origin.EXTENDED
    assert extended.mask.box == (100, 60, 110, 140)
    (seen,) = records[10].sightings
    assert seen.mask.area == 30 * 80, "what was seen stays as it is"


def test_a_continuation_wholly_in_somebody_elses_place_is_none() -> None:
    whole = Mask(90, 50, np.ones((100, 60), dtype=bool))
    assert frames_with(complete(alone_in(10, sighting(100)), firm={2: whole})) == [10]


def test_what_is_surely_the_persons_own_does_not_shorten_their_continuation() -> None:
    records = complete(alone_in(10, sighting(100)), firm={1: sighting(100).mask})
    assert records[11].sightings[0].mask.box == (100, 60, 130, 140)


def test_between_two_sightings_nobody_yields() -> None:
    """Somebody was there, seen before and after; who else is there changes nothing."""
    frames = [[sighting(100)], [], [sighting(100)]]
    records = complete(frames, extension=0, firm={2: sighting(110).mask})
    assert records[1].sightings[0].origin is Origin.FILLED
    assert records[1].sightings[0].mask.box == (100, 60, 130, 140)


@pytest.mark.parametrize("origin", [Origin.SHARED, Origin.CARRIED])
def test_parts_of_silhouettes_stay_in_their_frame_and_lead_to_no_guess(origin: Origin) -> None:
    part = replace(sighting(200, tracklet=2), origin=origin)
    frames = alone_in(10, sighting(100))
    frames[4] = frames[7] = [part]
    records = complete(frames)
    assert frames_with(records, tracklet=2) == [4, 7]
    assert records[4].sightings == (part,)


def test_a_part_does_not_lead_the_persons_own_continuation_astray() -> None:
    frames = alone_in(10, sighting(100))
    frames[11] = [replace(sighting(200), origin=Origin.CARRIED)]
    records = complete(frames)
    assert [s.box[0] for s in records[12].sightings] == [100]
    assert records[13].sightings == ()


def test_somebody_being_covered_stays_where_they_are() -> None:
    """One edge of the box moves, the other doesn't: it is no walk."""
    frames: list[list[Sighting]] = [[] for _ in range(12)]
    for number, width in enumerate((30, 24, 18, 12)):
        person = figure(100, width=width)
        frames[4 + number] = [Sighting(1, person.box, person.score, person.mask)]
    records = complete(frames)
    boxes = [records[number].sightings[0].box for number in (2, 9)]
    assert boxes == [(100, 60, 130, 140), (100, 60, 112, 140)]


def test_whoever_is_found_soon_after_a_cut_was_there_from_the_cut() -> None:
    filler = Filler(GRID, 6, 1, shot_extension=4)
    shots: list[dict[int, FrameRecord]] = []
    for start in (0, 40):
        records: list[FrameRecord] = []
        for number in range(start, start + 20):
            seen = start + 4 <= number <= start + 15
            records += filler.push(number, number, [sighting(100)] if seen else [], ())
        records += filler.flush()
        shots.append({record.index: record for record in records})
    for records_of_shot in shots:
        assert all(record.sightings for record in records_of_shot.values())


def test_whoever_is_found_later_in_a_shot_is_not_put_at_its_beginning() -> None:
    filler = Filler(GRID, 6, 1, shot_extension=4)
    records: list[FrameRecord] = []
    for number in range(20):
        records += filler.push(number, number, [sighting(100)] if 5 <= number <= 14 else [], ())
    records += filler.flush()
    assert [record.index for record in records if record.sightings] == list(range(4, 16))
