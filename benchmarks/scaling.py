"""How much faster several workers are, and what handing work over costs.

    python -m benchmarks.scaling                # tasks that sleep, on 1, 2 and 4 workers
    python -m benchmarks.scaling --video CLIP   # looks at chunks of a video, and their CPU time

A task that sleeps takes as long beside others as alone, so that speed-up can be seen on a machine
with two cores: what is lost against the ideal is the executors' own. Ray's nodes are processes of
this machine, each with one core to give away. A video's looks do compute; two cores don't become
four by more workers, and only their CPU time says what doing it in parts costs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bystander.choices import ProfileName
from bystander.executors.processes import Processes
from bystander.executors.settings import ClusterSettings, WorkerSettings
from bystander.media.demux import fingerprint
from bystander.media.probe import probe
from bystander.models import load_models
from bystander.pipeline.analyze import analyze
from bystander.pipeline.chunks import look_tasks, plan
from bystander.pipeline.tasks import Executor, FolderWorkspace, InProcess, Parallel, Step, Workspace
from bystander.settings import load_profile

WORKERS: Final = (1, 2, 4)
TASKS: Final = 24
SECONDS: Final = 2.0
CHUNK_SECONDS: Final = 5.0
_READ: Final = WorkerSettings(read=(Path(__file__).resolve().parent,))


@dataclass(frozen=True)
class SleepTask:
    """Does nothing for some seconds."""

    workspace: Workspace
    number: int
    seconds: float
    frames: int = 1
    runs_networks: bool = False

    @property
    def name(self) -> str:
        return f"slept-{self.number}"

    def run(self, step: Step) -> None:
        time.sleep(self.seconds)
        with self.workspace.storing(self.name) as path:
            path.touch()
        step(1)


@contextmanager
def ray_nodes(count: int) -> Iterator[str]:
    """A cluster of a head that does no tasks, and `count` nodes of one core each; its address."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(count):
            cluster.add_node(num_cpus=1)
        yield cluster.address
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def executors(kind: str, count: int) -> Iterator[Executor]:
    """One of `processes` and `ray`, with `count` workers of a core each."""
    if kind == "processes":
        yield Processes(count, _READ)
        return
    from bystander.executors.ray_executor import RayExecutor

    with ray_nodes(count) as address:
        yield RayExecutor(address, ClusterSettings(worker=_READ))


def sleeping(kind: str, count: int, tasks: int, seconds: float) -> dict[str, float | int | str]:
    """Wall seconds of so many sleeping tasks, twice: with workers to be started, and the rest."""
    with tempfile.TemporaryDirectory() as folder, executors(kind, count) as executor:
        (Path(folder) / "work").mkdir()
        workspace = FolderWorkspace(Path(folder), Path(folder) / "work")
        told: list[float] = []
        begun = time.monotonic()
        executor.run(
            [SleepTask(workspace, number, seconds) for number in range(tasks)],
            lambda frames: told.append(time.monotonic() - begun) if frames else None,
        )
        whole = time.monotonic() - begun
    ideal = tasks * seconds / count
    return {
        "executor": kind,
        "workers": count,
        "seconds": round(whole, 2),
        "ideal": ideal,
        "speed_up": round(tasks * seconds / whole, 2),
        "first_done": round(told[0], 2),
        "lost_a_task": round((whole - told[0] - (ideal - seconds)) * count / tasks, 3),
    }


def looking(video: Path, kinds: Sequence[str]) -> Iterator[dict[str, float | int | str]]:
    """Wall and CPU seconds of an analysis in one go, and of looks at its chunks."""
    settings = load_profile(ProfileName.BALANCED).analysis
    models, info = load_models(settings.model_settings()), probe(video)
    with tempfile.TemporaryDirectory() as name:
        timed = _Timed()
        analyze(video, Path(name) / "timeline", models=models, settings=settings)
        yield {"analysis": "in one go", "frames": info.frame_count, **timed.taken()}
    chunks = plan(info, CHUNK_SECONDS, Parallel.overlap_seconds)
    for kind in kinds:
        with tempfile.TemporaryDirectory() as name:
            workspace = FolderWorkspace(video.absolute(), Path(name))
            tasks = look_tasks(
                workspace, video, fingerprint(video), info, settings, (), models, chunks
            )
            timed = _Timed()
            executor = InProcess() if kind == "in this process" else Processes(2, _READ)
            executor.run(tasks, lambda frames: None)
            frames = sum(task.frames for task in tasks)
            yield {"analysis": f"{len(tasks)} chunks, {kind}", "frames": frames, **timed.taken()}


class _Timed:
    """Wall and CPU seconds, of this process and of those that it waited for, since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), _cpu_seconds()

    def taken(self) -> dict[str, float]:
        return {
            "seconds": round(time.monotonic() - self._wall, 1),
            "cpu_seconds": round(_cpu_seconds() - self._cpu, 1),
        }


def _cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    given = parser.parse_args()
    if given.video is not None:
        for row in looking(given.video, ["in this process", "2 processes"]):
            print(json.dumps(row), flush=True)
        return
    for kind in ("processes", "ray"):
        for count in WORKERS:
            print(json.dumps(sleeping(kind, count, given.tasks, given.seconds)), flush=True)


if __name__ == "__main__":
    from benchmarks import scaling  # under its own name, by which workers find its task

    scaling.main()
