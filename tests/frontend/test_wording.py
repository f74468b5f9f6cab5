"""What the service found, in sentences."""

from __future__ import annotations

import pytest

from frontend.shapes import Audit, Finding
from frontend.texts import LANGUAGES, Language, texts
from frontend.wording import audit_marks, clock


def finding(kind: str, seconds: float, frame: int | None = 1) -> Finding:
    return {
        "kind": kind,
        "severity": "leak",
        "start": seconds - 0.1,
        "end": seconds + 0.1,
        "seconds": seconds,
        "frame": frame,
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_an_audit_found_is_in_the_order_of_time_each_at_its_own(language: Language) -> None:
    found = [
        finding("visible person", 64.76),
        finding("recognisable", 64.2),
        finding("visible person", 64.9),
        finding("weak mask", 1.0),
        finding("metadata", 0.0, None),
    ]
    audit: Audit = {"passed": False, "frames": 9, "seconds": 80.0, "findings": found}
    told = texts(language)

    marks = audit_marks(told, audit)

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
