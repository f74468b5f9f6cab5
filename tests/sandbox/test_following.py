"""Frames of an analysed video: one as a picture, or those through which a mask is followed."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image

from bystander.editing.paths import Leg, MaskFollower
from bystander.errors import Cancelled, NotAVideo, VideoError
from bystander.media.probe import FrameCount, probe
from bystander.media.reader import VideoReader
from bystander.sandbox import (
    CountedFrames,
    FollowedKey,
    FollowedStep,
    FollowOrder,
    FrameOrder,
    Limits,
    follow_mask,
    take_frame,
)
from tests.conftest import sampled
from tests.support.drawn import BLUE, HEIGHT, WIDTH, Figure, Scene, walking
from tests.support.videos import Clip, damaged, make_video

pytestmark = pytest.mark.long

LIMITS = Limits()
LONG = Clip(
    pts=range(0, 120 * 512, 512), size=(160, 120), options={"preset": "ultrafast", "g": "50"}
)
WALKER = Figure(BLUE, walking(30, 3))
GRID = (256, 144)


def shade(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A picture that tells its number."""
    return np.full((height, width, 3), 10 + 2 * number, np.uint8)


def counted(pts: list[int]) -> CountedFrames:
    return CountedFrames(start_pts=pts[0], last_pts=pts[-1], frames=len(pts))


def frame_order(pts: list[int], frame: int, longest: int = 1280) -> FrameOrder:
    before = pts[frame - 1] if frame else None
    return FrameOrder(frame=frame, before=before, counted=counted(pts), longest=longest)


@pytest.mark.parametrize("suffix", sampled([".mp4", ".mkv", ".ts", ".avi"], 4))
@pytest.mark.parametrize("frame", sampled([0, 1, 49, 50, 77, 119], 2))
def test_a_frame_is_the_one_that_rendering_draws_over(
    tmp_path: Path, suffix: str, frame: int
) -> None:
    path = make_video(tmp_path / f"v{suffix}", LONG, shade)
    frames = list(VideoReader(path, probe(path)))
    facts = take_frame(path, LIMITS, frame_order([f.pts for f in frames], frame), tmp_path / "p")
    with Image.open(tmp_path / "p") as image:
        assert image.size == (facts.width, facts.height) == (160, 120)
        shown = np.asarray(image, np.int16)
    apart = [float(np.abs(shown - f.rgb()).mean()) for f in frames]
    assert int(np.argmin(apart)) == frame


def test_a_damaged_frame_is_the_picture_that_a_reader_shows(tmp_path: Path) -> None:
    clip = Clip(options={"g": "4", "preset": "ultrafast"})
    path = damaged(make_video(tmp_path / "v.mp4", clip), tmp_path / "bad.mp4", range(8, 16))
    frames = list(VideoReader(path, probe(path)))
    number = next(f.index for f in frames if f.damaged)
    take_frame(path, LIMITS, frame_order([f.pts for f in frames], number), tmp_path / "p")
    with Image.open(tmp_path / "p") as image:
        assert np.abs(np.asarray(image, np.int16) - frames[number].rgb()).mean() < 4


def test_a_frame_is_upright_in_square_pixels_and_no_larger_than_asked(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", Clip(size=(1600, 800), rotation=90))
    info = probe(path)
    pts = [frame.pts for frame in VideoReader(path, info)]
    take_frame(path, LIMITS, frame_order(pts, 3, longest=640), tmp_path / "p")
    with Image.open(tmp_path / "p") as image:
        assert image.size == (320, 640)
        red, green, _ = image.getpixel((300, 20))  # type: ignore[misc]
        assert red > 150 > green + 50  # the upper left quarter has gone to the right


@pytest.mark.parametrize(
    "clip",
    [
        Clip(),
        LONG,
        Clip(pts=[0, 512, 2048, 4000]),
        Clip(pts=[7]),
        Clip(rotation=90, options={"bf": "2", "preset": "ultrafast"}),
    ],
)
@pytest.mark.parametrize("suffix", sampled([".mp4", ".ts"], 1))
def test_what_was_counted_before_needs_no_counting(tmp_path: Path, clip: Clip, suffix: str) -> None:
    path = make_video(tmp_path / f"v{suffix}", clip)
    info = probe(path)
    pts = [frame.pts for frame in VideoReader(path, info)]
    known = probe(path, counted=FrameCount(pts[0], pts[-1], len(pts)))
    same = replace(
        known,
        end_pts=info.end_pts,
        average_rate=info.average_rate,
        variable_frame_rate=info.variable_frame_rate,
    )
    assert same == info
    assert known.end_pts > pts[-1]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Scene([WALKER], frames=40).video(tmp_path_factory.mktemp("walk") / "v.mp4")


def leg_at(frame: int, before: int, after: int) -> Leg:
    x, y = WALKER.place(frame)
    corners = np.array([(x, y), (x + WIDTH, y), (x + WIDTH, y + HEIGHT), (x, y + HEIGHT)])
    return Leg(frame, before, after, corners * GRID[0] / 384)


def order_of(path: Path, *legs: Leg, first: int = 0, seconds: float = 60.0) -> FollowOrder:
    pts = [frame.pts for frame in VideoReader(path, probe(path))]
    keys = tuple(
        FollowedKey(at=leg.at, before=leg.before, after=leg.after, corners=leg.corners.tolist())
        for leg in legs
    )
    return FollowOrder(
        keys=keys, grid=GRID, counted=counted(pts), first=first, pts=tuple(pts[first:]),
        seconds=seconds,
    )  # fmt: skip


def followed(path: Path, order: FollowOrder) -> list[FollowedStep]:
    heard: list[FollowedStep] = []
    assert follow_mask(path, LIMITS, order, heard.extend, lambda: False).complete
    return heard


def test_a_mask_is_followed_as_it_is_for_rendering(walk: Path) -> None:
    legs = [leg_at(12, 6, 25), leg_at(25, 13, 40)]
    info = probe(walk)
    pts = [frame.pts for frame in VideoReader(walk, info)]
    expected = [
        (frame, key, motion.dx, motion.dy, motion.scale)
        for frame, (key, motion) in MaskFollower(walk, info, GRID, pts).places(legs)
    ]
    assert {frame for frame, *_ in expected} == set(range(6, 40))
    assert followed(walk, order_of(walk, *legs)) == expected
    # Timestamps from the frame before the first one on are enough.
    assert followed(walk, order_of(walk, *legs, first=5)) == expected
    assert os.listdir(walk.parent) == [walk.name]


def test_what_takes_too_long_is_given_up(walk: Path) -> None:
    heard: list[FollowedStep] = []
    order = order_of(walk, leg_at(12, 0, 40), seconds=1e-9)
    assert not follow_mask(walk, LIMITS, order, heard.extend, lambda: False).complete
    assert [step.frame for step in heard] == [12]


def test_what_is_no_video_is_refused(walk: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_text("nothing")
    with pytest.raises(NotAVideo, match=r"^the video can't be read"):
        followed(path, order_of(walk, leg_at(12, 0, 40)))
    assert os.listdir(tmp_path) == ["v.mp4"]


def taken_over(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """From now on children do something else."""
    program = folder / "child"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


@pytest.mark.parametrize(
    "said",
    [
        "[[999,0,1,1,1]]",
        "[[5,1,1,1,1]]",
        "[[5,-1,1,1,1]]",
        "[[5,0,NaN,1,1]]",
        "[[5,0,1e300,1,1]]",
        "[[5,0,1,1,0]]",
        "[[true,0,1,1,1]]",
        "[[5,0,1,1]]",
        "[5,0,1,1,1]",
        "[[5,0,1,1,1]",
    ],
)
def test_a_child_that_was_taken_over_is_not_believed(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    order, heard = order_of(walk, leg_at(12, 0, 40)), list[FollowedStep]()
    facts = '{"offline": true, "facts": {"complete": true}}'
    taken_over(monkeypatch, tmp_path, f"print('''{said}\\n{facts}''')")
    with pytest.raises(VideoError, match="can't be examined"):
        follow_mask(walk, LIMITS, order, heard.extend, lambda: False)
    assert heard == []


def test_a_child_that_never_stops_talking_is_not_listened_to(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of(walk, leg_at(12, 0, 40))
    line = str([[5, 0, 1, 1, 1]] * 10_000)
    taken_over(monkeypatch, tmp_path, f"while True: print('{line}')")
    with pytest.raises(VideoError, match="can't be examined"):
        follow_mask(walk, LIMITS, order, lambda _: None, lambda: False)


def test_a_child_that_hangs_ends_when_nobody_waits_any_more(
    walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of(walk, leg_at(12, 0, 40))
    told = tmp_path / "told"
    told.touch()
    taken_over(
        monkeypatch,
        tmp_path,
        f"import os, pathlib, signal; pathlib.Path('{told}').write_text(str(os.getpid())); "
        "signal.pause()",
    )
    with pytest.raises(Cancelled):
        follow_mask(
            walk, LIMITS, order, lambda _: None, lambda: told.exists() and told.stat().st_size > 0
        )
    assert not psutil.pid_exists(int(told.read_text()))
    assert os.listdir(walk.parent) == [walk.name]
