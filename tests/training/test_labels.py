from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.labels import area, joined, line, ring
from training.pictures import Annotation, Polygon

WIDTH, HEIGHT = 200, 100


def square(x: float, y: float, side: float = 10) -> Polygon:
    return np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], dtype=np.float64)


def filled(label: str) -> NDArray[np.uint8]:
    """The pixels that a reader of the label file gets."""
    corners = np.array(label.split()[1:], dtype=np.float64).reshape(-1, 2) * (WIDTH, HEIGHT)
    canvas = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    cv2.fillPoly(canvas, [np.round(corners).astype(np.int32)], (1,))
    return canvas


def test_a_line_is_the_class_and_the_corners_from_0_to_1() -> None:
    corners = np.array([(0, 0), (200, 50), (50, 100)], dtype=np.float64)

    assert line(corners, WIDTH, HEIGHT) == "0 0 0 1 0.5 0.25 1\n"


def test_the_parts_of_a_person_become_one_ring_that_encloses_what_they_do() -> None:
    parts = [square(20, 20), square(120, 60, 30), square(60, 40, 20)]
    found = ring(Annotation("1", tuple(parts)), WIDTH, HEIGHT)

    assert found is not None
    assert area(found) == pytest.approx(sum(area(part) for part in parts))
    canvas = filled(line(found, WIDTH, HEIGHT))
    assert canvas[25, 25] and canvas[75, 135] and canvas[50, 70]  # noqa: PT018
    # The bridges are lines; nothing else outside of the parts is filled.
    assert int(canvas.sum()) < 11**2 + 31**2 + 21**2 + 80


def test_the_bridges_are_between_the_nearest_parts() -> None:
    left, middle, right = square(0, 0), square(20, 0), square(40, 0)

    found = joined([left, right, middle])

    steps = np.linalg.norm(np.diff(found, axis=0), axis=1)
    assert steps.max() == 10


def test_the_order_and_direction_of_the_parts_do_not_matter() -> None:
    parts = [square(20, 20), square(60, 40, 20)[::-1], square(120, 60, 30)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        found = joined([parts[i] for i in order])
        bits = filled(line(found, WIDTH, HEIGHT))
        assert bits[25, 25] and bits[75, 135] and bits[50, 70]  # noqa: PT018


def test_what_is_outside_the_picture_is_cut_off() -> None:
    found = ring(Annotation("1", (square(-5, 95),)), WIDTH, HEIGHT)

    assert found is not None
    assert area(found) == 25
    assert (found >= 0).all()
    assert (found <= (WIDTH, HEIGHT)).all()


def test_a_box_becomes_its_four_corners() -> None:
    found = ring(Annotation("1", (), (10, 20, 30, 40)), WIDTH, HEIGHT)

    assert found is not None
    assert found.tolist() == [[10, 20], [30, 20], [30, 40], [10, 40]]


@pytest.mark.parametrize(
    "corners",
    [[(1, 1), (9, 9)], [(1, 1), (5, 5), (9, 9)], [(0, np.nan), (9, 0), (9, 9)], []],
)
def test_what_has_no_area_has_no_ring(corners: list[tuple[float, float]]) -> None:
    polygon = np.array(corners, dtype=np.float64).reshape(-1, 2)

    assert ring(Annotation("1", (polygon,)), WIDTH, HEIGHT) is None


def test_somebody_wholly_outside_or_nowhere_has_no_ring() -> None:
    assert ring(Annotation("1", (square(300, 300),)), WIDTH, HEIGHT) is None
    assert ring(Annotation("1", ()), WIDTH, HEIGHT) is None
