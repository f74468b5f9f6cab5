"""An earlier audit, and the timelines of both renderings -> what `audit` needs to go on from it."""

from __future__ import annotations

from pathlib import Path

from bystander.auditing.earlier import (
    EarlierAudit,
    Span,
    frame_digests,
    read_report,
    runs_of,
)
from bystander.files import StrPath
from bystander.media.encoder import EncoderSettings
from bystander.media.resuming import SEGMENT_FRAMES
from bystander.pipeline.render import planned_spans
from bystander.redaction.effects import EffectSettings
from bystander.timeline.archive import Timeline


def earlier_audit(
    report: StrPath,
    video: StrPath,
    rendered: Timeline,
    timeline: Timeline,
    *,
    effect: EffectSettings | None = None,
    encoder: EncoderSettings | None = None,
    segment_frames: int = SEGMENT_FRAMES,
) -> EarlierAudit | None:
    """What an audit may take over from another one of the same video.

    Args:
        report: the JSON of the earlier audit.
        video: the source.
        rendered: the timeline that was rendered and audited then, verdicts and edits applied.
        timeline: the one that is rendered now.
        effect, encoder, segment_frames: of both renderings; one by other means isn't told from
            the timelines, and gets an audit of its own.

    Returns:
        For `audit(..., earlier=...)`; None where there is no such report, or it can't be told
        what changed.

    Raises:
        VideoError: the source can't be read.
        InvalidTimeline: one of the timelines is damaged.
    """
    read = read_report(Path(report))
    if read is None:
        return None
    changed = changed_frames(
        video, rendered, timeline, effect=effect, encoder=encoder, segment_frames=segment_frames
    )
    return None if changed is None else EarlierAudit(read, changed)


def changed_frames(
    video: StrPath,
    before: Timeline,
    after: Timeline,
    *,
    effect: EffectSettings | None = None,
    encoder: EncoderSettings | None = None,
    segment_frames: int = SEGMENT_FRAMES,
) -> list[Span] | None:
    """The frames that are encoded anew, or in which others may be seen; None if that isn't known.

    Args:
        before, after: timelines of one video.
        effect, encoder, segment_frames: of both renderings.

    Raises:
        VideoError: the video can't be read.
        InvalidTimeline: one of the timelines is damaged.
    """
    digests = frame_digests(before), frame_digests(after)
    if len(digests[0]) != len(digests[1]):
        return None
    differs = [one != other for one, other in zip(*digests, strict=True)]
    plans = [
        planned_spans(Path(video), each, effect, encoder, segment_frames)
        for each in (before, after)
    ]
    if plans[0] is None or plans[1] is None:
        return None
    there = {span.name for span in plans[0]}
    for span in plans[1]:
        if span.name not in there:
            differs[span.start : span.stop] = [True] * (span.stop - span.start)
    return runs_of(differs)
