"""The measure is measured: videos of which we know what shows."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.quality.drawing import SOLID, masked_in_video
from benchmarks.quality.score import FramesDiffer, QualityScore, score_masks
from benchmarks.quality.stage import SeenFace
from benchmarks.quality.truth import Region, Truth, boxes_of, people_in, point_inside

SIZE = 96
FRAMES = 3
RATE = 25.0


def write_video(path: Path, masked: NDArray[np.bool_], frames: int = FRAMES) -> Path:
    """A grey video in which `masked` (bool [H, W]) shows the solid colour, as we encode it."""
    picture = np.full((*masked.shape, 3), 90, dtype=np.uint8)
    picture[masked] = SOLID
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = SIZE, SIZE, "yuv420p"
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def persons(tmp_path: Path) -> Path:
    """Truth: person 1 fills the left third, person 2 the right third of every frame."""
    folder = tmp_path / "persons"
    folder.mkdir()
    ids = np.zeros((SIZE, SIZE), dtype=np.uint8)
    ids[:, : SIZE // 3], ids[:, -SIZE // 3 :] = 1, 2
    for index in range(FRAMES):
        Image.fromarray(ids).save(folder / f"{index:05d}.png")
    return folder


def columns(start: int, stop: int) -> NDArray[np.bool_]:
    masked = np.zeros((SIZE, SIZE), dtype=bool)
    masked[:, start:stop] = True
    return masked


def scored(output: Path, truth: Truth) -> QualityScore:
    return score_masks(masked_in_video(output), truth, (SIZE, SIZE), RATE)


def test_someone_half_covered_is_a_leak_in_every_frame(tmp_path: Path, persons: Path) -> None:
    score = scored(write_video(tmp_path / "out.mp4", columns(16, SIZE)), Truth(persons))
    assert score.leak == pytest.approx(0.25, abs=0.01)
    assert score.leaking_frames == FRAMES
    assert score.whole_frames == 0
    assert score.worst is not None
    assert score.worst.person == 1
    assert score.worst.visible == pytest.approx(0.5, abs=0.02)
    assert score.excess == pytest.approx(0.5, abs=0.02)


def test_the_kept_person_is_no_leak_but_must_not_be_masked(tmp_path: Path, persons: Path) -> None:
    output = write_video(tmp_path / "out.mp4", columns(24, SIZE))
    score = scored(output, Truth(persons, kept=frozenset({1})))
    assert score.leak == 0
    assert score.kept_masked == pytest.approx(0.25, abs=0.02)
    assert score.kept_masked_worst == pytest.approx(0.25, abs=0.02)
    assert score.lost_seconds == 0


def test_masks_of_the_analysis_grid_are_measured_in_source_pixels(persons: Path) -> None:
    small = np.zeros((SIZE // 2, SIZE // 2), dtype=bool)
    small[:, SIZE // 4 :] = True
    score = score_masks([small] * FRAMES, Truth(persons), (SIZE, SIZE), RATE)
    assert score.leak == pytest.approx(0.5)


def test_a_lost_frame_is_refused(persons: Path) -> None:
    with pytest.raises(FramesDiffer, match="2 frames"):
        score_masks([columns(0, SIZE)] * (FRAMES - 1), Truth(persons), (SIZE, SIZE), RATE)


def test_where_nobody_drew_everyone_nobody_can_tell_what_is_masked_in_vain(persons: Path) -> None:
    truth = Truth(persons, kept=frozenset({1}), complete=False)
    score = score_masks([columns(0, SIZE)] * FRAMES, truth, (SIZE, SIZE), RATE)
    assert score.excess is None


@pytest.mark.parametrize(
    ("expect", "box", "satisfied"),
    [
        ("mask", (40, 0, 90, 90), True),
        ("mask", (22, 0, 62, 90), False),  # a quarter of it shows
        ("keep", (0, 0, 28, 90), True),
        ("keep", (0, 0, 40, 90), False),  # a fifth of it is masked
    ],
)
def test_regions(
    expect: Literal["keep", "mask"], box: tuple[int, int, int, int], satisfied: bool
) -> None:
    truth = Truth(None, regions=(Region(1, box, expect, "someone"),))
    score = score_masks([columns(32, SIZE)] * FRAMES, truth, (SIZE, SIZE), RATE)
    assert [region.satisfied for region in score.regions] == [satisfied]
    assert score.regions_right(expect) == (int(satisfied), 1)
    assert score.leak is None


def test_regions_after_the_last_frame_are_refused() -> None:
    truth = Truth(None, regions=(Region(FRAMES, (0, 0, 9, 9), "mask", "someone"),))
    with pytest.raises(FramesDiffer):
        score_masks([columns(0, SIZE)] * FRAMES, truth, (SIZE, SIZE), RATE)


def test_only_bystanders_faces_count_and_only_where_they_show() -> None:
    faces = {1: [SeenFace(1, (0, 0, 10, 10)), SeenFace(2, (60, 0, 70, 10))]}
    truth = Truth(None, kept=frozenset({1}), faces=faces)
    hidden = score_masks([columns(50, SIZE)] * FRAMES, truth, (SIZE, SIZE), RATE)
    shown = score_masks([columns(0, 0)] * FRAMES, truth, (SIZE, SIZE), RATE)
    assert (hidden.faces, shown.faces) == (0, 1)


def test_people_are_clicked_on_where_they_are_widest_and_large(tmp_path: Path) -> None:
    ids = np.zeros((SIZE, SIZE), dtype=np.uint8)
    for index, (start, stop) in enumerate([(0, 4), (10, 50), (10, 70)]):
        ids[...] = 0
        ids[40:49, start:stop] = 3
        Image.fromarray(ids).save(tmp_path / f"{index:05d}.png")
    index, x, y = point_inside(tmp_path, 3)
    assert (index, y) == (1, 44)
    assert 14 <= x <= 46
    assert people_in(tmp_path) == {3}
    assert boxes_of(ids) == {3: (10, 40, 70, 49)}
    with pytest.raises(ValueError, match="person 4"):
        point_inside(tmp_path, 4)
