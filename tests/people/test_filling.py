from __future__ import annotations

from bystander.people.filling import Filler
from bystander.people.vocabulary import FrameRecord, Origin, Sighting

from .figures import GRID, figure


def sighting(x: float, tracklet: int = 1) -> Sighting:
    person = figure(x)
    return Sighting(tracklet, person.box, person.score, person.mask)


def complete(
    frames: list[list[Sighting]], max_gap: int = 6, extension: int = 2
) -> dict[int, FrameRecord]:
    filler = Filler(GRID, max_gap, extension)
    records: list[FrameRecord] = []
    for number, sightings in enumerate(frames):
        records += filler.push(number, number * 100, sightings, ())
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
