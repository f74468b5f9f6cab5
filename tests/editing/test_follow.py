"""A shape follows what it was drawn over."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.editing.follow import follow
from bystander.editing.shapes import Motion, box_of, moved
from bystander.tracking.motion import grey

GRID = (320, 180)
SIDE = 40
Place = Callable[[int], tuple[float, float]]


def background(seed: int = 1) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(60, 190, (90, 160), dtype=np.uint8)
    soft = cv2.GaussianBlur(cv2.resize(noise, GRID), (0, 0), 2)
    return np.repeat(np.asarray(soft, np.uint8)[..., None], 3, axis=2)


THING = cv2.resize(
    np.random.default_rng(7).integers(0, 255, (10, 10, 3), dtype=np.uint8), (SIDE, SIDE)
)


def film(
    place: Place, frames: int, scale: Callable[[int], float] = lambda _: 1.0
) -> list[NDArray[np.uint8]]:
    """A textured square that moves before a textured wall, small and grey as flow wants it."""
    pictures = []
    for number in range(frames):
        size = scale(number) * SIDE
        x, y = place(number)
        matrix = np.array(
            [[size / SIDE, 0, x - size / 2], [0, size / SIDE, y - size / 2]], dtype=np.float64
        )
        canvas = background()
        cv2.warpAffine(THING, matrix, GRID, canvas, borderMode=cv2.BORDER_TRANSPARENT)
        pictures.append(grey(canvas))
    return pictures


def around(x: float, y: float, side: float = SIDE) -> NDArray[np.float64]:
    h = side / 2
    return np.array([(x - h, y - h), (x + h, y - h), (x + h, y + h), (x - h, y + h)])


def middle(corners: NDArray[np.float64], motion: Motion) -> tuple[float, float]:
    x0, y0, x1, y1 = box_of(moved(corners, motion))
    return (x0 + x1) / 2, (y0 + y1) / 2


@pytest.mark.parametrize(
    "place",
    [
        lambda n: (60 + 3 * n, 90),
        lambda n: (200 - 5 * n, 60 + 2 * n),
        lambda n: (160 + 40 * np.sin(n / 8), 90 + 15 * np.cos(n / 5)),
        lambda n: (160, 90),
    ],
)
def test_it_stays_on_what_moves(place: Place) -> None:
    pictures, corners = film(place, 30), around(*place(0))
    motions = list(follow(corners, pictures, GRID))
    assert len(motions) == 30
    assert motions[0] == Motion()
    for number, motion in enumerate(motions):
        assert middle(corners, motion) == pytest.approx(place(number), abs=4)


def test_it_is_followed_backwards_as_well() -> None:
    pictures = film(lambda n: (60 + 3 * n, 90), 25)[::-1]
    corners = around(60 + 3 * 24, 90)
    motions = list(follow(corners, pictures, GRID))
    assert middle(corners, motions[-1]) == pytest.approx((60, 90), abs=4)


def test_it_grows_with_what_comes_closer() -> None:
    pictures = film(lambda _: (160, 90), 30, lambda n: 1 + n / 40)
    motions = list(follow(around(160, 90), pictures, GRID))
    assert motions[-1].scale == pytest.approx(1 + 29 / 40, rel=0.12)


def test_it_ends_at_the_picture_s_edge() -> None:
    pictures = film(lambda n: (260 + 5 * n, 90), 40)
    motions = list(follow(around(260, 90), pictures, GRID))
    assert 12 <= len(motions) < 22  # it has left after 16 frames


def test_it_stays_where_nothing_is_found_again() -> None:
    blank = [np.full((90, 160), 128, dtype=np.uint8)] * 10
    motions = list(follow(around(160, 90), blank, GRID))
    assert len(motions) == 10
    assert middle(around(160, 90), motions[-1]) == pytest.approx((160, 90), abs=1)


def test_it_goes_with_the_picture_where_it_is_hidden() -> None:
    """The camera pans, and what was drawn over is gone behind something flat."""
    wall = np.tile(background(3), (1, 2, 1))
    pictures = []
    for number in range(12):
        canvas = wall[:, 4 * number : 4 * number + GRID[0]].copy()
        x = 200 - 4 * number
        if number:
            canvas[66:114, x - 24 : x + 24] = 128
        pictures.append(grey(canvas))
    corners = around(200, 90)
    motions = list(follow(corners, pictures, GRID))
    assert middle(corners, motions[-1])[0] == pytest.approx(200 - 4 * 11, abs=12)


def test_without_pictures_it_is_where_it_was_drawn() -> None:
    assert list(follow(around(50, 50), [], GRID)) == [Motion()]
