"""The figures of the quality table, from counted pixels."""

from __future__ import annotations

import pytest

from benchmarks.quality.score import PersonInFrame, QualityScore, RegionScore
from benchmarks.quality.table import Row, summaries
from benchmarks.quality.truth import Region


def score(*people: PersonInFrame, kept: int | None = 1, nobody: int = 0) -> QualityScore:
    return QualityScore(
        kept=frozenset() if kept is None else frozenset({kept}),
        either=frozenset({9}),
        people=people,
        nobody_masked=nobody,
        faces=None,
    )


def seen(frame: int, person: int, area: int, masked: int) -> PersonInFrame:
    return PersonInFrame(frame=frame, person=person, area=area, masked=masked)


def test_bystanders_pixels_that_show_are_a_leak_and_kept_ones_are_not() -> None:
    result = score(seen(0, 1, 100, 0), seen(0, 2, 100, 90), seen(1, 2, 100, 100))
    assert result.leak == pytest.approx(0.05)
    assert result.leaking_frames == 1
    assert result.worst == seen(0, 2, 100, 90)
    assert result.kept_masked == 0


def test_a_bystander_is_kept_when_mostly_visible_in_more_than_two_frames() -> None:
    shown = [seen(frame, 2, 100, 40) for frame in range(3)]
    assert score(*shown[:2]).bystanders_kept == []
    assert score(*shown).bystanders_kept == [2]


def test_kept_frames_are_those_that_leave_the_kept_person_clear() -> None:
    frames = [seen(0, 1, 100, 0), seen(1, 1, 100, 20), seen(2, 1, 100, 60), seen(3, 1, 100, 90)]
    assert score(*frames).kept_frames == 0.5
    assert score(*frames).cast_masked == []
    assert score(*frames, seen(4, 1, 100, 51)).cast_masked == [1]


def test_a_sliver_of_the_kept_person_is_not_asked_to_be_clear() -> None:
    assert score(seen(0, 1, 100, 0), seen(1, 1, 9, 9)).kept_frames == 1


def test_who_may_be_either_counts_for_nothing() -> None:
    assert score(seen(0, 9, 100, 0)).leak is None


def test_a_bystander_is_whole_from_nine_tenths_on_but_a_sliver_of_them_never_is() -> None:
    most = seen(0, 2, 100, 100)
    assert score(most, seen(1, 2, 100, 9), seen(2, 2, 100, 11)).whole_frames == 1
    assert score(most, seen(1, 2, 9, 0)).whole_frames == 0


def test_the_longest_time_lost_is_of_one_person_and_of_one_piece() -> None:
    masked = [90, 90, 0, 90, 90, 90, 49]
    people = [seen(frame, 1, 100, value) for frame, value in enumerate(masked)]
    assert score(*people).lost_seconds == pytest.approx(3 / 25)
    assert score(seen(0, 2, 100, 0)).lost_seconds is None


def test_who_is_hardly_seen_is_not_lost_and_the_time_goes_on_after_it() -> None:
    people = [seen(0, 1, 100, 90), seen(1, 1, 24, 24), seen(2, 1, 100, 90), seen(3, 1, 100, 0)]
    assert score(*people).lost_seconds == pytest.approx(2 / 25)
    assert score(*people).kept_masked_worst == pytest.approx(0.9)


def test_without_maps_regions_tell_how_long_somebody_is_lost() -> None:
    shares = {0: [0.9, 0.3], 10: [0.9, 0.9], 20: [0.0, 0.2], 30: [0.9, 0.2]}
    regions = [
        RegionScore(Region(frame, (0, 0, 9, 9), "keep", "someone"), share)
        for frame, masked in shares.items()
        for share in masked
    ]
    hidden = RegionScore(Region(25, (0, 0, 9, 9), "mask", "another"), 1.0)
    lost = QualityScore(frozenset(), frozenset(), (), regions=[*regions, hidden], rate=25)
    assert lost.lost_seconds == pytest.approx(11 / 25)
    assert lost.region_error("keep") == pytest.approx(sum(map(sum, shares.values())) / 8)
    assert lost.region_error("mask") == 0


def test_the_table_ends_with_means_and_worst_of_those_with_someone_kept() -> None:
    rows = [
        Row("none", visible=0.4, found=9, hota=0.5),
        Row("maps", visible=0.1, kept_masked=0.2, hota=0.8, edges=0.9),
        Row("regions", keep_right=1, keep_regions=2, edges=0.7),
        Row("more", keep_right=2, keep_regions=2),
    ]
    mean, kept, worst = summaries(rows)
    assert mean.visible == pytest.approx(0.25)
    assert mean.hota == pytest.approx(0.65)
    assert (kept.visible, kept.keep_right, kept.keep_regions) == (0.1, 3, 4)
    assert (worst.hota, worst.edges, worst.kept_masked) == (0.8, 0.7, 0.2)


def test_references_stand_beside_our_rows_of_the_same_videos_only() -> None:
    rows = [
        Row("a-0", hota=0.8, found=4, there=4, visible=0.1),
        Row("a bytetrack", hota=0.6, found=8, there=4, reference="bytetrack"),
        Row("a-1", hota=0.2, found=9, there=4, kept_masked=0.1),
    ]
    everything, kept, _, same, theirs = summaries(rows)
    assert everything.hota == pytest.approx(0.5)
    assert kept.hota == 0.2
    assert (same.hota, same.found, same.visible) == (0.8, 4, None)
    assert (theirs.name, theirs.hota, theirs.found) == ("mean of bytetrack", 0.6, 8)


def test_masked_area_is_measured_against_everyone() -> None:
    assert score(seen(0, 1, 60, 0), seen(0, 2, 40, 40), nobody=50).excess == 0.5
    assert score(kept=None).kept_frames is None
