"""The audit as a stranger: what it finds in drawn scenes, and what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from bystander.auditing.findings import AuditSettings, FindingKind
from bystander.auditing.report import AuditResult
from bystander.choices import EffectName
from bystander.cli.app import app
from bystander.errors import OutputUnwritable, TimelineMismatch
from bystander.pipeline.audit import audit
from bystander.pipeline.render import render
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline
from bystander.timeline.header import with_decisions
from bystander.timeline.types import FrameRecord
from tests.support.drawn import (
    BLUE,
    GREEN,
    LOSSLESS,
    MAGENTA,
    RED,
    Figure,
    Masked,
    Pixels,
    Scene,
    cast_of,
    drawn_models,
    is_magenta,
    mask_scene,
    standing,
    use_models,
    walking,
)
from tests.support.videos import Clip, Sound, make_video, remuxed

pytestmark = pytest.mark.sampled(4)

SETTINGS = AuditSettings(every=3, people_long_side=384, source_long_side=400)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    """Anna, who is kept, and two strangers; a cut after half a second."""
    folder = tmp_path_factory.mktemp("street")
    figures = [
        Figure(BLUE, standing(20)),
        Figure(RED, walking(120, 1)),
        Figure(GREEN, standing(300)),
    ]
    cast = cast_of(folder, anna=BLUE)
    return mask_scene(Scene(figures, frames=40, cuts=[20]), folder, cast=cast)


class Tampered(Timeline):
    """A timeline of which some frames are rendered as if nobody was there."""

    def __init__(self, timeline: Timeline, tamper: Callable[[FrameRecord], FrameRecord]) -> None:
        super().__init__(timeline.path, timeline.header)
        self._tamper = tamper

    def frames(self, start: int = 0) -> Iterator[FrameRecord]:
        return map(self._tamper, super().frames(start))


def audited(masked: Masked, output: Path, page: Path, known: bool = True) -> AuditResult:
    return audit(
        masked.source,
        output,
        page,
        models=drawn_models(),
        timeline=masked.timeline if known else None,
        settings=SETTINGS,
    )


def tampered(masked: Masked, output: Path, tamper: Callable[[FrameRecord], FrameRecord]) -> Path:
    timeline = Tampered(masked.timeline, tamper)
    render(masked.source, timeline, output, effect=MAGENTA, encoder=LOSSLESS)
    return output


def test_a_video_masked_well_passes_and_says_who_is_kept(tmp_path: Path, street: Masked) -> None:
    result = audited(street, street.output, tmp_path / "report.html")
    assert result.passed, result.findings
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["passed"] is True
    assert [person["who"] for person in document["kept"]] == ["anna"]
    assert document["kept"][0]["why"]


INTERLACED = {"preset": "ultrafast", "crf": "10", "flags": "+ildct", "x264-params": "tff=1"}
ODD = Clip(size=(385, 215), codec="mjpeg", pixel_format="yuvj420p", options={})
TEN_BIT = Clip(
    codec="libx265",
    pixel_format="yuv420p10le",
    options={"preset": "ultrafast", "x265-params": "log-level=error"},
)


@pytest.mark.parametrize(
    ("clip", "changes", "suffix"),
    [
        (ODD, {}, ".mp4"),
        (ODD, {}, ".mkv"),
        (TEN_BIT, {}, ".mp4"),
        (TEN_BIT, {"codec": "h264"}, ".mp4"),
        (Clip(options=INTERLACED), {}, ".mp4"),
        (Clip(options=INTERLACED), {"codec": "hevc"}, ".mp4"),
    ],
    ids=["odd", "odd, .mkv", "10 bits", "10 bits as 8", "interlaced", "deinterlaced"],
)
@pytest.mark.sampled(3)
def test_every_way_of_encoding_passes_and_is_drawn_again(
    tmp_path: Path, clip: Clip, changes: dict[str, object], suffix: str
) -> None:
    """In step and of one size with the source, whatever its size, depth and fields are."""
    size = clip.size if clip is ODD else (384, 216)
    clip = replace(clip, size=size, pts=range(0, 24 * 512, 512))
    figures = [Figure(BLUE, standing(20)), Figure(RED, walking(120, 3))]
    scene = Scene(figures, frames=24, size=size)
    source = scene.video(tmp_path / "source.mov", clip)
    masked = mask_scene(scene, tmp_path, source=source, cast=cast_of(tmp_path, anna=BLUE))
    output = tmp_path / f"out{suffix}"
    encoder = LOSSLESS.changed({"crf": 16, **changes})
    render(source, masked.timeline, output, effect=MAGENTA, encoder=encoder)

    result = audited(masked, output, tmp_path / "report.html")
    assert result.passed, result.findings
    kinds = {finding.kind for finding in result.findings}
    assert not kinds & {FindingKind.OUT_OF_STEP, FindingKind.UNKNOWN_EFFECT}


def test_one_frame_without_masks_is_found(tmp_path: Path, street: Masked) -> None:
    def tamper(record: FrameRecord) -> FrameRecord:
        return replace(record, sightings=()) if record.index == 13 else record

    result = audited(street, tampered(street, tmp_path / "o.mp4", tamper), tmp_path / "r.html")
    assert {(f.kind, f.frame) for f in result.leaks} >= {(FindingKind.UNMASKED, 13)}
    assert all(f.frame == 13 for f in result.leaks)


def test_a_finding_is_told_at_the_second_at_which_a_player_shows_it(tmp_path: Path) -> None:
    """The clock begins with the sound, the first frame comes 0.8 s later."""
    scene = Scene([Figure(RED, walking(120, 1))], frames=20)
    late = Clip(pts=range(10_240, 10_240 + 512 * 20, 512), size=scene.size, sounds=(Sound(),))
    masked = mask_scene(scene, tmp_path, source=scene.video(tmp_path / "source.mp4", late))

    def tamper(record: FrameRecord) -> FrameRecord:
        return replace(record, sightings=()) if record.index == 13 else record

    result = audited(masked, tampered(masked, tmp_path / "o.mp4", tamper), tmp_path / "r.html")
    assert {(f.frame, round(f.seconds, 2)) for f in result.leaks} == {(13, 0.8 + 0.52)}
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["findings"][0]["seconds"] == pytest.approx(1.32)
    assert "0:01.32" in (tmp_path / "r.html").read_text()
    assert masked.timeline.times()[[0, 13, 20]] == pytest.approx([0.8, 1.32, 1.6])


def test_a_moved_mask_is_found(tmp_path: Path, street: Masked) -> None:
    def tamper(record: FrameRecord) -> FrameRecord:
        if not 30 <= record.index < 33:
            return record
        moved = tuple(replace(s, mask=s.mask.moved(8, 0)) for s in record.sightings)
        return replace(record, sightings=moved)

    result = audited(street, tampered(street, tmp_path / "o.mp4", tamper), tmp_path / "r.html")
    leaks = [f for f in result.leaks if f.kind is FindingKind.UNMASKED]
    assert leaks
    assert all(1.16 <= f.start <= f.end <= 1.32 for f in leaks)


@pytest.mark.long
def test_a_mask_moved_by_less_than_a_hand_is_found(tmp_path: Path, street: Masked) -> None:
    """The least growth hides nothing of such a move; half of a face's plate is wider."""

    def tamper(record: FrameRecord) -> FrameRecord:
        if not 30 <= record.index < 33:
            return record
        moved = tuple(replace(s, mask=s.mask.moved(4, 0)) for s in record.sightings)
        return replace(record, sightings=moved)

    result = audited(street, tampered(street, tmp_path / "o.mp4", tamper), tmp_path / "r.html")
    assert {f.frame in (30, 31, 32) for f in result.leaks} == {True}


@pytest.mark.long
def test_masks_of_another_program_are_noted(tmp_path: Path, street: Masked) -> None:
    """They are judged by detail alone, and the report says so."""

    def scribbled(number: int, *_: int) -> Pixels:
        after = street.after[number].copy()
        drawn = is_magenta(after)
        after[drawn] = np.random.default_rng(number).integers(0, 255, (drawn.sum(), 3))
        return after

    clip = Clip(pts=range(0, 512 * 40, 512), size=street.scene.size)
    strange = make_video(tmp_path / "o.mp4", clip, scribbled)
    result = audited(street, strange, tmp_path / "r.html")
    assert FindingKind.UNKNOWN_EFFECT in {f.kind for f in result.findings}


@pytest.mark.parametrize("name", [EffectName.BLUR, EffectName.MOSAIC])
@pytest.mark.sampled(2)
def test_cells_that_are_too_small_are_found(
    tmp_path: Path, street: Masked, name: EffectName
) -> None:
    weak = EffectSettings(name=name, strength=0.5, allow_weak=True)
    render(street.source, street.timeline, tmp_path / "o.mp4", effect=weak, encoder=LOSSLESS)
    result = audited(street, tmp_path / "o.mp4", tmp_path / "r.html")
    assert FindingKind.WEAK_MASK in {f.kind for f in result.leaks}


@pytest.mark.long
def test_a_weak_blur_of_another_program_is_found(tmp_path: Path, street: Masked) -> None:
    def blurred(number: int, *_: int) -> Pixels:
        before, after = street.before[number], street.after[number].copy()
        drawn = is_magenta(after)
        after[drawn] = cv2.GaussianBlur(before, (0, 0), 3)[drawn]
        return after

    clip = Clip(pts=range(0, 512 * 40, 512), size=street.scene.size)
    result = audited(street, make_video(tmp_path / "o.mp4", clip, blurred), tmp_path / "r.html")
    assert FindingKind.WEAK_MASK in {f.kind for f in result.leaks}


def test_the_report_says_what_was_left_out(tmp_path: Path, street: Masked) -> None:
    """Neither the place itself nor the title: only that there was one."""
    tags = "-metadata", "title=Anna at home", "-metadata", "location=+48.2082+016.3738/"
    source = remuxed(street.source, tmp_path / "tagged.mp4", *tags)
    result = audit(
        source, street.output, tmp_path / "r.html", models=drawn_models(), settings=SETTINGS
    )
    assert "the file: title" in result.stripped
    page = (tmp_path / "r.html").read_text()
    assert "the file: location" in page
    assert "48.2082" not in page
    assert "at home" not in page


def test_someone_the_timeline_never_saw_is_found_by_the_networks(
    tmp_path: Path, street: Masked
) -> None:
    """The red stranger stays visible, and the timeline doesn't mention them."""
    header = street.timeline.header
    record = next(iter(street.timeline.frames()))
    hidden = {s.tracklet for s in record.sightings if s.mask.contains(95, 95)}

    def tamper(record: FrameRecord) -> FrameRecord:
        left = tuple(s for s in record.sightings if s.tracklet not in hidden)
        return replace(record, sightings=left)

    assert hidden
    blind = replace(street, timeline=Tampered(street.timeline, tamper))
    result = audited(blind, tampered(street, tmp_path / "o.mp4", tamper), tmp_path / "r.html")
    kinds = {f.kind for f in result.leaks}
    assert FindingKind.VISIBLE_PERSON in kinds
    assert FindingKind.UNMASKED not in kinds
    assert header == blind.timeline.header


def test_without_a_timeline_people_are_listed_and_only_the_file_can_fail(
    tmp_path: Path, street: Masked
) -> None:
    result = audited(street, street.output, tmp_path / "r.html", known=False)
    assert result.passed
    assert FindingKind.VISIBLE_PERSON in {f.kind for f in result.findings}

    tagged = remuxed(street.output, tmp_path / "tagged.mp4", "-metadata", "title=Anna at home")
    result = audited(street, tagged, tmp_path / "t.html", known=False)
    assert [f.kind for f in result.leaks] == [FindingKind.METADATA]


def test_frames_out_of_step_are_found(tmp_path: Path, street: Masked) -> None:
    pictures = street.after
    pts = [512 * number for number in range(len(pictures)) if number not in (7, 8)]
    clip = Clip(pts=pts, size=street.scene.size)
    lacking = make_video(tmp_path / "o.mp4", clip, lambda number, *_: pictures[pts[number] // 512])
    result = audited(street, lacking, tmp_path / "r.html")
    (found,) = [f for f in result.leaks if f.kind is FindingKind.OUT_OF_STEP]
    assert found.frames == 2
    assert found.start == pytest.approx(0.28)


def test_the_page_needs_nothing_else_and_escapes_names(tmp_path: Path, street: Masked) -> None:
    def tamper(record: FrameRecord) -> FrameRecord:
        return replace(record, sightings=())

    output = tampered(street, tmp_path / "<b>o.mp4", tamper)
    audited(street, output, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "<b>o" not in page
    assert "&lt;b&gt;o.mp4" in page
    assert "data:image/jpeg;base64," in page
    assert "http" not in page
    assert "Not passed" in page


def test_a_timeline_of_another_video_is_refused(tmp_path: Path, street: Masked) -> None:
    other = replace(street, source=make_video(tmp_path / "other.mp4"))
    with pytest.raises(TimelineMismatch):
        audited(other, street.output, tmp_path / "r.html")


@pytest.mark.long
def test_an_unwritable_report_is_an_output_error(tmp_path: Path, street: Masked) -> None:
    with pytest.raises(OutputUnwritable):
        audited(street, street.output, tmp_path / "nowhere" / "r.html")


def test_the_command_ends_with_11_when_there_is_a_leak(
    tmp_path: Path, street: Masked, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_models(monkeypatch, lambda *_: drawn_models())
    page = tmp_path / "report.html"
    arguments = ["audit", str(street.source), str(street.output), "-o", str(page)]
    arguments += ["--timeline", str(street.timeline.path), "--json"]
    runner = CliRunner()

    assert runner.invoke(app, arguments).exit_code == 0
    assert runner.invoke(app, arguments).exit_code == 5  # the report exists

    # The timeline now says that nobody is kept: Anna, who can be seen, is a leak.
    everybody = [person.id for person in street.timeline.header.persons]
    strict = street.timeline.save(
        tmp_path / "strict", with_decisions(street.timeline.header, keep=[], mask=everybody)
    )
    arguments = [*arguments[:5], "--timeline", str(strict.path), "--json", "--overwrite"]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 11
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["kind"] == "AuditFailed"
    assert "unmasked" in last["what"]
    assert np.all([line.startswith("{") for line in done.stdout.splitlines()])


@pytest.mark.long
def test_masking_can_audit_what_it_made(
    tmp_path: Path, street: Masked, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_models(monkeypatch, lambda *_: drawn_models())
    output = tmp_path / "masked.mp4"
    arguments = ["mask", str(street.source), "-o", str(output), "--audit", "--json"]
    runner = CliRunner()

    done = runner.invoke(app, arguments)
    assert done.exit_code == 0, done.stdout
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert "audit" in {event.get("stage") for event in events}
    assert events[-1]["passed"] is True
    assert json.loads((tmp_path / "masked.mp4.audit.json").read_text())["passed"] is True
    assert "Passed" in (tmp_path / "masked.mp4.audit.html").read_text()


@pytest.mark.long
def test_masking_that_fails_its_audit_ends_with_11_and_leaves_the_video(
    tmp_path: Path, street: Masked, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_models(monkeypatch, lambda *_: drawn_models())
    output = tmp_path / "masked.mp4"
    weak = ["--strength", "0.25", "--allow-weak"]
    arguments = ["mask", str(street.source), "-o", str(output), "--audit", "--json", *weak]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 11, done.stdout
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["kind"] == "AuditFailed"
    assert "weak mask" in last["what"]
    assert output.exists()
