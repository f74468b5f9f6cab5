"""Where the edge lies between somebody to keep and somebody to mask, in the picture's pixels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.geometry.masks import Mask
from bystander.redaction.edges import BAND_PX, INTO_MASKED_PX, EdgeRefiner
from bystander.redaction.effects import Plane
from tests.redaction.pictures import GRID, SIZE, rectangle

SCALE = SIZE[0] // GRID[0]
REACH = 4.0
Alpha = NDArray[np.uint8]


def picture(bits: NDArray[np.bool_], ten_bits: bool = False, half: bool = True) -> list[Plane]:
    """Y, Cb, Cr of a picture in which `bits`, bool [H, W], are of another colour."""
    planes: list[Plane] = []
    for index, (inside, outside) in enumerate(((150, 90), (110, 130), (160, 120))):
        values = np.where(bits, inside, outside) * (4 if ten_bits else 1)
        if index and half:
            values = values[::2, ::2]
        planes.append(np.ascontiguousarray(values, np.uint16 if ten_bits else np.uint8))
    return planes


def in_source(mask: Mask) -> NDArray[np.bool_]:
    return np.kron(mask.on_grid(*GRID), np.ones((SCALE, SCALE), dtype=bool))


def refined(planes: list[Plane], kept: Mask, masked: Mask) -> Alpha:
    clear = EdgeRefiner(GRID, SIZE).clear(planes, [kept], [masked], REACH)
    assert clear is not None
    assert clear.shape == SIZE[::-1]
    return clear


def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    """A round person in the picture's pixels, given in the grid's."""
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    away = np.hypot(columns - x * SCALE, rows - y * SCALE)
    return np.asarray(away <= radius * SCALE)


@pytest.mark.parametrize("error", [-1.5, 1.5])
@pytest.mark.parametrize(("ten_bits", "half"), [(False, True), (False, False), (True, True)])
def test_the_edge_is_where_the_picture_has_it_and_not_where_the_network_had(
    error: float, ten_bits: bool, half: bool
) -> None:
    truth = disc(70, 45, 25)
    drawn = disc(70, 45, 25 + error)[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]
    masked = Mask.from_frame(~disc(70, 45, 27)[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE])
    clear = refined(picture(truth, ten_bits, half), Mask.from_frame(drawn), masked) > 127
    before = np.kron(drawn, np.ones((SCALE, SCALE), dtype=bool))
    assert np.count_nonzero(clear != truth) < 0.5 * np.count_nonzero(before != truth)
    assert not (clear & ~disc(70, 45, 25.5)).any()


def test_where_the_colours_tell_nothing_what_is_masked_stays_masked() -> None:
    kept, masked = rectangle(40, 20, 80, 80), rectangle(80, 20, 120, 80)
    flat = picture(np.zeros(SIZE[::-1], dtype=bool))
    clear = refined(flat, kept, masked)
    assert clear[in_source(masked)].max() < 64
    assert not clear[in_source(rectangle(81, 20, 120, 80))].any()
    assert (clear[in_source(rectangle(76, 26, 78, 74))] == 255).all()


def test_an_arm_before_somebody_kept_stays_masked_whatever_its_colour() -> None:
    """It is too narrow to be told from the edge's error by how deep it reaches."""
    arm = rectangle(30, 50, 90, 53)
    kept = rectangle(40, 10, 80, 85)
    clear = refined(picture(in_source(kept)), kept, arm)
    assert not clear[in_source(arm)].any()


def test_an_edge_does_not_move_far_into_the_masked_nor_from_where_it_was() -> None:
    """A picture in which somebody kept would be twice as wide."""
    kept, masked = rectangle(40, 20, 60, 80), rectangle(63, 10, 110, 85)
    clear = refined(picture(in_source(rectangle(40, 20, 100, 80))), kept, masked)
    deep = rectangle(63 + int(INTO_MASKED_PX), 10, 110, 85)
    assert not clear[in_source(deep)].any()
    beyond = rectangle(40, 80 + int(BAND_PX) + 1, 60, GRID[1])
    assert not clear[in_source(beyond)].any()


def test_a_hole_in_a_silhouette_is_closed_where_the_picture_shows_none() -> None:
    bits = rectangle(40, 20, 80, 80).on_grid(*GRID)
    bits[48:51, 75:77] = False
    kept, masked = Mask.from_frame(bits), rectangle(80, 20, 120, 80)
    clear = refined(picture(in_source(rectangle(40, 20, 80, 80))), kept, masked)
    assert (clear[in_source(rectangle(75, 42, 78, 58))] == 255).all()


def test_nothing_is_computed_where_nobody_masked_is_near() -> None:
    refiner = EdgeRefiner(GRID, SIZE)
    planes = picture(np.zeros(SIZE[::-1], dtype=bool))
    kept = rectangle(10, 20, 40, 80)
    assert refiner.clear(planes, [kept], [rectangle(60, 20, 90, 80)], REACH) is None
    assert refiner.clear(planes, [], [rectangle(60, 20, 90, 80)], REACH) is None
    assert refiner.clear(planes, [kept], [rectangle(44, 20, 90, 80)], REACH) is not None


@pytest.mark.parametrize("size", [(16, 9), (161, 91), (853, 479)])
def test_pictures_of_any_size_are_taken(size: tuple[int, int]) -> None:
    planes: list[Plane] = [np.full(size[::-1], 90, np.uint8)] + [
        np.full((-(-size[1] // 2), -(-size[0] // 2)), 128, np.uint8) for _ in range(2)
    ]
    kept, masked = rectangle(40, 20, 80, 80), rectangle(80, 20, 120, 80)
    clear = EdgeRefiner(GRID, size).clear(planes, [kept], [masked], REACH)
    assert clear is not None
    assert clear.shape == size[::-1]
