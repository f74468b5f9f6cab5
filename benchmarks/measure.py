"""Wall time, processor time and memory of one command with everything it starts."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import psutil

SAMPLE_INTERVAL = 0.05
"""Seconds between looks at the memory; a look costs well under a millisecond."""


class CommandFailed(Exception):
    """A measured command exited with an error; carries the end of what it printed."""


@dataclass(frozen=True)
class Measurement:
    """Attributes:
    wall: seconds from start to exit.
    cpu: seconds of user and system time, of all processes.
    peak: bytes resident at once, summed over all processes, at the worst moment.
    """

    wall: float
    cpu: float
    peak: int


def resident(process: psutil.Process) -> int:
    """Bytes resident in `process` and its descendants; 0 for those that just ended."""
    total = 0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in family:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # ended between being listed and being asked
    return total


def measure(command: Sequence[str]) -> Measurement:
    """Run `command` to its end.

    Raises:
        CommandFailed: it exited with another code than 0.
    """
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        family = psutil.Process(process.pid)
        peak = 0
        # wait4 rather than Popen.wait: only it tells the processor time of this one child.
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            peak = max(peak, resident(family))
            time.sleep(SAMPLE_INTERVAL)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        if process.returncode != 0:
            log.seek(0)
            printed = log.read().decode(errors="replace")[-2000:]
            raise CommandFailed(f"{' '.join(command)}\nexit {process.returncode}\n{printed}")
    usage = ended[2]
    # The kernel's own high-water mark (KiB, largest single process) misses nothing between samples.
    return Measurement(wall, usage.ru_utime + usage.ru_stime, max(peak, usage.ru_maxrss * 1024))


def typical(runs: Sequence[Measurement]) -> Measurement:
    """The median of times, and the worst of memory, over repeated runs."""
    return Measurement(
        wall=median(run.wall for run in runs),
        cpu=median(run.cpu for run in runs),
        peak=max(run.peak for run in runs),
    )
