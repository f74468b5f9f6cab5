from __future__ import annotations

import logging
import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import UnsupportedVideo
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader
from tests.conftest import shared
from tests.media.test_probe import hlg_clip
from tests.support.videos import Clip, damaged, make_video, picture_array, remuxed

pytestmark = pytest.mark.sampled(2)

UNEVEN = [0, 512, 812, 1712, 2224, 2736, 2737, 6737, 6937, *range(7270, 13000, 333)]
B_FRAMES = {"preset": "veryfast", "bf": "3", "crf": "10", "x264-params": "keyint=8:scenecut=0"}


def read(path: Path, **options: int) -> list[Frame]:
    with VideoReader(path, probe(path), **options) as reader:
        return list(reader)


def grey(frame: Frame) -> int:
    """The grey that says which picture it is, see `picture_array`."""
    return round(float(frame.rgb()[-20:, 20:-20].mean()))


def ffmpegs_first_picture(path: Path) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] RGB as the ffmpeg command shows it, rotation applied."""
    info = probe(path)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path)]
    command += ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(pixels, np.uint8).reshape(info.height, info.width, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_every_frame_comes_once_in_order_with_its_number(tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path / "v.mp4", Clip(options=B_FRAMES))
    frames = read(remuxed(source, tmp_path / f"w{suffix}"))

    assert [frame.index for frame in frames] == list(range(24))
    assert [grey(frame) for frame in frames] == pytest.approx(
        [(40 + 8 * number) % 200 for number in range(24)], abs=2
    )
    assert not any(frame.damaged for frame in frames)


def test_uneven_timestamps_are_given_to_the_tick(tmp_path: Path) -> None:
    pts = [10_214 + pts for pts in UNEVEN]
    frames = read(make_video(tmp_path / "v.mp4", Clip(pts=pts, options=B_FRAMES)))

    assert [frame.pts for frame in frames] == pts


def test_the_last_frame_stays_as_long_as_the_file_says(tmp_path: Path) -> None:
    clip = Clip(pts=UNEVEN, last_duration=777)
    assert read(make_video(tmp_path / "v.mp4", clip))[-1].duration == 777


def test_avi_with_reordered_frames_is_read_in_the_order_of_display(tmp_path: Path) -> None:
    clip = Clip(
        codec="mpeg4",
        options={"bf": "2", "qmin": "1", "qmax": "2"},
        pts=range(24),
        time_base=Fraction(1, 25),
    )
    frames = read(make_video(tmp_path / "v.avi", clip))

    assert [grey(frame) for frame in frames] == pytest.approx(
        [(40 + 8 * number) % 200 for number in range(24)], abs=3
    )
    assert not any(frame.damaged for frame in frames)


def test_two_frames_at_one_time_are_told_apart(tmp_path: Path) -> None:
    # 0.08 ms apart: Matroska rounds both to the same millisecond.
    source = make_video(tmp_path / "v.mp4", Clip(pts=[0, 512, 513, 1024, 1536]))
    frames = read(remuxed(source, tmp_path / "v.mkv"))

    assert [frame.pts for frame in frames] == [0, 40, 41, 80, 120]
    assert [grey(frame) for frame in frames] == pytest.approx([40, 48, 56, 64, 72], abs=2)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_pictures_are_turned_and_mirrored_as_ffmpeg_does(
    tmp_path: Path, rotation: int, mirrored: bool
) -> None:
    path = make_video(tmp_path / "v.mp4", Clip(rotation=rotation, mirrored=mirrored))
    first = read(path)[0]
    expected = ffmpegs_first_picture(path)

    corners = [(0, 0), (0, -1), (-1, -1), (-1, 0)]  # clockwise, as the red one goes
    red = corners[(rotation // 90 + mirrored) % 4]
    assert first.rgb()[red][0] > 150
    assert np.abs(first.rgb().astype(int) - expected).mean() < 0.5
    upright = first.upright("yuv420p").to_ndarray(format="rgb24").astype(int)
    assert np.abs(upright - expected).mean() < 1
    assert first.rgb((90, 120) if rotation in (90, 270) else (120, 90))[red][0] > 150


@pytest.mark.parametrize(
    ("pixel_format", "colors", "codec"),
    [
        ("yuv420p", (1, 1, 1, 1), "libx264"),
        ("yuv420p", (5, 6, 5, 1), "libx264"),
        ("yuvj420p", (1, 1, 1, 2), "libx264"),
        ("yuv444p", (1, 1, 1, 1), "libx264"),
        ("yuv422p10le", (1, 1, 1, 1), "libx264"),
        ("yuv420p", (2, 2, 2, 0), "libx264"),
        ("bgr0", (2, 2, 2, 0), "ffv1"),
    ],
)
@pytest.mark.parametrize("size", [None, (160, 120)])
def test_colours_are_right_for_every_matrix_and_range(
    tmp_path: Path,
    pixel_format: str,
    colors: tuple[int, int, int, int],
    codec: str,
    size: tuple[int, int] | None,
) -> None:
    options = {"preset": "ultrafast", "crf": "4"} if codec == "libx264" else {}
    clip = Clip(pixel_format=pixel_format, colors=colors, codec=codec, options=options)
    picture = read(make_video(tmp_path / "v.mkv", clip))[0].rgb(size)

    expected = picture_array(0, *(size or clip.size))
    for at in ((10, 10), (10, -10), (-10, 10)):
        assert picture[at] == pytest.approx(expected[at], abs=4)


def test_high_dynamic_range_stays_visible_in_eight_bits(tmp_path: Path) -> None:
    picture = read(make_video(tmp_path / "v.mp4", hlg_clip()))[0].rgb((160, 120))

    assert picture[10, 10] == pytest.approx([200, 30, 30], abs=4)


def test_shrinking_averages_fine_detail(tmp_path: Path) -> None:
    frame = read(make_video(tmp_path / "v.mp4"))[0]
    checkers = np.indices((240, 320)).sum(axis=0) % 2 * 200
    frame.picture.make_writable()
    luma = np.frombuffer(frame.picture.planes[0], np.uint8).reshape(240, -1)  # type: ignore[call-overload]
    luma[:, :320] = checkers

    small = frame.rgb((80, 60))[40:, 10:-10]
    assert small.std() < 3


@pytest.mark.parametrize("options", [{"preset": "ultrafast", "crf": "10"}, B_FRAMES])
@pytest.mark.parametrize("packets", [[9], [5, 6, 20], [26]])
def test_a_damaged_frame_is_bridged_by_the_one_before_it(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, str],
    packets: list[int],
) -> None:
    clip = Clip(pts=UNEVEN, options=options)
    whole = make_video(tmp_path / "v.mp4", clip)
    frames = read(damaged(whole, tmp_path / "d.mp4", packets))

    assert [frame.pts for frame in frames] == UNEVEN[: len(clip.pts)]
    bridged = [frame.index for frame in frames if frame.damaged]
    assert len(packets) <= len(bridged) < 12
    for index in bridged:
        assert grey(frames[index]) == grey(frames[index - 1])
    (said,) = [r.getMessage() for r in caplog.records]
    if len(bridged) == 1:
        assert f"d.mp4: frame {bridged[0]} is damaged; a neighbour's picture" in said
    else:
        assert f"d.mp4: {len(bridged)} frames are damaged (first: {bridged[0]})" in said


def test_a_damaged_start_shows_the_first_good_picture(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "v.mp4", Clip(options=B_FRAMES))
    frames = read(damaged(whole, tmp_path / "d.mp4", [0]))

    good = next(frame for frame in frames if not frame.damaged)
    assert good.index > 0
    assert [frame.pts for frame in frames] == list(Clip().pts)
    assert {grey(frame) for frame in frames[: good.index]} == {grey(good)}


def test_two_passes_over_a_damaged_video_agree(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "v.mp4", Clip(pts=UNEVEN, options=B_FRAMES))
    path = damaged(whole, tmp_path / "d.mp4", [4, 11, 12])
    first, second = read(path), read(path)

    def facts(frames: list[Frame]) -> list[tuple[int, int, bool, int]]:
        return [(f.index, f.pts, f.damaged, grey(f)) for f in frames]

    assert facts(first) == facts(second)


def test_a_video_without_one_good_frame_is_refused(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "v.mp4")
    path = damaged(whole, tmp_path / "d.mp4", range(24))

    with VideoReader(path, probe(whole)) as reader, pytest.raises(UnsupportedVideo, match="none"):
        list(reader)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("number", [0, 1, 7, 8, 13, 23])
@pytest.mark.sampled(3)
def test_reading_from_the_middle_gives_what_reading_from_the_start_gives(
    tmp_path: Path, suffix: str, number: int
) -> None:
    source = make_video(tmp_path / "v.mp4", Clip(options=B_FRAMES))
    path = remuxed(source, tmp_path / f"w{suffix}")
    whole = read(path)
    part = read(path, start_pts=whole[number].pts, start_index=number)

    assert [(f.index, f.pts, grey(f)) for f in part] == [
        (f.index, f.pts, grey(f)) for f in whole[number:]
    ]


def test_a_reader_can_be_read_twice(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    with VideoReader(path, probe(path)) as reader:
        assert [f.pts for f in reader] == [f.pts for f in reader]


def test_a_closed_reader_gives_no_more_frames(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    with VideoReader(path, probe(path)) as reader:
        frames = iter(reader)
        assert next(frames).index == 0

    assert list(frames) == []


def test_a_real_clip_that_starts_late(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frames = read(shared("clips", "hamilton", "video.mp4"))

    assert [frame.pts for frame in frames] == list(range(10_214, 120_214, 400))
    assert not caplog.records
