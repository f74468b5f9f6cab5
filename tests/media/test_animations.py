"""Animated GIF, PNG and WebP are videos without sound."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from bystander.errors import NotAVideo, TruncatedVideo
from bystander.media.colour import planes_of
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader, frames_after
from tests.conftest import shared
from tests.support.videos import picture_array

SUFFIXES = pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
DELAYS_MS = [100, 0, 50, 10, 20, 300]
SHOWN_MS = [0, 100, 200, 250, 350, 370, 670]
"""When each picture begins, and the last one ends: browsers take up to 10 ms for 100."""


def animation(path: Path, delays: list[int], images: list[Image.Image] | None = None) -> Path:
    """Pictures of the usual numbers, each shown for so many milliseconds, over and over."""
    if images is None:
        images = [Image.fromarray(picture_array(3 * n, 64, 48)) for n in range(len(delays))]
    options = {"lossless": True} if path.suffix == ".webp" else {"disposal": 2}
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=delays, loop=0, **options
    )
    return path


def read(path: Path) -> list[Frame]:
    return list(VideoReader(path, probe(path)))


def times(frames: list[Frame], time_base: Fraction) -> list[float]:
    """When each frame begins, and the last one ends: milliseconds."""
    assert frames[-1].duration is not None
    ticks = [*(frame.pts for frame in frames), frames[-1].pts + frames[-1].duration]
    return [float(1000 * time_base * tick) for tick in ticks]


@SUFFIXES
def test_every_picture_comes_once_at_the_time_at_which_browsers_show_it(
    tmp_path: Path, suffix: str
) -> None:
    path = animation(tmp_path / f"a{suffix}", DELAYS_MS)
    info, frames = probe(path), read(path)

    assert (info.width, info.height, info.frame_count, info.audio) == (64, 48, 6, ())
    assert info.container == {".gif": "gif", ".png": "apng", ".webp": "webp"}[suffix]
    assert info.duration == pytest.approx(0.67)
    assert times(frames, info.time_base) == pytest.approx(SHOWN_MS, abs=0.01)
    assert [frame.duration for frame in frames[:-1]] == [
        after.pts - before.pts for before, after in pairwise(frames)
    ]
    greys = [int(frame.rgb()[-5, 20, 0]) for frame in frames]
    assert greys == pytest.approx([(40 + 24 * n) % 200 for n in range(6)], abs=4)
    assert not any(frame.damaged for frame in frames)


@SUFFIXES
def test_what_is_transparent_is_white(tmp_path: Path, suffix: str) -> None:
    images = []
    for left in (10, 30):
        images.append(Image.new("RGBA", (64, 48), (200, 0, 0, 0)))
        images[-1].paste((0, 0, 250, 255), (left, 10, left + 20, 30))
    frames = read(animation(tmp_path / f"a{suffix}", [100, 100], images))

    for frame, blue, white in ((frames[0], 15, 45), (frames[1], 45, 15)):
        picture = frame.rgb()
        assert picture[20, blue].tolist() == pytest.approx([0, 0, 250], abs=3)
        assert picture[20, white].tolist() == pytest.approx([255, 255, 255], abs=3)
        luma = planes_of(frame.upright("yuv420p"))[0]
        assert luma[20, white] == 235
        assert luma[20, blue] < 60


@SUFFIXES
def test_reading_goes_on_from_the_middle_with_the_same_pictures(
    tmp_path: Path, suffix: str
) -> None:
    path = animation(tmp_path / f"a{suffix}", [40] * 12)
    info, frames = probe(path), read(path)
    later = list(frames_after(path, info, 7, frames[6].pts))
    sought = list(VideoReader(path, info, start_pts=frames[7].pts, start_index=7))

    for part in (later, sought):
        assert [(f.index, f.pts) for f in part] == [(f.index, f.pts) for f in frames[7:]]
        assert all(
            (ours.rgb() == theirs.rgb()).all()
            for ours, theirs in zip(part, frames[7:], strict=True)
        )


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_still_picture_is_no_video(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(picture_array(0, 64, 48))
    image.save(tmp_path / f"a{suffix}")
    with pytest.raises(NotAVideo, match=r"still picture|can't be read as a video"):
        probe(tmp_path / f"a{suffix}")

    # One picture in the form of an animation is none either.
    Image.fromarray(picture_array(0, 64, 48)).save(tmp_path / f"b{suffix}", save_all=True)
    with pytest.raises(NotAVideo):
        probe(tmp_path / f"b{suffix}")


def test_a_still_png_is_no_video(tmp_path: Path) -> None:
    Image.fromarray(picture_array(0, 64, 48)).save(tmp_path / "a.png")
    with pytest.raises(NotAVideo, match="still pictures"):
        probe(tmp_path / "a.png")


def test_half_a_webp_is_incomplete(tmp_path: Path) -> None:
    data = animation(tmp_path / "a.webp", [40] * 12).read_bytes()
    (tmp_path / "half.webp").write_bytes(data[: len(data) // 2])
    with pytest.raises(TruncatedVideo):
        probe(tmp_path / "half.webp")


def test_a_webp_with_a_damaged_picture_ends_before_it_or_is_refused(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.webp", [40] * 12)
    data = bytearray(path.read_bytes())
    at = [n for n in range(len(data)) if data[n : n + 4] == b"ANMF"][6]
    data[at + 24 : at + 60] = b"\xff" * 36
    path.write_bytes(data)
    with pytest.raises(NotAVideo, match="damaged"):
        probe(path)


def test_a_real_gif(tmp_path: Path) -> None:
    path = shared("bugs", "animated-drawn.gif")
    info, frames = probe(path), read(path)

    assert (info.frame_count, info.duration) == (10, 1.0)
    assert times(frames, info.time_base) == [100 * n for n in range(11)]
