from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bystander.server.jobs.spec import key_of
from bystander.server.models import JobState
from bystander.storage import LocalStorage
from tests.support.house import (
    AT_ONCE,
    DONE,
    FOR_EVER,
    RESULT,
    House,
    Steps,
    only_photos_left_of,
)
from tests.support.waiting import HANGS_AFTER_SECONDS, alive, until


@pytest.mark.parametrize("stubborn", [False, True])
@pytest.mark.sampled(2)
def test_a_running_job_is_cancelled_whether_its_worker_wants_or_not(
    house: House, stubborn: bool
) -> None:
    project = house.project()
    job = house.job(project)
    heedless: Steps = [("ignore", signal.SIGTERM)] if stubborn else []
    with house.running([[*heedless, *FOR_EVER[0]]]):
        house.at_work(job)
        (pid,) = house.pids(job)
        house.store.jobs.request_cancel(job.id)
        assert house.ended(job).state is JobState.CANCELLED
        assert not alive(pid)
    assert only_photos_left_of(house, project)


class Slow(LocalStorage):
    """A download that takes its time and can't be interrupted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.begun, self.go = threading.Event(), threading.Event()

    def fetch(self, key: str, target: Path, spans: Sequence[tuple[int, int]] = ()) -> None:
        self.begun.set()
        self.go.wait()
        target.parent.mkdir(exist_ok=True)  # swept meanwhile
        super().fetch(key, target, spans)


@pytest.mark.long
def test_a_job_is_cancelled_in_time_whatever_it_waits_for(house: House) -> None:
    house.storage = slow = Slow(house.data / "objects")
    job = house.job()
    with house.running(AT_ONCE):
        assert slow.begun.wait(HANGS_AFTER_SECONDS)
        try:
            house.store.jobs.request_cancel(job.id)
            assert house.ended(job).state is JobState.CANCELLED
        finally:
            slow.go.set()
    assert not house.work(job).exists()
    assert list(house.storage.keys("")) == [f"{job.project}/video"]


def test_cancelling_between_two_attempts_ends_the_job(house: House) -> None:
    project = house.project()
    job = house.job(project)
    house.store.jobs.claim()
    house.work(job).mkdir(parents=True)
    house.store.jobs.requeue(job.id, pause=3600)
    with house.running(AT_ONCE):
        house.store.jobs.request_cancel(job.id)
        assert house.ended(job).state is JobState.CANCELLED
    assert only_photos_left_of(house, project)


def test_twenty_cancels_at_once_end_twenty_jobs_once(tmp_path: Path) -> None:
    house = House(tmp_path / "data", {"at_once": 3})
    jobs = [house.job(house.project(f"owner {number % 4}")) for number in range(20)]
    with house.running(FOR_EVER) as runner:
        until(lambda: runner.state()["running"] == 3)
        with ThreadPoolExecutor(20) as threads:
            list(threads.map(lambda job: house.store.jobs.request_cancel(job.id), jobs * 3))
        assert {house.ended(job).state for job in jobs} == {JobState.CANCELLED}
        assert runner.alive
    assert not list((house.data / "work").iterdir())
    house.close()


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])
@pytest.mark.sampled(3)
def test_a_cancel_while_a_job_finishes_gives_one_clear_end(house: House, delay: float) -> None:
    project = house.project()
    job = house.job(project)
    with house.running([[RESULT, ("sleep", delay), DONE]]):
        until(lambda: (house.work(job) / "result.mp4").exists() or house.now(job).state.ended)
        house.store.jobs.request_cancel(job.id)
        ended = house.ended(job)
        stored = key_of(project.id, "result.mp4") in house.storage.keys("")
    assert ended.state in (JobState.DONE, JobState.CANCELLED)
    assert stored == (ended.state is JobState.DONE)
    assert house.now(job) == ended
