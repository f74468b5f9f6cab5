"""Clips reversed, at half and at twice their rate, with what is true of them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from benchmarks.quality.clips import Run
from benchmarks.quality.truth import Region, Truth
from benchmarks.quality.variants import Variant, reordered, varied
from bystander.tracking.clicks import Click
from tests.support.videos import Clip, make_video

COUNT, RATE = 6, 25


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Of six frames, of which the third is clicked on; a map's only id is its number and one."""
    maps = tmp_path / "persons"
    maps.mkdir()
    for index in range(COUNT):
        Image.fromarray(np.full((8, 8), index + 1, np.uint8)).save(maps / f"{index:05d}.png")
    (tmp_path / "clip").mkdir()
    video = make_video(tmp_path / "clip" / "video.mp4", Clip(pts=range(0, COUNT * 512, 512)))
    regions = (Region(2, (0, 0, 4, 4), "keep", "anna"),)
    boxes = [{index + 1: (0.0, 0.0, 8.0, 8.0)} for index in range(COUNT)]
    truth = Truth(maps, regions=regions, boxes=boxes)
    return Run("anna", "clip", video, truth, clicks=(Click(2 / RATE, 4, 4),))


def greys(video: Path) -> list[bytes]:
    with av.open(str(video)) as container:
        return [frame.to_ndarray(format="gray").tobytes() for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("variant", "order", "clicked"),
    [
        ("reversed", [5, 4, 3, 2, 1, 0], 3 / RATE),
        ("half", [0, 2, 4], 2 / RATE),
        ("twice", [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], 2 / RATE),
    ],
)
def test_pixels_truth_and_clicks_go_together(
    run: Run, tmp_path: Path, variant: Variant, order: list[int], clicked: float
) -> None:
    other = varied(run, variant, tmp_path)

    before, after = greys(run.video), greys(other.video)
    assert after == [before[index] for index in order]
    found = [other.truth.ids(place) for place in range(other.truth.map_count)]
    assert [ids.max() - 1 for ids in found if ids is not None] == order
    assert other.truth.boxes is not None
    assert [next(iter(boxes)) - 1 for boxes in other.truth.boxes] == order
    assert {region.frame for region in other.truth.regions} == {
        place for place, index in enumerate(order) if index == 2
    }
    (click,) = other.clicks
    assert click.seconds == pytest.approx(clicked)
    assert (other.name, other.clip) == (f"anna {variant}", "clip")


def test_maps_of_the_first_frames_alone_are_left_out(run: Run, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    (few / "00000.png").symlink_to(tmp_path / "persons" / "00000.png")

    truth = reordered(Truth(few), [5, 4, 3, 2, 1, 0], tmp_path / "links")

    assert truth.persons is None
