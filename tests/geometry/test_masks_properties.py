"""What holds for any mask and box: compared with the same done plainly on the whole grid."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from bystander.geometry.instances import box_area, box_iou, shared
from bystander.geometry.masks import Bits, Mask, decode_runs, encode_runs, intersection, iou, union
from bystander.geometry.types import Box

WIDTH, HEIGHT = 12, 9
"""Of the grid; masks reach beyond it by as much on every side."""

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, database=None)
"""The same ones in every run, however slow the machine."""

bitmaps = arrays.arrays(bool, some.tuples(some.integers(0, 8), some.integers(0, 8)))
masks = some.builds(Mask, some.integers(-6, 14), some.integers(-6, 12), bitmaps)
numbers = some.floats(-50, 50)


@some.composite
def boxes(draw: some.DrawFn) -> Box:
    x, y = draw(numbers), draw(numbers)
    return x, y, x + draw(some.floats(0.01, 40)), y + draw(some.floats(0.01, 40))


def plain(mask: Mask) -> Bits:
    """The mask on a grid large enough for all of it, whose corner is at -10, -10."""
    canvas = np.zeros((40, 40), dtype=bool)
    for row, column in np.argwhere(mask.bits):
        canvas[mask.y + row + 10, mask.x + column + 10] = True
    return canvas


def inside(canvas: Bits) -> Bits:
    return canvas[10 : 10 + HEIGHT, 10 : 10 + WIDTH]


@EXAMPLES
@given(masks)
def test_on_the_grid_a_mask_is_what_of_it_lies_there(mask: Mask) -> None:
    expected = inside(plain(mask))
    assert np.array_equal(mask.on_grid(WIDTH, HEIGHT), expected)
    assert np.array_equal(mask.clipped(WIDTH, HEIGHT).on_grid(WIDTH, HEIGHT), expected)
    assert all(mask.contains(x, y) == expected[y, x] for x in range(WIDTH) for y in range(HEIGHT))


@EXAMPLES
@given(masks, some.integers(-5, 5), some.integers(-5, 5))
def test_cropping_and_moving_change_no_pixel(mask: Mask, dx: int, dy: int) -> None:
    cropped = Mask.from_frame(mask.bits, mask.x, mask.y)
    assert np.array_equal(plain(cropped), plain(mask))
    assert cropped.area == mask.area
    assert np.array_equal(plain(mask.moved(dx, dy).moved(-dx, -dy)), plain(mask))


@EXAMPLES
@given(masks, masks)
def test_two_masks_share_what_both_set(a: Mask, b: Mask) -> None:
    both, either = plain(a) & plain(b), plain(a) | plain(b)
    assert intersection(a, b) == intersection(b, a) == both.sum()
    assert iou(a, b) == (both.sum() / either.sum() if both.any() else 0)


@EXAMPLES
@given(some.lists(masks, min_size=1, max_size=4))
def test_a_union_covers_what_any_of_them_covers(parts: list[Mask]) -> None:
    assert np.array_equal(plain(union(parts)), np.any([plain(part) for part in parts], axis=0))


@EXAMPLES
@given(masks, some.lists(masks, max_size=3))
def test_a_mask_without_others_keeps_the_rest(mask: Mask, others: list[Mask]) -> None:
    rest = plain(mask).copy()
    for other in others:
        rest &= ~plain(other)
    assert np.array_equal(plain(mask.without(others)), rest)


@EXAMPLES
@given(masks, masks)
def test_pasting_and_clearing_touch_nothing_else(mask: Mask, before: Mask) -> None:
    canvas = before.on_grid(WIDTH, HEIGHT)
    pasted, cleared = canvas.copy(), canvas.copy()
    mask.paste(pasted)
    mask.clear(cleared)
    assert np.array_equal(pasted, canvas | inside(plain(mask)))
    assert np.array_equal(cleared, canvas & ~inside(plain(mask)))


@EXAMPLES
@given(masks, some.integers(1, 3))
def test_growing_reaches_every_pixel_within_the_radius(mask: Mask, radius: int) -> None:
    grown, rows = plain(mask.grown(radius)), np.argwhere(plain(mask))
    assert (grown | ~plain(mask)).all()
    for row, column in rows:  # a disc holds at least the cross
        assert grown[row - radius : row + radius + 1, column].all()
        assert grown[row, column - radius : column + radius + 1].all()
    for row, column in np.argwhere(grown):
        assert (np.abs(rows - (row, column)).max(axis=1) <= radius).any()


@EXAMPLES
@given(masks)
def test_run_lengths_give_back_the_very_mask(mask: Mask) -> None:
    height, width = mask.bits.shape
    again = decode_runs(encode_runs(mask), mask.x, mask.y, width, height)
    assert np.array_equal(again.bits, mask.bits)


@EXAMPLES
@given(boxes(), boxes())
def test_overlap_of_boxes_is_a_share_and_the_same_either_way(a: Box, b: Box) -> None:
    assert box_iou(a, b) == box_iou(b, a)
    assert 0 <= box_iou(a, b) <= shared(a, b) + 1e-9
    assert shared(a, b) <= 1 + 1e-9
    assert box_iou(a, a) == 1
    assert box_area(a) > 0
