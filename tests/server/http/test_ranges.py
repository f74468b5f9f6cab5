"""Which part of a file a Range header asks for."""

from __future__ import annotations

import random

import pytest

from bystander.server.http.downloads import ByteRange, RangeNotSatisfiable, parse_range

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=999-", 999, SIZE),
        ("bytes=10-19", 10, 20),
        ("bytes=10-5000", 10, SIZE),
        ("bytes=-1", 999, SIZE),
        ("bytes=-5000", 0, SIZE),
        ("BYTES=1-2", 1, 3),
    ],
)
def test_a_range_names_bytes_with_the_last_one_included(header: str, start: int, end: int) -> None:
    assert parse_range(header, SIZE) == ByteRange(start, end)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=0-1,5-6",
        "bytes=a-b",
        "bytes=0x1-2",
        "bytes=1 - 2",
        "bytes=--5",
        "frames=0-5",
        "bytes=\u0661-2",
        "bytes=" + "9" * 4000 + "-",
    ],
)
def test_what_cannot_be_understood_is_answered_with_the_whole_file(header: str | None) -> None:
    assert parse_range(header, SIZE) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
def test_a_range_without_a_byte_of_the_file_is_refused(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range(header, SIZE)


def test_an_empty_file_has_no_range() -> None:
    with pytest.raises(RangeNotSatisfiable):
        parse_range("bytes=0-", 0)


def test_any_range_is_the_slice_that_python_would_give() -> None:
    dice = random.Random(1)
    for _ in range(2000):
        size = dice.randrange(1, 50)
        content = bytes(range(size))
        first, last = dice.randrange(0, 60), dice.randrange(0, 60)
        expected = {
            f"bytes={first}-": content[first:],
            f"bytes=-{last}": content[max(0, size - last) :],
        }
        if first <= last:
            expected[f"bytes={first}-{last}"] = content[first : last + 1]
        for header, part in expected.items():
            if part:
                found = parse_range(header, size)
                assert found is not None
                assert content[found.start : found.end] == part
                assert found.length == len(part)
            else:
                with pytest.raises(RangeNotSatisfiable):
                    parse_range(header, size)
