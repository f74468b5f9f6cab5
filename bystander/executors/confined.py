"""Sealed tasks -> a confined process does them, and files lie in their workspace.

The process decodes what strangers sent, so nothing that it says is believed: it speaks JSON of a
known form, names are checked before a workspace sees them, and what it made is copied from an
ordinary file in its own folder.
"""

from __future__ import annotations

import logging
import os
import re
import resource
import signal
import socket
import subprocess
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

from bystander import errors
from bystander.config import CORES_VARIABLE
from bystander.errors import BystanderError
from bystander.executors.messages import (
    MAX_TEXT_CHARACTERS,
    Broken,
    Done,
    Failed,
    RunTasks,
    Said,
    Sealed,
    Stepped,
    Warned,
    WorkerDied,
    answer,
    receive,
)
from bystander.executors.sealed import SealedTask
from bystander.executors.settings import WorkerSettings
from bystander.files import OwnedFolder
from bystander.pipeline.tasks import Step, Workspace
from bystander.sandbox.children import Children

SCRATCH_PREFIX: Final = "bystander-worker-"

log = logging.getLogger(__name__)


class ConfinedWorker:
    """A process that does tasks of one workspace; to be used by one thread, which outlives it.

    Args:
        workspace: the only one whose files it can read.
        settings: how it is confined.
        cores: on how many it computes.

    Attributes:
        pid: of the process.
    """

    def __init__(self, workspace: Workspace, settings: WorkerSettings, cores: int) -> None:
        self._scratch = _Scratch()
        children = Children(
            settings.confinement,
            more={
                CORES_VARIABLE: str(cores),
                # One thread a network, as everywhere; OpenBLAS and OpenCV would take all cores.
                "OMP_NUM_THREADS": str(cores),
            },
        )
        read = [path.resolve() for path in (*workspace.readable(), *settings.read)]
        mine, its = socket.socketpair()
        command = children.command(
            self._scratch.folder,
            "bystander.executors.child",
            str(its.fileno()),
            str(os.getpid()),
            read=read,
        )
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stderr=self._scratch.complaints,
                env=children.environment,
                pass_fds=[its.fileno()],
                start_new_session=True,  # Ctrl-C is for the process that was called
            )
        except BaseException:
            mine.close()
            self._scratch.remove()
            raise
        finally:
            its.close()
        self._ending = threading.Lock()
        self.pid = self._process.pid
        self._line = Connection(mine.detach())
        _limit_memory(self.pid, settings.memory_bytes)

    def run(self, task: SealedTask, step: Step) -> None:
        """Do `task`; what `step` raises ends the process.

        Raises:
            BystanderError: it can't be done.
            WorkerDied: the process ended, or made no sense.
        """
        try:
            self._send("task", task.content)
            failure = self._converse(task, step)
        except BaseException:
            self.close()
            raise
        if failure is not None:
            raise _error_of(failure)

    @property
    def usable(self) -> bool:
        """Whether it can be given a task."""
        return not self._line.closed

    def kill(self) -> None:
        """End the process, from any thread: `run` raises `WorkerDied`."""
        with self._ending:
            if self._process.returncode is None:  # until it is waited for, the number is its own
                os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process, and take away what it leaves. May be called again."""
        self._reap()
        self._line.close()
        self._scratch.remove()

    def _converse(self, task: SealedTask, step: Step) -> Failed | None:
        while True:
            match self._receive():
                case Stepped(frames=frames):
                    step(frames)
                case Warned(text=text):
                    log.warning("%s", text)
                case Failed() as failed:
                    return failed
                case Broken(text=text):
                    raise WorkerDied(text)
                case Done():
                    return None
                case Sealed() | RunTasks():
                    raise WorkerDied("it asks for tasks of its own")
                case question:
                    self._send("answer", answer(task.workspace, question, self._scratch.folder))

    def _send(self, kind: str, value: Any) -> None:
        try:
            self._line.send((kind, value))
        except OSError:
            raise WorkerDied(self._verdict()) from None

    def _receive(self) -> Said:
        try:
            return receive(self._line)
        except (EOFError, OSError):
            raise WorkerDied(self._verdict()) from None

    def _verdict(self) -> str:
        """How the process ended, in words; whatever it does, it has ended then."""
        code = self._reap()
        log.debug("a process ended with %d; its last words: %s", code, self._scratch.last_words())
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _reap(self) -> int:
        self.kill()
        with self._ending:
            return self._process.wait()


class _Scratch:
    """A folder for one process, which goes with it, or with the next one made on this machine."""

    def __init__(self) -> None:
        self._outer = OwnedFolder(SCRATCH_PREFIX)
        self.folder = self._outer.path / "folder"
        self.folder.mkdir(0o700)
        # What libraries print is for nobody, unless it ends.
        self.complaints = os.open(self._outer.path / "complaints", os.O_CREAT | os.O_RDWR, 0o600)

    def last_words(self) -> str:
        """The end of what the process complained of."""
        if self.complaints < 0:
            return ""
        size = os.fstat(self.complaints).st_size
        return os.pread(
            self.complaints, MAX_TEXT_CHARACTERS, max(0, size - MAX_TEXT_CHARACTERS)
        ).decode(errors="replace")

    def remove(self) -> None:
        """May be called again."""
        if self.complaints >= 0:
            os.close(self.complaints)
            self.complaints = -1
        self._outer.remove()


def _limit_memory(pid: int, most: int | None) -> None:
    """From outside, as code run between fork and exec is unsafe where there are threads."""
    if most is not None and hasattr(resource, "prlimit"):
        _, hard = resource.prlimit(pid, resource.RLIMIT_AS)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, (most, most))


def _error_of(failed: Failed) -> BystanderError:
    """The error that the process raised, if there is such a one."""
    kind = getattr(errors, failed.type, None)
    if not (isinstance(kind, type) and issubclass(kind, BystanderError)):
        raise WorkerDied(f"it failed with {re.sub('[^A-Za-z]', '', failed.type)}")
    error: BystanderError = kind(failed.what, failed.advice)
    return error
