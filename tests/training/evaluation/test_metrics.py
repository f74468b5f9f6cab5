from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_cdt

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Bits, Mask
from tests.training.evaluation.made import block
from training.evaluation.metrics import (
    Ranking,
    Ratio,
    boundary_iou,
    covered,
    interval,
    match,
    precision,
    resamples,
    size_of,
    uncovered,
)


def sight(mask: Mask, score: float) -> Instance:
    x0, y0, x1, y1 = map(float, mask.box)
    return Instance((x0, y0, x1, y1), score, mask)


def test_the_more_certain_of_two_sights_of_a_person_is_right_and_the_other_false() -> None:
    person = block(0, 0, 10, 20)
    found = [sight(block(0, 0, 10, 20), 0.4), sight(block(0, 0, 10, 15), 0.8)]
    matching = match([person], [], found)
    assert (matching.pairs, matching.missed, matching.false) == (((0, 1),), (), (0,))


def test_a_silhouette_that_fits_too_little_leaves_its_person_missed_and_is_false() -> None:
    matching = match([block(0, 0, 10, 20)], [], [sight(block(0, 0, 10, 9), 0.9)])
    assert (matching.pairs, matching.missed, matching.false) == ((), (0,), (0,))


def test_half_of_a_person_is_still_the_person() -> None:
    assert match([block(0, 0, 10, 20)], [], [sight(block(0, 0, 10, 10), 0.9)]).pairs == ((0, 0),)


def test_who_stands_in_a_crowd_is_neither_right_nor_wrong() -> None:
    crowd = block(0, 0, 100, 50)
    inside, outside = sight(block(10, 30, 20, 60), 0.9), sight(block(10, 45, 20, 75), 0.9)
    assert match([], [crowd], [inside, outside]).false == (1,)


def test_a_person_in_front_of_a_crowd_is_found_all_the_same() -> None:
    person = block(10, 10, 20, 40)
    assert match([person], [block(0, 0, 100, 50)], [sight(person, 0.3)]).pairs == ((0, 0),)


@pytest.mark.parametrize(
    ("side", "size"), [(31, "small"), (32, "medium"), (95, "medium"), (96, "large")]
)
def test_sizes_are_those_of_coco(side: int, size: str) -> None:
    assert size_of(block(0, 0, side, side)) == size


def test_pixels_outside_every_silhouette_are_uncovered() -> None:
    person = block(90, 0, 100, 20)
    halves = [block(90, 0, 95, 20), block(92, 0, 97, 10)]
    assert uncovered(person, covered(halves, 100, 50)) == 5 * 20 - 2 * 10
    assert uncovered(person, covered([], 100, 50)) == 200


def test_dilation_covers_what_is_within_its_radius() -> None:
    person, found = block(20, 10, 60, 30), [block(20, 10, 50, 30)]
    assert uncovered(person, covered(found, 100, 50)) == 10 * 20
    # Six columns remain; the disc rounds no corner of them off, the edge is straight.
    assert uncovered(person, covered(found, 100, 50, growth=4)) == 6 * 20 + corners(4)


def corners(radius: int) -> int:
    """Pixels within `radius` of the silhouette's columns that its rounded corners leave."""
    grown = block(0, 0, 30, 20).grown(radius)
    inside = grown.on_grid(40, 20)
    return int(radius * 20 - np.count_nonzero(inside[:, 30 : 30 + radius]))


def band(bits: Bits, width: int) -> Bits:
    """Pixels of `bits` no further than `width` from what isn't, by chessboard distance."""
    distance = distance_transform_cdt(np.pad(bits, 1), metric="chessboard")[1:-1, 1:-1]
    return np.asarray(bits & (distance <= width), dtype=bool)


def test_boundary_iou_is_that_of_the_pixels_near_the_outline() -> None:
    generator = np.random.default_rng(3)
    for _ in range(5):
        x, y, width, height = (int(v) for v in generator.integers(0, 90, size=4))
        a = np.zeros((120, 160), dtype=bool)
        b = a.copy()
        a[y : y + height + 30, x : x + width + 30] = True  # some reach the image's border
        b[y + 3 : y + height + 25, x : x + width + 40] = True
        inner_a, inner_b = band(a, 4), band(b, 4)  # 0.02 of the diagonal of 160 x 120
        expected = np.count_nonzero(inner_a & inner_b) / np.count_nonzero(inner_a | inner_b)
        measured = boundary_iou(Mask.from_frame(a), Mask.from_frame(b), 160, 120)
        assert measured == pytest.approx(expected)


def test_an_outline_that_is_off_by_some_pixels_costs_a_large_silhouette_its_boundary_iou() -> None:
    person, shifted = block(100, 50, 400, 350), block(108, 50, 408, 350)
    assert boundary_iou(person, person, 640, 384) == 1
    assert boundary_iou(person, shifted, 640, 384) < 0.6  # where the mask IoU is 0.95


RANKING = Ranking(
    image=np.array([0, 1, 0, 1]),
    right=np.array([True, False, True, True]),
    people=np.array([2.0, 2.0]),
)


def test_precision_is_the_best_that_is_had_at_this_recall_or_beyond() -> None:
    curve = precision(RANKING, np.ones(2))
    # Right, wrong, right, right of four people: 1/1 at 25 %, then 2/3, but 3/4 beyond it.
    assert curve[[0, 25, 26, 50, 75]] == pytest.approx([1, 1, 0.75, 0.75, 0.75])
    assert not curve[76:].any()


def test_an_image_that_weighs_double_counts_as_if_it_were_there_twice() -> None:
    twice = Ranking(
        image=np.array([0, 1, 2, 0, 1, 2]),
        right=np.array([True, False, False, True, True, True]),
        people=np.array([2.0, 2.0, 2.0]),
    )
    assert precision(RANKING, np.array([1.0, 2.0])) == pytest.approx(precision(twice, np.ones(3)))


def test_without_people_there_is_no_precision() -> None:
    assert np.isnan(precision(RANKING, np.zeros(2))).all()


def test_a_ratio_sums_before_it_divides() -> None:
    ratio = Ratio(parts=np.array([1.0, 0.0]), wholes=np.array([1.0, 3.0]))
    once, first_twice, nothing = [1, 1], [2, 0], [0, 0]
    values = ratio.values(np.array([once, first_twice, nothing], dtype=float))
    assert values[:2].tolist() == [0.25, 1]
    assert np.isnan(values[2])


def test_resamples_are_as_large_as_the_set_and_the_same_every_time() -> None:
    weights = resamples(7, 50)
    assert (weights.sum(axis=1) == 7).all()
    assert np.array_equal(weights, resamples(7, 50))


def test_an_interval_leaves_out_a_fortieth_at_each_end() -> None:
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
    assert interval(np.array([np.nan, 2.0])) == (2, 2)
    assert np.isnan(interval(np.array([np.nan]))).all()
