"""When a job will begin: the queue's rule, played through."""

from __future__ import annotations

import pytest

from bystander.jobs.forecast import Entry, Lineup, Place, place_of
from bystander.jobs.vocabulary import JobState
from tests.jobs.house import House


def entry(name: str, seconds: float = 10.0) -> Entry:
    """Its owner is its first letter."""
    return Entry(name, name[0], seconds)


@pytest.mark.parametrize(
    ("running", "queued", "at_once", "job", "place"),
    [
        ((), ("a1",), 1, "a1", Place(0, 0)),
        (("a1",), ("a2",), 1, "a2", Place(0, 10)),
        (("a1",), ("a2",), 2, "a2", Place(0, 0)),
        (("a1",), ("a2", "a3", "a4"), 1, "a4", Place(2, 30)),
        (("a1", "a2"), ("a3", "a4"), 2, "a4", Place(1, 10)),
        # Owners take turns, whoever has put more into the queue, and earlier.
        (("a1",), ("a2", "a3", "a4", "b1"), 1, "b1", Place(0, 10)),
        (("a1",), ("a2", "a3", "b1", "b2"), 1, "a3", Place(3, 40)),
        (("a1", "a2"), ("a3", "b1", "b2"), 2, "a3", Place(1, 10)),
    ],
)
def test_a_job_begins_when_those_before_it_have_begun_and_one_has_ended(
    running: tuple[str, ...], queued: tuple[str, ...], at_once: int, job: str, place: Place
) -> None:
    lineup = Lineup([*map(entry, running)], [*map(entry, queued)], {"a": 1})

    assert place_of(entry(job), lineup, at_once) == place


def test_what_is_not_in_the_queue_yet_would_be_put_at_its_end() -> None:
    lineup = Lineup([entry("a1", 7)], [entry("a2", 5)], {"a": 1})

    assert place_of(Entry("", "a", 3), lineup, 1) == Place(1, 12)
    assert place_of(Entry("", "b", 3), lineup, 1) == Place(0, 7)


def test_the_forecast_is_the_order_in_which_jobs_are_claimed(house: House) -> None:
    for owner in "aaabbac":
        house.job(house.project(owner))
    jobs = house.store.jobs
    job = jobs.claim()
    lineup = jobs.lineup()
    places = {one.id: place_of(one, lineup, 1).position for one in lineup.queued}
    begun = []
    while job is not None:
        jobs.finish(job.id, JobState.DONE)
        job = jobs.claim()
        begun += [job.id] if job else []

    assert sorted(places, key=lambda job: places[job]) == begun
