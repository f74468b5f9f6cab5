"""Runs an iterator, or a function over its items, ahead of the consumer, in threads."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
ResultT = TypeVar("ResultT")


class _End:
    """Marks the end of the items, with the exception that ended them, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def prefetch(iterable: Iterable[Item], depth: int) -> Generator[Item]:
    """The same items in the same order, at most `depth` of them waiting.

    The iterable runs, and is closed if it is a generator, in its own thread. An
    exception in it is raised here, after the items that came before it. Closing this
    generator stops the thread and waits for it: wrap it in `contextlib.closing` where
    iteration may stop early.

    Raises:
        ValueError: `depth` is less than 1.
    """
    if depth < 1:
        raise ValueError(f"prefetch depth must be at least 1, not {depth}")
    return _prefetch(iterable, depth)


def map_ahead(
    function: Callable[[Item], ResultT],
    iterable: Iterable[Item],
    workers: int,
    ahead: int | None = None,
) -> Generator[ResultT]:
    """`function` of each item, in the items' order, `workers` of them worked on at once.

    The iterable is iterated by the consumer, `ahead` items ahead, by default a few for each
    worker: enough to keep them busy while the consumer is at work on one that takes it longer.
    An exception in the function is raised here, in its item's place. Closing this
    generator waits for the calls under way.
    """
    most = 3 * workers if ahead is None else ahead
    pending: deque[Future[ResultT]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="worker")
    try:
        for item in iterable:
            pending.append(pool.submit(function, item))
            if len(pending) > most:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _prefetch(iterable: Iterable[Item], depth: int) -> Generator[Item]:
    waiting: queue.Queue[Item | _End] = queue.Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(
        target=_produce, args=(iterable, waiting, stopped), name="prefetch", daemon=True
    )
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        # A producer blocked on a full queue finds room, then sees that it is to stop.
        while thread.is_alive():
            try:
                waiting.get_nowait()
            except queue.Empty:
                thread.join(0.01)


def _produce(
    iterable: Iterable[Item], waiting: queue.Queue[Item | _End], stopped: threading.Event
) -> None:
    items = iter(iterable)
    end = _End()
    try:
        for item in items:
            if stopped.is_set():
                break
            waiting.put(item)
    except BaseException as error:  # not swallowed: raised again in the consumer
        end = _End(error)
    if isinstance(items, Generator):
        items.close()
    waiting.put(end)
