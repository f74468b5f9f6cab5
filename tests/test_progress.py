"""How far long work is, as it is told."""

from __future__ import annotations

import pytest

from bystander.progress import Progress, ProgressMeter, part_of


class Turned:
    """A clock that the test turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_share_of_the_work_is_told_as_that_share_of_the_frames() -> None:
    told: list[Progress] = []
    clock = Turned()
    meter = ProgressMeter("decide", 1000, told.append, clock)
    meter.report()
    for share in (0.0, 0.1, 0.3, 0.25, 0.5, 1.0):
        meter.advance(share)
        clock.now += 1
    assert [progress.done for progress in told] == [0, 100, 300, 300, 500, 1000]
    assert all(progress.fps >= 0 and progress.eta >= 0 for progress in told)
    assert told[-2].eta == pytest.approx(4, rel=0.01)  # the half took four seconds


def test_who_reports_is_heard_while_nothing_grows() -> None:
    """Else nobody could cancel what takes long at one share."""
    told: list[Progress] = []
    clock = Turned()
    meter = ProgressMeter("decide", 10, told.append, clock)
    for _ in range(5):
        meter.advance(0.0)
        clock.now += 1
    assert len(told) == 4
    assert {progress.fps for progress in told} == {0.0}


def test_parts_of_work_make_up_the_whole() -> None:
    told: list[float] = []
    second = part_of(part_of(told.append, 0.5, 1.0), 0.2, 0.6)
    for share in (0.0, 0.5, 1.0):
        second(share)
    assert told == pytest.approx([0.6, 0.7, 0.8])
