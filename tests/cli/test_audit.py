"""What is said of an audit's findings: where they are, and what masks them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bystander.auditing.findings import Finding, FindingKind, Severity, in_file, in_frame
from bystander.auditing.report import AuditResult
from bystander.cli.audit import MAX_LINES, tell_audit
from bystander.cli.console import Console
from bystander.errors import AuditFailed
from bystander.geometry.coordinates import DisplayBox


def result(*findings: Finding) -> AuditResult:
    """Of an output whose first frame is shown at 0.8 s."""
    paths = Path("source.mp4"), Path("out.mp4")
    return AuditResult(*paths, ("", ""), 50, 2.0, None, {}, (), findings, first_seconds=0.8)


BOX = DisplayBox((10, 20, 50, 100))


def leak(seconds: float = 1.32, box: DisplayBox | None = BOX) -> Finding:
    return in_frame(
        FindingKind.UNMASKED, Severity.LEAK, (13, seconds), box, 0.7, "somebody shows", "t1"
    )


def test_each_place_comes_with_what_masks_it(capsys: pytest.CaptureFixture[str]) -> None:
    found = result(leak(), leak(box=None), in_file(FindingKind.STREAM, "s", "a second video"))
    with pytest.raises(AuditFailed):
        tell_audit(Console(as_json=False), found, Path("out.audit.html"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(maxsplit=1)[1] == "unmasked: --mask-box 0.52:8,16,44,88"
    assert "somebody shows" in lines[1]
    assert "a second video" in lines[2]


def test_seconds_are_those_of_the_whole_video(capsys: pytest.CaptureFixture[str]) -> None:
    note = leak(0.8 + 1 / 3)
    with pytest.raises(AuditFailed):
        tell_audit(Console(as_json=True), result(note), Path("a.html"), offset=10.0)
    told = json.loads(capsys.readouterr().out.splitlines()[0])
    assert told["findings"][0]["mask_box"] == "--mask-box 10.333333:8,16,44,88"


def test_a_terminal_gets_some_and_a_program_all(capsys: pytest.CaptureFixture[str]) -> None:
    found = result(*[leak()] * (MAX_LINES + 5))
    for as_json in (False, True):
        with pytest.raises(AuditFailed):
            tell_audit(Console(as_json), found, Path("a.html"))
    out = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("found") for line in out) == MAX_LINES + 1
    assert "5 more" in out[MAX_LINES]
    assert len(json.loads(out[-2])["findings"]) == MAX_LINES + 5
