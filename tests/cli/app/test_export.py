"""`bystander export`."""

from __future__ import annotations

from pathlib import Path

from bystander.timeline.types import Decision
from tests.support.commands import call, make_timeline, refused, succeeded


def test_a_timeline_is_handed_to_other_programs(drawn: Path, tmp_path: Path) -> None:
    timeline = make_timeline(tmp_path / "t", drawn, {"p1": Decision.MASK, "p2": Decision.KEEP})
    out = tmp_path / "m.mkv"
    mattes = ("export", timeline, "-o", out, "--format", "ffv1")
    refused(call(*mattes), 9, "--video")
    told = succeeded(call(*mattes, "--video", drawn, "--person", "all"))
    assert "m.p1.mkv" in told
    assert not out.exists()
    refused(call(*mattes, "--video", drawn, "--person", "p1"), 5, "m.p1.mkv exists already")
    succeeded(call("export", timeline, "-o", tmp_path / "m.txt", "--format", "mot"))
    assert len((tmp_path / "m.txt").read_text().splitlines()) == 2 * 24
