"""What goes wrong many times is said once."""

from __future__ import annotations

import logging

import pytest

from bystander.progress import OncePerMessage, Tally

log = logging.getLogger("bystander.tests")


def test_many_are_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally("a {b}.mp4", "{first} is bad", "{count} are bad (first: {first})")
    tally.tell(log)
    tally.add(4)
    tally.tell(log)
    for where in (7, 8, 9):
        tally.add(where)
    tally.tell(log)
    tally.tell(log)

    said = [record.getMessage() for record in caplog.records]
    assert said == ["a {b}.mp4: 4 is bad", "a {b}.mp4: 3 are bad (first: 7)"]


def test_a_second_pass_says_nothing_new() -> None:
    once, heard = OncePerMessage(), []
    for _ in range(2):
        for count in (1, 2):
            record = log.makeRecord("b", logging.WARNING, "f", 1, "%d bad", (count,), None)
            if once.filter(record):
                heard.append(record.getMessage())
    assert heard == ["1 bad", "2 bad"]
