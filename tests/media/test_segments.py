"""Segments on disk: whole or not there, and when their packets are decoded."""

from __future__ import annotations

import random
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from bystander.media.segments import (
    DamagedSegment,
    Filled,
    SegmentWriter,
    VideoSegment,
    decoding_times,
)
from tests.conftest import sampled


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_segment_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path / "s", b"extra"):
        assert names(tmp_path) == ["s.part"]
    assert names(tmp_path) == []


def test_an_empty_segment_is_read_back(tmp_path: Path) -> None:
    with SegmentWriter(tmp_path / "s", b"extra") as writer:
        writer.finish(True, Filled(2**40, 3))

    segment = VideoSegment.load(tmp_path / "s")
    assert (segment.extradata, list(segment.pts), segment.last) == (b"extra", [], True)
    assert segment.filled == Filled(2**40, 3)
    assert list(segment.packets()) == []


def test_what_is_no_segment_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"something else, of some length")
    with pytest.raises(DamagedSegment):
        VideoSegment.load(tmp_path / "s")


@pytest.mark.parametrize("seed", sampled(range(20), 4))
def test_decoding_times_increase_and_come_before_presentation(seed: int) -> None:
    """Whatever the order within the segments, as long as the first frame is decoded first."""
    rng = random.Random(seed)
    start, segments = rng.randrange(1000), []
    for _ in range(rng.randrange(1, 5)):
        pts = [start := start + rng.randrange(1, 9999) for _ in range(rng.randrange(1, 12))]
        later = pts[1:]
        rng.shuffle(later)
        segments.append(VideoSegment(Path(), b"", array("q", [pts[0], *later]), False, Filled()))

    shown = [pts for segment in segments for pts in segment.pts]
    times = list(decoding_times(segments))
    assert len(times) == len(shown)
    assert all(dts <= pts for dts, pts in zip(times, shown, strict=True))
    assert all(a < b for a, b in pairwise(times))
