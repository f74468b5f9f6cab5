from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bystander.server.models import JobState, new_id
from tests.conftest import REPOSITORY
from tests.support.databases import ON_POSTGRES
from tests.support.house import (
    AT_ONCE,
    DONE,
    FOR_EVER,
    RESULT,
    House,
    Steps,
    nothing_left_of,
    progress,
)
from tests.support.waiting import alive, until

pytestmark = pytest.mark.sampled(4)

POOL = 8
"""Connections to PostgreSQL that may be opened whenever they are needed at once."""


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def children() -> set[str]:
    """Of this process, zombies included."""
    found = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
    )
    return {line.split()[0] for line in found.stdout.splitlines() if "ps" not in line.split()}


def test_a_server_that_stops_ends_workers_and_puts_jobs_back(house: House) -> None:
    job = house.job()
    with house.running(FOR_EVER):
        house.at_work(job)
        (pid,) = house.pids(job)
    assert not alive(pid)
    left = house.now(job)
    assert (left.state, left.attempts) == (JobState.QUEUED, 0)
    with house.running(AT_ONCE):
        assert house.ended(job).state is JobState.DONE


def test_stopping_a_runner_that_never_got_to_run_is_no_trouble(house: House) -> None:
    with house.running(AT_ONCE), house.running(AT_ONCE) as second:
        assert second.alive
    assert not second.alive


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with every lock that this process asks for and that somebody else has."""
    refused: list[str] = []
    ask = fcntl.flock

    def watched(file: Any, operation: int) -> None:
        try:
            ask(file, operation)
        except BlockingIOError:
            refused.append(str(file))
            raise

    monkeypatch.setattr(fcntl, "flock", watched)
    return refused


@contextmanager
def server(house: House, script: Sequence[Steps]) -> Iterator[subprocess.Popen[bytes]]:
    """A runner in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.run_runner", str(house.data), json.dumps(script)],
        cwd=REPOSITORY,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("waiting_already", [True, False])
@pytest.mark.sampled(2)
def test_another_server_takes_over_from_one_that_was_killed(
    house: House, refusals: list[str], waiting_already: bool
) -> None:
    project = house.project()
    job = house.job(project)
    with server(house, FOR_EVER) as first:
        house.at_work(job)
        (pid,) = house.pids(job)
        second = house.runner([[], [RESULT, DONE]])
        if waiting_already:
            second.start()
            until(lambda: len(refusals) > 2)
            assert house.now(job).state is JobState.RUNNING
        first.kill()
        if not waiting_already:
            first.wait()
            second.start()
        ended = house.ended(job)
        second.stop()
    assert (ended.state, ended.attempts) == (JobState.DONE, 1)
    assert not alive(pid)
    assert house.result(project.id) == b"masked"


def test_a_new_server_waits_until_the_worker_of_the_old_one_is_gone(
    house: House, refusals: list[str]
) -> None:
    job = house.job()
    house.work(job).mkdir(parents=True)
    lock = (house.work(job) / "lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    with house.running(AT_ONCE):
        until(lambda: len(refusals) > 2)
        assert not (house.work(job) / "job.json").exists()
        lock.close()
        ended = house.ended(job)
    assert (ended.state, ended.attempts) == (JobState.DONE, 1)


def test_what_a_killed_server_stored_half_is_stored_wholly(house: House) -> None:
    project = house.project()
    job = house.job(project)
    house.store.jobs.claim()
    house.work(job).mkdir(parents=True)
    (house.work(job) / "audit.json").write_text("{}")
    house.put(project, "result.mp4", b"masked")
    house.store.jobs.commit(job.id, {"people": 1})
    with house.running([[("exit", 1)]]):
        ended = house.ended(job)
    assert (ended.state, ended.summary) == (JobState.DONE, {"people": 1})
    assert house.result(project.id, "audit.json") == b"{}"


def test_a_new_server_sweeps_what_a_killed_one_left(house: House) -> None:
    project = house.project()
    ended, gone = house.job(project), new_id()
    house.store.jobs.claim()
    for folder in (house.work(ended), house.data / "work" / gone, house.data / "photos" / gone):
        folder.mkdir(parents=True)
        (folder / "file").write_text("left")
    (house.data / "uploads").mkdir()
    (house.data / "uploads" / gone).write_text("left")
    (house.data / "uploads" / project.id).write_text("on its way")
    house.store.jobs.finish(ended.id, JobState.DONE)
    waiting = house.photo(house.project())
    with house.running(AT_ONCE):
        until(lambda: nothing_left_of(house, project))
        until(lambda: not (house.data / "uploads" / gone).exists())
    assert not (house.data / "photos" / gone).exists()
    assert (house.data / "uploads" / project.id).exists()
    assert (house.data / "photos" / waiting.project / f"{waiting.id}.jpg").exists()


@pytest.mark.long
def test_two_hundred_jobs_leave_nothing_behind(tmp_path: Path) -> None:
    house = House(tmp_path / "data", {"at_once": 4})
    ends: list[Steps] = [[progress(1), RESULT, DONE]]
    with house.running(ends):
        warm = [house.job() for _ in range(8)]
        assert {house.ended(job).state for job in warm} == {JobState.DONE}
        files, threads, processes = open_files(), threading.active_count(), children()
        jobs = [house.job() for _ in range(200)]
        assert {house.ended(job).state for job in jobs} == {JobState.DONE}
        assert open_files() <= files + (POOL if ON_POSTGRES else 0)
        assert threading.active_count() == threads
        assert children() == processes
    assert not list((house.data / "work").iterdir())
    house.close()


def test_the_runner_outlives_a_store_that_is_out_of_order(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = house.job()

    def broken(runner: str) -> None:
        raise OSError("disk full")

    with caplog.at_level(logging.ERROR), monkeypatch.context() as patched:
        patched.setattr(house.store.jobs, "claim", broken)
        runner = house.runner(AT_ONCE)
        runner.start()
        until(lambda: "disk full" in caplog.text)
    assert house.ended(job).state is JobState.DONE
    runner.stop()
