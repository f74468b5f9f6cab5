"""What the service found, in sentences."""

from __future__ import annotations

import pytest

from frontend.texts import LANGUAGES, Language, texts
from frontend.wording import audit_marks, clock
from tests.support.staged import audit, finding


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_an_audit_found_is_in_the_order_of_time_each_at_its_own(language: Language) -> None:
    found = [
        finding("visible person", 64.76),
        finding("recognisable", 64.2),
        finding("visible person", 64.9),
        finding("weak mask", 1.0),
        finding("metadata", 0.0, None),
    ]
    told = texts(language)

    marks = audit_marks(told, audit(*found))

    assert [(mark["at"], mark["time"]) for mark in marks] == [
        (1.0, "0:01.0"),
        (64.2, "1:04.2"),
        (64.76, "1:04.7"),
        (64.9, "1:04.9"),
    ]
    assert [mark["text"] for mark in marks] == [
        told(f"audit.{kind}") for kind in ("weak", "recognisable", "person", "person")
    ]


def test_times_are_written_as_players_write_them() -> None:
    assert clock(65.9) == "1:05"
    assert clock(3605) == "1:00:05"
    assert clock(3605.26, tenths=True) == "1:00:05.2"
