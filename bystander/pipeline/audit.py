"""source, masked video -> report: attack the finished file as a stranger would.

Both files are decoded in step. In every frame, whomever the timeline masks must have lost
their detail, and must not look more like the source than like what was to be drawn; at
every few frames, and around each cut, networks look for people and faces, in the output and
in the mirrored source by turns, at other scales than the analysis did. Nothing that the
analysis believed is believed here but whom it keeps.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bystander.auditing.findings import (
    AuditSettings,
    Finding,
    FindingMerger,
    Kind,
    Severity,
    in_file,
    in_frame,
)
from bystander.auditing.kept import KeptArea
from bystander.auditing.likeness import compare, luma
from bystander.auditing.masked import masked_badly
from bystander.auditing.pairs import AuditFrame, FrameComparison, Pair, PairedReader, looked_at
from bystander.auditing.redrawn import Redrawer
from bystander.auditing.report import Result, check_page, write_report
from bystander.auditing.streams import carried, carried_in_frame
from bystander.auditing.visibility import visible_faces, visible_people
from bystander.files import StrPath
from bystander.media.demux import fingerprint
from bystander.media.facts import VideoInfo
from bystander.media.prefetch import map_ahead, prefetch
from bystander.media.probe import probe
from bystander.models import Models, load_models
from bystander.models.segmenter import analysis_size
from bystander.models.store import sha256
from bystander.pipeline.reference_masks import ReferencePlan
from bystander.progress import ProgressMeter, Report
from bystander.redaction.effects import EffectName, EffectSettings
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header
from bystander.timeline.types import FrameRecord, Tracklet

QUEUE_FRAMES: Final = 4
ROUNDING_PX: Final = 2
"""Display pixels by which source and output may differ."""


def audit(
    source: StrPath,
    output: StrPath,
    page: StrPath,
    *,
    models: Models | None = None,
    timeline: Timeline | None = None,
    effect: EffectSettings | None = None,
    settings: AuditSettings | None = None,
    report: Report | None = None,
) -> Result:
    """Audit a masked video and write what was found.

    Args:
        source: the video that was masked.
        output: the masked video.
        page: where the report goes, an HTML page; the same as JSON goes beside it.
        models: the networks that look; by default opened for this call.
        timeline: who may be seen, with the decisions that the output was rendered with.
            Without it, people who can be seen are listed but aren't held for leaks.
        effect: what the output was drawn with; by default found out, among those that are
            drawn by default.
        settings: how thoroughly.
        report: called with the progress; may raise `Cancelled`.

    Raises:
        VideoError: one of the videos can't be read.
        TimelineError: the timeline is damaged, or was made from another video.
        OutputUnwritable: the report can't be written, or isn't named as a page.
    """
    source, output, page = Path(source), Path(output), Path(page)
    check_page(page)
    settings = settings or AuditSettings()
    infos = probe(source), probe(output)
    models = models or load_models()
    if timeline is not None:
        timeline.check_video(source, fingerprint(source))
    findings = FindingMerger()
    meter = ProgressMeter("audit", infos[0].frame_count, report)
    of_frames: set[str] = set()  # what the source's frames carry beside their pixels
    step = PairedReader((source, infos[0]), (output, infos[1]), findings)
    header = timeline.header if timeline else None
    drawing = ReferencePlan.of(source, output, infos, timeline) if timeline else None
    redrawing = drawing.redrawing(effect) if drawing else None
    mosaic = EffectSettings(name=EffectName.MOSAIC)
    cells = drawing.with_effect(mosaic) if drawing and redrawing is None else None
    look = partial(_look, models, settings, header, infos[1], (redrawing, cells))
    workers = settings.workers or os.cpu_count() or 1
    with (
        closing(
            prefetch(_views(step, infos, timeline, drawing, settings, of_frames), QUEUE_FRAMES)
        ) as views,
        closing(map_ahead(look, views, workers)) as looked,
    ):
        for signs in looked:
            findings.add(signs)
            meter.step()
    whole_file, in_output = list(_whole_file(output, infos)), findings.findings()
    result = Result(
        source=source,
        output=output,
        checksums=(sha256(source), sha256(output)),
        frames=infos[0].frame_count,
        seconds=infos[0].duration,
        header=header,
        models=models.checksums,
        stripped=_stripped(source, of_frames, [*whole_file, *in_output]),
        findings=(
            *whole_file,
            *in_output,
            *_about_effect(redrawing, header),
        ),
    )
    write_report(result, infos[1], page, settings.pictures)
    return result


def _about_effect(redrawing: Redrawer | None, header: Header | None) -> Iterator[Finding]:
    """Whether what was drawn is known, and strong enough."""
    if redrawing is not None and redrawing.effect.weak:
        detail = f"a {redrawing.effect.name} weaker than the default leaves too much of faces"
        yield in_file(Kind.WEAK_MASK, "effect", detail)
    elif redrawing is None and header is not None:
        detail = (
            "the masks don't look as they would by default; how well they cover was judged by "
            "what detail is left, which misses narrow gaps"
        )
        yield in_file(Kind.UNKNOWN_EFFECT, "effect", detail, Severity.NOTE)


def _whole_file(output: Path, infos: tuple[VideoInfo, VideoInfo]) -> Iterator[Finding]:
    yield from carried(output)
    sizes = [f"{info.width}x{info.height}" for info in infos]
    if sizes[0] != sizes[1]:
        detail = f"the output is {sizes[1]} pixels, the source {sizes[0]}"
        yield in_file(Kind.OUT_OF_STEP, "size", detail)
        return
    displays = [info.display_size for info in infos]
    # Containers round an aspect in their own ways.
    if max(abs(a - b) for a, b in zip(*displays, strict=True)) > ROUNDING_PX:
        shown = ["{}x{}".format(*size) for size in displays]
        detail = f"the output is shown as {shown[1]} pixels, the source as {shown[0]}"
        yield in_file(Kind.OUT_OF_STEP, "size", detail)


def _stripped(source: Path, of_frames: set[str], found: Sequence[Finding]) -> tuple[str, ...]:
    """What the source carries beside picture and sound, and the output doesn't."""
    carries = {finding.who for finding in carried(source)}
    carries |= {f"in frames: {what}" for what in of_frames}
    left = {finding.who for finding in found} | {f"in frames: {f.who}" for f in found}
    return tuple(sorted(carries - left))


def _views(
    step: PairedReader,
    infos: tuple[VideoInfo, VideoInfo],
    timeline: Timeline | None,
    drawing: ReferencePlan | None,
    settings: AuditSettings,
    of_frames: set[str],
) -> Iterator[AuditFrame]:
    """What is looked at in each frame: everything small, and more where a look is due.

    What the source's frames carry is added to `of_frames`.
    """
    compared, in_source, in_output, detail = (
        _size(infos[1], long_side, enlarge)
        for long_side, enlarge in (
            (settings.compare_long_side, False),
            (settings.source_long_side, True),
            (settings.people_long_side, True),
            (settings.face_long_side, False),
        )
    )
    looks = 0
    area = _kept_area(timeline.header) if timeline else None
    pairs = looked_at(step.pairs(), settings.shots)
    for pair, record in _with_records(pairs, timeline):
        of_frames |= carried_in_frame(pair.source.picture)
        look = pair.close or pair.source.index % settings.every == 0
        looks += look
        source = pair.source.rgb(compared)
        yield AuditFrame(
            pair.source.index,
            pair.seconds,
            source,
            pair.output.rgb(compared),
            (pair.source.rgb(in_source), pair.output.rgb(in_output)) if look else None,
            (pair.source.rgb(detail), pair.output.rgb(detail)) if look else None,
            record,
            drawing.plan((pair.source, pair.output), record) if drawing and record else None,
            carried_in_frame(pair.output.picture),
            area.see(source, record) if area else None,
            in_source=looks % 2 == 0,
        )


def _kept_area(header: Header) -> KeptArea:
    tracklets = {tracklet.id: tracklet for tracklet in header.tracklets}
    shots = [shot.start for shot in header.shots]
    return KeptArea(tracklets, header.grid, header.video.rate, shots)


def _size(info: VideoInfo, long_side: int, enlarge: bool) -> tuple[int, int]:
    if not enlarge and max(info.display_size) <= long_side:
        return info.display_size
    return analysis_size(*info.display_size, long_side)


def _with_records(
    pairs: Iterable[Pair], timeline: Timeline | None
) -> Iterator[tuple[Pair, FrameRecord | None]]:
    """Each pair with what the timeline knows of its frame."""
    records = timeline.frames() if timeline else iter(())
    record = next(records, None)
    for pair in pairs:
        while record is not None and record.pts < pair.source.pts:
            record = next(records, None)
        yield pair, record if record is not None and record.pts == pair.source.pts else None


def _look(
    models: Models,
    settings: AuditSettings,
    header: Header | None,
    info: VideoInfo,
    redrawings: tuple[Redrawer | None, Redrawer | None],
    view: AuditFrame,
) -> list[Finding]:
    """Everything that is wrong in one frame."""
    likeness = compare(luma(view.source), luma(view.output))
    carries = [
        in_frame(Kind.METADATA, Severity.LEAK, view.at, None, 1.0, f"frames carry {what}", what)
        for what in sorted(view.carried)
    ]
    plain = FrameComparison(view, likeness, None, info.display_size)
    if header is None or view.record is None:
        # Nobody is known to be kept here: what is seen is told, and a person decides.
        return [*carries, *_seen(plain, models, settings, Severity.NOTE)]
    tracklets: Mapping[int, Tracklet] = {t.id: t for t in header.tracklets}
    nobody = np.zeros(likeness.clear.shape, dtype=bool)
    may_be_seen = nobody if view.kept is None else plain.enlarged(view.kept.area)
    compared = FrameComparison(view, likeness, may_be_seen, plain.size)
    return [
        *carries,
        *masked_badly(compared, tracklets, header.grid, *redrawings),
        *_seen(compared, models, settings, Severity.LEAK),
    ]


def _seen(
    compared: FrameComparison, models: Models, settings: AuditSettings, severity: Severity
) -> Iterator[Finding]:
    yield from visible_people(compared, models.segmenter, settings, severity)
    yield from visible_faces(compared, models.faces, settings, severity)
