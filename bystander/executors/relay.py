"""A confined process that plans a video's tasks -> somebody who isn't confined has them done.

A job's worker decodes what a stranger sent, so it must not reach a cluster or a bucket. It seals
its tasks and sends them to who started it, who hands them to an executor unopened, and decides
whose files its questions are about.
"""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Protocol

from bystander import tracing
from bystander.errors import BystanderError
from bystander.executors.child import Line
from bystander.executors.messages import (
    COPY_BYTES,
    FetchVideo,
    Find,
    Has,
    RunTasks,
    Said,
    Sealed,
    Store,
    WorkerDied,
    answer,
    receive,
)
from bystander.executors.sealed import SealedTask, seal
from bystander.files import replacing
from bystander.pipeline.tasks import Step, Task, Workspace

QUIET_SECONDS: Final = 1.0
"""Between two signs of life while nothing is done."""


class RelayedExecutor:
    """Has tasks done by who started this process; a step may ask for files of their workspace."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        for task in tasks:
            sealed = seal(task)
            content = base64.b64encode(sealed.content).decode()
            self._line.tell(
                "task",
                name=sealed.name,
                frames=sealed.frames,
                networks=sealed.runs_networks,
                content=content,
            )
        self._line.tell("run", traceparent=tracing.traceparent())
        while (frames := self._line.step()) is not None:
            step(frames)


class SealedExecutor(Protocol):
    """Does tasks that it can't open."""

    def run_sealed(self, tasks: Sequence[SealedTask], step: Step) -> None:
        """As `Executor.run`."""
        ...


def relay(
    connection: Connection, workspace: Workspace, executor: SealedExecutor, folder: Path
) -> None:
    """Answer a confined process, and have its tasks done, until it ends.

    Args:
        connection: to its `Line`.
        workspace: the one that all of its questions and tasks are about.
        folder: its own; what it asks for is copied there.

    Raises:
        WorkerDied: it says what makes no sense.
    """
    other = _Other(connection, workspace, folder)
    tasks: list[SealedTask] = []
    while True:
        try:
            said = receive(connection)
        except (EOFError, OSError):
            return
        match said:
            case Sealed():
                content = base64.b64decode(said.content)
                tasks.append(SealedTask(said.name, said.frames, workspace, content, said.networks))
            case RunTasks(traceparent=traceparent):
                failure = None
                try:
                    with tracing.within(traceparent):
                        executor.run_sealed(tasks, other.step)
                    tasks = []
                except BystanderError as error:
                    failure = error
                other.tell("step", failure)
            case question:
                other.answer(question)


def _copied(found: Path | None, folder: Path, name: str) -> str | None:
    """A file of the workspace where the process can read it."""
    if found is None:
        return None
    if found.resolve().is_relative_to(folder.resolve()):
        return str(found.resolve())
    copy = folder / f"found-{name}"
    if not copy.exists():
        with replacing(copy) as part, found.open("rb") as source, part.open("xb") as target:
            shutil.copyfileobj(source, target, COPY_BYTES)
    return str(copy)


class _Other:
    """The process at the other end."""

    def __init__(self, connection: Connection, workspace: Workspace, folder: Path) -> None:
        self._connection, self._workspace, self._folder = connection, workspace, folder
        self._last = time.monotonic()

    def step(self, frames: int) -> None:
        """Pass a step on, of those that say nothing one a second, and answer what is asked."""
        now = time.monotonic()
        if frames or now - self._last >= QUIET_SECONDS:
            self._last = now
            self.tell("step", frames)
        try:
            while self._connection.poll():
                self.answer(receive(self._connection))
        except (EOFError, OSError):
            raise WorkerDied("it has ended") from None

    def answer(self, question: Said) -> None:
        """Answer a question about the workspace."""
        result: str | bool | BystanderError | None
        try:
            match question:
                case Find(name=name):
                    result = _copied(self._workspace.find(name), self._folder, name)
                case FetchVideo() | Has() | Store():
                    result = answer(self._workspace, question, self._folder)
                case _:
                    raise WorkerDied("it says what makes no sense")
        except BystanderError as error:
            result = error
        self.tell("answer", result)

    def tell(self, kind: str, value: object) -> None:
        try:
            self._connection.send((kind, value))
        except OSError:
            raise WorkerDied("it has ended") from None
