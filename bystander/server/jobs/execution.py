"""One go at a job: from the claimed row to its end, or back into the queue."""

from __future__ import annotations

import fcntl
import logging
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from bystander import tracing
from bystander.errors import BystanderError, NotStored, StorageError
from bystander.server.jobs.driver import discard_parts
from bystander.server.jobs.estimates import overall_progress
from bystander.server.jobs.process import (
    DoneMessage,
    FailedMessage,
    PreviewMessage,
    ProgressMessage,
    ResumedMessage,
    SoundSummary,
    SpanMessage,
    WorkerMessage,
    WorkerProcess,
)
from bystander.server.jobs.spec import (
    CHECKPOINTS_FOLDER,
    EARLIER_FOLDER,
    LOCK_FILE_NAME,
    OUTPUTS,
    SEGMENTS_FOLDER,
    TIMELINE_FILE,
    key_of,
    prepare,
    prepared,
    rendering_of,
)
from bystander.server.models import Job, JobKind, JobProgress, JobState, Problem
from bystander.server.retention import DataFolder, remove
from bystander.server.sanitize import Sanitizer
from bystander.server.settings import ServiceSettings
from bystander.server.store import ServiceStore
from bystander.storage import Storage

LISTEN_SECONDS: Final = 0.1
"""Between looks at whether the worker should stop."""
WRITE_SECONDS: Final = 0.5
"""Between writes of the progress."""
CANCEL_GRACE_SECONDS: Final = 1.0
STOP_GRACE_SECONDS: Final = 3.0
SAME_SIGNAL_SECONDS: Final = 1.0
"""Seconds in which a worker and its server are ended by the same hand."""
OVERDUE_SECONDS: Final = 1.6
"""Seconds after which a cancelled job has ended, whatever its attempt is still busy with."""
LEFTOVER_SECONDS: Final = 120.0
"""For a worker of a server that died; it ends by itself when it sees that. A file server keeps the
locks of a machine that was switched off for a while (NFS 4: 90 s)."""
MAX_PAUSE_SECONDS: Final = 60.0
MAX_SPANS: Final = 20_000
"""Of one worker that are sent on: an hour of video is some hundred chunks."""
DIGEST: Final = re.compile("[0-9a-f]{64}")

log = logging.getLogger(__name__)

Command = Callable[[Path], Sequence[str]]
"""The argument vector of a worker for its folder."""
Expectations = Callable[[Job], Mapping[str, float]]
"""Seconds a frame that each stage of a job is expected to take, see `overall_progress`."""
Learn = Callable[[Job, Mapping[str, float]], None]
"""Told of a job that is done: seconds a frame that each stage took."""


@dataclass(frozen=True)
class ExecutionContext:
    """What all attempts share.

    Attributes:
        environment: of workers, all of it.
        pause: seconds before the second attempt; doubled for each further one.
        halting: set when the server stops.
    """

    store: ServiceStore
    storage: Storage
    settings: ServiceSettings
    disk: DataFolder
    command: Command
    environment: Mapping[str, str]
    expectations: Expectations
    learn: Learn
    pause: float
    halting: threading.Event


class _WorkerFailed(Exception):
    """The worker didn't do it; `again`: another one may."""

    def __init__(self, problem: Problem, *, again: bool = True) -> None:
        super().__init__(problem.what)
        self.problem, self.again = problem, again


class _Interrupted(Exception):
    """The server stops, or the job is another's: it goes back, if it is to."""


class JobExecution:
    """One go at `job`. `run` is called in a thread of its own, the rest from others.

    Attributes:
        fps: frames per second right now.
    """

    def __init__(self, job: Job, place: ExecutionContext) -> None:
        self.job, self.fps = job, 0.0
        self._place = place
        self._folder = place.disk.work(job.id)
        self._cancelled_at: float | None = None
        self._lost = False
        self._progress: JobProgress | None = None
        self._stages: dict[str, tuple[float, int]] = {}
        self._done_at = 0.0
        self._written = 0.0
        self._spans = 0
        self._words = Sanitizer(self._folder, place.settings.data)

    def cancel(self) -> None:
        """Stop as soon as possible."""
        self._cancelled_at = self._cancelled_at or time.monotonic()

    def lose(self) -> None:
        """The job is another runner's by now, or will be: stop, and change nothing more."""
        self._lost = True

    @property
    def overdue(self) -> bool:
        """It was cancelled, and is busy with something that can't be interrupted."""
        return (
            self._cancelled_at is not None
            and time.monotonic() - self._cancelled_at > OVERDUE_SECONDS
        )

    def run(self) -> None:
        """Never raises: whatever happens is the job's state afterwards."""
        facts = {"job": self.job.id, "kind": self.job.kind.value, "attempt": self.job.attempts}
        parent = self.job.order.get("traceparent") or tracing.ROOT
        try:
            with tracing.span("job", facts, parent=parent, kind=SpanKind.CONSUMER):
                self._run()
        except _Interrupted:
            self._requeue(counted=False)
        except _WorkerFailed as broke:
            (self._again if broke.again else self._fail)(broke.problem)
        except StorageError as error:
            # A bucket may be there again in a minute, an object that is gone may not.
            if isinstance(error, NotStored):
                self._fail(self._words.problem_of(error))
            else:
                self._again(self._words.problem_of(error))
        except BystanderError as error:
            self._fail(self._words.problem_of(error))
        except Exception as error:
            said = self._words.safe(str(error))
            log.error("job %s: %s: %s", self.job.id, type(error).__name__, said)
            self._again(
                Problem(
                    "Defect",
                    "the service failed over this video",
                    "Start it again; if that doesn't help, the service's log says why.",
                )
            )
        finally:
            self._tidy()

    def _run(self) -> None:
        jobs = self._place.store.jobs
        if self.job.summary is None:  # else it was done before, and not wholly stored
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._alone():
                self._prepare()
            summary = None if self._interrupted() else self._work()
            if summary is None or not jobs.commit(self.job.id, summary, self.job.lease):
                self._requeue(counted=False)  # or its end, if that was wished for
                return
        self._done_at = time.monotonic()
        with self._alone():
            self._store_outputs()
            self._leave_segments()
            done = jobs.finish(self.job.id, JobState.DONE, lease=self.job.lease)
        if done and self.job.attempts == 1:  # another one may have done a few frames of a stage
            self._place.learn(self.job, self._took())

    def _interrupted(self) -> bool:
        return self._lost or self._cancelled_at is not None or self._place.halting.is_set()

    def _requeue(self, *, pause: float = 0.0, counted: bool = True) -> None:
        if not self._lost:
            self._place.store.jobs.requeue(
                self.job.id, pause=pause, counted=counted, lease=self.job.lease
            )

    def _prepare(self) -> None:
        place = self._place
        project = place.store.projects.find(self.job.project)
        if project is None:
            raise NotStored("the project has been deleted")
        photos = place.store.photos.list(project.id)
        self._words = Sanitizer(
            self._folder, place.settings.data, {photo.person for photo in photos}
        )
        if prepared(self._folder):
            return
        place.disk.room_for(2 * (project.video.size or 0))  # segments, and the result of them
        pictures = place.disk.photos(project.id)
        if self.job.kind is not JobKind.ANALYZE:
            self._take_segments()
        earlier = place.store.jobs.find(project.result.job) if project.result else None
        prepare(
            self._folder,
            self.job,
            project,
            photos,
            pictures,
            place.storage,
            place.settings,
            earlier,
        )

    def _work(self) -> dict[str, Any] | None:
        """Let a worker do it; returns its summary, None if it was interrupted."""
        with self._alone():  # the worker takes it next
            if self._interrupted():
                return None
        place = self._place
        settings = place.settings.jobs
        environment = dict(place.environment)
        if traceparent := tracing.traceparent():
            environment[tracing.TRACEPARENT_VARIABLE] = traceparent
        with WorkerProcess(
            place.command(self._folder), environment, settings.memory_bytes
        ) as child:
            heard = time.monotonic()
            while True:
                ended = child.ended
                messages = child.drain() if ended else child.listen(LISTEN_SECONDS)
                final = self._hear(messages)
                if isinstance(final, DoneMessage):
                    child.end(CANCEL_GRACE_SECONDS)
                    return _nameless(final.summary)
                if self._interrupted():
                    child.end(
                        STOP_GRACE_SECONDS if place.halting.is_set() else CANCEL_GRACE_SECONDS
                    )
                    return None
                if isinstance(final, FailedMessage):
                    raise self._failed(final)
                if ended:
                    # What ends the server with a signal may give it to the worker first.
                    if child.verdict() == signal.SIGTERM.name and place.halting.wait(
                        SAME_SIGNAL_SECONDS
                    ):
                        return None
                    raise self._crashed(child)
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() - heard > settings.stall_seconds:
                    raise _WorkerFailed(
                        _given_up(
                            "WorkerStalled",
                            f"the work on this video stood still for {settings.stall_seconds:g} s",
                        )
                    )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the folder: no worker is in it, nor another server; and the job is still its own.

        Raises:
            _WorkerFailed: somebody else keeps it.
            _Interrupted: there is no need any more.
        """
        until = time.monotonic() + LEFTOVER_SECONDS
        with (self._folder / LOCK_FILE_NAME).open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break  # closing the file lets go of it
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise _WorkerFailed(
                            _given_up("WorkerStalled", "another worker has this video")
                        ) from None
                    if self._interrupted():
                        raise _Interrupted from None
                    time.sleep(LISTEN_SECONDS)
            if not self._place.store.jobs.holds(self.job.id, self.job.lease):
                raise _Interrupted
            yield

    def _hear(self, messages: Sequence[WorkerMessage]) -> DoneMessage | FailedMessage | None:
        """Remember what a worker said; returns its last word, if it was among it."""
        jobs, final, resumed = self._place.store.jobs, None, False
        for message in messages:
            match message:
                case ProgressMessage():
                    self._advance(message)
                case ResumedMessage():
                    resumed = True
                case PreviewMessage():
                    jobs.previewed(self.job.id, self.job.lease)
                case SpanMessage() if self._spans < MAX_SPANS:
                    self._spans += 1
                    tracing.adopt([message.span], tracing.traceparent())
                case DoneMessage() | FailedMessage():
                    final = message
        due = final or resumed or time.monotonic() - self._written >= WRITE_SECONDS
        if self._progress and due:
            if not jobs.progress(self.job.id, self._progress, self.job.lease):
                self.lose()
            self._progress, self._written = None, time.monotonic()
        if resumed:  # whoever sees that sees what is done already, not what was told before
            jobs.resumed(self.job.id, self.job.lease)
        return final

    def _advance(self, message: ProgressMessage) -> None:
        self.fps = message.fps
        self._stages.setdefault(message.stage, (time.monotonic(), max(1, message.total)))
        share, eta = overall_progress(
            self.job.kind,
            bool(self.job.order.get("audit")),
            message.stage,
            message.done,
            message.total,
            message.fps,
            self._place.expectations(self.job),
        )
        self._progress = JobProgress(
            message.stage, message.done, message.total, message.fps, share, eta
        )

    def _failed(self, failure: FailedMessage) -> _WorkerFailed:
        if failure.type == "Cancelled":  # by somebody else than this service
            return _WorkerFailed(_given_up("WorkerCrashed", "the work on this video was stopped"))
        log.warning("job %s: %s", self.job.id, failure.type)
        problem = self._words.problem(failure.type, failure.what, failure.advice)
        return _WorkerFailed(problem, again=False)

    def _crashed(self, child: WorkerProcess) -> _WorkerFailed:
        log.warning(
            "job %s: worker ended with %s, attempt %d, %d lines of junk; its last words: %s",
            self.job.id,
            child.verdict(),
            self.job.attempts,
            child.junk,
            self._words.safe(child.tail),
        )
        return _WorkerFailed(_given_up("WorkerCrashed", "the work on this video broke off"))

    def _again(self, problem: Problem) -> None:
        """Another attempt after a pause, or no more."""
        attempts = self.job.attempts
        if attempts >= self._place.settings.jobs.attempts:
            self._fail(
                Problem(problem.type, f"{problem.what}, {attempts} times over", problem.advice)
            )
            return
        pause = min(MAX_PAUSE_SECONDS, self._place.pause * 2 ** (attempts - 1))
        self._requeue(pause=pause)

    def _fail(self, problem: Problem) -> None:
        if not self._lost:
            self._place.store.jobs.finish(
                self.job.id, JobState.FAILED, problem, lease=self.job.lease
            )

    def _store_outputs(self) -> None:
        storage, project = self._place.storage, self.job.project
        cleared = self._folder / "cleared"
        if not cleared.exists():  # else some of the outputs lie there already
            # An earlier result, its audit: of other people, or of other decisions.
            storage.delete(rendering_of(project))
            cleared.touch()
        for name in OUTPUTS:
            # A timeline that was only rendered is the stored one.
            mine = name != TIMELINE_FILE or self.job.kind is not JobKind.RENDER
            if mine and (self._folder / name).exists():
                storage.put(self._folder / name, key_of(project, name))

    def _take_segments(self) -> None:
        """Those of the result that this job is to replace: what doesn't change is found in them."""
        kept = self._place.disk.segments(self.job.project)
        checkpoints = self._folder / CHECKPOINTS_FOLDER
        if kept.exists() and not (checkpoints / EARLIER_FOLDER).exists():
            checkpoints.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept.rename(checkpoints / EARLIER_FOLDER)

    def _leave_segments(self) -> None:
        """They go when the result does: with the next one, or with the project."""
        made = self._folder / CHECKPOINTS_FOLDER / SEGMENTS_FOLDER
        if made.exists():
            kept = self._place.disk.segments(self.job.project)
            kept.parent.mkdir(mode=0o700, exist_ok=True)
            remove(kept)
            made.rename(kept)

    def _took(self) -> dict[str, float]:
        """Seconds a frame of each stage, from its first word to the next one's."""
        begun = [at for at, _ in self._stages.values()]
        ends = [*begun[1:], self._done_at]
        return {
            stage: (end - at) / frames
            for (stage, (at, frames)), end in zip(self._stages.items(), ends, strict=True)
        }

    def _tidy(self) -> None:
        job = self._place.store.jobs.find(self.job.id)
        if job is None or job.state.ended:
            try:
                discard_parts(self._place.settings, self.job.id)
            except BystanderError as error:  # the bucket's lifecycle deletes them later
                log.warning(
                    "job %s: parts stay in the bucket (%s)", self.job.id, type(error).__name__
                )
            remove(self._folder)
            self._place.disk.sweep_litter()


def _nameless(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, the digest and the codecs of its sound alone outlive a job: of a list, such as
    who wasn't recognised, how many."""
    counted = {
        key: len(found) if isinstance(found, list) else found for key, found in summary.items()
    }
    kept: dict[str, Any] = {
        key: found for key, found in counted.items() if isinstance(found, int | float)
    }
    digest = summary.get("verdicts_digest")
    if isinstance(digest, str) and DIGEST.fullmatch(digest):
        kept["verdicts_digest"] = digest
    with suppress(ValidationError):
        kept["sound"] = SoundSummary.model_validate(summary.get("sound")).model_dump()
    return kept


def _given_up(kind: str, what: str) -> Problem:
    return Problem(kind, what, "Start it again; if that doesn't help, the service's log says why.")
