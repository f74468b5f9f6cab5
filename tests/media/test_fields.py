"""Field-coded video: as many frames as the camera filmed, at their times, in every shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import pytest

from benchmarks.transcode import transcode
from bystander.media.encoder import EncoderSettings
from bystander.media.probe import probe
from bystander.media.reader import Frame, VideoReader, frames_after
from tests.conftest import shared
from tests.support.field_coded import (
    FRAME_TICKS,
    STEP,
    CodedPicture,
    Shape,
    h264,
    joined,
    level,
    mpeg2,
    write,
)
from tests.support.videos import remuxed

TOP, BOTTOM, FRAME = Shape.TOP_FIRST, Shape.BOTTOM_FIRST, Shape.FRAME
SHAPES = {
    "fields": [TOP] * 9,
    "the even lines first": [BOTTOM] * 9,
    "fields and frames": [TOP, FRAME, FRAME, TOP, BOTTOM, FRAME, TOP, TOP, FRAME],
    "frames alone": [FRAME] * 9,
}
Change = Callable[[list[CodedPicture]], list[CodedPicture]]


def frames_of(path: Path) -> list[Frame]:
    return list(VideoReader(path, probe(path)))


def greys(frame: Frame) -> tuple[int, int]:
    """Of the picture's odd and even lines."""
    (luma, *_) = frame.picture.planes
    rows = bytes(luma)
    return rows[0], rows[luma.line_size]


def assert_as_filmed(path: Path, count: int, brighter: int = STEP) -> None:
    """`count` frames a 25th of a second apart, each with both its own fields."""
    info, frames = probe(path), frames_of(path)
    seconds = [float((frame.pts - info.start_pts) * info.time_base) for frame in frames]
    assert (info.frame_count, float(info.average_rate)) == (count, 25.0)
    assert info.frame_count_exact
    assert not info.variable_frame_rate
    assert info.duration == pytest.approx(count / 25)
    assert seconds == pytest.approx([number / 25 for number in range(count)])
    assert [frame.index for frame in frames] == list(range(count))
    assert not any(frame.damaged for frame in frames)
    expected = [(level(number), level(number) + brighter) for number in range(count)]
    assert [greys(frame) for frame in frames] == expected


@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv"])
@pytest.mark.parametrize("change", [list, joined], ids=["a packet each", "both in one packet"])
@pytest.mark.parametrize("reordered", [False, True], ids=["in order", "reordered"])
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.sampled(4)
def test_h264_has_the_frames_that_were_filmed(
    tmp_path: Path, shapes: Sequence[Shape], reordered: bool, change: Change, suffix: str
) -> None:
    """In a transport stream the second of two fields in one packet has no timestamp."""
    pictures = change(h264(shapes, reordered))

    assert_as_filmed(write(tmp_path / f"v{suffix}", pictures), len(shapes))


@pytest.mark.parametrize("suffix", [".ts", ".mp4"])
def test_a_second_field_may_have_the_time_of_the_first(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"v{suffix}", h264(SHAPES["fields"]), second_after=0)

    if suffix == ".ts":
        assert_as_filmed(path, 9)
    assert [frame.pts for frame in frames_of(path)] == [7200 + FRAME_TICKS * n for n in range(9)]


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".mkv"])
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_mpeg2_has_the_frames_that_were_filmed(
    tmp_path: Path, shapes: Sequence[Shape], suffix: str
) -> None:
    path = write(tmp_path / f"v{suffix}", mpeg2(shapes), "mpeg2video")

    info, frames = probe(path), frames_of(path)
    assert (info.frame_count, float(info.average_rate)) == (9, 25.0)
    assert info.duration == pytest.approx(9 / 25)
    for number, (shape, frame) in enumerate(zip(shapes, frames, strict=True)):
        below = 0 if shape is FRAME else STEP
        assert greys(frame) == (level(number), level(number) + below)
        seconds = float((frame.pts - info.start_pts) * info.time_base)
        assert seconds == pytest.approx(number / 25)


def test_avchd_has_the_frames_that_were_filmed(tmp_path: Path) -> None:
    source = shared("bugs", "paff-drawn.mts")
    for path in (source, remuxed(source, tmp_path / "v.mkv"), remuxed(source, tmp_path / "v.mp4")):
        frames = frames_of(path)
        assert (probe(path).frame_count, len(frames)) == (12, 12)
        assert not any(frame.damaged for frame in frames)
        assert probe(path).duration == pytest.approx(12 / 25, abs=0.001)


def test_a_first_field_cut_off_at_the_start_costs_no_other_frame(tmp_path: Path) -> None:
    pictures = h264([TOP] * 24)
    keyframe = pictures[0].data
    again = CodedPicture(keyframe, pictures[16].shown, False, True, True)
    lone = [*pictures[1:16], again, *pictures[1:8]]
    shown = [*(p.shown for p in pictures[1:16]), 8, *(8 + p.shown for p in pictures[1:8])]
    moved = [
        CodedPicture(p.data, number, p.second, p.keyframe, True)
        for p, number in zip(lone, shown, strict=True)
    ]
    path = write(tmp_path / "v.ts", moved)

    frames = frames_of(path)
    assert probe(path).frame_count == len(frames) == 12
    assert [greys(frame)[0] for frame in frames[8:]] == [level(n) for n in range(4)]


@pytest.mark.parametrize("lost", [4, 5, 16, 17])
def test_a_damaged_field_is_no_frame_more_or_less(tmp_path: Path, lost: int) -> None:
    """Even ones are the first of their frame."""
    pictures = h264([TOP] * 12)
    data = pictures[lost].data
    broken = data[:6] + bytes([9, 0xF0]) * ((len(data) - 6) // 2)
    pictures[lost] = CodedPicture(broken, pictures[lost].shown, pictures[lost].second, False, True)
    path = write(tmp_path / "v.mkv", pictures)

    frames = frames_of(path)
    assert probe(path).frame_count == len(frames) == 12
    whole = [number for number in range(12) if abs(number - lost // 2) > 1]
    assert [greys(frames[n])[0] for n in whole] == [level(n) for n in whole]


@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv"])
@pytest.mark.parametrize("done", [1, 5, 8])
def test_reading_goes_on_where_it_stopped(tmp_path: Path, suffix: str, done: int) -> None:
    path = write(tmp_path / f"v{suffix}", h264(SHAPES["fields and frames"], reordered=True))
    frames = frames_of(path)

    later = list(frames_after(path, probe(path), done, frames[done - 1].pts))
    assert [(f.index, f.pts, f.duration, greys(f)) for f in later] == [
        (f.index, f.pts, f.duration, greys(f)) for f in frames[done:]
    ]


def test_the_result_has_as_many_frames_at_the_same_times(tmp_path: Path) -> None:
    source = write(tmp_path / "v.ts", h264([TOP] * 12))
    transcode(source, tmp_path / "out.mp4", EncoderSettings(preset="ultrafast"))

    info = probe(tmp_path / "out.mp4")
    assert (info.frame_count, float(info.average_rate)) == (12, 25.0)
    assert info.duration == pytest.approx(12 / 25)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
