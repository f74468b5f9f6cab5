"""Shapes become masks that cover what was drawn over."""

from __future__ import annotations

import numpy as np
import pytest

from bystander.editing.document import Box, Ellipse, Polygon
from bystander.editing.shapes import Motion, box_of, moved, outline, rasterised
from bystander.geometry.coordinates import DisplaySize, GridTransform

TRANSFORM = GridTransform(DisplaySize((200, 100)), (100, 50))


def test_a_box_is_half_as_large_on_a_grid_of_half_the_size() -> None:
    mask = rasterised(outline(Box(x=20, y=10, width=40, height=20), TRANSFORM), (100, 50))
    assert mask.box == (10, 5, 30, 15)
    assert mask.bits.all()


def test_a_pixel_that_is_touched_is_masked() -> None:
    mask = rasterised(outline(Box(x=21, y=11, width=4, height=4), TRANSFORM), (100, 50))
    assert mask.contains(10.5, 5.5)
    assert mask.contains(12.4, 7.4)


def test_an_ellipse_has_the_area_of_one() -> None:
    mask = rasterised(outline(Ellipse(x=40, y=20, width=80, height=60), TRANSFORM), (100, 50))
    assert mask.area == pytest.approx(np.pi * 20 * 15, rel=0.08)
    assert not mask.contains(21, 11)


def test_a_polygon_may_be_of_any_form() -> None:
    corner = Polygon(points=((0, 0), (100, 0), (0, 100)))
    mask = rasterised(outline(corner, TRANSFORM), (100, 50))
    assert mask.contains(5, 5)
    assert not mask.contains(45, 45)


def test_what_reaches_beyond_the_picture_is_cut() -> None:
    mask = rasterised(outline(Box(x=180, y=-30, width=90, height=60), TRANSFORM), (100, 50))
    assert mask.box == (90, 0, 100, 15)


def test_beside_the_picture_there_is_nothing() -> None:
    assert not rasterised(outline(Box(x=500, y=0, width=9, height=9), TRANSFORM), (100, 50)).area


def test_a_shape_moves_and_grows_about_its_middle() -> None:
    corners = outline(Box(x=20, y=20, width=40, height=20), TRANSFORM)
    assert box_of(moved(corners, Motion(5, -2, 2.0))) == (10 - 10 + 5, 10 - 5 - 2, 45, 23)
