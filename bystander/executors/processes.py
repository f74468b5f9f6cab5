"""Tasks -> done by confined processes of this machine, several at once."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from bystander import tracing
from bystander.config import cores
from bystander.errors import ExecutorError
from bystander.executors.confined import ConfinedWorker
from bystander.executors.messages import WorkerDied
from bystander.executors.sealed import SealedTask, seal
from bystander.executors.settings import WorkerSettings
from bystander.pipeline.tasks import Step, Task, Workspace

ASK_SECONDS: Final = 0.2
"""Between two questions whether to go on, while nothing is told."""

log = logging.getLogger(__name__)


class Processes:
    """Does tasks in `count` processes, which share the machine's cores.

    Each keeps its networks from one task to the next.
    """

    def __init__(self, count: int, settings: WorkerSettings | None = None) -> None:
        if count < 1:
            raise ValueError("there is no work without processes")
        self._count, self._settings = count, settings or WorkerSettings()

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        self.run_sealed([seal(task) for task in tasks], step)

    def run_sealed(self, tasks: Sequence[SealedTask], step: Step) -> None:
        """As `run`."""
        team = _Team(self._settings, max(1, cores() // self._count))
        # A thread for each process, which is killed when its thread ends: see `end_with_parent`.
        pool = ThreadPoolExecutor(self._count, "process")
        try:
            left = len(tasks)
            for task in tasks:
                pool.submit(team.do, task).add_done_callback(team.told.put)
            while left:
                try:
                    told = team.told.get(timeout=ASK_SECONDS)
                except queue.Empty:
                    told = 0
                if isinstance(told, int):
                    step(told)
                else:
                    told.result()
                    left -= 1
        finally:
            team.stop()
            pool.shutdown(cancel_futures=True)
            team.close()


class _Team:
    """The processes of one run.

    Attributes:
        told: frames done, and tasks that ended.
    """

    def __init__(self, settings: WorkerSettings, cores_each: int) -> None:
        self.told = queue.SimpleQueue[int | Future[None]]()
        self._settings, self._cores = settings, cores_each
        self._traceparent = tracing.traceparent()
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._workers: list[ConfinedWorker] = []
        self._stopped = False

    def do(self, task: SealedTask) -> None:
        """Do it in the process of this thread.

        Raises:
            BystanderError: it can't be done.
        """
        if task.done:
            self.told.put(task.frames)
            return
        # The confined process has no say in what is recorded of it.
        with tracing.task_span(task.frames, self._traceparent):
            self._attempt(task)

    def _attempt(self, task: SealedTask) -> None:
        verdict = ""
        for attempt in range(1, self._settings.attempts + 1):
            count = _Count(self.told)
            try:
                self._worker(task.workspace).run(task, count)
                return
            except WorkerDied as death:
                self._mine.worker = None
                if self._stopped:
                    return
                self.told.put(-count.frames)
                log.warning("a process died over %s, attempt %d: %s", task.name, attempt, death)
                verdict = str(death)
        raise gave_up(task.name, self._settings.attempts, verdict)

    def stop(self) -> None:
        """End what is being done; nothing is begun any more."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.kill()

    def close(self) -> None:
        for worker in self._workers:
            worker.close()

    def _worker(self, workspace: Workspace) -> ConfinedWorker:
        kept: tuple[ConfinedWorker, Workspace] | None = getattr(self._mine, "worker", None)
        if kept is not None:
            if kept[1] == workspace:
                return kept[0]
            kept[0].close()
        with self._lock:
            if self._stopped:
                raise WorkerDied("stopped")
            worker = ConfinedWorker(workspace, self._settings, self._cores)
            self._workers.append(worker)
        self._mine.worker = worker, workspace
        return worker


class _Count:
    """Passes steps on, and knows how many frames they came to."""

    def __init__(self, told: queue.SimpleQueue[int | Future[None]]) -> None:
        self._told, self.frames = told, 0

    def __call__(self, frames: int) -> None:
        self.frames += frames
        self._told.put(frames)


def gave_up(name: str, attempts: int, verdict: str) -> ExecutorError:
    """The error where too many workers died over the task `name`."""
    return ExecutorError(
        f"{attempts} workers died over {name}, the last one with {verdict.strip()}",
        "If memory is short, take fewer at once; else the log says why.",
    )
