"""What is done in parts: tasks over files, where those lie, and who does the tasks.

A task is small and can be pickled; it finds what it needs in a workspace and leaves one file
there, under a name that follows from all that the file depends on. So a task may be done twice, by
two machines at once, or again by another after the first died: the outcome is the same, and what
is there isn't done anew. Frames never leave the process that looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bystander import tracing
from bystander.errors import OutputUnwritable
from bystander.files import replacing

Step = Callable[[int], None]
"""Told how many more frames are done; 0 only asks whether to go on, less says that a try is given
up. May raise `Cancelled`."""


class Workspace(Protocol):
    """The files of one video's tasks. It can be pickled; names are letters, digits, `-` and `.`."""

    def video(self, spans: Sequence[tuple[int, int]] = ()) -> Path:
        """A local file to read the video from.

        Args:
            spans: first byte and one past the last of what will be read of it; none: everything.
        """
        ...

    def find(self, name: str) -> Path | None:
        """A local file to read what was stored as `name`; None if nothing was."""
        ...

    def has(self, name: str) -> bool:
        """Whether something is stored as `name`."""
        ...

    def storing(self, name: str) -> AbstractContextManager[Path]:
        """A local path to write to; what is there in the end is stored as `name`, whole or not
        at all."""
        ...

    def readable(self) -> Sequence[Path]:
        """Local files and folders, which are there, that hold all that `video` and `find` give:
        whoever does tasks in a confined process lets it read these."""
        ...


@dataclass(frozen=True)
class FolderWorkspace:
    """A folder of this machine, or one that several machines share.

    Attributes:
        source: the video.
        folder: where results go; is there.
    """

    source: Path
    folder: Path

    def video(self, spans: Sequence[tuple[int, int]] = ()) -> Path:
        return self.source

    def find(self, name: str) -> Path | None:
        path = self.folder / name
        return path if path.is_file() else None

    def has(self, name: str) -> bool:
        return self.find(name) is not None

    def readable(self) -> Sequence[Path]:
        return (self.source, self.folder)

    @contextmanager
    def storing(self, name: str) -> Iterator[Path]:
        try:
            with replacing(self.folder / name) as part:
                yield part
        except OSError as error:
            raise OutputUnwritable(
                f"{self.folder / name} can't be written ({error.strerror})",
                "Free some space on that disk, or choose another folder.",
            ) from error


class Task(Protocol):
    """One part of the work, a pure function over files. It can be pickled.

    Attributes:
        name: what its result is called in the workspace.
        frames: how many it goes through, for the progress.
        runs_networks: it wants a GPU where there is one.
    """

    @property
    def name(self) -> str: ...

    @property
    def frames(self) -> int: ...

    @property
    def workspace(self) -> Workspace: ...

    @property
    def runs_networks(self) -> bool: ...

    def run(self, step: Step) -> None:
        """Do it: afterwards the result is in the workspace.

        Networks are kept by the process, so that its next task finds them warm.

        Raises:
            BystanderError: it can't be done, by nobody.
        """
        ...


class Executor(Protocol):
    """Does tasks."""

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        """Do all of them; the order is the executor's, the first ones tend to come first.

        A worker that dies costs the tasks it was at, which others do.

        Args:
            step: called from this thread, for tasks whose results are there already, too. What it
                raises stops everything.

        Raises:
            BystanderError: the first that a task raised; the others are stopped.
        """
        ...


class InProcess:
    """Does one task after another, in this process."""

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        for task in tasks:
            if task.workspace.has(task.name):
                step(task.frames)
            else:
                with tracing.span(tracing.TASK, {"frames": task.frames}):
                    task.run(step)


@dataclass(frozen=True)
class Parallel:
    """How a video is done in parts.

    Attributes:
        executor: does them.
        workspace: has the video, and gets what is made of its parts.
        chunk_seconds: of the video, that one look is about; None: by the video's length.
        overlap_seconds: that two neighbouring ones both look at.
    """

    executor: Executor
    workspace: Workspace
    chunk_seconds: float | None = None
    overlap_seconds: float = 3.0
