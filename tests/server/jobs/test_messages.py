from __future__ import annotations

import random

import pytest

from bystander.server.jobs.process import (
    DoneMessage,
    FailedMessage,
    LineReader,
    PreviewMessage,
    ProgressMessage,
    ResumedMessage,
    parse_message,
)


def test_what_a_worker_says_is_understood() -> None:
    assert parse_message(
        b'{"event": "progress", "stage": "render", "done": 4, "total": 9, "fps": 2, "eta": 2.5}'
    ) == ProgressMessage(stage="render", done=4, total=9, fps=2, eta=2.5)
    assert parse_message(
        b'{"event": "resumed", "stage": "render", "frame": 120}'
    ) == ResumedMessage(stage="render", frame=120)
    assert parse_message(b'{"event": "preview"}') == PreviewMessage()
    assert parse_message(b'{"event": "done", "summary": {"people": 1}}') == DoneMessage(
        summary={"people": 1}
    )
    assert parse_message(b'{"event": "failed", "type": "NotAVideo", "what": "x"}') == FailedMessage(
        type="NotAVideo", what="x"
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"libav: something",
        b"[]",
        b"3",
        b'{"event": "party"}',
        b'{"event": "progress"}',
        b'{"event": "progress", "stage": "render", "done": -1, "total": 9}',
        b'{"event": "progress", "stage": "render", "done": 1, "total": 9, "fps": NaN}',
        b'{"event": "progress", "stage": "render", "done": 1, "total": 9, "eta": 1e999}',
        b'{"event": "done", "summary": {"people": 1}',
        b"\xff\xfe\x00",
        b"[" * 60_000,
    ],
)
def test_anything_else_is_junk(line: bytes) -> None:
    assert parse_message(line) is None


def test_lines_are_found_however_the_bytes_arrive() -> None:
    text = b"".join(b"%d\n" % number for number in range(500))
    chance = random.Random(1)
    for _ in range(20):
        lines, found, at = LineReader(), [], 0
        while at < len(text):
            step = chance.randint(1, 40)
            found += lines.feed(text[at : at + step])
            at += step
        assert found == [b"%d" % number for number in range(500)]


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_line_that_is_too_long_is_left_out_and_not_remembered(chunk: int) -> None:
    lines = LineReader(longest=10)
    text = b"before\n" + b"x" * 5000 + b"\nafter\n0123456789\n01234567890\nend\n"
    found = [
        line for at in range(0, len(text), chunk) for line in lines.feed(text[at : at + chunk])
    ]
    assert found == [b"before", b"after", b"0123456789", b"end"]
    assert lines.dropped == 2
