"""Metrics of a few scores that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from training.faces.curves import compact
from training.faces.metrics import (
    AGGREGATES,
    accepted,
    aggregate,
    eer,
    roc,
    tar_at_far,
    threshold_at_far,
    threshold_at_tar,
)

GENUINE = np.array([0.9, 0.8, 0.6, 0.3])
IMPOSTOR = np.array([0.7, 0.4, 0.2, 0.1, 0.0])


def test_every_distinct_score_is_a_point_of_the_curve() -> None:
    curve = roc(GENUINE, IMPOSTOR)
    assert_allclose(curve.thresholds, [np.inf, 0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.0])
    assert_allclose(curve.far, [0, 0, 0, 0.2, 0.2, 0.4, 0.4, 0.6, 0.8, 1])
    assert_allclose(curve.tar, [0, 0.25, 0.5, 0.5, 0.75, 0.75, 1, 1, 1, 1])


def test_equal_scores_are_accepted_together() -> None:
    curve = roc(np.array([0.5, 0.5]), np.array([0.5]))
    assert_allclose(curve.far, [0, 1])
    assert_allclose(curve.tar, [0, 1])


def test_the_tar_is_the_best_one_that_the_far_allows() -> None:
    curve = roc(GENUINE, IMPOSTOR)
    assert tar_at_far(curve, 0.0) == 0.5
    assert tar_at_far(curve, 0.2) == 0.75
    assert tar_at_far(curve, 0.39) == 0.75
    assert tar_at_far(curve, 0.4) == 1.0


def test_the_equal_error_rate_lies_where_the_errors_cross() -> None:
    # Between (FAR 0.2, refused 0.25) and (0.4, 0.25): they are equal at 0.25.
    assert eer(roc(GENUINE, IMPOSTOR)) == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("genuine", "impostor", "expected"),
    [
        ([0.9, 0.8], [0.2, 0.1], 0.0),
        ([0.2, 0.1], [0.9, 0.8], 1.0),
        ([0.5], [0.5], 0.5),
        ([0.9, 0.1], [0.8, 0.0], 0.5),
    ],
)
def test_equal_error_rates_of_extremes(
    genuine: list[float], impostor: list[float], expected: float
) -> None:
    assert eer(roc(np.array(genuine), np.array(impostor))) == pytest.approx(expected)


def test_a_threshold_lets_through_no_more_strangers_than_allowed() -> None:
    for allowed in (0.0, 0.1, 0.2, 0.5, 0.8):
        threshold = threshold_at_far(IMPOSTOR, allowed)
        assert accepted(IMPOSTOR, threshold) <= allowed
        # and it is the lowest: the score just under it would be one too many
        assert accepted(IMPOSTOR, np.nextafter(threshold, -1)) > allowed
    assert threshold_at_far(IMPOSTOR, 1.0) == 0.0


def test_a_threshold_of_few_strangers_refuses_them_all() -> None:
    assert accepted(IMPOSTOR, threshold_at_far(IMPOSTOR, 1e-3)) == 0.0


def test_a_threshold_leaves_as_many_of_one_person_above_as_asked() -> None:
    assert threshold_at_tar(GENUINE, 0.75) == 0.6
    assert threshold_at_tar(GENUINE, 0.76) == 0.3
    assert threshold_at_tar(GENUINE, 1.0) == 0.3
    assert threshold_at_tar(np.arange(100.0), 0.99) == 1.0


def test_no_pairs_have_no_metrics() -> None:
    nothing = np.zeros(0)
    assert math.isnan(accepted(nothing, 0.5))
    for call in (
        lambda: roc(nothing, IMPOSTOR),
        lambda: roc(GENUINE, nothing),
        lambda: threshold_at_far(nothing, 0.1),
        lambda: threshold_at_tar(nothing, 0.9),
    ):
        with pytest.raises(ValueError, match=r"no (genuine|impostor) pairs"):
            call()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("max", [0.9, 0.5]),
        ("mean", [0.5, 0.5]),
        ("mean by quality", [0.8, 0.5]),
        ("mean of top 3", [0.6, 0.5]),
        ("median", [0.45, 0.5]),
    ],
)
def test_several_faces_make_one_score(how: str, expected: list[float]) -> None:
    similarity = np.array([[0.9, 0.5, 0.4, 0.2], [0.5, 0.5, 0.5, 0.5]])
    quality = np.array([[3.0, 1.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]])
    assert_allclose(aggregate(how, similarity, quality), expected)


@pytest.mark.parametrize("how", list(AGGREGATES))
def test_one_face_has_one_score_however_it_is_made(how: str) -> None:
    assert_allclose(aggregate(how, np.array([[0.3], [0.7]]), np.ones((2, 1))), [0.3, 0.7])


def test_a_compact_svg_draws_the_same_with_each_style_once() -> None:
    svg = (
        '<svg>\n <defs></defs>\n <!-- 10 -->\n <path d="M 1.23456 2" style="fill: none"/>\n'
        ' <path d="M 7 8.5" style="fill: none"/>\n <text>0.955</text>\n</svg>'
    )
    assert compact(svg).splitlines() == [
        "<svg>",
        "<defs><style>.s0{fill: none}</style></defs>",
        '<path d="M 1.2 2" class="s0"/>',
        '<path d="M 7 8.5" class="s0"/>',
        "<text>0.955</text>",
        "</svg>",
    ]
