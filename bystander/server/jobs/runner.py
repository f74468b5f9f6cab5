"""Runs the jobs: takes them from the queue, lets workers do them, carries out cancels.

One thread leads: it holds the lock of its name in the data folder, claims jobs and looks for
cancels. Another one keeps its lease (`bystander.server.jobs.leases`). Each slot is a thread of its
own that sees one attempt at a time through.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import queue
import re
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from bystander.errors import BystanderError
from bystander.server.jobs.driver import sweep_parts
from bystander.server.jobs.execution import (
    Command,
    ExecutionContext,
    Expectations,
    JobExecution,
    Learn,
)
from bystander.server.jobs.leases import BEATS_PER_LEASE, RunnerLease
from bystander.server.jobs.spec import PREVIEW_FILE
from bystander.server.models import Job, JobState
from bystander.server.retention import DataFolder
from bystander.server.settings import ServiceSettings
from bystander.server.store import ServiceStore
from bystander.storage import Storage

POLL_SECONDS: Final = 0.2
"""Seconds between looks into the queue where nobody calls `wake`."""
LOCK_FILE: Final = "runner.lock"
LOCAL_NAME: Final = ""
"""Of the one runner over a database that is a file."""
RETRY_PAUSE_SECONDS: Final = 2.0
BEGIN_PAUSE_SECONDS: Final = 2.0
"""Between tries to register where the database can't be reached."""
STOP_SECONDS: Final = 30.0
"""For workers to end and for results that are being stored; then the process may exit."""
DEFAULT_SECONDS_PER_FRAME: Final[Mapping[str, float]] = {
    "analyze": 0.04,
    "decide": 0.001,
    "render": 0.03,
    "audit": 0.02,
}
"""Seconds a frame of 1080p on two cores."""

log = logging.getLogger(__name__)


def default_durations(job: Job) -> Mapping[str, float]:
    """What is expected where nothing is known."""
    return DEFAULT_SECONDS_PER_FRAME


def learn_nothing(job: Job, took: Mapping[str, float]) -> None:
    """Learns nothing."""


def never() -> bool:
    """Goes on until it is stopped."""
    return False


class Runner:
    """Runs jobs while it is started. Only one runner of a name and data folder does at a time.

    A second one, of this or another process, waits until the first has stopped or died, and
    goes on with what it has left. Runners of other names share the queue with it, and take over
    the jobs of one that died.

    Args:
        command: the argument vector of a worker for its folder.
        environment: of workers, all of it.
        expectations: see `overall_progress`.
        learn: told how long the stages of a job took that is done.
        stopping: whether the server was told to end, asked often: `stop` may be called only
            when the last connection has closed, and the networks are gone by then.
        pause: seconds before a job whose worker crashed is tried again; grows.
    """

    def __init__(
        self,
        store: ServiceStore,
        storage: Storage,
        settings: ServiceSettings,
        command: Command,
        environment: Mapping[str, str],
        *,
        expectations: Expectations = default_durations,
        learn: Learn = learn_nothing,
        stopping: Callable[[], bool] = never,
        pause: float = RETRY_PAUSE_SECONDS,
    ) -> None:
        self._store, self._settings, self._stopping = store, settings, stopping
        self._halting, self._wake = threading.Event(), threading.Event()
        self._disk = DataFolder(settings.data, store, storage, settings.retention)
        self._place = ExecutionContext(
            store,
            storage,
            settings,
            self._disk,
            command,
            environment,
            expectations,
            learn,
            pause,
            self._halting,
        )
        self._lock = threading.Lock()
        self._attempts: set[JobExecution] = set()
        self._tasks: queue.SimpleQueue[JobExecution | None] = queue.SimpleQueue()
        self._leader: threading.Thread | None = None
        self._name = settings.jobs.runner or (
            socket.gethostname() if settings.store.database else LOCAL_NAME
        )
        self._lease = RunnerLease(
            store.runners, self._name, settings.jobs.at_once, settings.jobs.lease_seconds
        )
        self._leased, self._ended = True, threading.Event()

    def start(self) -> None:
        """Begin to run jobs, once no other runner of this name does."""
        assert self._leader is None, "a runner is started once"
        self._leader = threading.Thread(target=self._lead, name="runner", daemon=True)
        self._leader.start()

    def stop(self) -> None:
        """End the workers; their jobs go back into the queue. Returns when that is done."""
        self._halting.set()
        self._wake.set()
        if self._leader is not None:
            self._leader.join(STOP_SECONDS + 5)

    def wake(self) -> None:
        """Look into the queue now: there is a new job, or a cancel."""
        self._wake.set()

    @property
    def alive(self) -> bool:
        """Whether it runs jobs, or waits until it may."""
        return self._leader is not None and self._leader.is_alive() and not self._halting.is_set()

    def state(self) -> dict[str, float]:
        """For metrics: jobs by state, and frames per second of all running ones together."""
        with self._lock:
            fps = sum(attempt.fps for attempt in self._attempts)
        counts = self._store.jobs.counts()
        return {**{state.value: float(counts[state]) for state in JobState}, "fps": fps}

    def preview(self, job: str) -> bytes | None:
        """The newest preview picture of a running job, a JPEG."""
        if not re.fullmatch("[0-9a-f]{32}", job):
            return None
        try:
            # The worker's folder: a link in it may lead anywhere.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            with open(os.open(self._disk.work(job) / PREVIEW_FILE, flags), "rb") as picture:
                return picture.read()
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            return None

    def _lead(self) -> None:
        data = self._settings.data
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = f"runner-{self._name}.lock" if self._name else LOCK_FILE
        lock = os.open(data / file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if self._won(lock) and self._begun():
                keeper = threading.Thread(target=self._keep_lease, name="lease", daemon=True)
                keeper.start()
                self._run_slots()
                self._ended.set()
                keeper.join()
        finally:
            with self._lock:
                busy = bool(self._attempts)
            # An attempt that can't be interrupted may still write: nobody takes over before
            # this process is gone, or its lease has run out.
            if not busy:
                os.close(lock)
                with suppress(Exception):  # then its jobs wait until the lease has run out
                    self._lease.end()

    def _won(self, lock: int) -> bool:
        while not self._halting.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                self._halting.wait(POLL_SECONDS)
        return False

    def _begun(self) -> bool:
        """Register, and clean up after the one before; tried until it can be done."""
        while not self._halting.is_set():
            try:
                self._recover()
                return True
            except Exception as error:  # the database can't be reached: it may be in a minute
                log.error("the runner: %s: %s", type(error).__name__, error)
                self._halting.wait(BEGIN_PAUSE_SECONDS)
        return False

    def _recover(self) -> None:
        left = self._lease.begin()
        if left:
            log.warning("%d jobs go on that a server before this one left", left)
        self._disk.sweep_litter()
        self._disk.sweep_strays(alone=self._lease.alone)
        try:
            sweep_parts(self._settings, self._store.jobs.active_ids)
        except BystanderError as error:  # the bucket's lifecycle deletes them later
            log.warning("parts of jobs may stay in the bucket (%s)", type(error).__name__)

    def _keep_lease(self) -> None:
        """Beat until the last attempt has ended, and take over from those that don't."""
        ended = False
        while not ended:
            try:
                if not self._leased:
                    self._lease.begin()
                self._leased = self._lease.keep()
                if self._leased and (left := self._lease.take_over()):
                    log.warning("%d jobs go on whose server stopped answering", left)
                    self._wake.set()
            except Exception as error:  # the database can't be reached
                log.error("the runner's lease: %s: %s", type(error).__name__, error)
                self._leased = self._leased and not self._lease.overdue
            if not self._leased:
                log.error("the runner's lease is lost: its workers end")
                with self._lock:
                    attempts = list(self._attempts)
                for attempt in attempts:
                    attempt.lose()
            ended = self._ended.wait(self._settings.jobs.lease_seconds / BEATS_PER_LEASE)

    def _run_slots(self) -> None:
        slots = [
            threading.Thread(target=self._serve, name=f"runner-{number}", daemon=True)
            for number in range(self._settings.jobs.at_once)
        ]
        for slot in slots:
            slot.start()
        while not self._halting.is_set():
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()
            if self._stopping():
                self._halting.set()
                break
            try:
                self._look()
            except Exception as error:  # a full disk, say: it may pass, and jobs wait meanwhile
                log.error("the runner: %s: %s", type(error).__name__, error)
        for _ in slots:
            self._tasks.put(None)
        for slot in slots:
            slot.join(STOP_SECONDS / len(slots))

    def _serve(self) -> None:
        while attempt := self._tasks.get():
            try:
                attempt.run()
            except Exception as error:  # the store can't be written; the job waits for a restart
                log.error("job %s: %s: %s", attempt.job.id, type(error).__name__, error)
            finally:
                with self._lock:
                    self._attempts.discard(attempt)
                self._wake.set()

    def _look(self) -> None:
        jobs = self._store.jobs
        wished = jobs.cancelling()
        with self._lock:
            attempts = [attempt for attempt in self._attempts if attempt.job.id in wished]
        for attempt in attempts:
            attempt.cancel()
            if attempt.overdue:
                jobs.finish(attempt.job.id, JobState.CANCELLED, lease=attempt.job.lease)
        self._disk.sweep_litter()
        at_once = self._settings.jobs.at_once
        while self._leased and len(self._attempts) < at_once:
            if (job := jobs.claim(self._lease.id)) is None:
                break
            attempt = JobExecution(job, self._place)
            with self._lock:
                self._attempts.add(attempt)
            self._tasks.put(attempt)
