from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from bystander.geometry.masks import Mask, intersection
from bystander.timeline.types import FrameRecord, Origin, Sighting
from bystander.tracking.interpolation import GapFiller

from .figures import GRID, figure

REMNANT = 20, 3
"""Height and width of what flow follows of somebody, see `remnant`."""


def sighting(x: float, tracklet: int = 1) -> Sighting:
    person = figure(x)
    return Sighting(tracklet, person.box, person.score, person.mask)


def complete(
    frames: list[list[Sighting]],
    max_gap: int = 6,
    extension: int = 2,
    edge_extension: int = 0,
    hidden: Mapping[int, Collection[int]] = MappingProxyType({}),
) -> dict[int, FrameRecord]:
    """Every frame's record; `hidden` tells by frame who is behind somebody."""
    filler = GapFiller(GRID, max_gap, extension, edge_extension=edge_extension)
    records: list[FrameRecord] = []
    for number, sightings in enumerate(frames):
        followed = [s.tracklet for s in sightings if s.mask.bits.shape == REMNANT]
        records += filler.push(
            number, number * 100, sightings, (), hidden.get(number, ()), followed
        )
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
    filler = GapFiller(GRID, 6, 3)
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
    filler = GapFiller(GRID, max_gap=5, extension=2)
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
    filler = GapFiller(GRID, max_gap=6, extension=1, edge_extension=9)
    records: list[FrameRecord] = []
    for number, sightings in enumerate(alone_in(40, sighting(0), frames=60)):
        records += filler.push(number, number, sightings, (1,) if number == 46 else ())
    records += filler.flush()
    assert [record.index for record in records if record.sightings] == list(range(31, 47))


def test_a_continuation_leaves_out_whoever_is_seen_there() -> None:
    frames = alone_in(10, sighting(100))
    frames[11] = [sighting(110, tracklet=2)]
    records = complete(frames)
    seen, extended = records[11].sightings
    assert (extended.tracklet, extended.origin) == (1, Origin.EXTENDED)
    assert extended.mask.box == (100, 60, 110, 140)
    assert seen.mask.area == 30 * 80, "what was seen stays as it is"


def test_a_continuation_wholly_in_somebody_elses_place_is_none() -> None:
    frames = [[sighting(100, tracklet=2)] for _ in range(20)]
    frames[10] = [sighting(100)]
    assert frames_with(complete(frames, extension=1)) == [10]


def test_between_two_sightings_only_what_nobody_else_is_seen_on_is_filled() -> None:
    frames = [[sighting(100)], [sighting(110, tracklet=2)], [sighting(100)]]
    _, filled = complete(frames, extension=0)[1].sightings
    assert (filled.tracklet, filled.origin) == (1, Origin.FILLED)
    assert filled.mask.box == (100, 60, 110, 140)


def behind(
    first: int, until: int, frames: int = 40
) -> tuple[list[list[Sighting]], dict[int, list[int]]]:
    """Somebody at x 100 all the time but from `first` to `until`, when they are hidden."""
    gone = range(first, until)
    seen = [[] if number in gone else [sighting(100)] for number in range(frames)]
    return seen, {number: [1] for number in gone}


def test_a_long_time_behind_somebody_else_is_not_filled_but_continued_at_both_ends() -> None:
    seen, hidden = behind(10, 30)
    records = complete(seen, hidden=hidden)
    assert frames_with(records) == [*range(12), *range(28, 40)]
    assert {s.origin for n in (10, 11, 28, 29) for s in records[n].sightings} == {Origin.EXTENDED}


def test_who_is_hidden_to_the_end_of_the_shot_is_continued_and_no_farther() -> None:
    seen, hidden = behind(10, 40)
    assert frames_with(complete(seen, hidden=hidden)) == list(range(12))


def test_a_hidden_persons_continuation_leaves_out_whoever_they_are_behind() -> None:
    seen, hidden = behind(10, 30)
    for number in range(10, 30):
        seen[number] = [sighting(100, tracklet=2)]
    assert frames_with(complete(seen, hidden=hidden)) == [*range(10), *range(30, 40)]


def remnant(x: float) -> Sighting:
    """What little flow could follow of somebody."""
    person = sighting(x)
    x0, y0, *_ = person.mask.box
    bits = np.ones(REMNANT, dtype=bool)
    return replace(person, box=(x0, y0, x0 + 3, y0 + 20), mask=Mask(x0, y0, bits))


def share_of(found: Sighting, whole: Sighting) -> float:
    return intersection(found.mask, whole.mask) / whole.mask.area


def test_who_was_followed_only_in_part_is_filled_between_detections_all_the_same() -> None:
    frames = [[sighting(10)], [remnant(20)], [remnant(30)], [sighting(40)]]
    records = complete(frames, extension=0)
    for number in (1, 2):
        (filled,) = records[number].sightings
        assert share_of(filled, sighting(10.0 + 10 * number)) == 1


def test_who_was_last_followed_only_in_part_is_continued_from_the_last_detection() -> None:
    frames = [[sighting(10 * n)] for n in range(8)] + [[remnant(80)], [remnant(90)], [], []]
    records = complete(frames, extension=2)
    for number in (8, 9):
        (there,) = records[number].sightings
        assert share_of(there, sighting(10.0 * number)) == 1


def test_what_flow_followed_beside_the_guess_stays() -> None:
    frames = [[sighting(100)], [remnant(160)], [sighting(100)]]
    (there,) = complete(frames, extension=0)[1].sightings
    assert share_of(there, remnant(160)) == 1
    assert share_of(there, sighting(100)) == 1


def test_a_gap_longer_than_one_may_be_is_not_filled_but_continued_at_both_ends() -> None:
    """Somebody in contact is remembered for longer than others are waited for."""
    seen, _ = behind(10, 30)
    assert frames_with(complete(seen)) == [*range(12), *range(28, 40)]


def test_nobody_is_twice_in_a_frame_however_short_they_were_hidden() -> None:
    for length in range(1, 12):
        seen, hidden = behind(10, 10 + length)
        records = complete(seen, hidden=hidden, extension=4)
        assert all(len(record.sightings) <= 1 for record in records.values()), f"for {length}"


def test_who_is_hidden_and_was_never_seen_is_nowhere() -> None:
    seen, _ = behind(0, 20, frames=20)
    assert frames_with(complete(seen, hidden={number: [1] for number in range(20)})) == []


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
    filler = GapFiller(GRID, 6, 1, shot_extension=4)
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
    filler = GapFiller(GRID, 6, 1, shot_extension=4)
    records: list[FrameRecord] = []
    for number in range(20):
        records += filler.push(number, number, [sighting(100)] if 5 <= number <= 14 else [], ())
    records += filler.flush()
    assert [record.index for record in records if record.sightings] == list(range(4, 16))
