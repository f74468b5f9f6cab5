"""A timeline and a span of its frames -> the timeline of a file that shows just these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from bystander.timeline.archive import Timeline, TimelineWriter
from bystander.timeline.header import Header, SourceVideo
from bystander.timeline.types import Person, PointedAt, Shot, Tracklet, Verdict


def sliced(
    timeline: Timeline,
    first: int,
    video: SourceVideo,
    pts: Sequence[int],
    offset: float,
    output: Path,
) -> Timeline:
    """The part of a timeline from frame `first` on.

    Args:
        first: frame of the timeline with which the part begins.
        video: the file that shows the part.
        pts: of its frames, ticks of its time base.
        offset: seconds from the timeline's first frame to the part's.
        output: where it goes.

    Raises:
        InvalidTimeline: the timeline is damaged.
        OutputUnwritable: the part can't be written.
    """
    header = timeline.header
    stop = first + len(pts)
    shots = [
        (number, Shot(*span))
        for number, shot in enumerate(header.shots)
        if (span := _clipped(shot.start, shot.end, first, stop))
    ]
    number_of = {number: after for after, (number, _) in enumerate(shots)}
    tracklets = tuple(_tracklets(header.tracklets, first, stop, number_of))
    there = {tracklet.id for tracklet in tracklets}
    pointed = [
        (number, replace(at, seconds=at.seconds - offset, frame=at.frame - first))
        for number, at in enumerate(header.pointed_at)
        if first <= at.frame < stop and at.tracklet in there
    ]
    part = replace(
        header,
        video=video,
        shots=tuple(shot for _, shot in shots),
        tracklets=tracklets,
        persons=tuple(_persons(header, tracklets, first, stop)),
        pointed_at=tuple(at for _, at in pointed),
    )
    with TimelineWriter(output) as writer:
        records = islice(timeline.frames(first), len(pts))
        for index, (record, ticks) in enumerate(zip(records, pts, strict=True)):
            writer.add_frame(replace(record, index=index, pts=int(ticks)))
        pictures = ((number, jpeg) for number, jpeg in timeline.pictures() if number in there)
        writer.finish(part, pictures, _pointed_pictures(timeline, pointed))
    return Timeline(output, part)


def _pointed_pictures(
    timeline: Timeline, pointed: Iterable[tuple[int, PointedAt]]
) -> Iterator[bytes]:
    for number, _ in pointed:
        yield timeline.pointed_picture(number) or b""


def _clipped(start: int, end: int, first: int, stop: int) -> tuple[int, int] | None:
    start, end = max(start, first), min(end, stop)
    return (start - first, end - first) if start < end else None


def _tracklets(
    tracklets: Iterable[Tracklet], first: int, stop: int, shots: dict[int, int]
) -> Iterator[Tracklet]:
    for tracklet in tracklets:
        span = _clipped(tracklet.start, tracklet.end, first, stop)
        if span is None:
            continue
        verdicts = tuple(
            Verdict(*part, verdict.decision, verdict.evidence)
            for verdict in tracklet.verdicts
            if (part := _clipped(verdict.start, verdict.end, first, stop))
        )
        yield replace(
            tracklet,
            shot=shots.get(tracklet.shot, 0),
            start=span[0],
            end=span[1],
            seen=min(tracklet.seen, span[1] - span[0]),
            verdicts=verdicts,
            looks=tuple(
                (*part, look)
                for start, end, look in tracklet.looks
                if (part := _clipped(start, end, first, stop))
            ),
        )


def _persons(
    header: Header, tracklets: Sequence[Tracklet], first: int, stop: int
) -> Iterator[Person]:
    """Those who are still there; each appearance counts as long as it is now."""
    frames = {tracklet.id: tracklet.end - tracklet.start for tracklet in tracklets}
    for person in header.persons:
        ids = tuple(number for number in person.tracklets if number in frames)
        spans = tuple(
            (number, *part)
            for number, start, end in person.spans
            if number in frames and (part := _clipped(start, end, first, stop))
        )
        if ids:
            seconds = sum(frames[number] for number in ids) / header.video.rate
            yield replace(person, tracklets=ids, seconds=round(seconds, 2), spans=spans)
