"""A cluster of one machine: what ends with what, and what is done again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bystander import tracing
from bystander.errors import Cancelled, ExecutorError, NotAVideo
from bystander.executors.settings import ClusterSettings, WorkerSettings
from bystander.pipeline.tasks import FolderWorkspace, InProcess
from tests.support.fake_tasks import Bench, FakeTask
from tests.support.ray_cluster import Nodes, ray_cluster
from tests.support.waiting import alive, until

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.long,
    # Ray leaves its logs open.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

from bystander.executors.ray_executor import RayExecutor  # noqa: E402

TASKS = 10
FRAMES = 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with ray_cluster() as nodes:
        yield nodes


@pytest.fixture
def nodes(cluster: Nodes) -> Nodes:
    cluster.be(2)
    return cluster


@pytest.fixture(scope="module")
def ordered(settings: WorkerSettings) -> ClusterSettings:
    """No more tasks are handed over than are done at once, so they are done in their order."""
    return ClusterSettings(worker=settings, tasks_per_slot=1, least_tasks=1)


def staged(bench: Bench) -> list[FakeTask]:
    """Tasks that wait where 30 % and where 80 % are done."""
    gates = ["", "", "", *["gate-3"] * 5, *["gate-8"] * 2]
    return [FakeTask(bench.workspace, number, FRAMES, gate) for number, gate in enumerate(gates)]


def alone(bench: Bench, folder: Path) -> dict[str, bytes]:
    """What one process makes of it."""
    folder.mkdir()
    other = Bench(folder)
    InProcess().run(other.tasks(TASKS), lambda frames: None)
    return other.results


def begun(bench: Bench, number: int) -> int | None:
    """The process that is at the task with this number, or at a later one, if so many are done.

    One fewer after a disturbance: Ray tries again what was lost when there is room.
    """
    if len(bench.results) < min(number, 7):
        return None
    for path in sorted(bench.folder.glob("try-*")):
        _, task, _, pid = path.name.split("-")
        if int(task) >= number and alive(int(pid)):
            return int(pid)
    return None


class Disturbed:
    """A step that does something where 30 % and where 80 % are done."""

    def __init__(self, bench: Bench, disturb: Callable[[int], None]) -> None:
        self.bench, self._disturb = bench, disturb
        self.frames = 0
        self._ahead = [3, 8]
        self.finished: set[int] = set()

    def __call__(self, frames: int) -> None:
        self.frames += frames
        if self._ahead and (pid := begun(self.bench, self._ahead[0])) is not None:
            self.finished |= {int(name.split("-")[1]) for name in self.bench.results}
            self._disturb(pid)
            self.bench.open(f"gate-{self._ahead.pop(0)}")


def end_worker(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def end_its_parent(pid: int) -> None:
    """The process of Ray's that hands tasks to it."""
    psutil.Process(pid).parent().kill()  # type: ignore[union-attr]


@pytest.mark.parametrize("disturb", [end_worker, end_its_parent], ids=lambda how: how.__name__)
def test_workers_that_are_killed_change_nothing(
    nodes: Nodes,
    bench: Bench,
    tmp_path: Path,
    ordered: ClusterSettings,
    disturb: Callable[[int], None],
) -> None:
    step = Disturbed(bench, disturb)
    RayExecutor(nodes.address, ordered).run(staged(bench), step)

    check(bench, step, alone(bench, tmp_path / "alone"))


def test_nodes_that_are_killed_change_nothing(
    nodes: Nodes, bench: Bench, tmp_path: Path, ordered: ClusterSettings
) -> None:
    nodes.add()
    step = Disturbed(bench, lambda pid: nodes.kill(nodes.of(pid)))
    RayExecutor(nodes.address, ordered).run(staged(bench), step)

    check(bench, step, alone(bench, tmp_path / "alone"))


def check(bench: Bench, step: Disturbed, expected: dict[str, bytes]) -> None:
    assert bench.results == expected
    assert step.frames == TASKS * FRAMES
    assert len(step.finished) >= 7
    again = {number for number, tries in bench.tries.items() if tries > 1}
    assert again, "somebody was at work when it was disturbed"
    assert not again & {0, 1, 2}
    assert all(bench.tries[number] == 1 for number in step.finished if number not in again)
    assert sum(bench.tries.values()) <= TASKS + 4, "two of each disturbance were at work"


_DRIVER = """
import sys
from pathlib import Path
from bystander.executors.ray_executor import RayExecutor
from bystander.executors.settings import ClusterSettings
from tests.executors.test_ray_executor import staged
from tests.support.fake_tasks import Bench

address, folder, settings = sys.argv[1:]
bench = Bench.at(Path(folder))
RayExecutor(address, ClusterSettings.model_validate_json(settings)).run(
    staged(bench), lambda frames: None
)
"""


def test_a_driver_that_is_killed_goes_on_where_it_was(
    nodes: Nodes, bench: Bench, tmp_path: Path, ordered: ClusterSettings
) -> None:
    def drive() -> subprocess.Popen[bytes]:
        arguments = [nodes.address, str(tmp_path), ordered.model_dump_json()]
        return subprocess.Popen([sys.executable, "-c", _DRIVER, *arguments])

    finished = dict[str, float]()
    for done in (3, 8):
        driver = drive()
        try:
            until(lambda done=done: begun(bench, done))  # type: ignore[misc]
        finally:
            driver.kill()
            driver.wait()
        finished |= {path.name: path.stat().st_mtime for path in bench.folder.glob("result-*")}
        until(lambda: not any(alive(pid) for pid in bench.pids))
        bench.open(f"gate-{done}")
    assert drive().wait() == 0

    assert bench.results == alone(bench, tmp_path / "alone")
    for name, written in finished.items():
        assert (bench.folder / name).stat().st_mtime == written, "it was done already"
        number = int(name.split("-")[1])
        assert bench.tries[number] == 1 or number in (3, 4)
    assert not bench.litter


def test_a_node_that_comes_later_is_used(
    nodes: Nodes, bench: Bench, ordered: ClusterSettings
) -> None:
    def step(frames: int) -> None:
        if len(bench.tries) == 2 and not bench.folder.joinpath("asked").exists():
            bench.folder.joinpath("asked").touch()
            nodes.add()
        elif len(bench.tries) == 3:
            bench.open("gate-0")

    RayExecutor(nodes.address, ordered).run(bench.tasks(6, gate="gate-0"), step)

    assert len(bench.results) == 6
    assert len(bench.pids) == 3


def test_processes_are_kept_for_the_next_task(
    nodes: Nodes, bench: Bench, settings: WorkerSettings
) -> None:
    told: list[int] = []
    RayExecutor(nodes.address, ClusterSettings(worker=settings)).run(bench.tasks(12), told.append)

    assert sum(told) == 12 * FRAMES
    assert len(bench.pids) <= 2
    assert sum(bench.before(number) == 0 for number in range(12)) == len(bench.pids)


def test_what_is_there_is_not_done_anew(
    nodes: Nodes, bench: Bench, settings: WorkerSettings
) -> None:
    InProcess().run(bench.tasks(2), lambda frames: None)
    told: list[int] = []
    RayExecutor(nodes.address, ClusterSettings(worker=settings)).run(bench.tasks(4), told.append)

    assert bench.tries == {0: 1, 1: 1, 2: 1, 3: 1}
    assert sum(told) == 4 * FRAMES


def test_a_cancel_ends_what_is_at_work(
    nodes: Nodes, bench: Bench, ordered: ClusterSettings
) -> None:
    def step(frames: int) -> None:
        if len(bench.tries) == 2:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        RayExecutor(nodes.address, ordered).run(bench.tasks(8, gate="gate-0"), step)

    until(lambda: not any(alive(pid) for pid in bench.pids))
    bench.open("gate-0")
    assert len(bench.tries) == 2
    assert not bench.results
    assert not bench.litter


def test_an_error_comes_as_it_was_raised(
    nodes: Nodes, bench: Bench, ordered: ClusterSettings
) -> None:
    tasks = [
        FakeTask(bench.workspace, 0, gate="gate-0"),
        FakeTask(bench.workspace, 1, error="it shows nothing"),
        FakeTask(bench.workspace, 2, gate="gate-0"),
    ]
    with pytest.raises(NotAVideo) as caught:
        RayExecutor(nodes.address, ordered).run(tasks, lambda frames: None)

    assert (caught.value.what, caught.value.advice) == ("it shows nothing", "Give another.")
    assert bench.tries[1] == 1
    until(lambda: not any(alive(pid) for pid in bench.pids))
    assert not bench.results


def test_a_task_that_no_process_survives_is_named(
    nodes: Nodes, bench: Bench, ordered: ClusterSettings
) -> None:
    with pytest.raises(ExecutorError, match=r"3 workers died over result-007.*SIGKILL"):
        RayExecutor(nodes.address, ordered).run(
            [FakeTask(bench.workspace, 7, deaths=9)], lambda frames: None
        )

    assert bench.tries == {7: 3}


@dataclass(frozen=True)
class AskedWorkspace(FolderWorkspace):
    """Notes in the driver for which results it was asked, which is when they are handed over."""

    asked: ClassVar[list[str]] = []

    def has(self, name: str) -> bool:
        self.asked.append(name)
        return super().has(name)


def test_a_long_video_does_not_queue_all_of_its_tasks(
    nodes: Nodes, bench: Bench, settings: WorkerSettings
) -> None:
    workspace = AskedWorkspace(bench.workspace.source, bench.workspace.folder)
    tasks = [FakeTask(workspace, number, gate="gate-0") for number in range(40)]
    few = ClusterSettings(worker=settings, tasks_per_slot=3, least_tasks=1)
    handed: list[int] = []

    def step(frames: int) -> None:
        handed.append(len(AskedWorkspace.asked))
        if len(bench.tries) == 2:
            bench.open("gate-0")

    RayExecutor(nodes.address, few).run(tasks, step)

    assert len(bench.results) == 40
    assert handed[0] <= 6, "two at work, and two for each of them"


def test_a_cluster_elsewhere_is_used_by_its_address(
    nodes: Nodes, bench: Bench, settings: WorkerSettings
) -> None:
    told: list[int] = []
    RayExecutor(nodes.client_address, ClusterSettings(worker=settings)).run(
        bench.tasks(4), told.append
    )

    assert len(bench.results) == 4
    assert sum(told) == 4 * FRAMES


def test_what_runs_networks_waits_for_a_gpu_and_the_rest_does_not(
    nodes: Nodes, bench: Bench, settings: WorkerSettings
) -> None:
    """No machine has one, until one comes that says so: four tasks share it."""
    tasks = [*bench.tasks(2), *(FakeTask(bench.workspace, n, runs_networks=True) for n in (2, 3))]

    def step(frames: int) -> None:
        if len(bench.results) == 2 and nodes.count == 2:
            assert set(bench.tries) == {0, 1}
            nodes.add(num_gpus=1)

    sharing = ClusterSettings(worker=settings, gpus_per_task=0.25)
    RayExecutor(nodes.address, sharing).run(tasks, step)

    assert len(bench.results) == 4
    assert bench.before(3) + bench.before(2) == 1, "its process is kept for the next task"


def test_a_cluster_that_is_not_there_is_an_error_and_spoils_no_later_connection(
    nodes: Nodes, bench: Bench, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("INITIAL_TIMEOUT_SEC", "MAX_TIMEOUT_SEC"):  # of three tries, 30 s in all
        monkeypatch.setattr(f"ray.util.client.worker.{name}", 1)
    sharing = ClusterSettings(worker=settings)
    with (
        pytest.warns(UserWarning, match="timed out"),
        pytest.raises(ExecutorError, match=r"ray://127.0.0.1:1 can't be reached"),
    ):
        RayExecutor("ray://127.0.0.1:1", sharing).run(bench.tasks(1), lambda frames: None)
    assert bench.results == {}

    RayExecutor(nodes.address, sharing).run(bench.tasks(1), lambda frames: None)

    assert len(bench.results) == 1


def test_a_connection_that_breaks_off_is_tried_again(
    nodes: Nodes, bench: Bench, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ["Starting Ray client server failed.", "Starting Ray client server failed."]
    init = ray.init

    def breaks_off(**options: object) -> object:
        if broken:
            raise ConnectionAbortedError(broken.pop())
        return init(**options)

    monkeypatch.setattr(ray, "init", breaks_off)

    RayExecutor(nodes.address, ClusterSettings(worker=settings)).run(
        bench.tasks(1), lambda frames: None
    )

    assert len(bench.results) == 1


def test_spans_of_tasks_come_home_from_other_machines(
    nodes: Nodes, bench: Bench, ordered: ClusterSettings
) -> None:
    tracing.send_spans("tests", SimpleSpanProcessor(exporter := InMemorySpanExporter()))
    try:
        with tracing.span("analyze"):
            RayExecutor(nodes.address, ordered).run(bench.tasks(3), lambda frames: None)
    finally:
        tracing.stop()
    *done, stage = exporter.get_finished_spans()
    assert stage.context
    assert [span.name for span in done] == [tracing.TASK] * 3
    assert {span.parent.span_id for span in done if span.parent} == {stage.context.span_id}
