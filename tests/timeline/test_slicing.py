"""A part of a timeline says of its frames what the whole says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bystander.geometry.masks import Mask
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header, SourceVideo, check_header
from bystander.timeline.slicing import sliced
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    FrameRecord,
    Person,
    PointedAt,
    Shot,
    Sighting,
    Tracklet,
    Verdict,
)

FACTS = SourceVideo(200, 100, (1, 10), 40, 10.0, "whole")
NONE = Evidence(EvidenceKind.NONE)


def tracklet(number: int, start: int, end: int, shot: int, kept_from: int) -> Tracklet:
    verdicts = (
        Verdict(start, kept_from, Decision.MASK, NONE),
        Verdict(kept_from, end, Decision.KEEP, NONE),
    )
    return Tracklet(number, shot, start, end, end - start, 60.0, None, verdicts)


@pytest.fixture
def whole(tmp_path: Path) -> Timeline:
    header = Header(
        FACTS,
        (100, 50),
        (Shot(0, 5), Shot(5, 20), Shot(20, 40)),
        (tracklet(1, 0, 5, 0, 2), tracklet(2, 8, 18, 1, 12), tracklet(3, 20, 40, 2, 25)),
        (
            Person("p1", "anna", (1, 2), 1.5, ((1, 0, 5), (2, 8, 18), (3, 20, 22))),
            Person("p2", None, (3,), 2.0),
        ),
        {},
        (PointedAt(0.2, 5, 5, 2, 1), PointedAt(1.5, 6, 6, 15, 2)),
    )
    with TimelineWriter(tmp_path / "whole") as writer:
        for n in range(40):
            there = [t.id for t in header.tracklets if t.start <= n < t.end]
            mask = Mask(n, 10, np.ones((20, 15), dtype=bool))
            sightings = tuple(Sighting(t, (n, 10, n + 15, 30), 0.9, mask) for t in there)
            writer.add_frame(FrameRecord(n, n, sightings))
        pictures = [(1, b"one"), (2, b"two")]
        writer.finish(header, pictures, [b"first", b"second"])
    return Timeline.load(tmp_path / "whole")


@pytest.fixture
def part(whole: Timeline, tmp_path: Path) -> Timeline:
    facts = replace(FACTS, frames=14, fingerprint="part", time_base=(1, 1000))
    sliced(whole, 10, facts, range(0, 1400, 100), 1.0, tmp_path / "part")
    return Timeline.load(tmp_path / "part")


def test_frames_are_those_of_the_whole(whole: Timeline, part: Timeline) -> None:
    there, here = list(whole.frames(10))[:14], list(part.frames())
    assert [r.index for r in here] == list(range(14))
    assert [r.pts for r in here] == list(range(0, 1400, 100))
    for one, other in zip(there, here, strict=True):
        assert [(s.tracklet, s.mask.x) for s in one.sightings] == [
            (s.tracklet, s.mask.x) for s in other.sightings
        ]


def test_verdicts_are_those_of_the_whole(whole: Timeline, part: Timeline) -> None:
    check_header(part.header)
    assert [t.id for t in part.header.tracklets] == [2, 3]
    for each in part.header.tracklets:
        before = whole.header.tracklet(each.id)
        for n in range(each.start, each.end):
            assert each.decision_at(n) is before.decision_at(n + 10)
        assert {verdict.end > verdict.start for verdict in each.verdicts} == {True}


def test_shots_people_and_clicks_are_those_that_are_left(part: Timeline) -> None:
    header = part.header
    assert header.shots == (Shot(0, 10), Shot(10, 14))
    assert [t.shot for t in header.tracklets] == [0, 1]
    assert header.persons == (
        Person("p1", "anna", (2,), 0.8, ((2, 0, 8), (3, 10, 12))),
        Person("p2", None, (3,), 0.4),
    )
    assert header.pointed_at == (PointedAt(0.5, 6, 6, 5, 2),)
    assert part.pointed_picture(0) == b"second"
    assert dict(part.pictures()) == {2: b"two"}
