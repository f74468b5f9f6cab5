"""How long masking will take, guessed from a few frames."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from bystander.errors import NotAVideo
from bystander.pipeline.estimate import estimate
from bystander.settings import Profile
from tests.support.drawn import (
    GREEN,
    LOSSLESS,
    RED,
    SETTINGS,
    SIZE,
    Figure,
    Scene,
    drawn_models,
    standing,
)

PROFILE = Profile(analysis=SETTINGS, encoder=LOSSLESS)


def film(path: Path, frames: int) -> Path:
    figures = [Figure(RED, standing(20)), Figure(GREEN, standing(200))]
    return Scene(figures, frames=frames).video(path)


def ticking() -> Callable[[], float]:
    """A clock on which a minute passes whenever somebody looks."""
    return map(float, count(step=60)).__next__


@pytest.mark.parametrize("frames", [1, 40, 200])
@pytest.mark.sampled(3)
def test_the_estimate_lies_within_its_range(tmp_path: Path, frames: int) -> None:
    found = estimate(film(tmp_path / "v.mp4", frames), drawn_models(), PROFILE)

    assert 0 < found.low < found.seconds < found.high
    assert (found.frames, found.width, found.height) == (frames, *SIZE)
    assert found.people == 2


@pytest.mark.long
def test_a_video_of_twice_the_length_takes_twice_the_time(tmp_path: Path) -> None:
    short = estimate(film(tmp_path / "s.mp4", 150), drawn_models(), PROFILE, ticking())
    long = estimate(film(tmp_path / "l.mp4", 300), drawn_models(), PROFILE, ticking())
    nothing = 2 * short.seconds - long.seconds  # what is left at length zero: starting up

    assert long.seconds > short.seconds
    assert 0 <= nothing < 0.2 * short.seconds


def test_estimating_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = film(tmp_path / "v.mp4", 20)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    estimate(video, drawn_models(), PROFILE)

    assert list(scratch.iterdir()) == []


def test_what_is_no_video_has_no_estimate(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a video")
    with pytest.raises(NotAVideo, match=r"notes\.txt"):
        estimate(path, drawn_models(), PROFILE)
