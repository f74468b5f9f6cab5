"""Waiting for what other processes and threads do, as long as it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

HANGS_AFTER_SECONDS: Final = 600.0
"""Nothing takes as long, on the slowest machine: it only ends a test that would hang."""
LOOK_EVERY_SECONDS: Final = 0.01


def until(condition: Callable[[], object], seconds: float = HANGS_AFTER_SECONDS) -> None:
    """Wait until it holds.

    Raises:
        AssertionError: it never does.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(LOOK_EVERY_SECONDS)


def alive(pid: int) -> bool:
    """Whether a process runs; what has ended and isn't waited for doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:  # gone, perhaps while it was read
        return False
