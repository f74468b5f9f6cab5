"""The confined process that does tasks, one after another: `python -m bystander.executors.child`.

It can open the video, what its tasks left before and the networks' files, and write to a folder of
its own; who started it fetches and stores everything else for it (`bystander.executors.confined`).
Its networks stay open between tasks. It ends with who started it.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from bystander.errors import BystanderError
from bystander.executors.sealed import unseal
from bystander.progress import OncePerMessage
from bystander.sandbox.lifeline import end_with_parent

MAX_TEXT_CHARACTERS: Final = 2000


class Line:
    """Both directions to who started this process: JSON there, pickles from there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending, self._asking = threading.Lock(), threading.Lock()
        self._answers = queue.SimpleQueue[Any]()
        self.tasks, self._steps = queue.SimpleQueue[bytes](), queue.SimpleQueue[Any]()

    def tell(self, event: str, **facts: object) -> None:
        """Send one message."""
        with self._sending:
            self._connection.send_bytes(json.dumps({"event": event, **facts}).encode())

    def ask(self, question: str, **facts: object) -> Any:
        """Send a question and wait for its answer."""
        with self._asking:
            self.tell(question, **facts)
            return _unless_error(self._answers.get())

    def step(self) -> int | None:
        """Frames that were done since the last one; None when all are. An error is raised."""
        frames: int | None = _unless_error(self._steps.get())
        return frames

    def listen(self) -> None:
        """Take what comes; when nobody is at the other end, end this process."""
        kinds = {"task": self.tasks, "step": self._steps, "answer": self._answers}
        try:
            while True:
                kind, value = self._connection.recv()
                kinds[kind].put(value)
        except (EOFError, OSError):
            os._exit(0)


def _unless_error(value: Any) -> Any:
    if isinstance(value, BystanderError):
        raise value
    return value


class RemoteWorkspace:
    """The workspace of a task, whose files who started this process fetches and stores."""

    def __init__(self, line: Line, folder: Path) -> None:
        self._line, self._folder = line, folder

    def video(self, spans: Sequence[tuple[int, int]] = ()) -> Path:
        return Path(self._line.ask("video", spans=list(spans)))

    def find(self, name: str) -> Path | None:
        found = self._line.ask("find", name=name)
        return None if found is None else Path(found)

    def has(self, name: str) -> bool:
        return bool(self._line.ask("has", name=name))

    def readable(self) -> Sequence[Path]:
        return ()

    @contextmanager
    def storing(self, name: str) -> Iterator[Path]:
        part = self._folder / f"{uuid.uuid4().hex}.part"
        try:
            yield part
            self._line.ask("store", name=name, part=part.name)
        finally:
            part.unlink(missing_ok=True)


class _Forwarding(logging.Handler):
    """Sends what the library says to who started this process."""

    def __init__(self, line: Line) -> None:
        super().__init__(logging.WARNING)
        self._line = line
        self.addFilter(OncePerMessage())

    def emit(self, record: logging.LogRecord) -> None:
        self._line.tell("warning", text=record.getMessage()[:MAX_TEXT_CHARACTERS])


def main(descriptor: int, parent: int) -> None:
    end_with_parent(parent)
    # What a library prints is no result of the program that this one works for.
    os.dup2(2, 1)
    line = Line(Connection(descriptor))
    logging.getLogger().addHandler(_Forwarding(line))
    threading.Thread(target=line.listen, name="line", daemon=True).start()
    workspace = RemoteWorkspace(line, Path.cwd())
    while True:
        _do(line.tasks.get(), workspace, line)


def _do(content: bytes, workspace: RemoteWorkspace, line: Line) -> None:
    try:
        unseal(content, workspace).run(lambda frames: line.tell("step", frames=frames))
    except BystanderError as error:
        what, advice = error.what[:MAX_TEXT_CHARACTERS], error.advice[:MAX_TEXT_CHARACTERS]
        line.tell("failed", type=type(error).__name__, what=what, advice=advice)
    except Exception:
        # A defect, or what the machine lacks: whoever tries again gets a fresh process.
        line.tell("broken", text=traceback.format_exc()[-MAX_TEXT_CHARACTERS:])
    else:
        line.tell("done")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
