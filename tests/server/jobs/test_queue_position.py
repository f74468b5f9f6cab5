"""When a job will begin: the queue's rule, played through."""

from __future__ import annotations

import pytest

from bystander.server.jobs.queue_position import (
    QueueEntry,
    QueuePosition,
    QueueSnapshot,
    position_of,
)
from bystander.server.models import JobState
from tests.support.house import House


def entry(name: str, seconds: float = 10.0) -> QueueEntry:
    """Its owner is its first letter."""
    return QueueEntry(name, name[0], seconds)


@pytest.mark.parametrize(
    ("running", "queued", "at_once", "job", "place"),
    [
        ((), ("a1",), 1, "a1", QueuePosition(0, 0)),
        (("a1",), ("a2",), 1, "a2", QueuePosition(0, 10)),
        (("a1",), ("a2",), 2, "a2", QueuePosition(0, 0)),
        (("a1",), ("a2", "a3", "a4"), 1, "a4", QueuePosition(2, 30)),
        (("a1", "a2"), ("a3", "a4"), 2, "a4", QueuePosition(1, 10)),
        # Owners take turns, whoever has put more into the queue, and earlier.
        (("a1",), ("a2", "a3", "a4", "b1"), 1, "b1", QueuePosition(0, 10)),
        (("a1",), ("a2", "a3", "b1", "b2"), 1, "a3", QueuePosition(3, 40)),
        (("a1", "a2"), ("a3", "b1", "b2"), 2, "a3", QueuePosition(1, 10)),
    ],
)
def test_a_job_begins_when_those_before_it_have_begun_and_one_has_ended(
    running: tuple[str, ...], queued: tuple[str, ...], at_once: int, job: str, place: QueuePosition
) -> None:
    lineup = QueueSnapshot([*map(entry, running)], [*map(entry, queued)], {"a": 1})

    assert position_of(entry(job), lineup, at_once) == place


def test_what_is_not_in_the_queue_yet_would_be_put_at_its_end() -> None:
    lineup = QueueSnapshot([entry("a1", 7)], [entry("a2", 5)], {"a": 1})

    assert position_of(QueueEntry("", "a", 3), lineup, 1) == QueuePosition(1, 12)
    assert position_of(QueueEntry("", "b", 3), lineup, 1) == QueuePosition(0, 7)


def test_the_forecast_is_the_order_in_which_jobs_are_claimed(house: House) -> None:
    for owner in "aaabbac":
        house.job(house.project(owner))
    jobs = house.store.jobs
    job = jobs.claim()
    lineup = jobs.lineup()
    places = {one.id: position_of(one, lineup, 1).position for one in lineup.queued}
    begun = []
    while job is not None:
        jobs.finish(job.id, JobState.DONE)
        job = jobs.claim()
        begun += [job.id] if job else []

    assert sorted(places, key=lambda job: places[job]) == begun
