"""From tracked frames to final masks, one a person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bystander.masks import Mask, union
from bystander.people.finalise import Finaliser, final
from bystander.people.vocabulary import FrameRecord, Origin, Sighting

ANN, BEN = 1, 2


def sighted(
    tracklet: int, x: int, width: int = 20, origin: Origin = Origin.SEEN, y: int = 50
) -> Sighting:
    """A silhouette 60 pixels high."""
    mask = Mask(x, y, np.ones((60, width), dtype=bool))
    return Sighting(tracklet, (x, y, x + width, y + 60), 0.9, mask, origin)


def record(*sightings: Sighting, index: int = 10) -> FrameRecord:
    return FrameRecord(index, index, sightings)


def masks(frame: FrameRecord) -> dict[int, Mask]:
    return {sighting.tracklet: sighting.mask for sighting in frame.sightings}


def test_what_was_carried_on_is_in_its_persons_mask_and_in_nobody_elses() -> None:
    ann, ben = sighted(ANN, 100), sighted(BEN, 200)
    carried = sighted(ANN, 125, 10, Origin.CARRIED)
    found = final(record(ann, ben, carried), None)
    assert [s.tracklet for s in found.sightings] == [ANN, BEN]
    assert masks(found)[ANN].area == ann.mask.area + carried.mask.area
    assert masks(found)[ANN].box == (100, 50, 135, 110)
    assert masks(found)[BEN].box == ben.mask.box


def test_what_was_carried_on_gives_way_to_whoever_is_there() -> None:
    carried = sighted(ANN, 115, 20, Origin.CARRIED)
    found = final(record(sighted(ANN, 100), sighted(BEN, 130), carried), None)
    assert masks(found)[ANN].box == (100, 50, 130, 110)


def test_a_part_that_two_may_share_is_in_both_masks() -> None:
    ann, ben = sighted(ANN, 100, 40), sighted(BEN, 150)
    shared = sighted(BEN, 130, 10, Origin.SHARED)
    found = masks(final(record(ann, ben, shared), None))
    assert found[ANN].area == ann.mask.area
    assert found[BEN].area == ben.mask.area + shared.mask.area


@pytest.mark.parametrize("guess", [Origin.FILLED, Origin.EXTENDED])
def test_a_guess_with_a_part_that_may_be_seen_is_a_sighting_without_what_was_guessed_over_others(
    guess: Origin,
) -> None:
    ann, ben = sighted(ANN, 100, 40), sighted(BEN, 120, 40, guess)
    shared = sighted(BEN, 130, 10, Origin.SHARED)
    found = final(record(ann, ben, shared), None)
    assert {s.tracklet: s.origin for s in found.sightings} == {ANN: Origin.SEEN, BEN: Origin.SEEN}
    assert masks(found)[BEN].area == shared.mask.area + 20 * 60


def test_only_a_part_of_somebody_is_their_sighting() -> None:
    shared = sighted(BEN, 130, 10, Origin.SHARED)
    more = sighted(BEN, 100, 5, Origin.SHARED)
    found = final(record(sighted(ANN, 100, 40), shared, more), None)
    assert [(s.tracklet, s.origin) for s in found.sightings] == [
        (ANN, Origin.SEEN),
        (BEN, Origin.SEEN),
    ]
    assert masks(found)[BEN].area == union((shared.mask, more.mask)).area


def test_a_mask_reaches_as_far_as_the_next_frames_silhouette_moved_along() -> None:
    whole, half = sighted(ANN, 110), sighted(ANN, 100, 10)
    here = replace(whole, box=(100, 50, 120, 110), mask=half.mask)  # an arm of them is lost
    found = masks(final(record(here), record(whole, index=11)))
    assert found[ANN].box == (100, 50, 120, 110)
    assert found[ANN].bits.all()


@pytest.mark.parametrize("origin", [Origin.SHARED, Origin.CARRIED])
def test_parts_of_the_next_frames_silhouettes_are_not_moved_along(origin: Origin) -> None:
    ahead = record(sighted(ANN, 100), sighted(ANN, 125, 40, origin), index=11)
    assert masks(final(record(sighted(ANN, 100)), ahead))[ANN].box == (100, 50, 120, 110)


def test_a_mask_does_not_reach_after_somebody_else() -> None:
    ahead = record(sighted(BEN, 95, 60), index=11)
    assert masks(final(record(sighted(ANN, 100)), ahead))[ANN].box == (100, 50, 120, 110)


def test_frames_come_out_in_order_one_late_and_all_of_them() -> None:
    finaliser = Finaliser()
    frames = [record(sighted(ANN, 100 + index), index=index) for index in range(4)]
    out = [[done.index for done in finaliser.push(frame)] for frame in frames]
    assert out == [[], [0], [1], [2]]
    assert [done.index for done in finaliser.flush()] == [3]
    assert list(finaliser.flush()) == []
