"""What is kept of each tracklet, and the identity graph's segments made of it."""

from __future__ import annotations

import numpy as np
import pytest

from bystander.identity.segments import FaceSample
from bystander.timeline.types import FrameRecord, Sighting
from bystander.tracking.evidence import MIN_CONTINUITY_PROBABILITY, EvidenceStore, SegmentEvidence

from .figures import colours, figure


def watched(archive: EvidenceStore, tracklet: int, start: int, end: int, x: float = 0) -> None:
    archive.open(tracklet, 0, start)
    person = figure(x)
    for frame in range(start, end):
        sighting = Sighting(tracklet, person.box, 0.9, person.mask)
        archive.count(FrameRecord(frame, frame, (sighting,)))
        archive.dossiers[tracklet].stretches[-1].see(frame, person.box)
        archive.dossiers[tracklet].stretches[-1].add_colours(colours(0))


def test_a_long_stretch_keeps_a_bounded_number_of_samples_spread_over_it() -> None:
    stretch = SegmentEvidence(0)
    for frame in range(500):
        stretch.add_face(FaceSample(frame, np.ones(1, np.float32), 0.5, 60.0))
    assert len(stretch.faces) <= 24
    assert stretch.faces[-1].frame - stretch.faces[0].frame > 400


def test_a_stretch_looks_like_what_was_seen_of_it_apart_from_others() -> None:
    stretch = SegmentEvidence(0)
    stretch.add_colours(colours(1), apart=False)
    np.testing.assert_array_equal(stretch.colours, colours(1))
    stretch.add_colours(colours(0), apart=True)
    stretch.add_colours(colours(1), apart=False)
    np.testing.assert_array_equal(stretch.colours, colours(0))
    stretch.add_colours(colours(2), apart=True)
    assert stretch.colours is not None
    np.testing.assert_allclose(stretch.colours, 0.5 * colours(0) + 0.5 * colours(2))


def test_a_segment_tells_when_and_where_it_was_seen() -> None:
    archive = EvidenceStore(1.0)
    watched(archive, 1, 3, 8, x=3)
    watched(archive, 1, 10, 12, x=9)
    ((segment,), links) = archive.segments()
    assert segment.runs == ((3, 8), (10, 12))
    assert (segment.first, segment.last) == (figure(3).box, figure(9).box)
    assert segment.seen == 7
    assert not links


def test_doubts_become_links_to_the_tracklet_itself_and_to_the_rival() -> None:
    archive = EvidenceStore(1.0)
    for tracklet in (1, 2):
        watched(archive, tracklet, 0, 30)
    archive.doubt(1, 2, 30)
    archive.doubt(2, 1, 30)
    for tracklet in (1, 2):
        watched(archive, tracklet, 30, 60)
    segments, links = archive.segments()
    before, after = {0, 2}, {1, 3}
    assert {segment.start for segment in segments if segment.id in after} == {30}
    assert {(link.a, link.b) for link in links} == {(a, b) for a in before for b in after}
    assert len({link.probability for link in links}) == 1


@pytest.mark.parametrize("sure", [0.5, 0.9])
def test_what_place_says_of_a_doubt_is_shared_out_between_the_tracklet_and_its_rivals(
    sure: float,
) -> None:
    archive = EvidenceStore(1.0)
    for tracklet in (1, 2, 3):
        watched(archive, tracklet, 0, 30)
    archive.doubt(1, 2, 30, sure)
    archive.doubt(1, 3, 30, 0.95)
    watched(archive, 1, 30, 60)
    segments, links = archive.segments()
    starts = {segment.id: segment.track for segment in segments}
    found = {starts[link.a]: link.probability for link in links}
    assert found[1] == pytest.approx(MIN_CONTINUITY_PROBABILITY * sure), (
        "the least sure doubt counts"
    )
    assert found[2] == found[3] == pytest.approx(MIN_CONTINUITY_PROBABILITY * (1 - sure) / 2)


def test_a_doubt_about_somebody_never_seen_again_makes_no_segment() -> None:
    archive = EvidenceStore(1.0)
    watched(archive, 1, 0, 30)
    archive.doubt(1, 2, 30)
    assert len(archive.segments()[0]) == 1


def test_doubts_before_anything_is_seen_add_up() -> None:
    archive = EvidenceStore(1.0)
    watched(archive, 1, 0, 20)
    for frame, rival in ((20, 2), (22, 3)):
        archive.doubt(1, rival, frame)
    assert [s.rivals for s in archive.dossiers[1].stretches] == [set(), {2, 3}]


def test_a_brief_segment_does_not_cut_off_what_was_before_it() -> None:
    """Doubts on two frames in a row: what comes after them may go on from before the first."""
    archive = EvidenceStore(1.0)
    for start, end in ((0, 30), (30, 31), (31, 60)):
        if start:
            archive.doubt(1, 2 if start == 30 else None, start)
        watched(archive, 1, start, end)
    watched(archive, 2, 0, 30)
    segments, links = archive.segments()
    last = next(s.id for s in segments if s.end == 60)
    sources = {link.a for link in links if link.b == last}
    assert {(s.track, s.start) for s in segments if s.id in sources} == {(1, 0), (1, 30), (2, 0)}
