"""Showing a part of a video: one picture, or a few seconds around one person."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bystander.errors import NotAVideo, VideoError
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.sandbox import ClipOrder, Limits, Moment, PictureOrder, cut_clip, take_picture
from tests.conftest import sampled
from tests.support.videos import Clip, Sound, damaged, joined, make_video

pytestmark = pytest.mark.sampled(4)

LIMITS = Limits()
SOMEBODY = (0.25, 0.25, 0.75, 0.75)
LONG = Clip(
    pts=range(0, 200 * 512, 512), size=(160, 120), options={"preset": "ultrafast", "g": "50"}
)
"""8 seconds, a keyframe every other one."""


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for frame in container.decode(video=0)
        ]


def number_in(picture: NDArray[np.uint8], count: int) -> int:
    """Which of the first `count` pictures it is, by the grey of the right end of its floor."""
    grey = float(picture[-4:, -8:].mean())
    return min(range(count), key=lambda number: abs((40 + 8 * number) % 200 - grey))


def is_accent(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    return np.asarray((red > 180) & (green > 120) & (blue < 90))


def clip_of(path: Path, order: ClipOrder) -> Path:
    target = path.with_name("clip.mp4")
    cut_clip(path, LIMITS, order, target)
    return target


def whole(path: Path, box: tuple[float, float, float, float] | None = None) -> ClipOrder:
    start = probe(path).start_pts
    return ClipOrder(start=start, seconds=6, moments=(Moment(pts=start, box=box),))


def test_a_clip_is_small_silent_nameless_and_begins_with_its_index(tmp_path: Path) -> None:
    clip = Clip(size=(1600, 800), sounds=[Sound()], metadata={"title": "Annas birthday"})
    path = make_video(tmp_path / "v.mp4", clip)
    made = clip_of(path, whole(path))

    with av.open(str(made)) as container:
        (stream,) = container.streams
        assert (stream.codec_context.name, stream.type) == ("h264", "video")
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert not {"title", "encoder"} & set(container.metadata)
    content = made.read_bytes()
    assert b"birthday" not in content
    assert content.index(b"moov") < content.index(b"mdat")
    assert {frame.shape for frame in frames_of(made)} == {(320, 640, 3)}


@pytest.mark.parametrize(("mirrored", "red"), [(False, (20, 220)), (True, (300, 220))])
def test_a_clip_is_upright(tmp_path: Path, mirrored: bool, red: tuple[int, int]) -> None:
    path = make_video(tmp_path / "v.mp4", Clip(rotation=90, mirrored=mirrored))
    picture = frames_of(clip_of(path, whole(path)))[0]

    assert picture.shape == (320, 240, 3)
    # Where the red upper left quarter has gone: to the right.
    assert picture[red][0] > 150 > picture[red][1] + 50


def test_pictures_of_another_size_are_fitted_in(tmp_path: Path) -> None:
    clips = Clip(pts=range(0, 6 * 512, 512)), Clip(pts=range(0, 6 * 512, 512), size=(120, 120))
    path = joined(tmp_path / "v.ts", *clips)
    pictures = frames_of(clip_of(path, whole(path)))

    assert {picture.shape for picture in pictures} == {(240, 320, 3)}
    assert [picture[:, :36].max() < 30 for picture in pictures] == [False] * 6 + [True] * 6
    # What begins after the change, too, has the shape of the video's first picture.
    later = ClipOrder(start=round(0.3 * 90_000) + whole(path).start, seconds=6, moments=())
    assert {picture.shape for picture in frames_of(clip_of(path, later))} == {(240, 320, 3)}


def test_the_frame_is_where_the_person_is_while_they_are_there(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    moments = (
        Moment(pts=0, box=None),
        Moment(pts=8 * 512, box=SOMEBODY),
        Moment(pts=16 * 512, box=None),
    )
    pictures = frames_of(clip_of(path, ClipOrder(start=0, seconds=6, moments=moments)))

    assert [bool(is_accent(p).any()) for p in pictures] == [8 <= n < 16 for n in range(24)]
    accent = is_accent(pictures[10])
    rows, columns = np.nonzero(accent)
    assert (columns.min(), columns.max()) == pytest.approx((80, 240), abs=12)
    assert (rows.min(), rows.max()) == pytest.approx((60, 180), abs=12)
    assert not accent[75:165, 95:225].any()  # nothing is drawn over the person


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 1.0, 1.0), (-1.0, -1.0, 2.0, 2.0), (0.5, 0.5, 0.5, 0.5), (1, 1, 1, 1)]
)
@pytest.mark.sampled(4)
def test_the_frame_is_seen_wherever_the_person_is(
    tmp_path: Path, box: tuple[float, float, float, float]
) -> None:
    path = make_video(tmp_path / "v.mp4", Clip(pts=[0]))

    (picture,) = frames_of(clip_of(path, whole(path, box)))
    assert is_accent(picture).sum() > 50


@pytest.mark.parametrize("suffix", sampled([".mp4", ".mkv", ".ts", ".avi"], 2))
def test_a_clip_shows_its_seconds_and_no_others(tmp_path: Path, suffix: str) -> None:
    path = make_video(tmp_path / f"v{suffix}", LONG)
    info = probe(path)
    shown = [(frame.pts, frame.rgb()) for frame in VideoReader(path, info)]
    order = ClipOrder(
        start=shown[110][0], seconds=2.0, moments=(Moment(pts=info.start_pts, box=None),)
    )
    pictures = frames_of(clip_of(path, order))

    assert len(pictures) == 50
    for made, (_, source) in zip(pictures, shown[110:160], strict=True):
        assert abs(made[-4:, -8:].mean() - source[-4:, -8:].mean()) < 6


def test_fast_and_uneven_videos_keep_their_pace(tmp_path: Path) -> None:
    steps = [0, 1, 2, 3, 10, 11, 12, 60, 61, 120]  # of 240 a second
    clip = Clip(pts=[step * 100 for step in steps], time_base=Fraction(1, 24_000))
    path = make_video(tmp_path / "v.mp4", clip)
    with av.open(str(clip_of(path, whole(path)))) as container:
        times = [frame.time or 0.0 for frame in container.decode(video=0)]

    assert times == pytest.approx([0, 10 / 240, 60 / 240, 120 / 240], abs=0.001)


def test_a_video_with_a_broken_part_is_shown_without_it(tmp_path: Path) -> None:
    clip = Clip(options={"g": "4", "preset": "ultrafast"})
    path = damaged(make_video(tmp_path / "v.mp4", clip), tmp_path / "bad.mp4", range(8, 16))

    assert 8 <= len(frames_of(clip_of(path, whole(path)))) <= 24


@pytest.mark.parametrize("suffix", sampled([".mp4", ".mkv", ".ts"], 3))
@pytest.mark.parametrize("number", sampled([0, 7, 20, 23], 2))
def test_a_picture_is_the_one_shown_then(tmp_path: Path, suffix: str, number: int) -> None:
    path = make_video(tmp_path / f"v{suffix}")
    order = PictureOrder(seconds=(number + 0.5) / 25, longest=160)
    facts = take_picture(path, LIMITS, order, tmp_path / "p.jpg")

    with Image.open(tmp_path / "p.jpg") as image:
        assert image.size == (facts.width, facts.height) == (160, 120)
        assert number_in(np.asarray(image, np.uint8), 24) == number


def test_beyond_the_end_it_is_the_last_picture(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    take_picture(path, LIMITS, PictureOrder(seconds=1e9, longest=640), tmp_path / "p.jpg")

    with Image.open(tmp_path / "p.jpg") as image:
        assert number_in(np.asarray(image, np.uint8), 24) == 23


def test_what_is_no_video_is_refused_without_a_path_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_text("nothing")
    order = ClipOrder(start=0, seconds=6, moments=())
    for show in (
        lambda: cut_clip(path, LIMITS, order, tmp_path / "clip.mp4"),
        lambda: take_picture(
            path, LIMITS, PictureOrder(seconds=0, longest=640), tmp_path / "p.jpg"
        ),
    ):
        with pytest.raises(NotAVideo, match=r"^the video can't be read") as caught:
            show()
        assert "/" not in caught.value.what + caught.value.advice
    assert os.listdir(tmp_path) == ["v.mp4"]


@pytest.mark.parametrize("limits", [Limits(max_side=319), Limits(wall=1e-9), Limits(memory=2**28)])
@pytest.mark.long
def test_what_costs_too_much_is_refused(tmp_path: Path, limits: Limits) -> None:
    path = make_video(tmp_path / "v.mp4", Clip(size=(1920, 1080)))
    with pytest.raises(VideoError):
        cut_clip(path, limits, whole(path), tmp_path / "clip.mp4")

    assert os.listdir(tmp_path) == ["v.mp4"]


@pytest.mark.long
def test_a_span_in_which_there_is_nothing_is_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    with pytest.raises(VideoError, match="shows nothing"):
        clip_of(path, ClipOrder(start=10**9, seconds=6, moments=()))
