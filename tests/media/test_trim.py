"""A part of a video is cut out to the frame and to the sample, and looks as it did."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import ConfigError, UnsupportedVideo
from bystander.media.facts import VideoInfo
from bystander.media.probe import probe, shown_pts
from bystander.media.reader import VideoReader
from bystander.media.trim import trim
from tests.support.videos import RATE, Clip, Sound, make_video

FRAMES = 60
PTS = tuple(range(0, 512 * FRAMES, 512))
LONG_GROUPS = {"preset": "medium", "crf": "10", "g": "24", "bf": "3"}
CLIP = Clip(pts=PTS, size=(160, 120), options=LONG_GROUPS)
HDR = Clip(
    pts=PTS,
    size=(160, 120),
    codec="libx265",
    pixel_format="yuv420p10le",
    colors=(9, 16, 9, 1),
    options={"preset": "ultrafast", "x265-params": "log-level=error"},
)
KINDS = {
    "mp4": (CLIP, ".mp4"),
    "mkv, decoding times missing": (CLIP, ".mkv"),
    "transport stream": (
        replace(CLIP, time_base=Fraction(1, 90_000), pts=range(0, 3600 * FRAMES, 3600)),
        ".ts",
    ),
    "turned, pixels not square": (replace(CLIP, rotation=90, aspect=Fraction(4, 3)), ".mp4"),
    "HDR": (HDR, ".mp4"),
    "uneven": (replace(CLIP, pts=tuple(512 * n + 100 * (n % 3) for n in range(FRAMES))), ".mp4"),
    "late": (replace(CLIP, pts=tuple(5120 + t for t in PTS), sounds=(Sound(),)), ".mp4"),
    "interlaced": (
        replace(CLIP, options={**LONG_GROUPS, "flags": "+ildct", "x264-params": "tff=1"}),
        ".mp4",
    ),
    "VP9": (
        replace(CLIP, codec="libvpx-vp9", options={"cpu-used": "8", "deadline": "realtime"}),
        ".webm",
    ),
}


def shown(path: Path, info: VideoInfo | None = None) -> list[NDArray[np.uint8]]:
    return [frame.rgb() for frame in VideoReader(path, info or probe(path))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sampled(4)
def test_the_frames_of_a_part_are_the_video_s(kind: str, tmp_path: Path) -> None:
    clip, suffix = KINDS[kind]
    video = make_video(tmp_path / f"video{suffix}", clip)
    before, info = shown(video), probe(video)
    folder = tmp_path / "part"
    folder.mkdir()

    part = trim(video, 0.79, 1.6, folder)

    assert (part.first, part.stop) == (20, 40)
    times = (shown_pts(video) - info.start_pts) * float(info.time_base)
    assert part.offset == pytest.approx(times[20])
    assert part.seconds == pytest.approx(times[40] - times[20])
    cut = probe(part.path)
    assert cut.frame_count == 20
    assert cut.duration == pytest.approx(part.seconds, abs=2e-3)
    assert cut.orientation == info.orientation
    assert cut.display_size == info.display_size
    assert cut.color_transfer == info.color_transfer
    after = shown(part.path)
    assert all((one == other).all() for one, other in zip(after, before[20:40], strict=True))
    assert (part.pts == shown_pts(part.path)).all()
    assert list(folder.iterdir()) == [part.path]


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [(None, 0.04, (0, 1)), (2.36, None, (59, 60)), (0.0, 99.0, (0, 60)), (0.04, 0.08, (1, 2))],
)
def test_parts_may_be_at_either_end_and_of_one_frame(
    start: float | None, end: float | None, frames: tuple[int, int], tmp_path: Path
) -> None:
    video = make_video(tmp_path / "video.mp4", CLIP)
    (tmp_path / "part").mkdir()
    part = trim(video, start, end, tmp_path / "part")
    assert (part.first, part.stop) == frames
    before = shown(video)[slice(*frames)]
    assert all((a == b).all() for a, b in zip(shown(part.path), before, strict=True))


def samples(path: Path) -> NDArray[np.float64]:
    """What of the first channel is played."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        found = np.zeros(0)
        for frame in container.decode(audio=0):
            block = frame.to_ndarray()
            block = block[0] if frame.format.is_planar else block.reshape(-1, 2)[:, 0]
            assert frame.pts is not None
            assert frame.time_base is not None
            at = round(float(frame.pts * frame.time_base) * rate)
            found = np.concatenate([found[:at], np.zeros(max(0, at - len(found))), block])
    return found


def test_sound_is_cut_to_the_sample(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mov", replace(CLIP, sounds=(Sound("pcm_s16le"),)))
    (tmp_path / "part").mkdir()
    part = trim(video, 0.8, 1.6, tmp_path / "part")
    whole, cut = samples(video), samples(part.path)
    first = round(0.8 * RATE)
    assert (cut[: round(0.8 * RATE)] == whole[first : first + round(0.8 * RATE)]).all()


@pytest.mark.parametrize(("start", "end"), [(9.0, None), (1.0, 1.0), (1.0, 0.5), (0.81, 0.83)])
def test_a_part_without_frames_is_refused(
    start: float | None, end: float | None, tmp_path: Path
) -> None:
    video = make_video(tmp_path / "video.mp4", CLIP)
    with pytest.raises(ConfigError, match="no frame appears"):
        trim(video, start, end, tmp_path)


@pytest.mark.parametrize(
    ("clip", "suffix"),
    [
        (replace(CLIP, codec="mpeg4", options={}), ".avi"),
        (replace(CLIP, codec="wmv2", options={}), ".wmv"),
    ],
)
def test_what_can_t_be_cut_without_loss_is_refused(clip: Clip, suffix: str, tmp_path: Path) -> None:
    video = make_video(tmp_path / f"video{suffix}", clip)
    with pytest.raises(UnsupportedVideo, match="can't be cut out"):
        trim(video, 0.8, 1.6, tmp_path)
