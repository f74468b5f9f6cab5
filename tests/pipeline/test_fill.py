"""The effect `fill`: the background where other frames show it, the blur elsewhere, nobody ever."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.choices import EffectName, ShapeName
from bystander.media.encoder import EncoderSettings
from bystander.media.resuming import RenderCheckpoints, filled_in
from bystander.pipeline import backgrounds
from bystander.pipeline import render as rendering
from bystander.pipeline.analyze import analyze
from bystander.pipeline.audit import audit
from bystander.pipeline.render import planned_spans, render
from bystander.pipeline.tasks import FolderWorkspace, InProcess, Parallel
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import with_decisions
from tests.support.commands import call
from tests.support.drawn import (
    BLUE,
    GREEN,
    LOSSLESS,
    RED,
    SETTINGS,
    SIZE,
    WIDTH,
    YELLOW,
    Figure,
    Pixels,
    drawn_models,
    pictures,
    shows,
    standing,
    walking,
)
from tests.support.street import Resized, Street
from tests.support.videos import Clip

pytestmark = pytest.mark.long

FILL = EffectSettings(name=EffectName.FILL)
BLUR = EffectSettings(name=EffectName.BLUR)
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Filmed:
    scene: Street
    source: Path
    timeline: Timeline
    folder: Path
    encoder: EncoderSettings = LOSSLESS

    def rendered(self, effect: EffectSettings = FILL) -> Path:
        output = self.folder / f"{effect.name}-{effect.shape}.mp4"
        render(
            self.source,
            self.timeline,
            output,
            effect=effect,
            encoder=self.encoder,
            overwrite=True,
        )
        return output

    @cached_property
    def blurred(self) -> list[Pixels]:
        return pictures(self.rendered(BLUR))


def filmed(scene: Street, folder: Path, clip: Clip | None = None) -> Filmed:
    source = scene.video(folder / "source.mp4", clip)
    timeline = analyze(source, folder / "timeline", models=drawn_models(), settings=SETTINGS)
    return Filmed(scene, source, timeline, folder)


def nothing_else_shows(street: Filmed, after: Sequence[Pixels], off: int = 36) -> None:
    """Every pixel is the place's, the blur's or between them: nobody's own anywhere."""
    for number, picture in enumerate(after):
        true, blurred = (
            one.astype(int) for one in (street.scene.background(number), street.blurred[number])
        )
        low, high = np.minimum(true, blurred) - off, np.maximum(true, blurred) + off
        beyond = ((picture < low) | (picture > high)).any(axis=2)
        assert not beyond.any(), f"frame {number}: {np.argwhere(beyond)[:5].tolist()}"


def psnr(one: Pixels, other: Pixels, where: Bits) -> float:
    away = one[where].astype(np.float64) - other[where]
    return float(10 * np.log10(255**2 / max(1e-9, float(np.mean(away**2)))))


def filled_like_the_background(
    scene: Street, after: Sequence[Pixels], figure: Figure, least: float, share: float = 0.5
) -> None:
    """In that share of the frames, somebody's place is as like the true background: dB."""
    found = [
        psnr(picture, scene.background(number), scene.silhouette(figure, number))
        for number, picture in enumerate(after)
        if np.mean(scene.silhouette(figure, number)) > 0.006
    ]
    assert np.quantile(found, 1 - share) >= least, np.round(found, 1)


@pytest.mark.parametrize("pan", [0.0, 1.7], ids=["still", "pan"])
def test_two_who_cross_are_replaced_by_what_is_behind_them(tmp_path: Path, pan: float) -> None:
    people = [Figure(RED, walking(-60, 7)), Figure(BLUE, walking(400, -7))]
    street = filmed(Street(people, pan=pan), tmp_path)
    after = pictures(street.rendered())
    nothing_else_shows(street, after)
    for figure in people:
        filled_like_the_background(street.scene, after, figure, 38 if pan == 0 else 30)


TEN_BIT = Clip(
    codec="libx265",
    pixel_format="yuv420p10le",
    options={"preset": "ultrafast", "x265-params": "crf=8:log-level=error"},
)


@pytest.mark.parametrize("kind", ["10 bits", "turned", "uneven"])
def test_other_sources_are_filled_as_well(tmp_path: Path, kind: str) -> None:
    people = [Figure(RED, walking(-60, 7)), Figure(BLUE, walking(400, -7))]
    scene = Street(people)
    even = range(0, 512 * scene.frames, 512)
    clip = {
        "10 bits": replace(TEN_BIT, pts=even, size=scene.size),
        "turned": Clip(pts=even, size=scene.size[::-1], rotation=90),
        "uneven": Clip(pts=[at + 300 * (at % 3 == 0) for at in even], size=scene.size),
    }[kind]
    street = filmed(scene, tmp_path, clip)
    after = pictures(street.rendered())
    nothing_else_shows(street, after)
    filled_like_the_background(scene, after, people[0], 36)


UNUSUAL = {
    "4:4:4": Clip(size=SIZE, pixel_format="yuv444p"),
    "4:2:2": Clip(size=SIZE, pixel_format="yuv422p"),
    "mirrored": Clip(size=SIZE, mirrored=True),
    "turned, mirrored, 16:11": Clip(
        size=(264, 216), aspect=Fraction(16, 11), rotation=90, mirrored=True
    ),
    "4:3": Clip(size=(288, 216), aspect=Fraction(4, 3)),
    "full range": Clip(size=SIZE, pixel_format="yuvj420p", colors=(2, 2, 2, 2)),
    "odd": Clip(size=(427, 241), pixel_format="yuv444p"),
    "odd 4:4:4": Clip(size=(427, 241), pixel_format="yuv444p"),
    "very small": Clip(size=(96, 64)),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_pictures_show_the_background_or_the_blur(tmp_path: Path, kind: str) -> None:
    """Two pass somebody who stands, before a camera that pans."""
    stays = Figure(GREEN, standing(280))
    people = [Figure(RED, walking(-60, 7)), Figure(BLUE, walking(400, -7)), stays]
    clip = UNUSUAL[kind]
    upright = clip.orientation.size(*clip.size)
    scene = Resized.of(Street(people, pan=1.7), upright)
    street = filmed(scene, tmp_path, replace(clip, pts=range(0, 512 * scene.frames, 512)))
    chroma = "444" if kind.endswith("4:4:4") else "420"
    street = replace(street, encoder=LOSSLESS.changed({"chroma": chroma}))
    after = pictures(street.rendered())
    nothing_else_shows(street, after)
    filled_like_the_background(scene, after, people[0], 36, share=0.25)


def test_who_never_moves_is_blurred_and_whoever_passes_is_filled(tmp_path: Path) -> None:
    stays = Figure(GREEN, standing(60))
    passes = Figure(RED, walking(440, -6))
    street = filmed(Street([stays, passes], frames=60), tmp_path)
    after = pictures(street.rendered())
    nothing_else_shows(street, after)
    for number in (0, 20, 40):  # nobody passes them then
        there = street.scene.silhouette(stays, number)
        assert (after[number][there] == street.blurred[number][there]).all()
    filled_like_the_background(street.scene, after[:45], passes, 38)


def test_a_shape_is_filled_wholly_or_not_at_all(tmp_path: Path) -> None:
    """Else the outline that it hides were where filling and blur meet."""
    stays, passes = Figure(GREEN, standing(60)), Figure(RED, walking(440, -6))
    street = filmed(Street([stays, passes], frames=60), tmp_path)
    shaped = [one.model_copy(update={"shape": ShapeName.BOX}) for one in (FILL, BLUR)]
    after, blurred, before = map(pictures, (*map(street.rendered, shaped), street.source))
    for number in range(25):  # they are apart
        left = np.s_[:, : 60 + 2 * WIDTH]
        assert (after[number][left] == blurred[number][left]).all()
        there = (blurred[number] != before[number]).any(axis=2)
        there[left] = False
        changed = np.abs(after[number].astype(int) - street.scene.background(number)).max(axis=2)
        assert (changed[there] <= 36).all() or (after[number] == blurred[number])[there].all()
    filled_like_the_background(street.scene, after[:25], passes, 36)


def test_somebody_who_appears_midway_is_not_taken_for_the_background(tmp_path: Path) -> None:
    """Missed until frame 30, and never moving: then found, and only blurred."""
    late = Figure(YELLOW, standing(180), unseen=range(30))
    street = filmed(Street([late]), tmp_path)
    after = pictures(street.rendered())
    for number in range(34, 72):
        there = street.scene.silhouette(late, number)
        assert (after[number][there] == street.blurred[number][there]).all()


def test_somebody_missed_while_walking_is_in_no_plate(tmp_path: Path) -> None:
    """Found, missed for twenty frames, found again; the other walks where they were unseen."""
    missed = Figure(RED, walking(-40, 5), unseen=range(24, 44))
    other = Figure(BLUE, walking(380, -6))
    street = filmed(Street([missed, other]), tmp_path)
    after = pictures(street.rendered())
    for number in range(72):
        there = street.scene.silhouette(other, number)
        dark = (after[number].max(axis=2) < 36) & there  # the grey of somebody unseen is 30
        assert not dark.any()


def test_a_cut_keeps_both_places_apart(tmp_path: Path) -> None:
    people = [Figure(RED, walking(-60, 9)), Figure(BLUE, walking(420, -7))]
    street = filmed(Street(people, frames=100, cuts=(50,)), tmp_path)
    assert len(street.timeline.header.shots) == 2
    after = pictures(street.rendered())
    nothing_else_shows(street, after)
    filled_like_the_background(street.scene, after, people[0], 36)


def test_kept_people_are_untouched_and_in_no_plate(tmp_path: Path) -> None:
    kept = Figure(GREEN, walking(-60, 7))
    masked = Figure(RED, walking(400, -7))
    street = filmed(Street([kept, masked]), tmp_path)
    green = [
        person.id
        for person in street.timeline.header.persons
        if _seen_at(street.timeline, person.tracklets[0]) < 0
    ]
    header = with_decisions(street.timeline.header, green, ())
    street = replace(street, timeline=Timeline(street.timeline.path, header))
    after, before = pictures(street.rendered()), pictures(street.source)
    apart = [abs(kept.place(n)[0] - masked.place(n)[0]) > 2 * WIDTH for n in range(72)]
    assert 40 < sum(apart) < 72
    for number in np.flatnonzero(apart).tolist():
        there = street.scene.silhouette(kept, number)
        assert (after[number][there] == before[number][there]).all()
        elsewhere = shows(after[number], kept.clothes) & ~shows(before[number], kept.clothes)
        assert not elsewhere.any()
    filled_like_the_background(street.scene, after, masked, 36)


def _seen_at(timeline: Timeline, tracklet: int) -> float:
    """How far a tracklet walks to the left, grid pixels."""
    at = [s.mask.x for r in timeline.frames() for s in r.sightings if s.tracklet == tracklet]
    return float(at[0] - at[-1])


def test_a_part_rendered_by_itself_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "SEGMENT_FRAMES", 20)
    monkeypatch.setattr(backgrounds, "WINDOW_FRAMES", 36)
    people = [Figure(RED, walking(-60, 7)), Figure(BLUE, walking(400, -7))]
    street = filmed(Street(people, pan=1.0), tmp_path)
    whole, segments = tmp_path / "whole.mp4", tmp_path / "segments"
    segments.mkdir()
    drawn = partial(render, street.source, street.timeline, effect=FILL, encoder=LOSSLESS)
    in_parts = partial(
        drawn,
        tmp_path / "parts.mp4",
        overwrite=True,
        checkpoints=RenderCheckpoints(segments, 20, keep=True),
        parallel=Parallel(InProcess(), FolderWorkspace(street.source, tmp_path)),
    )
    filled = drawn(whole)
    assert in_parts() == filled == filled_in(segments)
    for one, other in zip(pictures(whole), pictures(tmp_path / "parts.mp4"), strict=True):
        assert (one == other).all()

    min(segments.iterdir()).unlink()
    assert in_parts() == filled  # what was drawn before counts as well
    assert drawn(tmp_path / "blurred.mp4", effect=BLUR).share is None


def test_the_share_that_is_told_is_that_of_the_pixels(tmp_path: Path) -> None:
    stays = Figure(GREEN, standing(60))
    passes = Figure(RED, walking(440, -6))
    street = filmed(Street([stays, passes], frames=60), tmp_path)
    output = tmp_path / "out.mp4"
    told = render(street.source, street.timeline, output, effect=FILL, encoder=LOSSLESS).share
    found = []
    shown = zip(pictures(output), street.blurred, pictures(street.source), strict=True)
    for picture, blurred, before in shown:
        drawn = (blurred != before).any(axis=2)
        found.append((picture != blurred).any(axis=2)[drawn])
    assert told is not None
    assert told == pytest.approx(np.concatenate(found).mean(), abs=0.05)


def test_the_command_line_says_how_much_is_filled(tmp_path: Path) -> None:
    street = filmed(Street([Figure(RED, walking(-60, 7))]), tmp_path)
    asked = ("render", street.source, street.timeline.path, "--overwrite", "-o", tmp_path / "o.mp4")
    said = call(*asked, "--effect", "fill").stdout
    percent = int(re.search(r"^filled +(\d+) %, blurred \d+ %$", said, re.M)[1])  # type: ignore[index]
    assert percent > 90
    facts = json.loads(call(*asked, "--effect", "fill", "--json").stdout.splitlines()[-1])
    assert round(100 * facts["filled"]) == percent
    assert "filled" not in call(*asked).stdout


def test_an_edit_has_all_of_its_window_drawn_anew_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backgrounds, "WINDOW_FRAMES", 36)
    people = [Figure(RED, walking(-60, 7)), Figure(BLUE, walking(400, -7))]
    street = filmed(Street(people), tmp_path)
    with TimelineWriter(tmp_path / "edited") as writer:
        for record in street.timeline.frames():
            if record.index == 3:  # somebody was a little wider there
                wider = [replace(one, mask=one.mask.grown(3)) for one in record.sightings]
                record = replace(record, sightings=tuple(wider))
            writer.add_frame(record)
        writer.finish(street.timeline.header)
    edited = Timeline.load(tmp_path / "edited")

    def names(timeline: Timeline, effect: EffectSettings) -> list[str]:
        spans = planned_spans(street.source, timeline, effect, LOSSLESS, length=12)
        assert spans is not None
        return [span.name for span in spans]

    pairs = zip(names(street.timeline, FILL), names(edited, FILL), strict=True)
    assert [one == other for one, other in pairs] == [False] * 3 + [True] * 3
    pairs = zip(names(street.timeline, BLUR), names(edited, BLUR), strict=True)
    assert [one == other for one, other in pairs] == [False] + [True] * 5


def test_the_audit_draws_what_is_filled_again(tmp_path: Path) -> None:
    people = [Figure(RED, walking(-60, 7)), Figure(BLUE, walking(400, -7))]
    street = filmed(Street(people), tmp_path)
    found = audit(
        street.source,
        street.rendered(),
        tmp_path / "report.html",
        models=drawn_models(),
        timeline=street.timeline,
        effect=FILL,
    )
    assert found.passed, found.summary()
    deinterlaced = tmp_path / "deinterlaced.mp4"
    encoder = LOSSLESS.changed({"deinterlace": "on"})
    told = render(street.source, street.timeline, deinterlaced, effect=FILL, encoder=encoder)
    assert told.share == 0.0  # they are blurred, which the audit takes as well
    found = audit(
        street.source,
        deinterlaced,
        tmp_path / "deinterlaced.html",
        models=drawn_models(),
        timeline=street.timeline,
        effect=FILL,
    )
    assert found.passed, found.summary()
    unmasked = audit(
        street.source,
        street.source,
        tmp_path / "unmasked.html",
        models=drawn_models(),
        timeline=street.timeline,
        effect=FILL,
    )
    assert not unmasked.passed
