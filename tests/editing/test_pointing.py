"""Whom a point masks: everybody who may be meant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bystander.editing.pointing import people_at, with_masked
from bystander.errors import SelectionError
from bystander.geometry.masks import Mask
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.types import Decision, FrameRecord, Origin, Person, Sighting
from bystander.tracking.clicks import Click
from tests.editing.test_apply import header


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    """Tracklets 1, 2 and 3 side by side, 2 and 3 overlapping; 3 is there only by a guess."""
    with TimelineWriter(tmp_path / "timeline") as writer:
        for n in range(40):
            sightings = []
            for number, (x, origin) in enumerate(
                [(10, Origin.SEEN), (50, Origin.SEEN), (60, Origin.FILLED)], 1
            ):
                mask = Mask(x + n // 20, 10, np.ones((30, 15), dtype=bool))
                sightings.append(Sighting(number, (x, 10, x + 15, 40), 0.9, mask, origin))
            writer.add_frame(FrameRecord(n, n, tuple(sightings)))
        writer.finish(header())
    return Timeline.load(tmp_path / "timeline")


@pytest.mark.parametrize(
    ("point", "meant"),
    [
        ((0, 30, 40), ("p1",)),
        ((1.95, 21, 40), ("p1",)),
        ((1.95, 52, 40), ("p1",)),  # a little beside
        ((0, 110, 40), ("p2",)),
        ((0, 125, 40), ("p2", "p3")),  # both, and one of them is only inferred
        ((0, 140, 40), ("p3",)),
    ],
)
def test_everybody_who_may_be_meant_is_masked(
    timeline: Timeline, point: tuple[float, float, float], meant: tuple[str, ...]
) -> None:
    assert people_at(timeline, timeline.header, [Click(*point)]) == meant


def test_whoever_is_pointed_at_is_masked_whatever_spoke_for_them(timeline: Timeline) -> None:
    after = with_masked(timeline, timeline, [Click(0, 30, 40)])
    decisions = {v.decision for v in after.header.tracklet(1).verdicts}
    assert decisions == {Decision.MASK}
    assert with_masked(timeline, timeline, []) is timeline


def test_persons_are_those_that_edits_made(timeline: Timeline) -> None:
    merged = replace(
        timeline.header,
        persons=(
            Person("p1", None, (1,), 4.0, ((1, 0, 20), (2, 20, 40))),
            Person("p2", None, (2,), 4.0, ((2, 0, 20), (1, 20, 40))),
        ),
    )
    points = [Click(0, 30, 40), Click(3, 30, 40), Click(0, 140, 40)]
    assert people_at(timeline, merged, points) == ("p1", "p2", "t3")


def test_where_nobody_is_known_a_point_is_refused(timeline: Timeline) -> None:
    with pytest.raises(SelectionError, match="nobody is known") as told:
        people_at(timeline, timeline.header, [Click(0, 5, 95)])
    assert "--mask-box" in told.value.advice
