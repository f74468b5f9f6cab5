from __future__ import annotations

import numpy as np
import pytest

from bystander.geometry.masks import Mask, decode_runs, encode_runs, intersection, iou, union


def block(x: int, y: int, width: int, height: int) -> Mask:
    return Mask(x, y, np.ones((height, width), dtype=bool))


def test_a_mask_keeps_only_the_rectangle_around_its_pixels() -> None:
    frame = np.zeros((20, 30), dtype=bool)
    frame[5:9, 7:10] = True
    mask = Mask.from_frame(frame)
    assert mask.box == (7, 5, 10, 9)
    assert np.array_equal(mask.on_grid(30, 20), frame)


def test_an_empty_frame_gives_an_empty_mask() -> None:
    assert Mask.from_frame(np.zeros((4, 4), dtype=bool)).area == 0


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_give_back_the_very_mask(seed: int) -> None:
    bits = np.random.default_rng(seed).random((13, 17)) < 0.5
    mask = Mask(-3, 4, bits)
    again = decode_runs(encode_runs(mask), mask.x, mask.y, 17, 13)
    assert np.array_equal(again.bits, bits)
    assert (again.x, again.y) == (-3, 4)


def test_run_lengths_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="add up"):
        decode_runs(encode_runs(block(0, 0, 3, 3)), 0, 0, 4, 3)


def test_overlap_is_counted_in_common_pixels() -> None:
    a, b = block(0, 0, 10, 10), block(5, 5, 10, 10)
    assert intersection(a, b) == 25
    assert iou(a, b) == pytest.approx(25 / 175)
    assert iou(a, block(50, 50, 2, 2)) == 0


def test_a_union_covers_both_and_nothing_else() -> None:
    both = union([block(0, 0, 2, 2), block(5, 1, 1, 3)])
    assert both.box == (0, 0, 6, 4)
    assert both.area == 4 + 3


def test_pasting_beyond_the_grid_is_clipped() -> None:
    canvas = np.zeros((5, 5), dtype=bool)
    block(-2, -2, 4, 4).paste(canvas)
    block(4, 4, 9, 9).paste(canvas)
    block(40, 0, 3, 3).paste(canvas)
    assert int(canvas.sum()) == 4 + 1


def test_growth_adds_a_disc_around_the_silhouette() -> None:
    grown = block(10, 10, 1, 1).grown(3)
    assert grown.box == (7, 7, 14, 14)
    assert grown.contains(10, 7)
    assert not grown.contains(7, 7)


def test_fitting_stretches_to_the_box() -> None:
    fitted = block(0, 0, 4, 4).fitted((10.0, 20.0, 18.0, 36.0))
    assert fitted.box == (10, 20, 18, 36)
    assert fitted.area == 8 * 16


def test_a_silhouette_is_carried_as_its_box_moves_though_it_does_not_fill_it() -> None:
    # The box reaches ten pixels below the silhouette: legs that were guessed at.
    carried = block(10, 10, 10, 20).carried((10, 10, 20, 40), (30, 15, 40, 45))
    assert carried.box == (30, 15, 40, 35)
