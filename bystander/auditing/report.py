"""The audit's report: a page that anyone can read, and the same as JSON."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from bystander.auditing.earlier import read_finding
from bystander.auditing.findings import Finding, Severity, with_accepted
from bystander.editing.document import Edits
from bystander.errors import OutputUnwritable
from bystander.files import replacing
from bystander.geometry.coordinates import DisplayBox, DisplaySize
from bystander.media.facts import VideoInfo
from bystander.media.reader import VideoReader
from bystander.timeline.header import Header
from bystander.timeline.types import Decision

PICTURE_WIDTH_PX: Final = 560
"""Pixels of a picture in the page."""
MIN_CLOSE_UP_SHARE: Final = 0.3
"""A small box is shown with its surroundings, at least this share of the frame's sides."""
MAX_NAMED_SECONDS: Final = 5
"""Seconds that a summary names."""
CLOCK_MARGIN_SECONDS: Final = 0.004
"""Seconds by which the clocks of source and output may differ."""
FORMAT: Final = "bystander-audit"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit came to.

    Attributes:
        checksums: SHA-256 of source and output.
        frames: of the source.
        seconds: of the source.
        header: of the timeline, if there was one.
        models: file name to SHA-256 of the networks used.
        stripped: what the source carries beside picture and sound, and the output doesn't.
        findings: the worst first.
        basis: what a later audit of what changed goes on from.
        first_seconds: when a player of the output shows the first frame.
    """

    source: Path
    output: Path
    checksums: tuple[str, str]
    frames: int
    seconds: float
    header: Header | None
    models: Mapping[str, str]
    stripped: tuple[str, ...]
    findings: tuple[Finding, ...]
    basis: Mapping[str, object] = field(default_factory=dict)
    first_seconds: float = 0.0

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """What keeps it from passing: but what somebody accepted."""
        return tuple(f for f in self.findings if f.severity is Severity.LEAK and not f.accepted)

    @property
    def passed(self) -> bool:
        return not self.leaks

    def summary(self) -> str:
        """One sentence: what was found, and where to look first."""
        if self.passed:
            return "no leak was found"
        counts = Counter(finding.kind.value for finding in self.leaks)
        found = ", ".join(f"{count} x {kind}" for kind, count in counts.items())
        worst = dict.fromkeys(_clock(f.seconds) for f in self.leaks if f.frame is not None)
        where = sorted(list(worst)[:MAX_NAMED_SECONDS])
        return found + (f"; look at {', '.join(where)}" if where else "")


def check_page(page: Path) -> None:
    """Refuse a report that is no page by its name: JSON of the same name goes beside it.

    Raises:
        OutputUnwritable: it is none.
    """
    if page.suffix.lower() not in (".html", ".htm"):
        raise OutputUnwritable(f"{page} is no name of a page", "Name it REPORT.html.")


def write_report(result: AuditResult, info: VideoInfo, page: Path, pictures: int) -> None:
    """Write the page, and the JSON beside it; each appears only when it is whole.

    Args:
        info: of the output, whose riskiest seconds are shown.
        pictures: how many of them.

    Raises:
        OutputUnwritable: a file can't be written.
        VideoError: the output can't be read any more.
    """
    _write(page.with_suffix(".json"), json.dumps(as_json(result), indent=2, ensure_ascii=False))
    _write(page, as_page(result, info, pictures))


def as_json(result: AuditResult) -> dict[str, object]:
    """The report for programs. Boxes are display pixels of the output, `start`, `end` and
    `seconds` of findings are times at which a player of the output shows them."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "passed": result.passed,
        "source": {"name": result.source.name, "sha256": result.checksums[0]},
        "output": {"name": result.output.name, "sha256": result.checksums[1]},
        "frames": result.frames,
        "seconds": result.seconds,
        "timeline": result.header is not None,
        "networks": dict(result.models),
        "kept": [{"who": who, "why": why} for who, why in kept_people(result.header)],
        "stripped": list(result.stripped),
        "findings": [_finding(finding) for finding in result.findings],
        "basis": dict(result.basis),
    }


def with_accepts(
    report: Mapping[str, Any], edits: Edits, first_seconds: float
) -> dict[str, object]:
    """A report for programs, as it would be if it had been written with these edits.

    Args:
        first_seconds: when a player shows the first frame.

    Raises:
        KeyError, TypeError, ValueError: it isn't a report.
    """
    findings = [read_finding(one) for one in report["findings"]]
    told = list(with_accepted(findings, edits, first_seconds))
    leaks = any(one.severity is Severity.LEAK and not one.accepted for one in told)
    return {**report, "passed": not leaks, "findings": [_finding(one) for one in told]}


def _finding(finding: Finding) -> dict[str, object]:
    fields = asdict(finding) | {"advice": finding.advice}
    del fields["certain"]  # what is reported is
    return fields


def as_page(result: AuditResult, info: VideoInfo, pictures: int) -> str:
    """The report as one HTML page that needs no other file."""
    shown = [finding for finding in result.findings if finding.frame is not None][:pictures]
    return (
        _templates()
        .get_template("report.html")
        .render(
            result=result,
            verdict="Passed" if result.passed else "Not passed",
            summary=_explained(result),
            kept=list(kept_people(result.header)),
            pictures=[(each, _jpeg(each, result.output, info)) for each in shown],
        )
    )


@cache
def _templates() -> Environment:
    # Names of files and people are whatever somebody chose: nothing gets in unescaped.
    templates = Environment(
        loader=PackageLoader("bystander.auditing"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    templates.filters |= {
        "advice": _advice,
        "clock": _clock,
        "colour": _colour,
        "percent": "{:.0%}".format,
        "sentence": _sentence,
    }
    return templates


def kept_people(header: Header | None) -> Iterator[tuple[str, str]]:
    """Who is kept, by name or number, and the reasons given for it."""
    if header is None:
        return
    for person in header.persons:
        reasons = {
            verdict.evidence.reason or verdict.evidence.kind.value
            for _, verdict in header.verdicts_of(person)
            if verdict.decision is Decision.KEEP
        }
        if reasons:
            yield person.name or person.id, "; ".join(sorted(reasons))


def _explained(result: AuditResult) -> str:
    if not result.passed:
        return f"The masked video should not be published as it is: {result.summary()}."
    if result.header is None:
        return (
            "Nothing is wrong with the file itself. Whether the people who can be seen may be "
            "seen isn't known without a timeline: please look at those listed."
        )
    return "Nobody was found who can be seen and isn't to be kept. No program sees everything."


def _jpeg(finding: Finding, output: Path, info: VideoInfo) -> str:
    """The output's frame with the finding's box, as JPEG in base64."""
    reader = VideoReader(output, info, start_pts=_pts(finding, info))
    frame = next(iter(reader), None)
    # Black where the output lacks the source's last frames.
    black = np.zeros((info.height, info.width, 3), dtype=np.uint8)
    whole = black if frame is None else frame.rgb()
    x0, y0, x1, y1 = _cut_out(finding.box, info.display_size)
    scale = PICTURE_WIDTH_PX / (x1 - x0)
    size = PICTURE_WIDTH_PX, max(1, round((y1 - y0) * scale))
    across, down = info.width / info.display_size[0], info.height / info.display_size[1]
    left, right = round(x0 * across), round(x1 * across)
    top, bottom = round(y0 * down), round(y1 * down)
    picture = cv2.resize(whole[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    if finding.box is not None:
        box = np.array(finding.box) - (x0, y0, x0, y0)
        left, top, right, bottom = (round(float(value) * scale) for value in box)
        cv2.rectangle(picture, (left - 3, top - 3), (right + 3, bottom + 3), (230, 30, 60), 2)
    _, jpeg = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return base64.b64encode(jpeg.tobytes()).decode()


def _cut_out(box: DisplayBox | None, display: DisplaySize) -> tuple[int, int, int, int]:
    """The part of the frame that is shown, in its own proportions: x0, y0, x1, y1, display
    pixels."""
    if box is None:
        return 0, 0, *display
    share = max((box[2] - box[0]) / display[0], (box[3] - box[1]) / display[1]) * 2
    share = min(1.0, max(MIN_CLOSE_UP_SHARE, share))
    width, height = round(display[0] * share), round(display[1] * share)
    x0 = min(max(0, round((box[0] + box[2] - width) / 2)), display[0] - width)
    y0 = min(max(0, round((box[1] + box[3] - height) / 2)), display[1] - height)
    return x0, y0, x0 + width, y0 + height


def _pts(finding: Finding, info: VideoInfo) -> int:
    """A tick just before the finding's worst frame."""
    return info.origin_pts + int((finding.seconds - CLOCK_MARGIN_SECONDS) / info.time_base)


def _advice(finding: Finding) -> str:
    return "Somebody looked at it and found it fine." if finding.accepted else finding.advice


def _colour(finding: Finding) -> str:
    if finding.accepted:
        return "accepted"
    return "bad" if finding.severity is Severity.LEAK else "note"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:05.2f}"


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputUnwritable(
            f"the report can't be written to {path} ({error.strerror})",
            "Choose a folder that exists and has space.",
        ) from error
