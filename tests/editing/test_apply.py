"""What edits make of a timeline's verdicts and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bystander.editing.apply import EditedTimeline
from bystander.editing.document import (
    AcceptedFinding,
    AcceptEdit,
    Box,
    Edit,
    Edits,
    EraseEdit,
    Key,
    MaskEdit,
    MergeEdit,
    OwnEdit,
    Polygon,
    SplitEdit,
    VerdictEdit,
    ZoneEdit,
)
from bystander.editing.drawn import MaskPath, Place
from bystander.editing.shapes import Motion
from bystander.errors import InvalidEdits
from bystander.geometry.masks import Mask
from bystander.redaction.regions import drawn
from bystander.timeline.header import Header, SourceVideo, check_header
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    FrameRecord,
    Origin,
    Person,
    Shot,
    Sighting,
    Tracklet,
    Verdict,
)

FRAMES, RATE, GRID = 40, 10.0, (100, 50)
KEEP, MASK = Decision.KEEP, Decision.MASK


def tracklet(number: int, decision: Decision) -> Tracklet:
    evidence = Evidence(EvidenceKind.NONE)
    verdict = Verdict(0, FRAMES, decision, evidence)
    return Tracklet(number, 0, 0, FRAMES, FRAMES, 60.0, None, (verdict,))


def header() -> Header:
    """Anna, who is kept, and two bystanders."""
    return Header(
        SourceVideo(200, 100, (1, 10), FRAMES, RATE, "f"),
        GRID,
        (Shot(0, FRAMES),),
        (tracklet(1, KEEP), tracklet(2, MASK), tracklet(3, MASK)),
        (Person("p1", "anna", (1,), 4.0), Person("p2", None, (2,), 4.0),
         Person("p3", None, (3,), 4.0)),
        {},
    )  # fmt: skip


def records() -> list[FrameRecord]:
    def sighting(number: int) -> Sighting:
        x = 25 * number
        mask = Mask(x, 10, np.ones((30, 15), dtype=bool))
        return Sighting(number, (x, 10, x + 15, 40), 0.9, mask)

    return [FrameRecord(n, n, tuple(sighting(k) for k in (1, 2, 3))) for n in range(FRAMES)]


TIMES = np.arange(FRAMES + 1) / RATE


def edited(
    *edits: Edit, paths: dict[int, dict[int, Place]] | None = None
) -> tuple[EditedTimeline, list[FrameRecord]]:
    told = {number: MaskPath.of(places) for number, places in (paths or {}).items()}
    made = EditedTimeline(header(), TIMES, Edits(edits=edits), told)
    found = list(made.records(records()))
    check_header(made.header)
    return made, found


def masked_at(made: EditedTimeline, record: FrameRecord, x: float, y: float) -> bool:
    """Whether a display pixel is drawn over."""
    tracklets = {t.id: t for t in made.header.tracklets}
    shown = drawn(record, tracklets)
    return any(region.mask.contains(x / 2, y / 2) for region in shown.regions)


ANNA, OTHER, EMPTY = (60, 40), (110, 40), (10, 10)


def test_nothing_changes_nothing() -> None:
    made, found = edited()
    assert made.header == header()
    assert [[s.tracklet for s in r.sightings] for r in found] == [[1, 2, 3]] * FRAMES
    assert not masked_at(made, found[0], *ANNA)
    assert masked_at(made, found[0], *OTHER)


def test_a_verdict_holds_for_its_while() -> None:
    made, found = edited(VerdictEdit(who="p1", decision=MASK, start=1, end=2.5))
    assert [masked_at(made, found[n], *ANNA) for n in (9, 10, 24, 25)] == [False, True, True, False]
    assert not made.loosened


def test_who_may_be_seen_now_is_told() -> None:
    made, found = edited(VerdictEdit(who="t2", decision=KEEP))
    assert not masked_at(made, found[5], *OTHER)
    (told,) = made.loosened
    assert "t2" in told


def test_the_later_edit_has_the_last_word() -> None:
    made, found = edited(
        VerdictEdit(who="p2", decision=KEEP), VerdictEdit(who="p2", decision=MASK, start=2)
    )
    assert not masked_at(made, found[19], *OTHER)
    assert masked_at(made, found[20], *OTHER)


def test_a_drawn_mask_is_drawn_even_over_the_kept() -> None:
    key = Key(seconds=1, shape=Box(x=50, y=30, width=20, height=20))
    made, found = edited(MaskEdit(keys=(key,), follow=False, start=1, end=2))
    assert [masked_at(made, found[n], *ANNA) for n in (9, 10, 19, 20)] == [False, True, True, False]


def test_a_drawn_mask_is_where_its_path_goes() -> None:
    key = Key(seconds=0, shape=Box(x=0, y=0, width=20, height=20))
    path = {n: (0, Motion(dx=2 * n)) for n in range(10)}
    made, found = edited(MaskEdit(keys=(key,)), paths={0: path})
    assert masked_at(made, found[0], *EMPTY)
    assert not masked_at(made, found[9], *EMPTY)
    assert masked_at(made, found[9], 46, 10)
    assert not masked_at(made, found[10], 46, 10)  # it has left


def test_between_keys_a_mask_that_is_not_followed_waits_for_the_next() -> None:
    keys = tuple(
        Key(seconds=at, shape=Box(x=x, y=0, width=20, height=20)) for at, x in ((0, 0), (2, 20))
    )
    made, found = edited(MaskEdit(keys=keys, follow=False))
    assert [masked_at(made, found[n], 5, 5) for n in (0, 19, 20)] == [True, True, False]
    assert [masked_at(made, found[n], 35, 5) for n in (19, 20, 39)] == [False, True, True]


def test_a_zone_masks_whoever_is_there() -> None:
    shape = Polygon(points=((0, 0), (40, 0), (40, 40), (0, 40)))
    made, found = edited(ZoneEdit(decision=MASK, shape=shape))
    assert all(masked_at(made, record, *EMPTY) for record in found)


def test_a_clear_zone_is_clear_and_said_to_be() -> None:
    shape = Box(x=100, y=20, width=20, height=30)
    made, found = edited(ZoneEdit(decision=KEEP, shape=shape, end=2))
    assert not masked_at(made, found[0], *OTHER)
    assert masked_at(made, found[0], 110, 70)  # of the same person, below the zone
    assert masked_at(made, found[20], *OTHER)
    assert made.loosened


def test_what_is_nobody_is_not_drawn_over() -> None:
    made, found = edited(EraseEdit(who="t2", start=1))
    assert masked_at(made, found[9], *OTHER)
    assert not masked_at(made, found[10], *OTHER)
    assert made.loosened


def test_merged_people_are_decided_together() -> None:
    made, found = edited(MergeEdit(persons=("p2", "p3")), VerdictEdit(who="p2", decision=KEEP))
    assert [person.id for person in made.header.persons] == ["p1", "p2"]
    assert not masked_at(made, found[0], *OTHER)
    assert not masked_at(made, found[0], 160, 40)


def own(who: str, x: float, **during: float) -> OwnEdit:
    """A part of the second bystander's silhouette, between 100 and 130."""
    key = Key(seconds=during.get("start", 0), shape=Box(x=x, y=30, width=20, height=20))
    return OwnEdit(who=who, keys=(key,), follow=False, **during)


def test_what_is_a_kept_person_s_is_seen_through_another_s_silhouette() -> None:
    made, found = edited(own("p1", 100, start=1, end=2))
    assert [masked_at(made, found[n], *OTHER) for n in (9, 10, 19, 20)] == [
        True,
        False,
        False,
        True,
    ]
    assert masked_at(made, found[10], 110, 60)  # of the same bystander, below it
    assert "p1" in made.loosened[0]


def test_what_is_a_kept_person_s_is_theirs_where_nobody_was() -> None:
    key = Key(seconds=0, shape=Box(x=10, y=30, width=20, height=20))
    made, found = edited(own("p1", 10), MaskEdit(keys=(key,), follow=False, end=1))
    tracklets = {t.id: t for t in made.header.tracklets}
    assert masked_at(made, found[5], 15, 35)  # a drawn mask stays over it
    assert any(mask.contains(7, 17) for mask in drawn(found[20], tracklets).kept)


def test_what_is_a_bystander_s_is_masked_even_within_the_kept() -> None:
    made, found = edited(own("t2", 55))
    assert masked_at(made, found[5], *ANNA)
    assert not made.loosened


def test_whose_pixels_are_is_decided_with_them_whenever_that_is() -> None:
    """In each frame, and by what is said of them later, too."""
    made, found = edited(
        own("p1", 100), VerdictEdit(who="t1", decision=MASK, start=2), own("p1", 10)
    )
    assert [masked_at(made, found[n], *OTHER) for n in (19, 20)] == [False, True]
    assert [masked_at(made, found[n], 15, 35) for n in (19, 20)] == [False, True]


def test_somebody_s_other_pixels_do_not_count_as_seen_by_it() -> None:
    """A guess of a kept person's whereabouts stays one."""
    made = EditedTimeline(header(), TIMES, Edits(edits=(own("p1", 10),)))
    wide = Mask(25, 10, np.ones((30, 40), dtype=bool))
    guess, seen = records()[0].sightings[:2]
    record = FrameRecord(0, 0, (replace(guess, mask=wide, origin=Origin.FILLED), seen))
    (found,) = made.records([record])
    assert masked_at(made, found, *OTHER)


def test_the_later_owner_has_a_pixel() -> None:
    made, found = edited(own("p1", 100), own("p3", 100))
    assert masked_at(made, found[5], *OTHER)
    assert not made.loosened or "p1" in made.loosened[0]
    made, found = edited(own("p3", 100), own("p1", 100))
    assert not masked_at(made, found[5], *OTHER)


def test_where_somebody_is_not_they_are_decided_as_where_they_were_last() -> None:
    verdicts = (
        Verdict(0, 5, MASK, Evidence(EvidenceKind.NONE)),
        Verdict(5, 10, KEEP, Evidence(EvidenceKind.NONE)),
    )
    brief = replace(tracklet(1, KEEP), end=10, verdicts=verdicts)
    head = replace(header(), tracklets=(brief, *header().tracklets[1:]))
    made = EditedTimeline(head, TIMES, Edits(edits=(own("t1", 100),)))
    given = made.header.tracklets[-1]
    assert [given.decision_at(n) for n in (0, 4, 5, 9, 10, 39)] == [MASK, MASK, *[KEEP] * 4]


def test_a_sketch_tells_what_may_be_seen_wherever_it_may_be_followed_to() -> None:
    keep = VerdictEdit(who="p2", decision=KEEP, start=3)
    for sketch in (False, True):
        edits = Edits(edits=(own("p2", 10), keep))
        made = EditedTimeline(header(), TIMES, edits, sketch=sketch)
        assert sum("edit 1 (own)" in sentence for sentence in made.loosened) == 1


def test_split_appearances_are_somebody_else_decided_as_before() -> None:
    made, found = edited(
        MergeEdit(persons=("p1", "p3")),
        SplitEdit(who="p1", tracklets=("t1",)),
        VerdictEdit(who="p1", decision=KEEP),
    )
    assert [(p.id, p.tracklets) for p in made.header.persons] == [
        ("p1", (3,)), ("p2", (2,)), ("p4", (1,)),
    ]  # fmt: skip
    assert [p.seconds for p in made.header.persons] == [4, 4, 4]
    assert not masked_at(made, found[0], *ANNA)
    assert not masked_at(made, found[0], 160, 40)


def test_a_split_person_has_an_id_that_nobody_had_and_can_be_named() -> None:
    made, found = edited(
        MergeEdit(persons=("p2", "p3")),
        SplitEdit(who="p2", tracklets=("t3",)),
        MergeEdit(persons=("p1", "p4")),
        SplitEdit(who="p1", tracklets=("t3",)),
        VerdictEdit(who="p5", decision=KEEP),
    )
    assert [p.id for p in made.header.persons] == ["p1", "p2", "p5"]
    assert not masked_at(made, found[0], 160, 40)
    assert masked_at(made, found[0], *OTHER)


def test_parts_of_shared_tracklets_go_with_the_split() -> None:
    shared = (
        Person("p1", "anna", (1, 3), 8.0, ((1, 0, 20), (2, 20, 40), (3, 0, 40))),
        Person("p2", None, (2,), 4.0, ((2, 0, 20), (1, 20, 40))),
    )
    head = replace(header(), persons=shared)
    split = SplitEdit(who="p1", tracklets=("t3", "t2"))
    made = EditedTimeline(head, TIMES, Edits(edits=(split,)))
    assert made.header.persons == (
        Person("p1", "anna", (1,), 4.0, ((1, 0, 20),)),
        shared[1],
        Person("p3", None, (3,), 4.0, ((2, 20, 40), (3, 0, 40))),
    )
    with pytest.raises(InvalidEdits, match="none that is wholly"):
        EditedTimeline(head, TIMES, Edits(edits=(SplitEdit(who="p1", tracklets=("t2",)),)))


def test_an_accepted_finding_changes_nothing() -> None:
    finding = AcceptedFinding(kind="visible person", seconds=1.5, box=(1, 2, 30, 40))
    made, found = edited(AcceptEdit(finding=finding))
    assert made.header == header()
    assert not made.loosened
    assert [[s.tracklet for s in r.sightings] for r in found] == [[1, 2, 3]] * FRAMES


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (own("p9", 100), "p9 is nobody"),
        (own("p1", 500), "beside the picture"),
        (SplitEdit(who="p9", tracklets=("t1",)), "p9 is nobody"),
        (SplitEdit(who="p2", tracklets=("t1",)), "t1 is no appearance of p2"),
        (SplitEdit(who="p2", tracklets=("t2",)), "all of the appearances"),
        (AcceptEdit(finding=AcceptedFinding(kind="cut", seconds=44)), "after the end"),
        (VerdictEdit(who="p9", decision=KEEP), "p9 is nobody"),
        (EraseEdit(who="t99"), "t99 is nobody"),
        (MergeEdit(persons=("p1", "p7")), "p7 is nobody"),
        (VerdictEdit(who="p1", decision=MASK, start=400), "after the end"),
        (ZoneEdit(decision=MASK, shape=Box(x=900, y=0, width=5, height=5)), "beside the picture"),
        (
            ZoneEdit(decision=MASK, shape=Polygon(points=((500, 500), (600, 500), (600, 600)))),
            "beside the picture",
        ),
        (
            MaskEdit(keys=(Key(seconds=99, shape=Box(x=0, y=0, width=5, height=5)),)),
            "after the end",
        ),
        (
            MaskEdit(
                keys=tuple(
                    Key(seconds=at, shape=Box(x=0, y=0, width=5, height=5)) for at in (1.0, 1.01)
                )
            ),
            "two of its keys are in the frame of 1.01 s",
        ),
    ],
)
def test_what_doesn_t_fit_the_video_is_refused(edit: Edit, told: str) -> None:
    with pytest.raises(InvalidEdits, match=f"edit 1 .*{told}"):
        edited(edit)


@pytest.mark.parametrize("edit", [EraseEdit(who="t4"), VerdictEdit(who="t4", decision=KEEP)])
def test_what_was_drawn_is_nobody_that_edits_could_name(edit: Edit) -> None:
    zone = ZoneEdit(decision=MASK, shape=Box(x=0, y=0, width=20, height=20))
    assert edited(zone)[0].header.tracklets[-1].id == 4
    with pytest.raises(InvalidEdits, match="t4 is nobody"):
        edited(zone, edit)


@pytest.mark.parametrize(
    ("edit", "frames"),
    [
        (VerdictEdit(who="p2", decision=KEEP), []),
        (MergeEdit(persons=("p2", "p3")), []),
        (EraseEdit(who="p2", start=1, end=2), range(10, 20)),
        (ZoneEdit(decision=MASK, shape=Box(x=0, y=0, width=40, height=40), end=1), range(10)),
        (ZoneEdit(decision=KEEP, shape=Box(x=0, y=0, width=40, height=40), start=3), range(30, 40)),
        (MaskEdit(keys=(Key(seconds=1, shape=Box(x=0, y=0, width=40, height=40)),), follow=False,
                  start=0.5, end=1.5), range(5, 15)),
    ],
    ids=lambda value: value.kind if not isinstance(value, list | range) else "",
)  # fmt: skip
def test_it_says_which_frames_have_other_masks(edit: Edit, frames: Sequence[int]) -> None:
    made, found = edited(edit)

    changed = [n for n in range(FRAMES) if made.changes(n, n + 1)]

    assert changed == list(frames)

    def masks(frame: FrameRecord) -> list[tuple[int, int]]:
        return [(sighting.tracklet, sighting.mask.area) for sighting in frame.sightings]

    same = [masks(now) == masks(before) for now, before in zip(found, records(), strict=True)]
    assert [n for n in range(FRAMES) if not same[n]] == list(frames)
