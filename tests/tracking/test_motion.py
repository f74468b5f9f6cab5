"""Where pixels came from, and masks that go along."""

from __future__ import annotations

import numpy as np

from bystander.geometry.masks import Bits, Mask, iou
from bystander.geometry.types import PixelBox
from bystander.tracking.motion import Flow, Window, grey, widened

from .bodies import GREEN, GRID, RED, Body, Picture, picture, share, textured

WHOLE = (0, 0, *GRID)
INSIDE = Mask(110, 40, np.ones((120, 40), dtype=bool)).on_grid(*GRID)
"""Within a body at 100 as well as one at 106."""


def seen(before: Picture, now: Picture) -> Flow:
    return Flow.between(grey(now), grey(before), GRID)


def reliable(flow: Flow, box: PixelBox) -> Bits:
    return flow.reliable[box[1] : box[3], box[0] : box[2]]


def window(mask: Mask) -> Window:
    return Window(mask.x, mask.y, mask.bits.astype(np.float32))


def moved(motion: Flow, mask: Mask) -> Mask:
    found = motion.moved(window(mask))
    assert found is not None
    return Mask.from_frame(found.weights > 0.5, found.x, found.y)


def test_a_mask_goes_with_the_texture_under_it() -> None:
    ann, ben = Body.of(RED, 60, 30), Body.of(GREEN, 200, seed=2)
    motion = seen(picture(ann, ben), picture(ann.at(64, 32), ben.at(197)))
    for before, after in ((ann, ann.at(64, 32)), (ben, ben.at(197))):
        mask = moved(motion, before.mask)
        assert share(mask, after.mask) > 0.93
        assert iou(mask, after.mask) > iou(before.mask, after.mask)


def test_who_stands_still_keeps_their_mask() -> None:
    ann = Body.of(RED, 60)
    assert iou(moved(seen(picture(ann), picture(ann)), ann.mask), ann.mask) > 0.99


def test_who_leaves_the_picture_leaves_it_with_their_mask() -> None:
    ann = Body.of(RED, 290)  # 30 of her 48 columns are inside
    after = moved(seen(picture(ann), picture(ann.at(298))), ann.mask.clipped(*GRID))
    assert after.box[2] <= GRID[0]
    assert share(after, ann.at(298).mask.clipped(*GRID)) > 0.95


def test_half_an_ownership_stays_half_when_it_moves() -> None:
    ann = Body.of(RED, 60)
    motion = seen(picture(ann), picture(ann.at(64)))
    half = Window(ann.x, ann.y, np.full(ann.mask.bits.shape, 0.5, dtype=np.float32))
    found = motion.moved(half)
    assert found is not None
    assert found.weights.max() <= 0.5 + 1e-5
    inside = ann.at(64).part(6, 6, 42, 114).box
    assert np.median(found.within(inside)) > 0.49


def test_nothing_of_nobody_moves_nowhere() -> None:
    motion = seen(picture(), picture())
    assert motion.moved(Window(0, 0, np.zeros((0, 0), dtype=np.float32))) is None


def test_what_comes_out_from_behind_something_is_not_reliable() -> None:
    bag = Body(textured((235, 235, 235), 40, 60, seed=3), 100, 60)
    motion = seen(picture(bag), picture())
    uncovered = bag.part(5, 5, 35, 55).box
    assert reliable(motion, uncovered).mean() < 0.3
    assert reliable(motion, (200, 10, 300, 170)).mean() > 0.99


def test_where_nothing_changes_flow_is_reliable() -> None:
    ann = Body.of(RED, 60)
    assert seen(picture(ann), picture(ann)).reliable.all()


def test_the_camera_is_how_far_most_of_the_picture_moved() -> None:
    wide = textured((120, 120, 120), GRID[0] + 20, GRID[1] + 20, seed=4)
    before, after = wide[10:190, 10:330], wide[8:188, 4:324]
    motion = seen(np.ascontiguousarray(before), np.ascontiguousarray(after))
    np.testing.assert_allclose(motion.camera, (6, 2), atol=0.5)


def test_somebody_who_walks_does_not_move_the_camera() -> None:
    ann = Body.of(RED, 60)
    motion = seen(picture(ann), picture(ann.at(68)))
    np.testing.assert_allclose(motion.camera, (0, 0), atol=0.2)


def test_between_frames_farther_apart_more_reach_is_needed() -> None:
    ann = Body.of(RED, 60)
    flow = seen(picture(ann), picture(ann.at(84)))
    near, far = flow.moved(window(ann.mask)), flow.moved(window(ann.mask), reach=32)
    assert near is not None
    assert far is not None
    assert near.box[2] < ann.at(84).mask.box[2] <= far.box[2]


def test_what_lies_outside_a_window_is_zero() -> None:
    one = Window(10, 20, np.ones((5, 4), dtype=np.float32))
    around = one.within((8, 18, 16, 28))
    assert around.shape == (10, 8)
    assert around.sum() == 20
    assert around[2:7, 2:6].all()
    assert one.within((12, 22, 13, 23)).tolist() == [[1.0]]
    assert not one.within((100, 100, 110, 105)).any()


def test_a_widened_rectangle_stays_within_the_grid() -> None:
    assert widened((10, 20, 30, 40), 5, GRID) == (5, 15, 35, 45)
    assert widened((2, 3, 318, 179), 5, GRID) == (0, 0, *GRID)
    x0, y0, x1, y1 = widened((400, 300, 420, 330), 5, GRID)
    assert x0 <= x1 <= GRID[0]
    assert y0 <= y1 <= GRID[1]


def test_what_stands_still_while_somebody_walks_on_moves_with_the_background() -> None:
    ann = Body.of(RED, 100)
    motion = seen(picture(ann), picture(ann.at(106)))
    left = motion.with_background(WHOLE, INSIDE)
    assert left[60:140, 20:80].mean() > 0.95
    assert not left[60:140, 118:142].any()


def test_of_somebody_who_stands_still_nothing_is_told_to_be_background() -> None:
    ann = Body.of(RED, 100)
    assert not seen(picture(ann), picture(ann)).with_background(WHOLE, INSIDE).any()
