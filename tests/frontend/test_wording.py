"""What the service found, in sentences."""

from __future__ import annotations

import pytest

from frontend.api_types import AuditView, FindingKind, FindingView
from frontend.texts import LANGUAGES, Language, texts
from frontend.wording import audit_marks, clock


def finding(kind: FindingKind, seconds: float, frame: int | None = 1) -> FindingView:
    return {
        "kind": kind,
        "severity": "leak",
        "start": seconds - 0.1,
        "end": seconds + 0.1,
        "seconds": seconds,
        "frame": frame,
        "frames": 2,
        "box": None if frame is None else (10.0, 10.0, 40.0, 60.0),
        "share": 0.5,
        "who": "",
        "detail": "Somebody can be seen.",
        "accepted": False,
        "advice": "Cut these seconds out.",
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
    audit: AuditView = {
        "format": "bystander-audit",
        "version": 1,
        "passed": False,
        "source": {"name": "a.mp4", "sha256": "0" * 64},
        "output": {"name": "b.mp4", "sha256": "1" * 64},
        "frames": 9,
        "seconds": 80.0,
        "timeline": True,
        "networks": {},
        "kept": [],
        "stripped": [],
        "findings": found,
        "basis": {},
    }
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
