from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bystander.media.prefetch import map_ahead, prefetch
from tests.support.waiting import HANGS_AFTER_SECONDS


def test_items_come_in_order_from_another_thread() -> None:
    def numbers() -> Iterator[tuple[int, str]]:
        for number in range(50):
            yield number, threading.current_thread().name

    items = list(prefetch(numbers(), 3))

    assert [number for number, _ in items] == list(range(50))
    assert {name for _, name in items} == {"prefetch"}


def test_an_exception_arrives_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise RuntimeError("the disk is on fire")

    items = prefetch(failing(), 4)

    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(RuntimeError, match="on fire"):
        next(items)


def test_stopping_early_stops_the_thread_and_closes_the_iterator() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield (number := number + 1)
        finally:
            closed.set()

    before = threading.active_count()
    items = prefetch(endless(), 2)
    next(items)
    items.close()

    assert closed.is_set()
    assert threading.active_count() == before


def test_no_more_than_depth_items_wait() -> None:
    made: list[int] = []
    third = threading.Event()

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 3:
                third.set()
            yield number

    items = prefetch(numbers(), 2)
    assert next(items) == 0
    assert third.wait(HANGS_AFTER_SECONDS)
    # One taken, two waiting, one in the thread's hand.
    assert len(made) == 4
    items.close()


def test_a_depth_of_zero_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        prefetch([1], 0)


def test_results_come_in_the_items_order_whoever_is_done_first() -> None:
    done = [threading.Event() for _ in range(21)]

    def after_the_next_one(number: int) -> int:
        """An even one is done only when the odd one after it is."""
        if number % 2 == 0:
            assert done[number + 1].wait(HANGS_AFTER_SECONDS)
        done[number].set()
        return number

    assert list(map_ahead(after_the_next_one, range(20), 3)) == list(range(20))


def test_workers_really_work_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=HANGS_AFTER_SECONDS)

    def meet(number: int) -> int:
        meeting.wait()  # breaks, and raises, unless a second worker comes
        return number

    assert list(map_ahead(meet, range(4), 2)) == [0, 1, 2, 3]


def test_an_exception_in_a_worker_arrives_in_its_items_place() -> None:
    results = map_ahead(lambda number: 1 // (2 - number), range(5), 2)

    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_items_are_taken_only_a_few_ahead_and_closing_ends_the_workers() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = map_ahead(str, items(), 2)
    next(results)
    results.close()

    assert len(taken) <= 8
    assert not [t for t in threading.enumerate() if t.name.startswith("worker")]
