"""From tracked frames to final masks, one a person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bystander.geometry.masks import Mask
from bystander.timeline.types import FrameRecord, Origin, Sighting
from bystander.tracking.interpolation import MaskFinalizer, final

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


def test_the_last_frame_of_a_shot_stays_as_it_is() -> None:
    frame = record(sighted(ANN, 100), sighted(BEN, 110, origin=Origin.FILLED))
    found = final(frame, None)
    assert [(s.tracklet, s.origin) for s in found.sightings] == [
        (ANN, Origin.SEEN),
        (BEN, Origin.FILLED),
    ]
    assert [s.mask.box for s in found.sightings] == [s.mask.box for s in frame.sightings]


def test_there_is_one_sighting_a_person_in_the_same_order_and_of_the_same_origin() -> None:
    here = record(sighted(BEN, 200, origin=Origin.EXTENDED), sighted(ANN, 100))
    ahead = record(sighted(ANN, 102), sighted(BEN, 198), index=11)
    found = final(here, ahead)
    assert [(s.tracklet, s.origin) for s in found.sightings] == [
        (BEN, Origin.EXTENDED),
        (ANN, Origin.SEEN),
    ]


def test_a_mask_reaches_as_far_as_the_next_frames_silhouette_moved_along() -> None:
    whole, half = sighted(ANN, 110), sighted(ANN, 100, 10)
    here = replace(whole, box=(100, 50, 120, 110), mask=half.mask)  # an arm of them is lost
    found = masks(final(record(here), record(whole, index=11)))
    assert found[ANN].box == (100, 50, 120, 110)
    assert found[ANN].bits.all()


def test_a_mask_does_not_reach_after_somebody_else() -> None:
    ahead = record(sighted(BEN, 95, 60), index=11)
    assert masks(final(record(sighted(ANN, 100)), ahead))[ANN].box == (100, 50, 120, 110)


def test_a_mask_does_not_reach_over_somebody_else() -> None:
    here = replace(sighted(ANN, 100), mask=sighted(ANN, 100, 10).mask)  # half of her is lost
    frame = record(here, sighted(BEN, 114))
    found = masks(final(frame, record(sighted(ANN, 100), index=11)))
    assert found[ANN].box == (100, 50, 114, 110)
    assert found[BEN].box == (114, 50, 134, 110)


def test_whoever_comes_only_in_the_next_frame_is_not_there_yet() -> None:
    found = final(record(sighted(ANN, 100)), record(sighted(BEN, 200), index=11))
    assert [s.tracklet for s in found.sightings] == [ANN]


def test_frames_come_out_in_order_one_late_and_all_of_them() -> None:
    finaliser = MaskFinalizer()
    frames = [record(sighted(ANN, 100 + index), index=index) for index in range(4)]
    out = [[done.index for done in finaliser.push(frame)] for frame in frames]
    assert out == [[], [0], [1], [2]]
    assert [done.index for done in finaliser.flush()] == [3]
    assert list(finaliser.flush()) == []
