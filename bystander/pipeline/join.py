"""Looks at overlapping chunks -> one video: everyone's tracks over the joints, and their evidence.

Of each chunk its frames between two joints are taken. Where somebody goes on over a joint,
what was learnt of them on both sides is one tracklet's, as if one process had seen it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Final

from bystander.errors import InvalidTimeline, SelectionError
from bystander.media.facts import VideoInfo
from bystander.pipeline.chunks import Chunk, ChunkAnalysis
from bystander.timeline.types import FrameRecord, Origin, PointedAt, Shot
from bystander.tracking.clicks import Click
from bystander.tracking.evidence import EvidenceStore, SegmentEvidence, TrackletEvidence
from bystander.tracking.frame_analysis import CLEARLY_BETTER
from bystander.tracking.stitching import Joint, joint_of

COLD_SHARE: Final = 0.5
"""Of an overlap: so long the later part's tracker learns what people look like."""
BLIND_SHARE: Final = 0.25
"""Of an overlap: what comes after its end the earlier part doesn't know, and fills no gap to it."""
BLUR_SECONDS: Final = 0.25
"""Two trackers don't note a possible swap in the very same frame."""
REACH_SHARE: Final = 0.25
"""Of an overlap, before and after the joint, by which people are known again."""


@dataclass(frozen=True, slots=True)
class _ChunkPart:
    """What is taken of a chunk.

    Attributes:
        first, last: its own numbers of the first frame, and of the one after the last.
        offset: from its numbers to the video's.
        joint: with the chunk before it, if there is one.
        blur: frames about a joint in which a possible swap counts, whichever side noted it.
    """

    look: ChunkAnalysis
    first: int
    last: int
    offset: int
    joint: Joint | None
    blur: int


class JoinedVideo:
    """What all chunks of a video tell together.

    Args:
        looks: at every chunk, in order.
        info: of the video.
        different: the face model's threshold, cosine.
        clicks: all that were given.

    Attributes:
        evidence: of everyone. Complete when all of `records` were taken.
        pointed: whom the clicks meant, and a JPEG of them then.

    Raises:
        InvalidTimeline: the looks don't fit each other.
        SelectionError: a click hit nobody.
    """

    def __init__(
        self,
        looks: Sequence[tuple[Chunk, ChunkAnalysis]],
        info: VideoInfo,
        different: float,
        clicks: Sequence[Click],
    ) -> None:
        header = looks[0][1].timeline.header
        self.fps = float(info.average_rate)
        self.evidence = EvidenceStore(header.video.width / header.grid[0])
        self.shots: list[Shot] = []
        self.pointed: list[tuple[PointedAt, bytes]] = []
        self._different = different
        self._parts = _parts(looks, round(BLUR_SECONDS * self.fps))
        self.frames = self._parts[-1].last + self._parts[-1].offset
        self._ids: list[dict[int, int]] = []
        self._pictures: dict[int, tuple[float, int, int]] = {}
        for number, part in enumerate(self._parts):
            self._ids.append(self._number(part, self._ids[-1] if self._ids else {}))
            self._take_in(number, part)
        for click in sorted(clicks, key=lambda click: click.seconds):
            self._answer(click)

    def records(self) -> Iterator[FrameRecord]:
        """Every frame of the video, one chunk of the files in memory at a time."""
        for part, ids in zip(self._parts, self._ids, strict=True):
            for record in part.look.timeline.frames(part.first):
                if record.index >= part.last:
                    break
                joined = FrameRecord(
                    record.index + part.offset,
                    record.pts,
                    tuple(replace(s, tracklet=ids[s.tracklet]) for s in record.sightings),
                )
                self._count(joined)
                yield joined

    def pictures(self) -> Iterator[tuple[int, bytes]]:
        """A small JPEG of each tracklet."""
        for tracklet, (_, number, own) in sorted(self._pictures.items()):
            jpeg = self._parts[number].look.timeline.picture(own)
            if jpeg is not None:
                yield tracklet, jpeg

    def _count(self, record: FrameRecord) -> None:
        self.evidence.count(record)
        for sighting in record.sightings:
            if sighting.origin in (Origin.SEEN, Origin.FACE):
                segment = self.evidence.dossiers[sighting.tracklet].stretch(record.index)
                segment.see(record.index, sighting.box)

    def _number(self, part: _ChunkPart, before: dict[int, int]) -> dict[int, int]:
        """The numbers in the joined video of everyone in a part, by their own.

        Args:
            before: those of the part before it.
        """
        links = part.joint.links if part.joint else {}
        ids: dict[int, int] = {}
        unused = max(self.evidence.dossiers, default=0) + 1
        for tracklet in part.look.timeline.header.tracklets:
            if tracklet.end <= part.first or tracklet.start >= part.last:
                continue
            link = links.get(tracklet.id)
            known = before.get(link.track) if link else None
            if known is None:
                known, unused = unused, unused + 1
            ids[tracklet.id] = known
        return ids

    def _take_in(self, number: int, part: _ChunkPart) -> None:
        """Add what one part has learnt; everyone in it has a number."""
        ids, before = self._ids[number], self._ids[number - 1] if number else {}
        shots = self._take_shots(part)
        links = part.joint.links if part.joint else {}
        for own, id_ in ids.items():
            found = part.look.evidence.dossiers[own]
            segments = _within(found.stretches, part, ids)
            tracklet = self.evidence.dossiers.get(id_)
            if tracklet is None:
                tracklet = TrackletEvidence(id_, shots[found.shot])
                self.evidence.dossiers[id_] = tracklet
            elif links[own].rivals:
                segments[0].start = part.first + part.offset
                segments[0].continuity = links[own].probability
                segments[0].rivals = {before[r] for r in links[own].rivals if r in before}
            else:
                self._continue(tracklet, segments.pop(0))
            tracklet.stretches += segments
            tracklet.face = max((f for f in (tracklet.face, found.face) if f), default=None)
            worth = part.look.worths.get(own)
            held = self._pictures.get(id_)
            if worth is not None and (held is None or held[0] * CLEARLY_BETTER < worth):
                self._pictures[id_] = worth, number, own

    def _continue(self, tracklet: TrackletEvidence, found: SegmentEvidence) -> None:
        """Add to somebody's last segment what was learnt of them after a joint."""
        last = tracklet.stretches[-1]
        for body in found.bodies:
            last.add_body(body)
        last.add_mean_colours(found)
        last.faces_offered += found.faces_offered
        last.bodies_offered += found.bodies_offered
        for face in found.faces:  # may begin a new segment
            self.evidence.add_face(tracklet.id, face, self._different)

    def _take_shots(self, part: _ChunkPart) -> dict[int, int]:
        """Number in the joined video of each shot of a part, by its own."""
        numbers: dict[int, int] = {}
        for own, shot in enumerate(part.look.timeline.header.shots):
            start, end = max(shot.start, part.first), min(shot.end, part.last)
            if start >= end:
                continue
            goes_on = self.shots and not numbers and shot.start < part.first
            if goes_on and part.joint and not part.joint.cut:
                self.shots[-1] = Shot(self.shots[-1].start, end + part.offset)
            else:
                self.shots.append(Shot(start + part.offset, end + part.offset))
            numbers[own] = len(self.shots) - 1
        return numbers

    def _answer(self, click: Click) -> None:
        for part, ids in zip(self._parts, self._ids, strict=True):
            for number, at in enumerate(part.look.timeline.header.pointed_at):
                same = (at.seconds, at.x, at.y) == (click.seconds, click.x, click.y)
                if not same or not part.first <= at.frame < part.last:
                    continue
                frame, tracklet = at.frame + part.offset, ids[at.tracklet]
                jpeg = part.look.timeline.pointed_picture(number) or b""
                self.pointed.append((replace(at, frame=frame, tracklet=tracklet), jpeg))
                self.evidence.dossiers[tracklet].stretch(frame).clicks.append(click.name)
                return
        for part in self._parts:
            for seconds, error in part.look.misses:
                if seconds == click.seconds:
                    raise error
        raise SelectionError(
            f"--keep-at {click.name} means nobody", "Give a time at which the person is seen."
        )


def _parts(looks: Sequence[tuple[Chunk, ChunkAnalysis]], blur: int) -> list[_ChunkPart]:
    """What to take of each chunk."""
    joints = [_joint(chunk, one, other, blur) for (chunk, one), (_, other) in pairwise(looks)]
    parts, offset, first, joint = [], 0, 0, None
    for number, (_, look) in enumerate(looks):
        last = joints[number][0] if number < len(joints) else look.timeline.header.video.frames
        if last < first:
            raise InvalidTimeline(
                f"{look.timeline.path} ends before it begins", "Make the chunks longer."
            )
        parts.append(_ChunkPart(look, first, last, offset - first, joint, blur))
        offset += last - first
        if number < len(joints):
            _, first, joint = joints[number]
    return parts


def _joint(
    chunk: Chunk, one: ChunkAnalysis, other: ChunkAnalysis, blur: int
) -> tuple[int, int, Joint]:
    """Where a chunk gives way to the next one: the frame's number in both, and who is who.

    Args:
        chunk: that `one` is of.
    """
    assert chunk.end is not None
    end = chunk.end
    later = list(takewhile(lambda record: record.pts < end, other.timeline.frames()))
    start = max(0, one.timeline.header.video.frames - len(later))
    earlier = list(one.timeline.frames(start))
    shared = {record.pts for record in earlier} & {record.pts for record in later}
    earlier = [record for record in earlier if record.pts in shared]
    later = [record for record in later if record.pts in shared]
    cold, blind, reach = (
        max(1, round(share * len(later))) for share in (COLD_SHARE, BLIND_SHARE, REACH_SHARE)
    )
    cuts = _cuts(one, earlier) & _cuts(other, later)
    try:
        doubts = _doubts(one, earlier) | _doubts(other, later)
        joint = joint_of(earlier, later, cuts, (cold, blind), reach, doubts, blur)
    except ValueError as error:
        raise InvalidTimeline(
            f"{one.timeline.path} and {other.timeline.path} have no frame in common",
            "Remove both; they are made anew.",
        ) from error
    numbers = (
        next(record.index for record in side if record.pts == joint.pts)
        for side in (earlier, later)
    )
    return next(numbers), next(numbers), joint


def _cuts(look: ChunkAnalysis, records: Sequence[FrameRecord]) -> set[int]:
    """The pts of frames with which a shot begins; every window begins with one."""
    starts = {shot.start for shot in look.timeline.header.shots} - {0}
    return {record.pts for record in records if record.index in starts}


def _doubts(look: ChunkAnalysis, records: Sequence[FrameRecord]) -> set[int]:
    """The pts of frames in which two people may have been swapped."""
    frames = {
        segment.start
        for tracklet in look.evidence.dossiers.values()
        for segment in tracklet.stretches[1:]
    }
    return {record.pts for record in records if record.index in frames}


def _within(
    segments: Sequence[SegmentEvidence], part: _ChunkPart, ids: Mapping[int, int]
) -> list[SegmentEvidence]:
    """Somebody's segments as far as they lie in a part, by the joined video's numbers."""
    # Somebody may be continued backwards into the part who is first seen after it.
    begun = [s for s in segments if s.start < part.last + part.blur] or segments[:1]
    first = max((n for n, s in enumerate(begun) if s.start <= part.first - part.blur), default=0)
    return [
        replace(
            segment,
            start=max(segment.start, part.first) + part.offset,
            rivals={ids[rival] for rival in segment.rivals if rival in ids},
            faces=[
                replace(face, frame=face.frame + part.offset)
                for face in segment.faces
                if part.first <= face.frame < part.last
            ],
        )
        for segment in begun[first:]
    ]
