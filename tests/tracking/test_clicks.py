"""Whom a click means: who is seen in front there, and never a guess."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import SelectionError
from bystander.geometry.coordinates import DisplaySize, GridTransform
from bystander.geometry.masks import Mask
from bystander.timeline.types import FrameRecord, Origin, Sighting
from bystander.tracking.appearance import colour_histogram, to_lab
from bystander.tracking.clicks import Click, Looks, choose

GRID = 160, 90
TRANSFORM = GridTransform(DisplaySize((320, 180)), GRID)
GREY, RED, BLUE = (90, 90, 90), (200, 20, 20), (20, 20, 200)
INFERRED = [Origin.FILLED, Origin.EXTENDED]


def somebody(
    tracklet: int,
    x: int,
    width: int = 20,
    origin: Origin = Origin.SEEN,
    score: float = 0.9,
    y: int = 10,
    height: int = 70,
) -> Sighting:
    box = float(x), float(y), float(x + width), float(y + height)
    mask = Mask(x, y, np.ones((height, width), dtype=bool))
    return Sighting(tracklet, box, score, mask, origin)


def street(*painted: tuple[Sighting, tuple[int, int, int]]) -> NDArray[np.uint8]:
    frame = np.full((GRID[1], GRID[0], 3), GREY, np.uint8)
    for sighting, colour in painted:
        frame[sighting.mask.on_grid(*GRID)] = colour
    return frame


def pointed(
    x: float,
    y: float,
    *people: Sighting,
    frame: NDArray[np.uint8] | None = None,
    looks: Looks | None = None,
) -> int:
    """The tracklet meant at grid pixel (x, y)."""
    record = FrameRecord(7, 7, people)
    click = Click(0.28, 2 * x, 2 * y)
    frame = street() if frame is None else frame
    return choose(click, record, frame, looks or {}, TRANSFORM).tracklet


@pytest.mark.parametrize("origin", INFERRED)
def test_who_is_seen_in_front_is_meant_and_not_who_is_inferred_behind(origin: Origin) -> None:
    dancer, spectator = somebody(1, 40, 40), somebody(2, 55, 10, origin, y=30, height=20)
    assert pointed(60, 40, dancer, spectator) == 1


def test_who_was_seen_before_and_after_is_meant_where_nobody_else_may_be() -> None:
    missed, walker = somebody(2, 50, origin=Origin.FILLED), somebody(1, 120)
    assert pointed(60, 40, missed, walker) == 2
    other = somebody(3, 55, origin=Origin.FILLED)
    with pytest.raises(SelectionError, match=r"nobody is seen .* t2 and t3 may be there"):
        pointed(60, 40, missed, walker, other)


def test_who_was_seen_before_and_after_is_not_meant_where_colours_are_anothers() -> None:
    missed, beside = somebody(2, 50, origin=Origin.FILLED), somebody(1, 62, 20)
    looks = {
        1: colour_histogram(to_lab(street((beside, RED))), beside.mask),
        2: colour_histogram(to_lab(street((missed, BLUE))), missed.mask),
    }
    assert pointed(60, 40, missed, beside, frame=street((missed, BLUE)), looks=looks) == 2
    with pytest.raises(SelectionError, match=r"nobody is seen .* t2 may be there"):
        pointed(60, 40, missed, beside, frame=street((missed, RED)), looks=looks)


def test_who_is_only_thought_to_be_still_there_is_not_meant() -> None:
    with pytest.raises(SelectionError, match=r"nobody is seen .* t2 may be there"):
        pointed(60, 40, somebody(2, 50, origin=Origin.EXTENDED), somebody(1, 120))


def test_a_pixel_that_two_people_share_is_an_error_that_names_both() -> None:
    with pytest.raises(SelectionError) as caught:
        pointed(62, 40, somebody(1, 40, 30), somebody(2, 55, 30))
    assert "t1 (50%, around 110,90)" in caught.value.what
    assert "t2 (50%, around 140,90)" in caught.value.what
    assert "render --keep" in str(caught.value.advice)


def test_so_is_an_outline_where_two_people_touch_but_not_what_is_well_inside() -> None:
    left, right = somebody(1, 40, 20), somebody(2, 60, 20)
    assert (pointed(55, 40, left, right), pointed(65, 40, left, right)) == (1, 2)
    with pytest.raises(SelectionError, match="two people"):
        pointed(59.5, 40, left, right)


def test_who_was_lost_for_a_moment_may_be_meant_where_the_colours_are_theirs() -> None:
    red, blue = somebody(1, 40, 40), somebody(2, 60, 12, Origin.FILLED, y=20, height=50)
    frame = street((red, RED), (blue, BLUE))
    looks = {
        1: colour_histogram(to_lab(street((red, RED))), red.mask),
        2: colour_histogram(to_lab(street((blue, BLUE))), blue.mask),
    }
    assert pointed(48, 40, red, blue, frame=frame, looks=looks) == 1
    with pytest.raises(SelectionError, match="two people"):
        pointed(66, 40, red, blue, frame=frame, looks=looks)


def test_a_face_without_a_silhouette_is_seen_but_its_shoulders_are_not() -> None:
    face = somebody(3, 60, 30, Origin.FACE, y=20, height=30)
    assert pointed(75, 28, face) == 3
    with pytest.raises(SelectionError):
        pointed(62, 48, face)


def test_a_near_miss_means_the_one_who_is_near_if_there_is_just_one() -> None:
    assert pointed(37, 40, somebody(1, 40), somebody(2, 100)) == 1
    with pytest.raises(SelectionError, match="two people"):
        pointed(62, 40, somebody(1, 40), somebody(2, 65))
    with pytest.raises(SelectionError, match="two people"):
        pointed(62, 40, somebody(1, 40), somebody(2, 64, origin=Origin.EXTENDED))
    with pytest.raises(SelectionError, match="nobody was found"):
        pointed(80, 40, somebody(1, 40))
