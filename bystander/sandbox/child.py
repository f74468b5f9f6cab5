"""In the parent: runs the child, believes nothing it says, and cleans up after it."""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import bystander
from bystander import errors
from bystander.errors import BystanderError, Cancelled, PhotoError, VideoError
from bystander.sandbox.protocol import Limits

log = logging.getLogger(__name__)

TaskKind = Literal["video", "photo", "picture", "clip", "frame", "follow", "proxy", "masks"]
Hear = Callable[[bytes], None]
"""Takes what a child tells while it works, a line at a time."""
FactsT = TypeVar("FactsT", bound=BaseModel)

_MAX_OUTPUT_BYTES = 256 * 1024  # bytes, of stdout and of stderr; facts of 1000 sound tracks fit
_MAX_TOLD_BYTES = 16 * 2**20  # bytes of what it tells while it works
_TOLD = b"["  # with which a line of that begins; an answer begins with another bracket
_LOOK_SECONDS = 0.1  # after which is looked whether it is wanted any more
_PACKAGES = Path(bystander.__file__).resolve().parents[1]


class _Refusal(BaseModel):
    type: str
    what: str = Field(max_length=2000)
    advice: str = Field("", max_length=2000)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    offline: bool
    facts: dict[str, Any] | None = None
    error: _Refusal | None = None


def ask(
    kind: TaskKind,
    path: Path,
    folder: Path,
    limits: Limits,
    schema: type[FactsT],
    hear: Hear | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> FactsT:
    """What a child finds out about `path`, under `limits`. Safe in threads.

    Args:
        kind: what it is to do, see `__main__`.
        folder: takes the files it makes, and holds its order where it needs one.
        hear: takes what it tells while it works, if it does; may raise ValueError over what is
            wrong.
        cancelled: asked now and then whether nobody wants to know any more.

    Raises:
        VideoError, PhotoError: it can't be done, or not within `limits`. The message names no
            path.
        Cancelled: nobody wants to know any more.
    """
    path = path.resolve()
    listener = _Listener(time.monotonic() + limits.wall, hear, cancelled)
    said, complaint, reason = _run(kind, path, folder.resolve(), limits, listener)
    try:
        answer = _Answer.model_validate_json(said)
        _tell_once(answer.offline)
        if answer.facts is not None:
            return schema.model_validate_json(json.dumps(answer.facts))
    except ValidationError:
        raise _not_examined(kind, reason, complaint) from None
    if answer.error is None:
        raise _not_examined(kind, reason, complaint)
    raise _refusal(kind, answer.error, path)


def take_over(made: Path, target: Path, kind: TaskKind) -> None:
    """Move a file that the child has made.

    Raises:
        VideoError, PhotoError: it has made none.
    """
    if made.is_symlink() or not made.is_file():
        raise _not_examined(kind, "a file is missing")
    os.replace(made, target)


def _run(
    kind: TaskKind, path: Path, folder: Path, limits: Limits, listener: _Listener
) -> tuple[bytes, bytes, str]:
    """What the child says on stdout and stderr, and how it ended. Nothing of it is left."""
    child = subprocess.Popen(
        # -P: nothing is imported from the folder that this process happens to be in.
        [sys.executable, "-P", "-s", "-B", "-m", "bystander.sandbox", kind, path, folder,
         limits.model_dump_json(include=set(Limits.model_fields))],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=folder, env=_environment(folder), start_new_session=True,
    )  # fmt: skip
    with child:
        try:
            said, complaint, reason = listener.listen(child)
        finally:
            # Before it is waited for: until then its process group's number is its own.
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
    if not reason:
        reason = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return said, complaint, reason


class _Listener:
    """Reads what a child says until its pipes are closed, it says too much, or it takes too long.

    Args:
        deadline: on the monotonic clock.
        hear, cancelled: see `ask`.
    """

    def __init__(
        self, deadline: float, hear: Hear | None, cancelled: Callable[[], bool] | None
    ) -> None:
        self._deadline, self._hear, self._cancelled = deadline, hear, cancelled
        self._said, self._complaint = bytearray(), bytearray()
        self._told = 0

    def listen(self, child: subprocess.Popen[bytes]) -> tuple[bytes, bytes, str]:
        """Its answer, what it wrote to stderr, and why it wasn't listened to any longer.

        Raises:
            Cancelled: nobody wants to know any more.
        """
        assert child.stdout is not None
        assert child.stderr is not None
        reason = ""
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ, self._take)
            selector.register(child.stderr, selectors.EVENT_READ, self._note)
            while selector.get_map() and not reason:
                left = self._deadline - time.monotonic()
                wait = left if self._cancelled is None else min(left, _LOOK_SECONDS)
                ready = selector.select(max(0.0, wait))
                if self._cancelled is not None and self._cancelled():
                    raise Cancelled("nobody waits for it any more")
                if left <= 0:
                    reason = "too slow"
                for key, _ in ready:
                    chunk = os.read(key.fd, 65536)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    reason = key.data(chunk) or reason
        return bytes(self._said), bytes(self._complaint), reason

    def _note(self, chunk: bytes) -> str:
        self._complaint += chunk
        return "too talkative" if len(self._complaint) > _MAX_OUTPUT_BYTES else ""

    def _take(self, chunk: bytes) -> str:
        self._said += chunk
        while self._hear is not None and self._said.startswith(_TOLD):
            line, ended, rest = self._said.partition(b"\n")
            if not ended:
                break
            self._said = rest
            self._told += len(line)
            try:
                self._hear(bytes(line))
            except ValueError:
                return self._disbelieved("it tells what it shouldn't")
        if len(self._said) > _MAX_OUTPUT_BYTES or self._told > _MAX_TOLD_BYTES:
            return self._disbelieved("too talkative")
        return ""

    def _disbelieved(self, reason: str) -> str:
        self._said.clear()  # whatever else it says
        return reason


def _environment(folder: Path) -> dict[str, str]:
    """Only what Python needs; no token or key of this process gets to the child."""
    environment = {
        "PYTHONPATH": str(_PACKAGES),
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        # Threads and arenas that would only take address space.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
    if libraries := os.environ.get("LD_LIBRARY_PATH"):
        environment["LD_LIBRARY_PATH"] = libraries
    return environment


def _refusal(kind: TaskKind, refusal: _Refusal, path: Path) -> BystanderError:
    """The child's error, if it is one of those that a file of this `kind` may get."""
    error = getattr(errors, refusal.type, None)
    base = PhotoError if kind == "photo" else VideoError
    if not (isinstance(error, type) and issubclass(error, base)):
        return _not_examined(kind, refusal.type)
    name = f"the {_file_of(kind)}"
    return error(refusal.what.replace(str(path), name), refusal.advice.replace(str(path), name))


def _not_examined(kind: TaskKind, reason: str, complaint: bytes = b"") -> BystanderError:
    log.warning(
        "a %s can't be examined: %s %s",
        _file_of(kind), reason, complaint[-2000:].decode(errors="replace"),
    )  # fmt: skip
    what = f"the {_file_of(kind)} can't be examined within the limits of this service"
    if kind == "masks":
        what = "the masks can't be drawn within the limits of this service"
        return VideoError(what, "Get the project's timeline, and use 'bystander export' with it.")
    if kind == "photo":
        return PhotoError(what, "Save it as a JPEG of ordinary size and try again.")
    return VideoError(what, "Convert it to H.264 in MP4 and try again.")


def _file_of(kind: TaskKind) -> str:
    """What it is that the child looks into."""
    return "photo" if kind == "photo" else "video"


@cache
def _tell_once(offline: bool) -> None:
    if not offline:
        log.warning(
            "this system doesn't let a process cut itself off from the network: files are "
            "examined with memory, time and privileges limited, but not the network"
        )
