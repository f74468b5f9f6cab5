"""Several services over one store: who has a job, and who takes it from whom."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from bystander.errors import StorageError
from bystander.server.jobs.leases import RunnerLease
from bystander.server.jobs.queue_position import QueueEntry, position_of
from bystander.server.models import Job, JobProgress, JobState, new_id
from tests.conftest import REPOSITORY
from tests.support.databases import postgres_only
from tests.support.house import DONE, FOR_EVER, RESULT, House, Steps, progress
from tests.support.waiting import alive, until

pytestmark = pytest.mark.sampled(2)

LEASE_SECONDS = 1.0
"""The shortest there is: a test waits so long for a service that died."""
CALM_SECONDS = 8.0
"""So long that no busy machine makes a service lose its lease where a test doesn't."""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def services(
    data: Path, *names: str, at_once: int = 2, seconds: float = 60.0
) -> Iterator[list[House]]:
    """Services of these names over one store and folder; their runners aren't started."""
    with ExitStack() as stack:
        made = []
        for name in names:
            jobs = {"runner": name, "at_once": at_once, "lease_seconds": seconds}
            made.append(House(data, jobs))
            stack.callback(made[-1].close)
        yield made


@contextmanager
def process(
    data: Path, name: str, script: Sequence[Steps], seconds: float
) -> Iterator[subprocess.Popen[bytes]]:
    """A service's runner in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "tests.support.run_runner",
        str(data),
        json.dumps(script),
        name,
    ]
    with subprocess.Popen([*command, str(seconds)], cwd=REPOSITORY) as running:
        try:
            yield running
        finally:
            running.kill()


def claimed(house: House, name: str = "dead") -> Job:
    """A job that a service took and never began, because it died."""
    job = house.store.jobs.claim(house.store.runners.register(name, 1))
    assert job is not None
    return job


def test_jobs_of_two_services_are_each_done_once(tmp_path: Path) -> None:
    done = tmp_path / "done"
    script: list[Steps] = [[("note", str(done)), RESULT, DONE]]
    with services(tmp_path / "data", "a", "b") as (a, b):
        jobs = [a.job() for _ in range(16)]
        with a.running(script), b.running(script):
            ended = [a.ended(job) for job in jobs]
    assert {(job.state, job.attempts) for job in ended} == {(JobState.DONE, 1)}
    assert Counter(done.read_text().split()) == Counter(job.id for job in jobs)


@pytest.mark.long
def test_hundreds_of_jobs_of_three_processes_of_which_one_is_killed(tmp_path: Path) -> None:
    """Each is done, and once but for those that were running in the one that was killed."""
    done, data = tmp_path / "done", tmp_path / "data"
    done.touch()
    script: list[Steps] = [[("note", str(done)), RESULT, DONE]]
    with services(data, "seen") as (house,):
        jobs = [house.job(house.project(f"owner {number % 5}")) for number in range(300)]
        with ExitStack() as stack:
            killed, *_ = (
                stack.enter_context(process(data, name, script, 40.0)) for name in ("a", "b", "c")
            )
            until(lambda: len(done.read_text().split()) > 50)
            killed.kill()
            assert {house.ended(job).state for job in jobs} == {JobState.DONE}
        assert all(house.result(job.project) == b"masked" for job in jobs)
    times = Counter(done.read_text().split())
    assert set(times) == {job.id for job in jobs}
    assert sum(times.values()) <= len(jobs) + 2  # as many as one runs at once


def test_a_job_whose_service_died_between_taking_and_beginning_it_is_done(tmp_path: Path) -> None:
    with services(tmp_path / "data", "b", seconds=LEASE_SECONDS) as (b,):
        waiting = b.job()
        job = claimed(b)
        assert job.id == waiting.id
        with b.running([[RESULT, DONE]]):
            ended = b.ended(job)
    assert (ended.state, ended.attempts) == (JobState.DONE, 1)


def test_what_is_done_when_its_service_dies_is_only_stored(tmp_path: Path) -> None:
    with services(tmp_path / "data", "b", seconds=LEASE_SECONDS) as (b,):
        project = b.project()
        b.job(project)
        job = claimed(b)
        b.work(job).mkdir(parents=True)
        (b.work(job) / "result.mp4").write_text("masked")
        assert b.store.jobs.commit(job.id, {"people": 1}, job.lease)
        with b.running([[("exit", 1)]]):  # no worker is needed
            ended = b.ended(job)
        assert (ended.state, ended.summary) == (JobState.DONE, {"people": 1})
        assert b.result(project.id) == b"masked"


@pytest.mark.long
def test_a_service_that_lost_its_lease_ends_its_worker_and_writes_nothing(tmp_path: Path) -> None:
    with services(tmp_path / "data", "a", "b", seconds=CALM_SECONDS) as (a, b):
        job = a.job()
        with a.running(FOR_EVER):
            a.at_work(job)
            (pid,) = a.pids(job)
            (lost,) = a.store.runners.beats()
            assert b.store.runners.remove(lost) == 1
            with b.running([[], [RESULT, DONE]]):
                ended = b.ended(job)
            assert not alive(pid)
            until(lambda: a.store.runners.beats())  # registered anew, under another id
            assert lost not in a.store.runners.beats()
    assert (ended.state, ended.attempts) == (JobState.DONE, 1)


@postgres_only  # a process that stands still within a transaction would stop SQLite
def test_a_service_that_stood_still_wakes_up_and_writes_nothing(tmp_path: Path) -> None:
    """Its worker goes on meanwhile, and the other service waits until it is out of the folder."""
    go, data = tmp_path / "go", tmp_path / "data"
    script: list[Steps] = [
        [progress(1), ("wait_for", str(go)), ("write", ["result.mp4", "a"]), DONE]
    ]
    with services(data, "b", seconds=LEASE_SECONDS) as (b,):
        job = b.job()
        with process(data, "a", script, LEASE_SECONDS) as a:
            b.at_work(job)
            a.send_signal(signal.SIGSTOP)
            before = set(b.store.runners.beats())
            with b.running([[], [("write", ["result.mp4", "b"]), DONE]]):
                until(lambda: not before & set(b.store.runners.beats()))
                go.touch()
                ended = b.ended(job)
                known = set(b.store.runners.beats())
                a.send_signal(signal.SIGCONT)
                until(lambda: set(b.store.runners.beats()) - known)  # it saw what it had lost
            assert b.now(job) == ended
    assert (ended.state, ended.attempts) == (JobState.DONE, 1)
    assert b.result(job.project) == b"b"


@pytest.mark.long
def test_a_service_that_cannot_beat_ends_its_workers_and_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(runner: str) -> bool:
        raise StorageError("the database can't be reached")

    with services(tmp_path / "data", "a", seconds=CALM_SECONDS) as (a,):
        job = a.job()
        with a.running([*FOR_EVER, [RESULT, DONE]]):
            a.at_work(job)
            (pid,) = a.pids(job)
            with monkeypatch.context() as patched:
                patched.setattr(a.store.runners, "beat", unreachable)
                until(lambda: not alive(pid))
            ended = a.ended(job)
    assert (ended.state, ended.attempts) == (JobState.DONE, 1)


def test_a_service_that_begins_sweeps_nothing_that_another_one_uses(tmp_path: Path) -> None:
    with services(tmp_path / "data", "a", "b") as (a, b):
        job, gone = a.job(), a.data / "work" / new_id()
        with a.running(FOR_EVER):
            a.at_work(job)
            scratch = a.data / "work" / "tmp12345"  # of a request to the other one
            scratch.mkdir()
            gone.mkdir()
            with b.running(FOR_EVER):
                until(lambda: not gone.exists())
            assert scratch.exists()
            assert a.work(job).exists()
        with b.running(FOR_EVER):  # alone
            until(lambda: not scratch.exists())


def test_whoever_lost_a_job_changes_nothing_of_it(house: House) -> None:
    jobs, runners = house.store.jobs, house.store.runners
    house.job()
    first = claimed(house, "a")
    assert runners.replace("a") == 1
    second = claimed(house, "b")
    assert (second.id, second.attempts) == (first.id, 1)
    assert second.lease != first.lease
    before = house.now(second)
    assert not jobs.progress(first.id, JobProgress("render", 1, 2, 3.0, 0.5, 1.0), first.lease)
    jobs.previewed(first.id, first.lease)
    jobs.resumed(first.id, first.lease)
    assert not jobs.commit(first.id, {}, first.lease)
    assert not jobs.finish(first.id, JobState.FAILED, lease=first.lease)
    jobs.requeue(first.id, lease=first.lease)
    assert not jobs.holds(first.id, first.lease)
    assert house.now(second) == before
    assert jobs.holds(second.id, second.lease)
    assert jobs.finish(second.id, JobState.DONE, lease=second.lease)


def test_only_a_registered_runner_takes_jobs(house: House) -> None:
    house.job()
    gone = house.store.runners.register("a", 1)
    house.store.runners.remove(gone)
    assert house.store.jobs.claim(gone) is None
    assert house.store.jobs.claim(house.store.runners.register("a", 1)) is not None


def test_who_does_not_beat_is_taken_for_dead_and_nobody_else(house: House) -> None:
    clock, runners = Clock(), house.store.runners
    leases = {
        name: RunnerLease(runners, name, 2, 20.0, clock) for name in ("watching", "alive", "dead")
    }
    for lease in leases.values():
        lease.begin()
    house.job()
    assert house.store.jobs.claim(leases["dead"].id) is not None
    for _ in range(8):  # 40 s
        assert house.store.jobs.counts()[JobState.QUEUED] == 0 or clock.now >= 1020
        leases["watching"].take_over()
        clock.now += 5
        assert leases["watching"].keep()
        assert leases["alive"].keep()
    assert set(runners.beats()) == {leases["watching"].id, leases["alive"].id}
    assert house.store.jobs.counts()[JobState.QUEUED] == 1
    assert not leases["dead"].keep()
    leases["dead"].begin()
    assert leases["dead"].keep()


def test_whoever_could_not_beat_for_long_gives_up_before_others_take_over(house: House) -> None:
    clock = Clock()
    lease = RunnerLease(house.store.runners, "a", 2, 20.0, clock)
    lease.begin()
    clock.now += 10
    assert lease.keep()
    clock.now += 11
    assert lease.overdue
    assert not lease.keep()
    assert not lease.begin()  # no job was left
    assert lease.keep()


def test_the_queue_counts_the_slots_of_all_services(house: House) -> None:
    for name in ("a", "b"):
        house.store.runners.register(name, 2)
    for _ in range(5):
        house.job()
    for _ in range(3):
        assert house.store.jobs.claim() is not None
    lineup = house.store.jobs.lineup()
    assert lineup.slots == 4
    mine = QueueEntry("", "ann", 1.0)
    assert position_of(lineup.queued[0], lineup, at_once=1).starts_in == 0
    assert position_of(mine, lineup, at_once=1).position == 2
