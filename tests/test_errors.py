from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from bystander import errors
from bystander.cli.app import EXIT_CODES
from bystander.errors import BystanderError


def family(root: type[BystanderError] = BystanderError) -> Iterator[type[BystanderError]]:
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from family(child)


FAMILY = list(family())


def test_the_message_says_what_happened_and_what_to_do() -> None:
    error = errors.NotAVideo("a.txt is not a video", "Give a video file.")

    assert str(error) == "a.txt is not a video. Give a video file."
    assert str(errors.NotAVideo("a.txt is not a video")) == "a.txt is not a video"


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_an_error_survives_the_way_to_another_process(kind: type[BystanderError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("what", "advice")))

    assert type(copy) is kind
    assert (copy.what, copy.advice) == ("what", "advice")


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: kind.__name__)
def test_every_error_is_drawn_in_the_tree(kind: type[BystanderError]) -> None:
    """And its exit code, or that of its family, is beside it."""
    documented = {
        line.split()[1]: line.split()[2:3]
        for line in (errors.__doc__ or "").replace("│", " ").splitlines()
        if "── " in line
    }

    assert kind.__name__ in documented
    if BystanderError in kind.__bases__:
        assert documented[kind.__name__] == [str(kind.exit_code)]


def test_families_are_told_apart_by_their_exit_codes() -> None:
    codes = [child.exit_code for child in FAMILY if BystanderError in child.__bases__]

    assert len(set(codes)) == len(codes)
    assert not {0, 1, 2} & set(codes), "0 is success, 1 a defect, 2 wrong usage"


def test_help_lists_every_exit_code() -> None:
    listed = {line.split()[0] for line in EXIT_CODES.splitlines() if line.startswith("  ")}

    assert listed == {"0", "1", "2"} | {str(kind.exit_code) for kind in FAMILY}
