"""Encoders are kept from putting themselves before everything else that the machine does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_THREADS: Final = Path("/proc/self/task")


@contextmanager
def ordinary_scheduling() -> Iterator[None]:
    """Threads that become real-time within, also by being begun so, are ordinary ones after it.

    SVT-AV1 that is opened by root gives its threads, and the one that opens it, the highest
    real-time priority. They are never interrupted then, nor are the processes that they start: one
    that waits by spinning, as encoders do, holds a core for good from the thread it waits for.
    A process that is real-time already is left as it is, by whoever made it so.
    """
    if sys.platform != "linux" or os.sched_getscheduler(0) != os.SCHED_OTHER:
        yield
        return
    before = _real_time()
    try:
        yield
    finally:
        for thread in _real_time() - before:
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _real_time() -> set[int]:
    """Threads of this process, by the kernel's numbers, that are real-time."""
    found = set()
    for thread in map(int, os.listdir(_THREADS)):
        with suppress(ProcessLookupError):
            if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                found.add(thread)
    return found
