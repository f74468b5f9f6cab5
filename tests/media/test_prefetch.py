from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bystander.media.prefetch import prefetch


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
    assert third.wait(5)
    # One taken, two waiting, one in the thread's hand.
    assert len(made) == 4
    items.close()


def test_a_depth_of_zero_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        prefetch([1], 0)
