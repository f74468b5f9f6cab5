"""`bystander audit`, and what is said of any audit: where to look, and how to mask it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bystander.choices import LicenceUse
from bystander.cli.console import Console, open_console
from bystander.cli.options import DeviceOption, Json, LicenceOption, Overwrite, PrecisionOption
from bystander.errors import AuditFailed
from bystander.files import check_file

if TYPE_CHECKING:
    from bystander.auditing.findings import Finding
    from bystander.auditing.report import AuditResult

MAX_LINES = 20
"""Findings that a terminal gets; the report has all."""
MARGIN_SHARE = 0.05
"""Of a box's sides, at each: boxes of findings end where networks believe that people do."""


def audit(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The video that was masked.")],
    masked: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The masked video.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="REPORT.html", help="The report; JSON beside it."),
    ],
    timeline: Annotated[
        Path | None,
        typer.Option(
            "--timeline",
            metavar="FILE",
            help="Who may be seen: the timeline that OUTPUT was rendered from. Without it, "
            "people who can be seen are only listed.",
        ),
    ] = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    licence: LicenceOption = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Attack a masked video, and report what it gives away."""
    from bystander.auditing.findings import AuditSettings
    from bystander.auditing.report import check_page
    from bystander.media.probe import probe
    from bystander.models.sessions import SessionSettings
    from bystander.pipeline.audit import audit as run
    from bystander.timeline.archive import Timeline

    with open_console(json) as console:
        for path in (output, output.with_suffix(".json")):
            check_file(path, overwrite, source, masked, *([timeline] if timeline else []))
        check_page(output)
        for video in (source, masked):
            probe(video)
        known = None if timeline is None else Timeline.load(timeline)
        how = AuditSettings(
            sessions=SessionSettings().changed(device, precision),
            licence=licence or LicenceUse.ANY,
        )
        with console.progress() as report:
            found = run(source, masked, output, timeline=known, settings=how, report=report)
        tell_audit(console, found, output)


def tell_audit(console: Console, found: AuditResult, page: Path, offset: float = 0.0) -> None:
    """Say what the audit came to, where to look, and how to mask it.

    Args:
        offset: seconds from the video's first frame to the output's, where that is a part of it.

    Raises:
        AuditFailed: it found a leak. The masked video stays where it is.
    """
    rows = [_row(one, found.first_seconds, offset) for one in found.findings if not one.accepted]
    console.findings(rows, MAX_LINES)
    console.result(report=str(page), passed=found.passed, findings=len(found.findings))
    if not found.passed:
        raise AuditFailed(f"{found.output}: {found.summary()}", f"{page} shows it.")


def _row(finding: Finding, first_seconds: float, offset: float) -> dict[str, object]:
    at = None if finding.frame is None else finding.seconds - first_seconds + offset
    return {
        "kind": finding.kind.value,
        "severity": finding.severity.value,
        "seconds": finding.seconds,
        "box": finding.box,
        "detail": finding.detail,
        "mask_box": None if at is None else _mask_box(finding, at),
    }


def _mask_box(finding: Finding, at: float) -> str | None:
    """What masks the place where something shows, and follows it; None if it has no place.

    Args:
        at: seconds from the video's first frame.
    """
    if finding.box is None:
        return None
    x0, y0, x1, y1 = finding.box
    across, down = MARGIN_SHARE * (x1 - x0), MARGIN_SHARE * (y1 - y0)
    left, top = max(0, round(x0 - across)), max(0, round(y0 - down))
    width, height = round(x1 + across) - left, round(y1 + down) - top
    if width <= 0 or height <= 0:
        return None
    seconds = f"{at:.6f}".rstrip("0").rstrip(".")
    return f"--mask-box {seconds}:{left},{top},{width},{height}"
