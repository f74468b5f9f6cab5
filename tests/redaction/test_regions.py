"""Who wins a pixel: the table of `bystander.redaction.regions`, drawn."""

from __future__ import annotations

import numpy as np
import pytest

from bystander.choices import EffectName
from bystander.geometry.coordinates import DisplaySize
from bystander.media.colour import planes_of
from bystander.redaction.compositing import Compositor
from bystander.redaction.effects import EffectSettings
from bystander.redaction.regions import drawn
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    FrameRecord,
    Origin,
    Sighting,
    Tracklet,
    Verdict,
)
from tests.redaction.pictures import GRID, SIZE, in_source, noise, rectangle

STRANGER, FRIEND = 1, 2
STORED = (Origin.SEEN, Origin.FACE, Origin.FILLED, Origin.EXTENDED)
WIDE = EffectSettings(name=EffectName.SOLID, color="#ff00ff", growth=0.1, softness=0.1)


def judged(number: int, decision: Decision) -> Tracklet:
    """A tracklet that is kept or masked in all frames."""
    evidence = Evidence(EvidenceKind.FACE if decision is Decision.KEEP else EvidenceKind.NONE)
    verdict = Verdict(0, 100, decision, evidence)
    return Tracklet(number, 0, 0, 100, 100, 180.0, 31.0, (verdict,))


JUDGED = {
    STRANGER: judged(STRANGER, Decision.MASK),
    FRIEND: judged(FRIEND, Decision.KEEP),
}


def sighted(tracklet: int, left: int, right: int, origin: Origin = Origin.SEEN) -> Sighting:
    """A rectangle of a person, 60 grid pixels high."""
    box = float(left), 15.0, float(right), 75.0
    return Sighting(tracklet, box, 0.9, rectangle(left, 15, right, 75), origin)


def record(*sightings: Sighting) -> FrameRecord:
    return FrameRecord(10, 10, sightings)


ONLY_SEEN = {
    (masked, kept): not (kept is Origin.SEEN and masked in (Origin.FILLED, Origin.EXTENDED))
    for masked in STORED
    for kept in STORED
}


@pytest.mark.parametrize(("origins", "masked"), ONLY_SEEN.items())
def test_a_guess_never_beats_a_sight_and_what_both_were_seen_at_is_masked(
    origins: tuple[Origin, Origin], masked: bool
) -> None:
    stranger, friend = sighted(STRANGER, 40, 90, origins[0]), sighted(FRIEND, 70, 120, origins[1])
    here = drawn(record(stranger, friend), JUDGED)
    picture = noise()
    for plane in planes_of(picture):
        plane[:] = 128  # of one colour, so that it says nothing about where edges are
    before = planes_of(picture)[0].copy()
    effect = Compositor(GRID, SIZE, DisplaySize(SIZE), WIDE)
    luma = planes_of(effect.apply(picture, here.regions, here.kept))[0]
    alone, both, beside, far = (
        in_source(rectangle(left, 25, right, 65), luma)  # corners are rounded
        for left, right in ((40, 68), (73, 87), (93, 96), (104, 117))
    )
    covered = np.unique(luma[alone]).tolist()
    assert len(covered) == 1
    assert (luma[both] == covered[0]).all() == masked
    assert (luma[both] == before[both]).all() == (not masked)
    # The soft edge gives way to what is seen of the kept, and to nothing else.
    assert (luma[beside] == before[beside]).all() == (origins[1] is Origin.SEEN)
    assert (luma[far] == before[far]).all()


def test_whoever_has_no_verdict_is_masked() -> None:
    late = FrameRecord(100, 100, (sighted(FRIEND, 40, 90),))
    here = drawn(late, JUDGED)
    assert [sighting.tracklet for sighting in here.masked] == [FRIEND]
    assert here.kept == ()


def test_a_guess_wholly_over_somebody_kept_leaves_nothing_to_draw() -> None:
    guess, seen = sighted(STRANGER, 50, 60, Origin.FILLED), sighted(FRIEND, 40, 90)
    here = drawn(record(guess, seen), JUDGED)
    assert (here.masked, here.regions) == ((), ())


def test_a_region_is_the_mask_with_the_tracklets_sizes() -> None:
    stranger = sighted(STRANGER, 40, 90)
    (region,) = drawn(record(stranger), JUDGED).regions
    assert (region.mask, region.extent, region.face) == (stranger.mask, 180.0, 31.0)
