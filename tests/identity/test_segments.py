from __future__ import annotations

import pytest

from bystander.identity.segments import BODY_LOG_RATIO, BoundedLogRatio

LINE = BoundedLogRatio(even=0.8, slope=20.0, bound=5.0, noise=0.05)


def test_the_ratio_is_none_at_even_and_grows_with_the_likeness() -> None:
    many = 10**6
    assert LINE.at(0.8, many) == pytest.approx(0.0, abs=1e-3)
    assert LINE.at(0.9, many) == pytest.approx(2.0, abs=1e-3)
    assert LINE.at(0.7, many) == pytest.approx(-2.0, abs=1e-3)


@pytest.mark.parametrize(("similarity", "bound"), [(1.0, 5.0), (-1.0, -5.0)])
def test_no_likeness_proves_everything(similarity: float, bound: float) -> None:
    line = BoundedLogRatio(even=0.0, slope=100.0, bound=5.0)
    assert line.at(similarity, 10**6) == pytest.approx(bound, abs=1e-3)


def test_few_looks_say_less_and_are_expected_to_be_less_alike() -> None:
    assert 0 < LINE.at(1.0, 1) < LINE.at(1.0, 6)
    assert LINE.at(0.5, 6) < LINE.at(0.5, 1) < 0
    assert LINE.at(0.78, 1) > 0 > LINE.at(0.78, 10)


def test_strangers_who_are_alike_raise_the_bar() -> None:
    alike = [0.85 + 0.001 * i for i in range(20)]
    assert BODY_LOG_RATIO.adapted(alike).at(0.85, 6) < 0 < BODY_LOG_RATIO.at(0.85, 6)
    assert BODY_LOG_RATIO.adapted([0.3] * 20) == BODY_LOG_RATIO
    assert BODY_LOG_RATIO.adapted(alike[:3]) == BODY_LOG_RATIO, (
        "three pairs tell nothing about a video"
    )
