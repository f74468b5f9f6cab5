"""An analysis that was interrupted goes on, and comes to the same end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.geometry.instances import Instance
from bystander.pipeline.analyze import analyze
from bystander.pipeline.checkpoints import AnalysisCheckpoints
from bystander.settings import AnalysisSettings
from bystander.timeline.archive import CHUNK_FRAMES, Timeline
from bystander.tracking.clicks import Click
from bystander.tracking.settings import KeyframeSettings
from tests.support.drawn import (
    BLUE,
    GREEN,
    RED,
    SETTINGS,
    DrawnSegmenter,
    Figure,
    Scene,
    cast_of,
    drawn_models,
    standing,
    walking,
)

pytestmark = pytest.mark.sampled(4)

FRAMES = CHUNK_FRAMES + 110
LIVES = (11, 45, 16, 60, 62)
"""Frames after which one attempt after the other is killed."""


class Killed(Exception):
    """Stands for a process that ends in the middle of a frame."""


@dataclass
class Counted:
    """A segmenter that remembers how many frames it saw, and dies at one of them."""

    dies_at: int | None = None
    seen: int = 0
    segmenter: DrawnSegmenter = field(default_factory=DrawnSegmenter)

    def segment(self, frames: Sequence[NDArray[np.uint8]]) -> list[list[Instance]]:
        self.seen += len(frames)
        if self.dies_at is not None and self.seen > self.dies_at:
            raise Killed
        return self.segmenter.segment(frames)


class Ticking:
    """A clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people who cross, with a cut at 160."""
    people = [
        Figure(RED, walking(-30, 1)),
        Figure(BLUE, walking(330, -1)),
        Figure(GREEN, standing(150)),
    ]
    folder = tmp_path_factory.mktemp("crossing")
    return Scene(people, frames=FRAMES, cuts=[160]).video(folder / "video.mp4")


def run(
    video: Path,
    output: Path,
    folder: Path,
    dies_at: int | None,
    every: float = 5,
    settings: AnalysisSettings = SETTINGS,
) -> tuple[Timeline | None, int, int]:
    """One attempt: the timeline if it lived, frames segmented, the first frame taken."""
    first: list[int] = []
    segmenter = Counted(dies_at)
    try:
        timeline = analyze(
            video,
            output,
            models=replace(drawn_models(), segmenter=segmenter),
            settings=settings,
            cast=cast_of(folder.parent, anna=BLUE),
            checkpoints=AnalysisCheckpoints(folder, every, Ticking()),
            watch=lambda seen: first.append(seen.view.index),
        )
    except Killed:
        timeline = None
    return timeline, segmenter.seen, first[0]


@pytest.mark.long
def test_however_often_it_is_killed_the_timeline_is_the_same_to_the_byte(
    crossing: Path, tmp_path: Path
) -> None:
    whole = analyze(
        crossing,
        tmp_path / "whole",
        models=drawn_models(),
        settings=SETTINGS,
        cast=cast_of(tmp_path, anna=BLUE),
    )
    assert {person.name for person in whole.header.persons} == {"anna", None}

    begun = [0]
    for life in (*LIVES, None):
        timeline, _, first = run(crossing, tmp_path / "parts", tmp_path / "work", life)
        assert (timeline is None) == (life is not None)
        begun.append(first)
    assert (tmp_path / "parts").read_bytes() == whole.path.read_bytes()
    # Each attempt went on where the one before it had come to, not from the start.
    assert begun == sorted(begun)
    assert begun[-1] > CHUNK_FRAMES


def test_no_frame_before_the_checkpoint_goes_through_the_network_again(
    crossing: Path, tmp_path: Path
) -> None:
    every = SETTINGS.model_copy(update={"keyframes": KeyframeSettings(seconds=0)})
    attempt = partial(run, crossing, tmp_path / "t", tmp_path / "work", settings=every)
    attempt(dies_at=200)
    timeline, seen, first = attempt(dies_at=None)

    assert timeline is not None
    assert 150 < first <= 200
    assert seen == FRAMES - first


@pytest.mark.long
def test_progress_goes_on_from_the_checkpoint(crossing: Path, tmp_path: Path) -> None:
    run(crossing, tmp_path / "t", tmp_path / "work", dies_at=200)
    told: list[int] = []
    analyze(
        crossing,
        tmp_path / "t",
        models=drawn_models(),
        settings=SETTINGS,
        checkpoints=AnalysisCheckpoints(tmp_path / "work", 5, Ticking()),
        report=lambda progress: told.append(progress.done),
    )
    assert told[0] > 150
    assert told[-1] == FRAMES


@pytest.mark.long
def test_what_was_saved_with_other_clicks_is_not_gone_on_with(
    crossing: Path, tmp_path: Path
) -> None:
    run(crossing, tmp_path / "t", tmp_path / "work", dies_at=200)
    first: list[int] = []
    analyze(
        crossing,
        tmp_path / "t",
        models=drawn_models(),
        settings=SETTINGS,
        clicks=[Click(0.2, 160, 110)],
        checkpoints=AnalysisCheckpoints(tmp_path / "work", 5, Ticking()),
        watch=lambda seen: first.append(seen.view.index),
    )
    assert first[0] == 0


@pytest.mark.long
@pytest.mark.parametrize("damage", ["state", "chunks"])
def test_a_damaged_checkpoint_costs_time_and_nothing_else(
    crossing: Path, tmp_path: Path, damage: str
) -> None:
    run(crossing, tmp_path / "t", tmp_path / "work", dies_at=150)
    if damage == "state":
        state = tmp_path / "work" / "state"
        state.write_bytes(state.read_bytes()[:-100])
    else:
        for chunk in (tmp_path / "work" / "chunks").iterdir():
            chunk.unlink()
    timeline, seen, first = run(crossing, tmp_path / "t", tmp_path / "work", dies_at=None)

    assert timeline is not None
    assert first == 0
    assert seen < FRAMES  # keyframes, and those between that were looked at


def test_checkpoints_are_readable_by_their_owner_only(crossing: Path, tmp_path: Path) -> None:
    run(crossing, tmp_path / "t", tmp_path / "work", dies_at=100)
    state = tmp_path / "work" / "state"
    assert state.stat().st_mode & 0o077 == 0
    assert (tmp_path / "work" / "chunks").stat().st_mode & 0o077 == 0
