"""A worker's process: started, listened to line by line, and ended."""

from __future__ import annotations

import os
import resource
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bystander.media.sound_spans import MAX_SOUND_SPANS
from bystander.server.models import JobStage
from bystander.tracing import SpanRecord

MAX_LINE_BYTES: Final = 64 * 1024
"""Bytes of a line; a longer one is junk."""
READ_BYTES: Final = 65536
DRAIN_SECONDS: Final = 1.0
"""For the end of its output; a process that left the session may hold it open for ever."""
TAIL_LINES: Final = 20
"""Of what it complained about, kept to be logged should it crash."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ProgressMessage(_Message):
    """Frames done of one stage, frames per second, and seconds left in it."""

    event: Literal["progress"] = "progress"
    stage: JobStage
    done: int = Field(ge=0)
    total: int = Field(ge=0)
    fps: float = Field(0.0, ge=0)
    eta: float = Field(0.0, ge=0)


class ResumedMessage(_Message):
    """It went on from a checkpoint."""

    event: Literal["resumed"] = "resumed"
    stage: str = Field(max_length=40)
    frame: int = Field(ge=0)


class PreviewMessage(_Message):
    """There is a new preview picture."""

    event: Literal["preview"] = "preview"


CodecName = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,32}$")]


SoundWords = Annotated[str, Field(pattern=r"^(keep|mute|low-pass|pitch)(:[0-9.e+]*-[0-9.e+]*)?$")]


class SoundStream(_Message):
    """An audio stream of the source, its codec, and what it becomes if it isn't copied."""

    stream: int = Field(ge=0, lt=2**31)
    codec: CodecName | None
    becomes: CodecName | None = None


class SoundSummary(_Message):
    """What `media.sound.SoundPlan.summary` gives, in nobody's words: without the reasons."""

    kept: list[SoundStream] = Field(max_length=64)
    transcoded: list[SoundStream] = Field(max_length=64)
    left_out: list[SoundStream] = Field(max_length=64)
    treated: list[SoundWords] = Field(["keep"], max_length=2 * MAX_SOUND_SPANS)


class DoneMessage(_Message):
    """Every output is written.

    Attributes:
        summary: as in `Job.summary`.
    """

    event: Literal["done"] = "done"
    summary: dict[str, Any] = {}


class FailedMessage(_Message):
    """It can't be done, and trying again would not help: the parts of a BystanderError."""

    event: Literal["failed"] = "failed"
    type: str = Field(max_length=100)
    what: str
    advice: str = ""


class SpanMessage(_Message):
    """Something that was done has ended."""

    event: Literal["span"] = "span"
    span: SpanRecord


WorkerMessage = (
    ProgressMessage | ResumedMessage | PreviewMessage | DoneMessage | FailedMessage | SpanMessage
)

_MESSAGE: Final[TypeAdapter[WorkerMessage]] = TypeAdapter(
    Annotated[WorkerMessage, Field(discriminator="event")]
)


def parse_message(line: bytes) -> WorkerMessage | None:
    """None: junk, such as what a library prints."""
    try:
        return _MESSAGE.validate_json(line)
    except ValidationError:
        return None


class LineReader:
    """Cuts a stream of bytes into lines of bounded length.

    Attributes:
        dropped: how many were longer than `longest` and left out.
    """

    def __init__(self, longest: int = MAX_LINE_BYTES) -> None:
        self.dropped = 0
        self._longest = longest
        self._rest = b""
        self._dropping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their ends."""
        *ended, self._rest = (self._rest + chunk).split(b"\n")
        lines = []
        for line in ended:
            if self._dropping:
                self._dropping = False
            elif len(line) > self._longest:
                self.dropped += 1
            else:
                lines.append(line)
        if self._dropping:
            self._rest = b""
        elif len(self._rest) > self._longest:
            self.dropped += 1
            self._rest = b""
            self._dropping = True
        return lines


class WorkerProcess:
    """A process in a session of its own, so that it ends together with all that it started.

    To be used as a context manager: on leaving, nothing of it runs any more.

    Args:
        command: the argument vector.
        environment: all of it, nothing is inherited.
        memory: bytes of address space, for it and everything that it starts.

    Attributes:
        junk: lines that were no messages.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], memory: int) -> None:
        self.junk = 0
        self._lines, self._complaints = LineReader(), LineReader()
        self._tail: deque[bytes] = deque(maxlen=TAIL_LINES)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
        assert self._process.stdout
        assert self._process.stderr
        self._streams = selectors.DefaultSelector()
        for stream, lines in (
            (self._process.stdout, self._lines),
            (self._process.stderr, self._complaints),
        ):
            os.set_blocking(stream.fileno(), False)
            self._streams.register(stream, selectors.EVENT_READ, lines)
        # From outside, as code run between fork and exec is unsafe where there are threads.
        _, most = resource.prlimit(self._process.pid, resource.RLIMIT_AS)
        memory = memory if most == resource.RLIM_INFINITY else min(memory, most)
        resource.prlimit(self._process.pid, resource.RLIMIT_AS, (memory, memory))

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill(signal.SIGKILL)
        self._process.wait()
        self._streams.close()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            stream.close()

    def listen(self, seconds: float) -> list[WorkerMessage]:
        """What it says within `seconds`; returns as soon as it says anything, or has ended."""
        return [
            message
            for key, _ in self._streams.select(seconds)
            for message in self._read(key.fileobj, key.data)  # type: ignore[arg-type]
        ]

    def drain(self) -> list[WorkerMessage]:
        """What is left to be read once it has ended."""
        self._kill(signal.SIGKILL)  # whatever it started, which may hold the streams open
        messages = []
        until = time.monotonic() + DRAIN_SECONDS
        while self._streams.get_map() and time.monotonic() < until:
            messages += self.listen(0.05)
        return messages

    @property
    def ended(self) -> bool:
        # Not reaped before its group is killed: until then no other can have its id.
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, flags) is not None

    def end(self, grace: float) -> list[WorkerMessage]:
        """Ask it to end, and make it after `grace` seconds; returns its last words."""
        messages: list[WorkerMessage] = []
        self._kill(signal.SIGTERM)
        until = time.monotonic() + grace
        while not self.ended and time.monotonic() < until:
            messages += self.listen(0.05)
        return messages + self.drain()

    def verdict(self) -> str:
        """How it ended, in words; to be asked once it has."""
        status = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        assert status
        if status.si_code == os.CLD_EXITED:
            return f"exit code {status.si_status}"
        return signal.Signals(status.si_status).name

    @property
    def tail(self) -> str:
        """The last lines that it complained with."""
        return "\n".join(line.decode(errors="replace") for line in self._tail)

    def _read(self, stream: IO[bytes], lines: LineReader) -> list[WorkerMessage]:
        try:
            chunk = os.read(stream.fileno(), READ_BYTES)
        except BlockingIOError:
            return []
        if not chunk:
            self._streams.unregister(stream)
            return []
        found = lines.feed(chunk)
        if lines is self._complaints:
            self._tail.extend(found)
            return []
        messages = [message for line in found if (message := parse_message(line))]
        self.junk += len(found) - len(messages)
        return messages

    def _kill(self, which: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, which)
