from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

import pytest

from bystander.media.scheduling import ordinary_scheduling

T = TypeVar("T")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's schedulers")


@pytest.fixture
def real_time() -> Callable[[], None]:
    """Makes the calling thread real-time; skips where this user can't."""

    def become() -> None:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))

    def allowed() -> bool:
        try:
            become()
        except PermissionError:
            return False
        return True

    if not in_thread(allowed):
        pytest.skip("may make nothing real-time")
    return become


def test_threads_that_become_real_time_are_ordinary_afterwards(
    real_time: Callable[[], None],
) -> None:
    """The one within, and those that it begins, which inherit it."""
    ended = threading.Event()
    child: list[int] = []

    def wait() -> None:
        ended.wait()
        child.append(os.sched_getscheduler(0))

    def within() -> int:
        with ordinary_scheduling():
            real_time()
            thread = threading.Thread(target=wait)
            thread.start()
        policy = os.sched_getscheduler(0)
        ended.set()
        thread.join()
        return policy

    assert in_thread(within) == os.SCHED_OTHER
    assert child == [os.SCHED_OTHER]


def test_what_was_real_time_before_stays_so(real_time: Callable[[], None]) -> None:
    def within() -> int:
        real_time()
        with ordinary_scheduling():
            pass
        return os.sched_getscheduler(0)

    assert in_thread(within) == os.SCHED_FIFO


def in_thread(action: Callable[[], T]) -> T:
    """What it gives; its priority goes with its thread."""
    found: list[T] = []
    thread = threading.Thread(target=lambda: found.append(action()))
    thread.start()
    thread.join()
    return found[0]
