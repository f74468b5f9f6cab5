"""The measure is measured: videos of which we know what shows."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.scoring import SOLID, FramesDiffer, score_instances, score_regions

SIZE = 96
FRAMES = 3


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


def test_someone_half_covered_is_a_leak_in_every_frame(tmp_path: Path, persons: Path) -> None:
    output = write_video(tmp_path / "out.mp4", columns(16, SIZE))
    score = score_instances(output, persons)
    assert score.leak == pytest.approx(0.25, abs=0.01)
    assert {(leak.frame, leak.person) for leak in score.leaks} == {(n, 1) for n in range(FRAMES)}
    assert score.leaks[0].visible == pytest.approx(0.5, abs=0.02)
    assert score.excess == pytest.approx(0.5, abs=0.02)


def test_the_kept_person_is_no_leak_but_must_not_be_masked(tmp_path: Path, persons: Path) -> None:
    output = write_video(tmp_path / "out.mp4", columns(24, SIZE))
    score = score_instances(output, persons, kept=1)
    assert score.leak == 0
    assert score.kept_masked == pytest.approx(0.25, abs=0.02)


def test_a_lost_frame_is_refused(tmp_path: Path, persons: Path) -> None:
    output = write_video(tmp_path / "out.mp4", columns(0, SIZE), frames=FRAMES - 1)
    with pytest.raises(FramesDiffer, match="2 frames"):
        score_instances(output, persons)


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
    tmp_path: Path, expect: str, box: tuple[int, int, int, int], satisfied: bool
) -> None:
    output = write_video(tmp_path / "out.mp4", columns(32, SIZE))
    truth = tmp_path / "truth.json"
    region = {"frame": 1, "box": box, "expect": expect, "who": "someone"}
    truth.write_text(json.dumps({"regions": [region]}))
    assert [region.satisfied for region in score_regions(output, truth)] == [satisfied]
