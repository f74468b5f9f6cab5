from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.redaction.camera import View, is_still, registered
from bystander.redaction.effects import Plane
from bystander.redaction.filling import Filling
from bystander.redaction.plates import (
    Canvas,
    Plate,
    Sample,
    build_plate,
    has_left,
    in_luma,
    small_planes,
)

SIZE, GRID = (240, 160), (120, 80)
STILL = np.eye(3)
SOMEBODY = (slice(60, 120), slice(100, 140))
DEPTHS = pytest.mark.parametrize("depth", [8, 10])


def place(depth: int = 8, seed: int = 0) -> list[Plane]:
    """Y, Cb, Cr of texture."""
    unit, kind = (1, np.uint8) if depth == 8 else (4, np.uint16)
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(60, 160, (SIZE[1] // 10, SIZE[0] // 10)).astype(np.float32)
    luma = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC).clip(40, 180)
    chroma = np.full((SIZE[1] // 2, SIZE[0] // 2), 128.0)
    return [(unit * one).astype(kind) for one in (luma, chroma, chroma)]


def with_somebody(planes: list[Plane], level: int = 230) -> list[Plane]:
    found = [plane.copy() for plane in planes]
    found[0][SOMEBODY] = level * (1 if found[0].dtype == np.uint8 else 4)
    return found


def plate_of(frames: list[list[Plane]], covered: NDArray[np.bool_] | None = None) -> Plate:
    canvas = Canvas.of([STILL], SIZE, GRID)
    nowhere = np.zeros(GRID[::-1], dtype=bool)
    hidden = [nowhere if covered is None else covered for _ in frames]
    samples = [Sample(planes, STILL) for planes in frames]
    return build_plate(canvas, samples, hidden, np.ones(GRID[::-1], dtype=bool))


@DEPTHS
def test_whoever_passes_is_outvoted(depth: int) -> None:
    empty = place(depth)
    plate = plate_of([empty] * 6 + [with_somebody(empty)] * 2)
    assert (plate.planes[0] == empty[0]).all()
    assert (plate.weights[0] == 255).all()
    assert plate.planes[0].dtype == empty[0].dtype


@DEPTHS
def test_where_frames_disagree_nothing_is_known(depth: int) -> None:
    empty = place(depth)
    plate = plate_of([empty] * 4 + [with_somebody(empty)] * 4)
    assert not plate.weights[0][SOMEBODY].any()
    # And nobody's pixels are held: beside what is known the mean of that, and nothing within.
    assert not plate.planes[0][61:119, 101:139].any()
    assert plate.planes[0].max() <= empty[0].max()
    assert (plate.weights[0][:40] == 255).all()


def test_what_everybody_hides_is_unknown_and_kept_nowhere() -> None:
    covered = np.zeros(GRID[::-1], dtype=bool)
    covered[28:62, 48:72] = True
    plate = plate_of([with_somebody(place())] * 8, covered)
    assert not plate.weights[0][SOMEBODY].any()
    assert plate.planes[0].max() < 230


def test_two_frames_are_too_few() -> None:
    assert not plate_of([place()] * 2).weights[0].any()


def test_somebody_has_left_only_where_the_picture_plainly_changed() -> None:
    mask = np.zeros((GRID[1] // 2, GRID[0] // 2), dtype=bool)
    mask[15:30, 25:35] = True
    there, gone = small_planes(with_somebody(place()), GRID), small_planes(place(), GRID)
    darker: list[Any] = [(0.95 * with_somebody(place())[0]).astype(np.uint8), *place()[1:]]
    assert has_left(there, gone, STILL, mask)
    assert not has_left(there, there, STILL, mask)
    assert not has_left(there, small_planes(darker, GRID), STILL, mask)
    assert not has_left(there, gone, STILL, np.zeros_like(mask))  # too small to tell


def test_a_camera_is_followed_and_one_that_stands_still_is_not_moved() -> None:
    wall = place(seed=3)[0]
    free = np.ones((100, 160), dtype=bool)
    one, other = View(wall[20:120, 30:190].copy(), free), View(wall[24:124, 37:197].copy(), free)
    motion = registered(one, other)
    assert motion is not None
    assert np.allclose(motion[:2, 2], (-7, -4), atol=0.1)
    same = registered(one, one)
    assert same is not None
    assert is_still(same)


def test_another_place_tells_no_motion() -> None:
    free = np.ones(SIZE[::-1], dtype=bool)
    assert registered(View(place(seed=1)[0], free), View(place(seed=2)[0], free)) is None


@DEPTHS
def test_a_frame_that_differs_around_somebody_is_not_filled(depth: int) -> None:
    plate = plate_of([place(depth)] * 8)
    filling = Filling(plate, in_luma(STILL, (2, 2)), np.ones(GRID[::-1], dtype=bool))
    box = (100, 60, 140, 120)
    unit = 1 if depth == 8 else 4
    brighter = [place(depth)[0] + 5 * unit, *place(depth)[1:]]
    assert filling.offsets(place(depth), box) == (0, 0, 0)
    assert filling.offsets(brighter, box) == (5 * unit, 0, 0)
    assert filling.offsets(place(depth, seed=5), box) is None
