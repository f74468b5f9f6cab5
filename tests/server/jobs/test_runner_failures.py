from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bystander.errors import StorageError
from bystander.server.jobs import execution
from bystander.server.jobs.runner import Runner
from bystander.server.models import JobState
from bystander.storage import LocalStorage
from tests.support.house import (
    AT_ONCE,
    DONE,
    LONG,
    NAME,
    RESULT,
    VIDEO,
    Clock,
    House,
    Steps,
    only_photos_left_of,
    progress,
    say,
    scripted,
)

pytestmark = pytest.mark.sampled(4)

GIB = 2**30


def test_a_failure_is_told_without_paths_and_names_and_not_tried_again(house: House) -> None:
    project = house.project()
    job = house.job(project)
    what = f"no face of {NAME} in {house.work(job)}/cast/1.jpg, see /etc/passwd"
    with house.running([[say("failed", type="NoFaceFound", what=what, advice="Take another.")]]):
        ended = house.ended(job)
    assert (ended.state, ended.attempts) == (JobState.FAILED, 1)
    assert ended.problem is not None
    assert ended.problem.type == "NoFaceFound"
    assert ended.problem.what == "no face of somebody in the photos, see a file"
    assert ended.problem.advice == "Take another."
    assert only_photos_left_of(house, project)


@pytest.mark.parametrize(
    "break_off",
    [("kill", signal.SIGKILL), ("kill", signal.SIGSEGV), ("exit", 0), ("exit", 6)],
    ids=["SIGKILL", "SIGSEGV", "exit 0", "exit 6"],
)
@pytest.mark.parametrize("before", [[], [progress(30)], [progress(80), RESULT]])
@pytest.mark.sampled(4)
def test_a_worker_that_breaks_off_is_followed_by_one_that_goes_on(
    house: House, before: list[tuple[str, object]], break_off: tuple[str, object]
) -> None:
    project = house.project()
    job = house.job(project)
    again: Steps = [say("resumed", stage="render", frame=30), RESULT, DONE]
    with house.running([[*before, break_off], again]):
        ended = house.ended(job)
    assert (ended.state, ended.attempts, ended.resumed) == (JobState.DONE, 2, 1)
    assert house.result(project.id) == b"masked"


def test_a_job_whose_workers_keep_breaking_off_fails_in_the_end(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    project = house.project()
    job = house.job(project)
    complaint = f"Traceback: {NAME} in {house.work(job)}/cast/1.jpg"
    with house.running([[("complain", complaint), ("kill", signal.SIGABRT)]]):
        ended = house.ended(job)
    assert (ended.state, ended.attempts) == (JobState.FAILED, 3)
    assert ended.problem is not None
    assert ended.problem.type == "WorkerCrashed"
    assert "3 times" in ended.problem.what
    assert ended.problem.advice
    assert "SIGABRT" in caplog.text
    assert "somebody in the photos" in caplog.text
    assert NAME not in caplog.text
    assert str(house.data) not in caplog.text
    assert only_photos_left_of(house, project)


def test_a_worker_that_tells_nothing_is_stopped_and_followed_by_another_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(execution, "time", clock)
    job = house.job()
    with house.running([[("print", "junk is no sign of life"), LONG], *AT_ONCE]):
        house.started(job)
        clock.late += house.settings.jobs.stall_seconds + 1
        ended = house.ended(job)
    assert (ended.state, ended.attempts) == (JobState.DONE, 2)


def test_a_worker_has_only_so_much_memory(tmp_path: Path) -> None:
    house = House(tmp_path / "data", {"memory_bytes": GIB, "attempts": 1})
    greedy, modest = house.job(), house.job()
    with house.running([[("memory", 2 * GIB), DONE]]):
        assert house.ended(greedy).state is JobState.FAILED
        assert house.ended(modest).state is JobState.FAILED
    frugal = house.job()
    with house.running([[("memory", GIB // 4), DONE]]):
        assert house.ended(frugal).state is JobState.DONE
    house.close()


def test_a_job_without_its_video_fails(house: House) -> None:
    project = house.store.projects.create("ann", 60)
    job = house.job(project)
    with house.running(AT_ONCE):
        ended = house.ended(job)
    assert ended.problem is not None
    assert ended.problem.type == "NotStored"


def test_a_job_that_the_disk_has_no_room_for_fails_before_it_starts(tmp_path: Path) -> None:
    house = House(tmp_path / "data", retention={"disk_bytes": 2 * len(VIDEO)})
    job = house.job()
    with house.running(AT_ONCE):
        ended = house.ended(job)
    assert ended.problem is not None
    assert ended.problem.type == "OutputUnwritable"
    house.close()


class Flaky(LocalStorage):
    """A bucket that is out of reach now and then."""

    def __init__(self, folder: Path, faults: int) -> None:
        super().__init__(folder)
        self.faults = faults

    def put(self, source: Path, key: str, *, keep: bool = False) -> None:
        if key.endswith("audit.json") and self.faults > 0:
            self.faults -= 1
            raise StorageError("the bucket can't be reached")
        super().put(source, key, keep=keep)


@pytest.mark.parametrize(("faults", "end"), [(2, JobState.DONE), (3, JobState.FAILED)])
@pytest.mark.sampled(2)
def test_finished_work_is_stored_later_where_the_storage_is_out_of_reach(
    house: House, faults: int, end: JobState
) -> None:
    house.storage = Flaky(house.data / "objects", faults)
    project = house.project()
    job = house.job(project)
    once: Steps = [RESULT, ("write", ["audit.json", "{}"]), DONE]
    with house.running([once, [("exit", 1)]]):  # the work isn't done again
        ended = house.ended(job)
    assert (ended.state, ended.attempts) == (end, 3)
    assert house.result(project.id) == b"masked"
    assert ended.summary == ({"people": 3} if end is JobState.DONE else None)


def test_a_command_that_does_not_exist_is_a_failure_and_not_the_end_of_the_runner(
    house: House,
) -> None:
    commands = iter([["/nowhere/worker"]] * 3)
    good = scripted(AT_ONCE)
    runner = Runner(
        house.store,
        house.storage,
        house.settings,
        lambda folder: next(commands, good(folder)),
        {},
        pause=0.01,
    )
    failing = house.job()
    runner.start()
    try:
        failed = house.ended(failing)
        assert failed.problem is not None
        assert failed.problem.type == "Defect"
        assert "nowhere" not in failed.problem.what
        assert house.ended(house.job()).state is JobState.DONE
    finally:
        runner.stop()
