"""What the service found, in sentences: photos, verdicts, audits."""

from __future__ import annotations

import time
from html import escape
from typing import Final

from frontend.api_types import (
    AuditView,
    FindingKind,
    PhotoView,
    ProjectView,
    SharedView,
    VideoFacts,
)
from frontend.components.compare import Mark
from frontend.page import told
from frontend.texts import Texts

HOUR: Final = 3600.0
FINDINGS: Final[dict[FindingKind, str]] = {
    "unmasked": "person",
    "visible person": "person",
    "visible face": "face",
    "weak mask": "weak",
    "recognisable": "recognisable",
}
"""An audit's kinds that a visitor can look at; all others concern the file."""


def photo_problem(texts: Texts, photo: PhotoView) -> tuple[str, str] | None:
    """Why a photo can't be used, or what would be better; None for a good one."""
    problem = photo["problem"]
    if problem is None:
        return None
    return told(texts, problem["type"], faces=len(photo["faces"]))


def video_facts(texts: Texts, facts: VideoFacts, size: int | None) -> str:
    """Size of the picture, length, frames a second, size of the file, in one line."""
    parts = [
        texts("facts.pixels", width=facts["width"], height=facts["height"]),
        texts.duration(facts["duration"]),
        texts("facts.rate", rate=f"{facts['average_rate']:.3g}"),
    ]
    if size:
        parts.append(texts.size(size))
    if not facts["audio"]:
        parts.append(texts("facts.silent"))
    return " · ".join(parts)


def audit_marks(texts: Texts, audit: AuditView) -> list[Mark]:
    """The moments that an audit found, in the order of time."""
    moments = {
        (finding["seconds"], FINDINGS.get(finding["kind"], "file"))
        for finding in audit["findings"]
        if finding["frame"] is not None
    }
    return [
        {"at": at, "time": clock(at, tenths=True), "text": texts(f"audit.{kind}")}
        for at, kind in sorted(moments)
    ]


def hours_left(project: ProjectView | SharedView) -> int:
    """Until all of it is deleted, unless it is used before."""
    return max(1, round((project["expires"] - time.time()) / HOUR))


def clock(seconds: float, *, tenths: bool = False) -> str:
    """1:05, as players show it; 1:05.3 where several things of a second are told apart."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    part = f".{int(seconds * 10) % 10}" if tenths else ""
    return (f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}") + part


def preview(src: str, alt: str, facts: VideoFacts | None) -> str:
    """A frame of the video as HTML. It has its place before it has come: nothing jumps."""
    size = f' width="{facts["width"]}" height="{facts["height"]}"' if facts else ""
    return f'<img class="preview" src="{escape(src)}" alt="{escape(alt)}"{size}>'
