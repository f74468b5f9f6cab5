"""Masks followed through a video, a part of it in memory at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bystander.editing import paths
from bystander.editing.drawn import Place
from bystander.editing.paths import Leg, MaskFollower
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from tests.support.drawn import BLUE, HEIGHT, WIDTH, Figure, Scene, walking

GRID = (256, 144)
FRAMES = 30
WALKER = Figure(BLUE, walking(40, 4))


@pytest.fixture(scope="module", params=[".mp4", ".avi"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    return Scene([WALKER], frames=FRAMES).video(folder / f"v{request.param}")


def leg_at(frame: int, before: int = 0, after: int = FRAMES) -> Leg:
    x, y = WALKER.place(frame)
    corners = np.array([(x, y), (x + WIDTH, y), (x + WIDTH, y + HEIGHT), (x, y + HEIGHT)])
    return Leg(frame, before, after, corners * GRID[0] / 384)


def places(video: Path, *legs: Leg) -> list[tuple[int, Place]]:
    info = probe(video)
    pts = [frame.pts for frame in VideoReader(video, info)]
    return list(MaskFollower(video, info, GRID, pts).places(legs))


def test_it_goes_ahead_from_its_key_and_then_back(video: Path) -> None:
    found = places(video, leg_at(20, before=4))
    assert [frame for frame, _ in found] == [*range(20, FRAMES), *range(20, 3, -1)]
    for frame, (key, motion) in found:
        assert key == 0
        expected = (WALKER.place(frame)[0] - WALKER.place(20)[0]) * GRID[0] / 384
        assert motion.dx == pytest.approx(expected, abs=4)


def test_blocks_that_are_held_change_nothing(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = places(video, leg_at(25))
    monkeypatch.setattr(paths, "BLOCK_FRAMES", 4)
    monkeypatch.setattr(paths, "MAX_BLOCK_FRAMES", 7)
    assert places(video, leg_at(25)) == whole


def test_between_two_keys_it_goes_from_the_one_to_the_other(video: Path) -> None:
    lower = Leg(20, 6, FRAMES, np.add(leg_at(20).corners, (0, 9)))
    legs = leg_at(5, after=20), lower
    found = dict(places(video, *legs))
    tops = [float((legs[found[n][0]].corners[:, 1]).min() + found[n][1].dy) for n in range(5, 21)]
    steps = np.diff(tops)
    assert tops[-1] - tops[0] == pytest.approx(9, abs=0.5)
    assert steps.min() > -0.5
    assert steps.max() < 2  # nowhere at once
