"""source, masked video -> report: attack the finished file as a stranger would.

Both files are decoded in step. In every frame, whomever the timeline masks must have lost
their detail, and must not look more like the source than like what was to be drawn; at
every few frames, and around each cut, networks look for people and faces, in the output and
in the mirrored source by turns, at other scales than the analysis did. Nothing that the
analysis believed is believed here but whom it keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Final

import numpy as np

from bystander.auditing.earlier import Again, Basis, EarlierAudit, Span, looked_at_again
from bystander.auditing.findings import (
    AuditSettings,
    Finding,
    FindingKind,
    FindingMerger,
    Severity,
    in_file,
    in_frame,
    ordered,
    with_accepted,
)
from bystander.auditing.kept import KeptArea
from bystander.auditing.likeness import compare, luma
from bystander.auditing.masked import masked_badly
from bystander.auditing.pairs import AuditFrame, FrameComparison, Pair, PairedReader, looked_at
from bystander.auditing.redrawn import Redrawer
from bystander.auditing.report import AuditResult, check_page, write_report
from bystander.auditing.streams import carried, carried_in_frame
from bystander.auditing.visibility import visible_faces, visible_people
from bystander.choices import EffectName
from bystander.config import cores
from bystander.editing.document import Edits
from bystander.files import StrPath
from bystander.media.demux import fingerprint
from bystander.media.facts import VideoInfo
from bystander.media.prefetch import map_ahead, prefetch
from bystander.media.probe import probe
from bystander.models import Models, ModelSettings, load_models
from bystander.models.segmenter import analysis_size
from bystander.models.store import sha256
from bystander.pipeline.reference_masks import ReferencePlan
from bystander.progress import ProgressMeter, Report
from bystander.redaction.effects import EffectSettings
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
    edits: Edits | None = None,
    earlier: EarlierAudit | None = None,
) -> AuditResult:
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
        edits: what was mended by hand: findings that somebody accepted are marked, and no leaks.
        earlier: an audit of another rendering of the same video, with the same settings, effect and
            networks: only what changed is looked at. The report comes to what it would without;
            where the earlier one says too little, everything is looked at.

    Raises:
        VideoError: one of the videos can't be read.
        TimelineError: the timeline is damaged, or was made from another video.
        OutputUnwritable: the report can't be written, or isn't named as a page.
    """
    source, output, page = Path(source), Path(output), Path(page)
    check_page(page)
    settings = settings or AuditSettings()
    infos = probe(source), probe(output)
    models = models or load_models(
        ModelSettings(sessions=settings.sessions, licence=settings.licence)
    )
    if timeline is not None:
        timeline.check_video(source, fingerprint(source))
    checksum = sha256(source)
    findings = FindingMerger()
    step = PairedReader((source, infos[0]), (output, infos[1]), findings)
    header = timeline.header if timeline else None
    drawing = None
    if timeline is not None:
        assumed = effect or EffectSettings()
        drawing = ReferencePlan.of(source, output, infos, timeline, assumed)
    redrawing = drawing.redrawing(effect) if drawing else None
    mosaic = EffectSettings(name=EffectName.MOSAIC)
    cells = drawing.with_effect(mosaic) if drawing and redrawing is None else None
    basis = Basis(redrawing.effect if redrawing else None, settings)
    again = None
    # A filled frame depends on all of its window, which an earlier audit says nothing of.
    filled = redrawing is not None and redrawing.effect.name is EffectName.FILL
    earlier = None if filled else earlier
    if earlier is not None and timeline is not None and _is_in_step(infos, timeline):
        ticks = timeline.pts() - infos[0].start_pts
        times = np.asarray(ticks * float(infos[0].time_base) + step.first_seconds, np.float64)
        rate = timeline.header.video.rate
        again = looked_at_again(earlier, basis, checksum, models.checksums, times, rate)
    meter = ProgressMeter("audit", again.frames if again else infos[0].frame_count, report)
    look = partial(_look, models, settings, header, infos[1], (redrawing, cells))
    workers = settings.workers or cores()
    with (
        closing(
            prefetch(_views(step, infos, timeline, drawing, basis, again), QUEUE_FRAMES)
        ) as views,
        closing(map_ahead(look, views, workers)) as looked,
    ):
        for signs in looked:
            findings.add(signs)
            meter.step()
    if drawing is not None and drawing.backgrounds is not None:
        drawing.backgrounds.close()
    whole_file, in_output = list(_whole_file(output, infos)), findings.findings()
    if again is not None:
        in_output = ordered([*in_output, *again.findings])
    found = (*whole_file, *in_output, *_about_effect(redrawing, header))
    result = AuditResult(
        source=source,
        output=output,
        checksums=(checksum, sha256(output)),
        frames=infos[0].frame_count,
        seconds=infos[0].duration,
        header=header,
        models=models.checksums,
        stripped=_stripped(source, basis.in_frames, [*whole_file, *in_output]),
        findings=tuple(with_accepted(found, edits, step.first_seconds)),
        basis=basis.as_json(),
        first_seconds=step.first_seconds,
    )
    write_report(result, infos[1], page, settings.pictures)
    return result


def _is_in_step(infos: tuple[VideoInfo, VideoInfo], timeline: Timeline) -> bool:
    """Whether a frame has the same number in source, output and timeline."""
    counts = {infos[0].frame_count, infos[1].frame_count, timeline.header.video.frames}
    return len(counts) == 1 and infos[0].frame_count_exact


def _about_effect(redrawing: Redrawer | None, header: Header | None) -> Iterator[Finding]:
    """Whether what was drawn is known, and strong enough."""
    if redrawing is not None and redrawing.effect.weak:
        detail = f"a {redrawing.effect.name} weaker than the default leaves too much of faces"
        yield in_file(FindingKind.WEAK_MASK, "effect", detail)
    elif redrawing is None and header is not None:
        detail = (
            "the masks don't look as they would by default; how well they cover was judged by "
            "what detail is left, which misses narrow gaps"
        )
        yield in_file(FindingKind.UNKNOWN_EFFECT, "effect", detail, Severity.NOTE)


def _whole_file(output: Path, infos: tuple[VideoInfo, VideoInfo]) -> Iterator[Finding]:
    yield from carried(output)
    sizes = [f"{info.width}x{info.height}" for info in infos]
    if sizes[0] != sizes[1]:
        detail = f"the output is {sizes[1]} pixels, the source {sizes[0]}"
        yield in_file(FindingKind.OUT_OF_STEP, "size", detail)
        return
    displays = [info.display_size for info in infos]
    # Containers round an aspect in their own ways.
    if max(abs(a - b) for a, b in zip(*displays, strict=True)) > ROUNDING_PX:
        shown = ["{}x{}".format(*size) for size in displays]
        detail = f"the output is shown as {shown[1]} pixels, the source as {shown[0]}"
        yield in_file(FindingKind.OUT_OF_STEP, "size", detail)


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
    basis: Basis,
    again: Again | None,
) -> Iterator[AuditFrame]:
    """What is looked at in each frame: everything small, and more where a look is due.

    What the source's frames carry, and where its cuts are, is added to `basis`.
    """
    settings = basis.settings
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
    for span in again.spans if again else [None]:
        area = _kept_area(timeline.header) if timeline else None
        for pair, record in _pairs(step, timeline, drawing, basis, again, span):
            index = pair.source.index
            source = pair.source.rgb(compared)
            kept = area.see(source, record) if area else None
            if span is not None and index < span[0]:
                continue
            basis.in_frames |= carried_in_frame(pair.source.picture)
            look = pair.close or index % settings.every == 0
            looks = int(again.looks[index]) if again else looks + look
            yield AuditFrame(
                index,
                pair.seconds,
                source,
                pair.output.rgb(compared),
                (pair.source.rgb(in_source), pair.output.rgb(in_output)) if look else None,
                (pair.source.rgb(detail), pair.output.rgb(detail)) if look else None,
                record,
                drawing.plan((pair.source, pair.output), record) if drawing and record else None,
                carried_in_frame(pair.output.picture),
                kept,
                in_source=looks % 2 == 0,
            )


def _pairs(
    step: PairedReader,
    timeline: Timeline | None,
    drawing: ReferencePlan | None,
    basis: Basis,
    again: Again | None,
    span: Span | None,
) -> Iterator[tuple[Pair, FrameRecord | None]]:
    """The frames of a span, and those that it takes to warm up; of the whole video without one.

    Where the cuts are is added to `basis` then.
    """
    records = drawing.records if drawing else timeline.frames if timeline else None
    if timeline is None or records is None or again is None or span is None:
        pairs = looked_at(step.pairs(), basis.settings.shots, basis.cuts)
        return _with_records(pairs, records() if records else iter(()))
    first = max(0, span[0] - again.warm_up)
    shown = int(timeline.pts()[first - 1]) if first else None
    inside = takewhile(lambda pair: pair.source.index < span[1], step.pairs(first, shown))
    marked = (replace(pair, close=bool(again.close[pair.source.index])) for pair in inside)
    return _with_records(marked, records(first))


def _kept_area(header: Header) -> KeptArea:
    tracklets = {tracklet.id: tracklet for tracklet in header.tracklets}
    shots = [shot.start for shot in header.shots]
    return KeptArea(tracklets, header.grid, header.video.rate, shots)


def _size(info: VideoInfo, long_side: int, enlarge: bool) -> tuple[int, int]:
    if not enlarge and max(info.display_size) <= long_side:
        return info.display_size
    return analysis_size(*info.display_size, long_side)


def _with_records(
    pairs: Iterable[Pair], records: Iterator[FrameRecord]
) -> Iterator[tuple[Pair, FrameRecord | None]]:
    """Each pair with what the timeline knows of its frame."""
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
        in_frame(
            FindingKind.METADATA, Severity.LEAK, view.at, None, 1.0, f"frames carry {what}", what
        )
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
