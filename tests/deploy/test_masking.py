"""The check of `make images` can tell a masked video from others."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from deploy.docker.masking import Clip, check

SIDE = 64
LEFT = {"frame": 1, "box": [0, 0, 32, 64], "expect": "mask"}
RIGHT = {"frame": 1, "box": [32, 0, 64, 64], "expect": "keep"}


def video(path: Path, hidden: slice, frames: int = 3, volume: int = 1000) -> Path:
    """Noise, grey in the columns `hidden`, with a tone."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    noise[:, hidden] = 128
    with av.open(str(path), "w") as file:
        pictures = file.add_stream("libx264", rate=25, options={"crf": "1"})
        pictures.width = pictures.height = SIDE
        pictures.pix_fmt = "yuv420p"
        sound = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(noise, format="gray8")
            file.mux(pictures.encode(frame.reformat(format="yuv420p")))
        file.mux(pictures.encode())
        wave = av.AudioFrame.from_ndarray(np.full((1, 800), volume, np.int16), layout="mono")
        wave.sample_rate = 8000
        file.mux(sound.encode(wave))
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return Clip(video(tmp_path / "source.mkv", slice(0)), tmp_path / "photo", (LEFT, RIGHT))


def test_a_masked_video_passes(clip: Clip, tmp_path: Path) -> None:
    found = check(clip, video(tmp_path / "masked.mkv", slice(0, 32)))
    assert found["frames"] == 3
    assert (found["regions masked"], found["regions kept"]) == (1, 1)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"hidden": slice(0)}, "aren't masked"),
        ({"hidden": slice(None)}, "only 0 regions kept"),
        ({"hidden": slice(0, 32), "frames": 2}, "2 frames of 3"),
        ({"hidden": slice(0, 32), "volume": 0}, "the sound"),
    ],
)
def test_any_other_does_not(
    clip: Clip, tmp_path: Path, wrong: dict[str, int | slice], complaint: str
) -> None:
    made = video(tmp_path / "masked.mkv", **wrong)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match=complaint):
        check(clip, made)


def test_the_made_clip_has_one_to_keep_and_regions_that_unmasked_are_told(tmp_path: Path) -> None:
    made = Clip.made(tmp_path)

    with av.open(str(made.video)) as file:
        width, height = file.streams.video[0].width, file.streams.video[0].height
    boxes = [region["box"] for region in made.regions]
    assert [r["expect"] for r in made.regions].count("keep") == 1
    assert len(boxes) > 2
    assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for x0, y0, x1, y1 in boxes)
    with pytest.raises(AssertionError, match=f"{len(boxes) - 1} of {len(boxes) - 1} regions"):
        check(made, made.video)
