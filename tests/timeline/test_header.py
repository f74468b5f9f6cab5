from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from bystander.errors import SelectionError
from bystander.timeline.header import Header, SourceVideo, verdicts_digest, with_decisions
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    Person,
    Shot,
    Tracklet,
    Verdict,
)


def tracklet(number: int, decision: Decision) -> Tracklet:
    evidence = Evidence(EvidenceKind.NONE)
    spans = (Verdict(0, 40, decision, evidence), Verdict(40, 90, Decision.MASK, evidence))
    return Tracklet(number, 0, 0, 90, 90, 100.0, None, spans)


HEADER = Header(
    SourceVideo(640, 360, (1, 25), 90, 25.0, "abc"),
    (640, 360),
    (Shot(0, 90),),
    (tracklet(1, Decision.KEEP), tracklet(2, Decision.MASK), tracklet(3, Decision.MASK)),
    (Person("p1", "minji", (1,), 3.6), Person("p2", None, (2, 3), 7.2)),
    {},
)


def decisions(header: Header) -> dict[int, list[str]]:
    return {t.id: [v.decision.value for v in t.verdicts] for t in header.tracklets}


def test_a_person_is_decided_on_where_they_are_seen_and_nowhere_else() -> None:
    """A tracklet that shows somebody else from frame 30 on."""
    swapped = Person("p3", None, (2,), 3.6, spans=((2, 0, 30), (3, 50, 90)))
    header = with_decisions(replace(HEADER, persons=(swapped,)), ["p3"], [])
    kept = {
        t.id: [frame for frame in range(90) if t.decision_at(frame) is Decision.KEEP]
        for t in header.tracklets
    }
    assert kept[2] == list(range(30))
    assert kept[3][-40:] == list(range(50, 90))
    assert kept[3][:-40] == [
        f for f in range(50) if HEADER.tracklets[2].decision_at(f).value == "keep"
    ]
    for tracklet in header.tracklets:
        bounds = [(verdict.start, verdict.end) for verdict in tracklet.verdicts]
        assert bounds[0][0] == 0
        assert bounds[-1][1] == 90
        assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))


def test_keeping_a_person_keeps_all_their_tracklets_throughout() -> None:
    edited = with_decisions(HEADER, ["p2"], [])
    assert decisions(edited) == {1: ["keep", "mask"], 2: ["keep"], 3: ["keep"]}
    assert edited.tracklets[1].verdicts[0].evidence.kind is EvidenceKind.USER
    assert edited.tracklets[1].verdicts[0].end == 90


def test_a_tracklet_of_its_own_outweighs_its_person() -> None:
    edited = with_decisions(HEADER, ["t3"], ["p2", "p1"])
    assert decisions(edited) == {1: ["mask"], 2: ["mask"], 3: ["keep"]}


def test_nobody_else_changes() -> None:
    edited = with_decisions(HEADER, [], ["p1"])
    assert edited.tracklets[1:] == HEADER.tracklets[1:]


@pytest.mark.parametrize(("keep", "mask"), [(["p9"], []), ([], ["t77"]), (["p1"], ["p1"])])
def test_unknown_and_contradicting_ids_are_refused(keep: list[str], mask: list[str]) -> None:
    with pytest.raises(SelectionError):
        with_decisions(HEADER, keep, mask)


def test_the_digest_is_of_who_is_shown_when_and_not_of_why() -> None:
    plain = verdicts_digest(HEADER)
    assert verdicts_digest(with_decisions(HEADER, [], ["p2"])) == plain  # decided as it was
    assert verdicts_digest(with_decisions(HEADER, ["p2"], [])) != plain
    both = with_decisions(HEADER, ["p2"], [])
    assert verdicts_digest(both) == verdicts_digest(with_decisions(HEADER, ["t3", "t2"], []))
    named = replace(HEADER, persons=(replace(HEADER.persons[0], name="jiho"), HEADER.persons[1]))
    assert verdicts_digest(named) == plain


def test_a_frame_more_of_somebody_is_another_digest() -> None:
    first, rest = HEADER.tracklets[0], HEADER.tracklets[1:]
    longer = (replace(first.verdicts[0], end=41), replace(first.verdicts[1], start=41))
    changed = replace(HEADER, tracklets=(replace(first, verdicts=longer), *rest))
    assert verdicts_digest(changed) != verdicts_digest(HEADER)


def test_of_a_tracklet_that_shows_two_people_each_has_their_own_part() -> None:
    face = Evidence(EvidenceKind.FACE, "anna", 0.9, 3, "3 faces agree")
    none = Evidence(EvidenceKind.NONE)
    verdicts = (
        Verdict(0, 4, Decision.KEEP, face),
        Verdict(4, 6, Decision.KEEP, face),
        Verdict(6, 10, Decision.MASK, none),
    )
    shared = replace(HEADER.tracklets[0], id=1, start=0, end=10, verdicts=verdicts)
    anna = Person("p1", "anna", (1,), 0.6, ((1, 0, 4), (1, 4, 6)))
    other = Person("p2", None, (), 0.4, ((1, 6, 10),))
    header = replace(HEADER, tracklets=(shared,), persons=(anna, other))

    assert header.verdicts_of(anna) == [(shared, Verdict(0, 6, Decision.KEEP, face))]
    assert header.verdicts_of(other) == [(shared, verdicts[2])]
    assert (header.is_kept(anna), header.is_kept(other)) == (True, False)
