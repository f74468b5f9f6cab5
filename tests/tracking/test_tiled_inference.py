"""Small people in a crowd are looked at again, and nobody is found twice or lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models import load_models
from bystander.models.segmenter import analysis_size
from bystander.pipeline.looking import detail_size
from bystander.settings import AnalysisSettings
from bystander.tracking.tiled_inference import (
    Tile,
    TiledInferenceSettings,
    choose_tiles,
    detect_tiled,
    merge,
)
from tests.conftest import shared

from .figures import GRID, figure

SETTINGS = TiledInferenceSettings()
LARGE = [figure(x, y=20, height=140) for x in (10, 60, 110, 160)]
DETAIL = np.zeros((2 * GRID[1], 2 * GRID[0], 3), dtype=np.uint8)

Picture = NDArray[np.uint8]


def faint(x: float, y: float = 40) -> Instance:
    return figure(x, y, width=10, height=25, score=0.2)


def half_of(window: Tile) -> bool:
    return (window.width, window.height) == (GRID[0] // 2, GRID[1] // 2)


@dataclass
class Bright:
    """Finds what is bright, and remembers what it was shown."""

    shown: list[Picture] = field(default_factory=list)

    def segment(self, frames: Sequence[Picture]) -> list[list[Instance]]:
        self.shown += frames
        found = []
        for frame in frames:
            count, labels = cv2.connectedComponents((frame.max(axis=2) > 128).astype(np.uint8))
            masks = [Mask.from_frame(labels == label) for label in range(1, count)]
            found.append([Instance(tuple(map(float, m.box)), 0.8, m) for m in masks])  # type: ignore[arg-type]
        return found


def lit(*boxes: tuple[int, int, int, int]) -> Picture:
    """A detailed picture, dark but for `boxes` (x0, y0, x1, y1 in grid pixels)."""
    picture = DETAIL.copy()
    for x0, y0, x1, y1 in boxes:
        picture[2 * y0 : 2 * y1, 2 * x0 : 2 * x1] = 255
    return picture


def test_someone_small_whom_the_first_look_missed_is_found_where_they_stand() -> None:
    first = [*LARGE, faint(250)]
    people = detect_tiled(first, lit((235, 45, 241, 65)), GRID, 0, Bright(), SETTINGS)

    (new,) = (p for p in people if p not in first)
    assert new.mask.box == pytest.approx((235, 45, 241, 65), abs=1)
    assert new.box == pytest.approx((235, 45, 241, 65), abs=1)
    assert all(person in people for person in first)


def test_what_is_looked_at_again_is_as_large_as_the_grid() -> None:
    segmenter = Bright()
    detect_tiled([*LARGE, faint(250)], DETAIL, GRID, 0, segmenter, SETTINGS)

    assert [picture.shape for picture in segmenter.shown] == [(GRID[1], GRID[0], 3)]


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ([faint(50), faint(90)], "two people are no crowd"),
        (LARGE, "everyone is large"),
        ([*LARGE, figure(250, y=40, width=10, height=25, score=0.95)], "nobody is in doubt"),
        ([figure(50, height=140), faint(150), faint(200)], "what is small is hardly anybody"),
        ([], "nobody is there"),
    ],
)
def test_nothing_is_looked_at_again_without_a_reason(people: list[Instance], why: str) -> None:
    assert choose_tiles(people, GRID, 0, SETTINGS) == [], why


def test_a_source_that_has_no_more_to_show_is_not_looked_at_again() -> None:
    segmenter = Bright()
    first = [*LARGE, faint(250)]
    detail = np.full((GRID[1] * 3 // 2, GRID[0] * 3 // 2, 3), 255, dtype=np.uint8)

    assert detect_tiled(first, detail, GRID, 0, segmenter, SETTINGS) == first
    assert segmenter.shown == []


def test_the_window_is_where_the_most_doubt_is() -> None:
    alone, together = faint(5, 100), [faint(x) for x in (200, 230, 270)]
    (window,) = choose_tiles([*LARGE, alone, *together], GRID, 0, SETTINGS)

    assert half_of(window)
    for person in together:
        assert not window.cuts_off(person.box, GRID)
        assert window.x <= person.box[0] < person.box[2] <= window.x + window.width
        assert window.y <= person.box[1] < person.box[3] <= window.y + window.height


def test_windows_show_by_turns_what_is_left_and_right_of_those_who_were_found() -> None:
    people = [*LARGE, faint(150), faint(170)]
    windows = [w for frame in range(0, 40, 5) for w in choose_tiles(people, GRID, frame, SETTINGS)]

    lefts = [window.x for window in windows]
    rights = [window.x + window.width for window in windows]
    assert min(lefts) < 60
    assert max(rights) > 260
    for person in people[-2:]:
        assert not any(window.cuts_off(person.box, GRID) for window in windows)


def test_where_some_small_people_are_seen_others_are_looked_for() -> None:
    seen = [figure(x, width=10, height=25, score=0.7) for x in (100, 140)]
    assert choose_tiles(seen, GRID, 0, SETTINGS)
    assert not choose_tiles(seen[:1], GRID, 0, SETTINGS)


def test_a_crowd_costs_no_more_windows_than_allowed() -> None:
    everywhere = [faint(x, y) for x in range(0, 300, 15) for y in range(0, 150, 30)]
    for count in (0, 1, 3):
        settings = TiledInferenceSettings(windows=count)
        windows = choose_tiles(everywhere, GRID, 0, settings)
        assert len(windows) == count
        assert all(half_of(window) for window in windows)


@pytest.mark.parametrize("x", [0, 305])
@pytest.mark.parametrize("y", [0, 150])
def test_windows_stay_inside_the_grid(x: int, y: int) -> None:
    (window,) = choose_tiles([*LARGE, faint(x, y)], GRID, 0, SETTINGS)

    assert not window.cuts_off(faint(x, y).box, GRID)
    assert 0 <= window.x <= GRID[0] - window.width
    assert window.y in (0, GRID[1] - window.height)


def test_someone_cut_off_by_the_window_replaces_nobody() -> None:
    # The window around the faint one ends in the middle of the tall bright one's legs.
    first = [*LARGE[:3], faint(250), figure(265, y=30, width=12, height=140, score=0.6)]
    people = detect_tiled(first, lit((265, 30, 277, 170)), GRID, 0, Bright(), SETTINGS)

    assert people == first


def test_someone_cut_off_by_the_frame_itself_counts() -> None:
    window = Tile(160, 0, 160, 90)
    assert not window.cuts_off((310, 0, 320, 30), GRID)
    assert window.cuts_off((160, 10, 180, 40), GRID)
    assert window.cuts_off((200, 60, 220, 90), GRID)


def test_someone_seen_twice_is_one_person_as_sure_as_the_surer_look() -> None:
    coarse = figure(100, width=12, height=30, score=0.3)
    for score, expected in ((0.7, 0.7), (0.2, 0.3)):
        (person,) = merge([coarse], [figure(101, width=10, height=30, score=score)], SETTINGS)
        assert person.score == expected
        assert (person.box, person.mask) == (coarse.box, coarse.mask)


def test_a_faint_part_of_somebody_is_nobody_new_and_a_certain_one_is() -> None:
    body = figure(100, width=40, height=80)
    assert merge([body], [figure(110, 70, 10, 20, score=0.3)], SETTINGS) == [body]
    child = figure(110, 70, 10, 20, score=0.8)
    assert merge([body], [child], SETTINGS) == [body, child]


def test_a_faint_part_gives_way_to_the_whole_person() -> None:
    head, whole = figure(105, 60, 8, 8, score=0.2), figure(100, 58, 18, 45, score=0.7)
    assert merge([head], [whole], SETTINGS) == [whole]

    friend = figure(105, 60, 8, 8, score=0.8)
    assert merge([friend], [whole], SETTINGS) == [friend, whole]


def test_nobody_of_the_first_look_is_lost() -> None:
    random = np.random.default_rng(0)

    def some(count: int) -> list[Instance]:
        return [
            figure(x, y, int(w), int(h), float(s))
            for x, y, w, h, s in zip(
                random.integers(0, 280, count),
                random.integers(0, 140, count),
                random.integers(5, 40, count),
                random.integers(5, 40, count),
                random.uniform(0.1, 1, count),
                strict=True,
            )
        ]

    for _ in range(30):
        first, second = some(12), some(12)
        covered = np.zeros(GRID[::-1], dtype=bool)
        for person in (people := merge(first, second, SETTINGS)):
            person.mask.clipped(*GRID).paste(covered)
        for person in first:
            mask = person.mask.clipped(*GRID)
            x0, y0, x1, y1 = mask.box
            assert person in people or covered[y0:y1, x0:x1].mean() >= SETTINGS.same_iou


@pytest.mark.long
def test_in_a_real_crowd_more_people_are_found() -> None:
    video = shared("clips", "opera", "video.mp4")
    shared("models")
    settings, models = AnalysisSettings(), load_models()
    info = probe(video)
    grid = analysis_size(info.width, info.height, settings.long_side)
    frame = next(iter(VideoReader(video, info)))
    (first,) = models.segmenter.segment([frame.rgb(grid)])
    detail = frame.rgb(detail_size(info, settings))

    people = detect_tiled(first, detail, grid, frame.index, models.segmenter, settings.second_look)

    # A man in the doorway, 30 grid pixels high, whom the first look misses.
    sure = [i for i in people if i.score >= settings.tracking.new_track]
    assert any(i.mask.contains(348, 218) for i in sure)
    assert not any(i.mask.contains(348, 218) for i in first)
