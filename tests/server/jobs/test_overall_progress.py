from __future__ import annotations

import pytest

from bystander.server.jobs.estimates import ENCODER_LAG_FRAMES, overall_progress, stages
from bystander.server.models import JobKind

EXPECTED = {"analyze": 0.05, "decide": 0.0, "render": 0.03, "audit": 0.02}


@pytest.mark.parametrize(
    ("kind", "audit", "found"),
    [
        (JobKind.MASK, True, ("analyze", "decide", "render", "audit")),
        (JobKind.MASK, False, ("analyze", "decide", "render")),
        (JobKind.RENDER, True, ("render", "audit")),
        (JobKind.ANALYZE, False, ("analyze", "decide")),
    ],
)
def test_a_job_consists_of_stages(kind: JobKind, audit: bool, found: tuple[str, ...]) -> None:
    assert stages(kind, audit) == found


@pytest.mark.parametrize("audit", [True, False])
@pytest.mark.parametrize("kind", [JobKind.MASK, JobKind.RENDER])
def test_the_share_grows_from_nothing_to_all(kind: JobKind, audit: bool) -> None:
    shares = [
        overall_progress(kind, audit, stage, done, 50, 20.0, EXPECTED | {"decide": 0.01})[0]
        for stage in stages(kind, audit)
        for done in range(51)
    ]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)


def test_what_runs_as_expected_has_the_expected_time_left() -> None:
    share, eta = overall_progress(JobKind.MASK, True, "analyze", 50, 100, 20.0, EXPECTED)
    assert share == pytest.approx(0.25)
    assert eta == pytest.approx(50 * 0.05 + 100 * 0.05)


def test_later_stages_are_as_slow_as_this_one_compared_with_what_was_expected() -> None:
    _, eta = overall_progress(JobKind.MASK, False, "analyze", 50, 100, 10.0, EXPECTED)
    assert eta == pytest.approx(50 * 0.1 + 100 * 0.06)


def test_the_first_frames_of_a_stage_say_little() -> None:
    _, eta = overall_progress(JobKind.ANALYZE, False, "analyze", 1, 1000, 1.0, EXPECTED)
    assert eta == pytest.approx(999 * 0.05, rel=0.2)


def test_before_there_is_a_speed_nothing_is_foretold() -> None:
    assert overall_progress(JobKind.MASK, False, "render", 0, 100, 0.0, EXPECTED)[1] is None
    assert overall_progress(JobKind.MASK, False, "render", 0, 0, 5.0, EXPECTED) == (0.0, None)
    assert overall_progress(JobKind.MASK, False, "audit", 5, 10, 5.0, EXPECTED) == (0.0, None)


def test_following_what_was_drawn_comes_before_rendering_and_does_not_begin_anew() -> None:
    analysed, _ = overall_progress(JobKind.MASK, True, "analyze", 100, 100, 20.0, EXPECTED)
    share, eta = overall_progress(JobKind.MASK, True, "follow", 70, 80, 20.0, EXPECTED)
    assert share == pytest.approx(analysed)
    assert eta is None


def test_more_frames_than_were_announced_are_no_more_than_all() -> None:
    share, eta = overall_progress(JobKind.ANALYZE, False, "analyze", 120, 100, 20.0, EXPECTED)
    assert (share, eta) == (1.0, 0.0)


def test_when_the_last_frame_is_rendered_the_encoder_still_holds_some() -> None:
    share, eta = overall_progress(JobKind.RENDER, False, "render", 1000, 1000, 20.0, EXPECTED)
    assert share == 1.0
    assert eta == pytest.approx(ENCODER_LAG_FRAMES / 20.0)
