"""An audit of what changed comes to what an audit of the whole video does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bystander.auditing.earlier import EarlierAudit
from bystander.auditing.findings import AuditSettings
from bystander.auditing.report import AuditResult
from bystander.editing.document import (
    AcceptedFinding,
    AcceptEdit,
    Box,
    Edit,
    Edits,
    EraseEdit,
    Key,
    MaskEdit,
    VerdictEdit,
)
from bystander.media.resuming import RenderCheckpoints
from bystander.pipeline.audit import audit
from bystander.pipeline.audit_changes import changed_frames, earlier_audit
from bystander.pipeline.edit import edit
from bystander.pipeline.render import render
from bystander.progress import Progress
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision
from tests.support.drawn import (
    BLUE,
    GREEN,
    LOSSLESS,
    MAGENTA,
    RED,
    Figure,
    Masked,
    Scene,
    cast_of,
    drawn_models,
    mask_scene,
    standing,
    walking,
)

pytestmark = pytest.mark.long

SETTINGS = AuditSettings(every=3, people_long_side=384, source_long_side=400)
FRAMES, CUT, RATE, SEGMENT = 200, 90, 25, 20
HOW: dict[str, Any] = {"effect": MAGENTA, "encoder": LOSSLESS, "segment_frames": SEGMENT}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    """Anna, who is kept, two strangers who are found, and a cut."""
    folder = tmp_path_factory.mktemp("street")
    figures = [
        Figure(BLUE, standing(20)),
        Figure(RED, walking(120, 0.5)),
        Figure(GREEN, standing(300)),
    ]
    cast = cast_of(folder, anna=BLUE)
    return mask_scene(Scene(figures, frames=FRAMES, cuts=[CUT]), folder, cast=cast)


@pytest.fixture(scope="module")
def leaky(street: Masked, tmp_path_factory: pytest.TempPathFactory) -> Masked:
    """The red stranger is nobody for a while in each shot, and the green one at the end."""
    who = f"t{walker(street).id}", f"t{walker(street, CUT + 1).id}", f"t{stander(street).id}"
    edits = Edits(
        edits=(
            EraseEdit(who=who[0], start=1, end=1.6),
            EraseEdit(who=who[1], start=4.4, end=4.8),
            EraseEdit(who=who[2], start=6.8),
        )
    )
    folder = tmp_path_factory.mktemp("leaky")
    return rendered(street, edit(street.source, street.timeline, edits, folder / "t").timeline)


def walker(street: Masked, frame: int = 0) -> Any:
    return _at(street, 135 + 0.5 * frame, frame)


def stander(street: Masked) -> Any:
    return _at(street, 320, FRAMES - 1)


def _at(street: Masked, x: float, frame: int) -> Any:
    """The tracklet that is there."""
    (record,) = [r for r in street.timeline.frames(frame) if r.index == frame]
    grid = street.timeline.header.grid[0] / street.scene.size[0]
    (here,) = [s for s in record.sightings if s.box[0] <= x * grid <= s.box[2]]
    return street.timeline.header.tracklet(here.tracklet)


def rendered(street: Masked, timeline: Timeline) -> Masked:
    folder = timeline.path.parent
    checkpoints = RenderCheckpoints(folder / "segments", SEGMENT, keep=True)
    checkpoints.folder.mkdir(exist_ok=True)
    output = folder / "out.mp4"
    render(
        street.source, timeline, output, effect=MAGENTA, encoder=LOSSLESS, checkpoints=checkpoints
    )
    return Masked(street.scene, street.source, timeline, output)


def audited(
    masked: Masked,
    page: Path,
    earlier: EarlierAudit | None = None,
    edits: Edits | None = None,
    report: Callable[[Progress], None] | None = None,
) -> AuditResult:
    return audit(
        masked.source,
        masked.output,
        page,
        models=drawn_models(),
        timeline=masked.timeline,
        effect=MAGENTA,
        settings=SETTINGS,
        earlier=earlier,
        edits=edits,
        report=report,
    )


def box_at(frame: int) -> Key:
    shape = Box(x=100 + 0.5 * frame, y=70, width=80, height=130)
    return Key(seconds=frame / RATE, shape=shape)


@pytest.fixture(scope="module")
def before(leaky: Masked) -> Path:
    """The report on what leaks."""
    page = leaky.output.with_name("before.html")
    assert len(audited(leaky, page).leaks) >= 3
    return page.with_suffix(".json")


@pytest.mark.parametrize(
    "mended",
    [
        (MaskEdit(keys=(box_at(30),), start=0.8, end=1.8, follow=False),),
        (MaskEdit(keys=(box_at(112),), start=4.4, end=4.6, follow=False),),
        (VerdictEdit(who="p1", decision=Decision.MASK, start=7.2, end=7.4),),
        (VerdictEdit(who="p2", decision=Decision.KEEP, start=2, end=2.2),),
        (EraseEdit(who="p1", start=3, end=3.2),),
    ],
    ids=["whole finding", "part of one", "kept person masked", "masked person kept", "erased"],
)
@pytest.mark.sampled(2)
def test_an_audit_of_what_changed_says_what_one_of_everything_says(
    leaky: Masked, before: Path, tmp_path: Path, mended: tuple[Edit, ...]
) -> None:
    result = edit(leaky.source, leaky.timeline, Edits(edits=mended), tmp_path / "t")
    after = rendered(leaky, result.timeline)
    whole = audited(after, tmp_path / "whole.html")

    earlier = earlier_audit(before, leaky.source, leaky.timeline, after.timeline, **HOW)
    assert earlier is not None
    told: list[Progress] = []
    again = audited(after, tmp_path / "again.html", earlier, report=told.append)

    assert again.findings == whole.findings
    pages = [(tmp_path / f"{name}.json").read_text() for name in ("whole", "again")]
    assert json.loads(pages[0]) == json.loads(pages[1])
    assert 0 < told[-1].total < 0.7 * FRAMES
    assert told[-1].done == told[-1].total


def test_nothing_is_looked_at_where_nothing_changed(
    leaky: Masked, before: Path, tmp_path: Path
) -> None:
    earlier = earlier_audit(before, leaky.source, leaky.timeline, leaky.timeline, **HOW)
    assert earlier is not None
    assert not earlier.changed
    again = audited(leaky, tmp_path / "again.html", earlier)
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(before.read_text())
    assert not again.passed


def test_what_is_encoded_anew_changed_and_whose_verdict_did(street: Masked, tmp_path: Path) -> None:
    """The whole segments; and frames in which nobody is drawn over before or after."""
    mask = MaskEdit(keys=(box_at(30),), start=1, end=1.4, follow=False)
    after = edit(street.source, street.timeline, Edits(edits=(mask,)), tmp_path / "t").timeline
    assert changed_frames(street.source, street.timeline, after, **HOW) == [(20, 40)]
    nobody = replace(street.timeline.header, tracklets=street.timeline.header.tracklets)
    same = Timeline(street.timeline.path, nobody)
    assert changed_frames(street.source, street.timeline, same, **HOW) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report.pop("basis"),
        lambda report: report["basis"].update(version="0"),
        lambda report: report["basis"].update(effect={"name": "blur"}),
        lambda report: report["basis"].update(settings={}),
        lambda report: report["basis"].update(cuts="none"),
        lambda report: report["source"].update(sha256="0"),
        lambda report: report.update(networks={"other": "1"}),
        lambda report: report.update(frames=3),
        lambda report: report["findings"].append({"kind": "unmasked"}),
    ],
)
@pytest.mark.sampled(2)
def test_an_audit_that_does_not_fit_is_not_believed(
    leaky: Masked, before: Path, tmp_path: Path, change: Callable[[Any], object]
) -> None:
    report = json.loads(before.read_text())
    change(report)
    told: list[Progress] = []
    audited(leaky, tmp_path / "r.html", EarlierAudit(report, []), report=told.append)
    assert told[-1].total == FRAMES
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(before.read_text())


def test_without_a_report_everything_is_audited(leaky: Masked, tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("[")
    for name in ("no.json", "none.json"):
        path = tmp_path / name
        assert earlier_audit(path, leaky.source, leaky.timeline, leaky.timeline, **HOW) is None


def test_what_somebody_accepted_is_marked_and_no_leak(
    leaky: Masked, before: Path, tmp_path: Path
) -> None:
    found = [f for f in json.loads(before.read_text())["findings"] if f["severity"] == "leak"]
    near = [
        AcceptEdit(
            finding=AcceptedFinding(
                kind=f["kind"], seconds=f["seconds"] + 0.3, box=f["box"] and tuple(f["box"])
            )
        )
        for f in found
    ]
    earlier = EarlierAudit(json.loads(before.read_text()), [])
    some = audited(leaky, tmp_path / "r.html", earlier, Edits(edits=tuple(near[1:])))
    assert not some.passed
    assert len(some.leaks) == 1
    everything = audited(leaky, tmp_path / "r.html", earlier, Edits(edits=tuple(near)))
    assert everything.passed
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["passed"]
    assert [f["accepted"] for f in report["findings"] if f["severity"] == "leak"] == [True] * len(
        found
    )
    assert "found it fine" in (tmp_path / "r.html").read_text()
    # And it holds for as long as the document says so.
    again = audited(leaky, tmp_path / "r.html", EarlierAudit(report, []), Edits())
    assert len(again.leaks) == len(found)


@pytest.mark.parametrize(
    "change", [{"kind": "hidden"}, {"seconds": 0.9}, {"box": (0, 0, 9, 9)}, {"box": None}]
)
def test_another_finding_is_not_accepted(
    leaky: Masked, before: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    report = json.loads(before.read_text())
    first = next(f for f in report["findings"] if f["severity"] == "leak")
    fields = {key: first[key] for key in ("kind", "seconds", "box")}
    fields |= {"seconds": first["seconds"] + change.pop("seconds", 0.0)} | change
    fine = Edits(edits=(AcceptEdit(finding=AcceptedFinding(**fields)),))
    result = audited(leaky, tmp_path / "r.html", EarlierAudit(report, []), fine)
    assert len(result.leaks) == sum(f["severity"] == "leak" for f in report["findings"])
