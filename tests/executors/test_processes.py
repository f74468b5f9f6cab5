from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bystander.errors import Cancelled, ExecutorError, NotAVideo, OutputUnwritable
from bystander.executors.processes import Processes
from bystander.executors.settings import WorkerSettings
from bystander.pipeline.tasks import FolderWorkspace, InProcess
from bystander.sandbox import landlock
from tests.support.fake_tasks import Bench, FakeTask
from tests.support.waiting import alive, until

pytestmark = pytest.mark.sampled(4)

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


class Steps:
    """What is told, and what stops it."""

    def __init__(self) -> None:
        self.frames = 0
        self.least = 0
        self.stop = False

    def __call__(self, frames: int) -> None:
        if self.stop:
            raise Cancelled("stopped")
        self.frames += frames
        self.least = min(self.least, frames)


def test_the_files_are_those_of_one_process(
    bench: Bench, tmp_path: Path, settings: WorkerSettings
) -> None:
    (tmp_path / "other").mkdir()
    alone = Bench(tmp_path / "other")
    InProcess().run(alone.tasks(6), lambda frames: None)

    steps = Steps()
    Processes(2, settings).run(bench.tasks(6), steps)

    assert bench.results == alone.results
    assert len(bench.results) == 6
    assert steps.frames == 24
    assert set(bench.tries.values()) == {1}
    assert os.getpid() not in bench.pids


def test_a_process_goes_on_to_the_next_task(bench: Bench, settings: WorkerSettings) -> None:
    Processes(1, settings).run(bench.tasks(3), Steps())

    assert [bench.before(number) for number in range(3)] == [0, 1, 2]
    assert len(bench.pids) == 1


def test_what_is_there_is_not_done_anew(bench: Bench, settings: WorkerSettings) -> None:
    InProcess().run(bench.tasks(2), lambda frames: None)
    steps = Steps()
    Processes(2, settings).run(bench.tasks(4), steps)

    assert bench.tries == {0: 1, 1: 1, 2: 1, 3: 1}
    assert steps.frames == 16


def test_another_process_does_what_one_died_over(bench: Bench, settings: WorkerSettings) -> None:
    tasks = [FakeTask(bench.workspace, 0, deaths=2), FakeTask(bench.workspace, 1)]
    steps = Steps()
    Processes(2, settings).run(tasks, steps)

    assert bench.tries == {0: 3, 1: 1}
    assert len(bench.results) == 2
    assert steps.frames == 8
    assert steps.least == -2, "what a dead process told is taken back"
    assert not bench.litter


@pytest.mark.parametrize(
    ("trouble", "told"),
    [({"deaths": 9}, "SIGKILL"), ({"defect": "a hole in the ground"}, "a hole in the ground")],
    ids=["dies", "defect"],
)
def test_a_task_that_no_process_survives_is_named(
    bench: Bench, settings: WorkerSettings, trouble: dict[str, object], told: str
) -> None:
    few = settings.model_copy(update={"attempts": 2})
    with pytest.raises(ExecutorError, match=rf"(?s)2 workers died over result-007.*{told}"):
        Processes(2, few).run([FakeTask(bench.workspace, 7, **trouble)], Steps())  # type: ignore[arg-type]

    assert bench.tries == {7: 2}
    assert not bench.results


@linux
def test_an_error_comes_as_it_was_raised_and_ends_the_others(
    bench: Bench, settings: WorkerSettings, scratch: Path
) -> None:
    tasks = [
        FakeTask(bench.workspace, 0, gate="gate-0"),
        FakeTask(bench.workspace, 1, error="it shows nothing"),
        FakeTask(bench.workspace, 2),
    ]
    with pytest.raises(NotAVideo) as caught:
        Processes(2, settings).run(tasks, Steps())

    assert (caught.value.what, caught.value.advice) == ("it shows nothing", "Give another.")
    assert bench.tries[1] == 1, "it can't be done, by nobody"
    assert not any(alive(pid) for pid in bench.pids)
    assert not bench.litter
    assert not list(scratch.iterdir())


@linux
def test_a_cancel_leaves_no_process_and_no_half_file(
    bench: Bench, settings: WorkerSettings, scratch: Path
) -> None:
    steps = Steps()

    def step(frames: int) -> None:
        steps.stop = len(bench.tries) == 2
        steps(frames)

    with pytest.raises(Cancelled):
        Processes(2, settings).run(bench.tasks(4, gate="gate-0"), step)

    assert len(bench.pids) == 2
    assert not any(alive(pid) for pid in bench.pids)
    assert not bench.results
    assert not bench.litter
    assert not list(scratch.iterdir())


_DRIVER = """
import sys
from pathlib import Path
from bystander.executors.processes import Processes
from bystander.executors.settings import WorkerSettings
from bystander.pipeline.tasks import FolderWorkspace
from tests.support.fake_tasks import FakeTask

video, folder, tests = map(Path, sys.argv[1:])
workspace = FolderWorkspace(video, folder)
tasks = [FakeTask(workspace, number, gate="gate-0") for number in range(2)]
Processes(2, WorkerSettings(read=(tests,))).run(tasks, lambda frames: None)
"""


@linux
def test_they_end_with_who_started_them_and_another_goes_on(
    bench: Bench, settings: WorkerSettings, scratch: Path
) -> None:
    driver = subprocess.Popen(
        [
            *(sys.executable, "-c", _DRIVER),
            *map(str, (bench.workspace.source, bench.folder, *settings.read)),
        ],
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    try:
        until(lambda: len(bench.tries) == 2)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    until(lambda: not any(alive(pid) for pid in bench.pids))
    assert list(scratch.iterdir()), "nobody could tidy up"

    bench.open("gate-0")
    Processes(1, settings).run(bench.tasks(2, gate="gate-0"), Steps())
    assert len(bench.results) == 2
    assert not list(scratch.iterdir())


def test_an_error_of_the_workspace_is_told_as_it_is(bench: Bench, settings: WorkerSettings) -> None:
    bench.folder.rmdir()  # as where a shared folder isn't mounted any more
    with pytest.raises(OutputUnwritable, match=str(bench.folder)):
        Processes(1, settings).run(bench.tasks(1), Steps())


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
def test_a_process_reads_its_own_video_alone(
    bench: Bench, tmp_path: Path, settings: WorkerSettings
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of somebody else")
    Processes(1, settings).run([Spy(bench.workspace, secret)], Steps())

    assert (bench.folder / "spied").read_text() == "video 15, folder denied, secret denied"


class Spy:
    """Tries what a process that a video took over would: to read others' files, to write there."""

    name, frames, runs_networks = "spied", 1, False

    def __init__(self, workspace: FolderWorkspace, secret: Path) -> None:
        self.workspace, self._secret = workspace, secret
        self._folder = workspace.folder

    def run(self, step: object) -> None:
        def denied(read: object) -> str:
            try:
                read()  # type: ignore[operator]
            except PermissionError:
                return "denied"
            return "allowed"

        size = len(self.workspace.video().read_bytes())
        writing = denied(lambda: (self._folder / "made").write_text("by a stranger"))
        reading = denied(self._secret.read_text)
        with self.workspace.storing(self.name) as path:
            path.write_text(f"video {size}, folder {writing}, secret {reading}")
