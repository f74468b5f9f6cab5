"""A worker's process: how it is started, listened to, and ended without a trace."""

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
from typing import IO, Final

from bystander.jobs.messages import Lines, Message, parse

CHUNK: Final = 65536
DRAIN_SECONDS: Final = 1.0
"""For the end of its output; a process that left the session may hold it open for ever."""
TAIL_LINES: Final = 20
"""Of what it complained about, kept to be logged should it crash."""


class Child:
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
        self._lines, self._complaints = Lines(), Lines()
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

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill(signal.SIGKILL)
        self._process.wait()
        self._streams.close()
        for stream in (self._process.stdout, self._process.stderr):
            assert stream
            stream.close()

    def listen(self, seconds: float) -> list[Message]:
        """What it says within `seconds`; returns as soon as it says anything, or has ended."""
        return [
            message
            for key, _ in self._streams.select(seconds)
            for message in self._read(key.fileobj, key.data)  # type: ignore[arg-type]
        ]

    def drain(self) -> list[Message]:
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

    def end(self, grace: float) -> list[Message]:
        """Ask it to end, and make it after `grace` seconds; returns its last words."""
        messages: list[Message] = []
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

    def _read(self, stream: IO[bytes], lines: Lines) -> list[Message]:
        try:
            chunk = os.read(stream.fileno(), CHUNK)
        except BlockingIOError:
            return []
        if not chunk:
            self._streams.unregister(stream)
            return []
        found = lines.feed(chunk)
        if lines is self._complaints:
            self._tail.extend(found)
            return []
        messages = [message for line in found if (message := parse(line))]
        self.junk += len(found) - len(messages)
        return messages

    def _kill(self, which: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, which)
