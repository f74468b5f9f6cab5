"""Tasks -> done by a Ray cluster: machines that come and go, each with some tasks at a time.

Ray decides where a task runs and tries again what died with its process or its machine. What
crosses it is small: sealed tasks, and how many frames of them are done. A process of Ray's hands
its task to a confined process of its own (`bystander.executors.confined`), which it keeps with its
networks for the next one: docs/adr/0019-executors.md.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import ray
import ray.exceptions

from bystander import tracing
from bystander.errors import BystanderError, Cancelled, ExecutorError
from bystander.executors.confined import ConfinedWorker
from bystander.executors.messages import WorkerDied
from bystander.executors.processes import ASK_SECONDS, gave_up
from bystander.executors.sealed import SealedTask, seal
from bystander.executors.settings import ClusterSettings
from bystander.pipeline.tasks import Step, Task, Workspace

CONNECTION_ATTEMPTS: Final = 3
REPORT_SECONDS: Final = 0.3
"""Between two words of a task about its progress."""
MAX_WARNINGS: Final = 100
"""Kept for who asked for the work, of one task."""
GPUS_VARIABLE: Final = "CUDA_VISIBLE_DEVICES"
HEAD: Final = "node:__internal_head__"
"""A resource that every cluster's head has, of 1."""

log = logging.getLogger(__name__)
_remote: Final[Any] = ray.remote  # its types know neither errors to retry nor actors' methods


class RayExecutor:
    """Does tasks on a Ray cluster; needs the extra `cluster`.

    Args:
        address: `auto` is the cluster that this machine belongs to (or RAY_ADDRESS), `host:port`
            one that it belongs to by name, `ray://host:port` any other.
        settings: what each task gets.
    """

    def __init__(self, address: str, settings: ClusterSettings | None = None) -> None:
        self._address, self._settings = address, settings or ClusterSettings()

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        self.run_sealed([seal(task) for task in tasks], step)

    def run_sealed(self, tasks: Sequence[SealedTask], step: Step) -> None:
        """As `run`."""
        with _connected(self._address):
            run = _Run(tasks, self._settings, step)
            try:
                run.finish()
            except (ray.exceptions.RayError, ConnectionError) as error:
                raise ExecutorError(
                    f"the Ray cluster at {self._address} failed ({type(error).__name__})",
                    "Start the work again: what is done isn't done anew.",
                ) from error
            finally:
                run.stop()


class _Run:
    """Some tasks on the cluster that this process is connected with."""

    def __init__(self, tasks: Sequence[SealedTask], settings: ClusterSettings, step: Step) -> None:
        self._tasks, self._settings, self._step = tasks, settings, step
        self._waiting = deque(range(len(tasks)))
        self._running: dict[Any, int] = {}
        self._told: dict[int, int] = {}
        # On the head, which outlives machines that are lent for an hour.
        board = _remote(num_cpus=0, max_restarts=-1, resources={HEAD: 0.001})(_Board)
        self._board: Any = board.remote()
        self._asked: Any = None
        self._traceparent = tracing.traceparent()
        worker = settings.worker
        self._perform = _remote(
            num_cpus=settings.cpus_per_task,
            max_calls=0,  # Ray would end a process after each task that had a GPU
            max_retries=worker.attempts - 1,
            retry_exceptions=[WorkerDied],
        )(_perform)

    def finish(self) -> None:
        """Hand over all tasks, and return when they are done.

        Raises:
            BystanderError: the first that one raised.
        """
        while self._waiting or self._running:
            self._hand_over()
            running = list(self._running)
            ended = ray.wait(running, num_returns=1, timeout=ASK_SECONDS)[0] if running else []
            self._hear()
            for reference in ended:
                number = self._running.pop(reference)
                self._take(reference, self._tasks[number])
                self._tell(number, self._tasks[number].frames)
            self._step(0)

    def stop(self) -> None:
        """End what is being done or waits."""
        with suppress(ray.exceptions.RayError, ConnectionError):
            for reference in self._running:
                ray.cancel(reference, force=True)
            ray.kill(self._board)

    def _hand_over(self) -> None:
        """As many more tasks as keep the cluster busy for a while."""
        most = self._most()
        while self._waiting and len(self._running) < most:
            number = self._waiting.popleft()
            task = self._tasks[number]
            if task.done:
                self._tell(number, task.frames)
            else:
                gpus = self._settings.gpus_per_task if task.runs_networks else 0
                handed = self._perform.options(num_gpus=gpus).remote(
                    task, number, self._board, self._settings, self._traceparent
                )
                self._running[handed] = number

    def _most(self) -> int:
        """Tasks to be handed over at a time, to the cluster as it is now."""
        settings = self._settings
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        slots = there.get("CPU", 0.0) / settings.cpus_per_task
        if settings.gpus_per_task and any(task.runs_networks for task in self._tasks):
            slots = min(slots, there.get("GPU", 0.0) / settings.gpus_per_task)
        return max(settings.least_tasks, math.ceil(settings.tasks_per_slot * math.floor(slots)))

    def _take(self, reference: Any, task: SealedTask) -> None:
        """The outcome of one that has ended."""
        attempts = self._settings.worker.attempts
        try:
            failure, spans = ray.get(reference)
        except WorkerDied as death:
            cause = getattr(death, "cause", death)
            raise gave_up(task.name, attempts, str(cause)) from None
        except (
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.NodeDiedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.LocalRayletDiedError,
        ) as error:
            raise gave_up(task.name, attempts, type(error).__name__) from error
        except ray.exceptions.TaskCancelledError as error:
            raise Cancelled(
                f"{task.name} was cancelled in the cluster", "Start it again."
            ) from error
        tracing.adopt(spans, self._traceparent)
        if failure is not None:
            raise failure

    def _hear(self) -> None:
        """What tasks told meanwhile, if the board has answered; ask it again."""
        try:
            if self._asked is None:
                self._asked = self._board.take.remote()
            if not ray.wait([self._asked], timeout=0)[0]:
                return
            asked, self._asked = self._asked, None
            done, warnings = ray.get(asked)
        except (ray.exceptions.ActorDiedError, ray.exceptions.ActorUnavailableError) as error:
            log.debug("no progress is told: %s", error)
            return
        for text in warnings:
            log.warning("%s", text)
        active = set(self._running.values())
        for number, frames in done.items():
            if number in active:  # else it has ended meanwhile
                self._tell(number, frames)

    def _tell(self, number: int, frames: int) -> None:
        more = frames - self._told.get(number, 0)
        self._told[number] = frames
        if more:
            self._step(more)


class _Board:
    """What tasks told since it was last taken: an actor."""

    def __init__(self) -> None:
        self._done: dict[int, int] = {}
        self._warnings: list[str] = []

    def report(self, number: int, frames: int) -> None:
        self._done[number] = frames

    def warn(self, text: str) -> None:
        self._warnings.append(text)

    def take(self) -> tuple[dict[int, int], list[str]]:
        taken = self._done, self._warnings
        self._done, self._warnings = {}, []
        return taken


class _Reporter(logging.Handler):
    """Tells the board how far a task is, and what the library says about it."""

    def __init__(self, board: Any, number: int) -> None:
        super().__init__(logging.WARNING)
        self._board, self._number = board, number
        self._frames = self._warnings = 0
        self._last = time.monotonic()
        # An earlier attempt may have come further.
        board.report.remote(number, 0)

    def __call__(self, frames: int) -> None:
        self._frames += frames
        now = time.monotonic()
        if now - self._last >= REPORT_SECONDS:
            self._last = now
            self._board.report.remote(self._number, self._frames)

    def emit(self, record: logging.LogRecord) -> None:
        self._warnings += 1
        if self._warnings <= MAX_WARNINGS:
            self._board.warn.remote(record.getMessage())


_kept: tuple[object, ConfinedWorker] | None = None
"""The confined process of this process of Ray's, and what it was started for."""


def _perform(
    task: SealedTask,
    number: int,
    board: Any,
    settings: ClusterSettings,
    traceparent: str | None,
) -> tuple[BystanderError | None, list[tracing.SpanRecord]]:
    """Do `task` on this machine; called by Ray.

    Returns:
        Why it can't be done, by nobody; and the spans of it.

    Raises:
        WorkerDied: the confined process ended; Ray tries again.
    """
    report = _Reporter(board, number)
    said = logging.getLogger("bystander")
    said.addHandler(report)
    failure, spans = None, list[tracing.SpanRecord]()
    try:
        with tracing.task_span(task.frames, traceparent) as spans:
            task.check_version()
            if not task.done:
                _worker(task.workspace, settings).run(task, report)
    except BystanderError as error:
        failure = error
    except WorkerDied as death:
        log.warning("a process died over %s: %s", task.name, death)
        _forget()
        raise
    finally:
        said.removeHandler(report)
    return failure, spans


def _worker(workspace: Workspace, settings: ClusterSettings) -> ConfinedWorker:
    """This process's confined one: another for another job."""
    global _kept
    # Which GPUs a task may see Ray says in the environment.
    wanted = workspace, settings, os.environ.get(GPUS_VARIABLE)
    if _kept is None or _kept[0] != wanted or not _kept[1].usable:
        _forget()
        cores = max(1, int(settings.cpus_per_task))
        _kept = wanted, ConfinedWorker(workspace, settings.worker, cores)
    return _kept[1]


def _forget() -> None:
    global _kept
    if _kept is not None:
        _kept[1].close()
        _kept = None


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Connected with the cluster; a connection that is there is used and left as it is."""
    if ray.is_initialized():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    for attempt in range(CONNECTION_ATTEMPTS):
        try:
            ray.init(
                address=address,
                namespace="bystander",
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
            break
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            ray.shutdown()  # else this process takes itself for a client, and connects no more
            # Only this one passes: a server that Ray started for this client ended at once.
            if isinstance(error, ConnectionAbortedError) and attempt + 1 < CONNECTION_ATTEMPTS:
                continue
            raise ExecutorError(
                f"the Ray cluster at {address} can't be reached ({error})",
                "Start one (`ray start --head`), or name it: --cluster ray://host:10001.",
            ) from error
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # it has set its own, which exits with 15
    try:
        yield
    finally:
        ray.shutdown()
