"""A task -> bytes that only the process that does it opens, and back.

Whoever hands a task on needs its name, its frames and its workspace. The rest is pickled apart, so
that a task made by a process that decoded a stranger's video is never unpickled by one that isn't
confined. The workspace stays outside of the bytes: it may know a bucket's credentials.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import Any, Final

from bystander import __version__
from bystander.errors import ExecutorError
from bystander.pipeline.tasks import Task, Workspace

_WORKSPACE: Final = "workspace"
"""What stands for the workspace in the bytes."""


@dataclass(frozen=True)
class SealedTask:
    """A task that can be handed on without being opened.

    Attributes:
        name, frames, workspace, runs_networks: those of the task.
        content: the task but its workspace, pickled.
        version: of the program that made it.
    """

    name: str
    frames: int
    workspace: Workspace
    content: bytes
    runs_networks: bool
    version: str = __version__

    @property
    def done(self) -> bool:
        """Whether its result is there."""
        return self.workspace.has(self.name)

    def check_version(self) -> None:
        """Refuse what another version of the program made: results would differ.

        Raises:
            ExecutorError: it did.
        """
        if self.version != __version__:
            raise ExecutorError(
                f"a worker has Bystander {__version__}, the work was made by {self.version}",
                "Give all machines the same version.",
            )


def seal(task: Task) -> SealedTask:
    """`task`, to be handed on."""
    workspace, written = task.workspace, io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: object) -> str | None:
            return _WORKSPACE if thing is workspace else None

    Pickler(written, pickle.HIGHEST_PROTOCOL).dump(task)
    return SealedTask(task.name, task.frames, workspace, written.getvalue(), task.runs_networks)


def unseal(content: bytes, workspace: Workspace) -> Task:
    """The task of `content`, to find its files in `workspace`."""

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, name: Any) -> Workspace:
            return workspace

    task: Task = Unpickler(io.BytesIO(content)).load()
    return task
