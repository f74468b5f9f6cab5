"""What is learnt about each tracklet while the video is read.

A dossier is divided into *stretches*: whenever two tracklets may have been swapped
(`tracking.SwapRisk`), a new stretch begins, and evidence from before does not speak
for what comes after. Samples are thinned so that a dossier's size is bounded.

Dossiers hold embeddings: they live in memory, for one analysis, and are never saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.geometry.types import Box
from bystander.identity.segments import MIN_IDENTIFYING_QUALITY, Continuity, FaceSample, Segment
from bystander.timeline.types import (
    Decision,
    Evidence,
    EvidenceKind,
    FrameRecord,
    Origin,
    Tracklet,
    Verdict,
)

MAX_FACES: Final = 24
MAX_HEIGHTS: Final = 256
MAX_BODIES: Final = 6
ENOUGH_FACE_COUNT: Final = 5
SAMPLE_EVERY_FRAMES: Final = 4
BRIEF_FRAMES: Final = 5
"""A segment seen for less tells too little to go on from it alone."""
MIN_CONTINUITY_PROBABILITY: Final = 0.95
"""Probability that a tracklet shows its person, or a known rival, where it is in doubt."""


@dataclass(slots=True)
class SegmentEvidence:
    """A part of a tracklet that certainly shows one person.

    Attributes:
        start: first frame.
        rivals: tracklets that may have been swapped with this one at `start`.
        continuity: probability that the tracklet still shows the same person from there on.
        clicks: names under which a person pointed at this stretch.
        colours: mean colour histogram, float32 [D], of `colour_count` frames: those in which
            nobody else was near, if there are any (`colours_apart`).
        first, last: frame and box of the first and the last sighting; grid pixels.
        runs: frames in which the tracklet was seen, [first, one past the last].
    """

    start: int
    rivals: set[int] = field(default_factory=set)
    continuity: float = 1.0
    faces: list[FaceSample] = field(default_factory=list)
    bodies: list[NDArray[np.float32]] = field(default_factory=list)
    clicks: list[str] = field(default_factory=list)
    colours: NDArray[np.float32] | None = None
    colour_count: int = 0
    colours_apart: bool = False
    first: tuple[int, Box] | None = None
    last: tuple[int, Box] | None = None
    runs: list[list[int]] = field(default_factory=list)
    faces_offered: int = 0
    bodies_offered: int = 0

    def wants_face(self, quality: float) -> bool:
        """Whether another face is worth embedding: the first ones always, later ones
        now and then or when they are better than most."""
        self.faces_offered += 1
        if len(self.faces) < ENOUGH_FACE_COUNT or self.faces_offered % SAMPLE_EVERY_FRAMES == 0:
            return True
        return quality > float(np.median([sample.quality for sample in self.faces])) + 0.1

    def wants_body(self) -> bool:
        """Whether another body is worth embedding: a few at first, then now and then."""
        self.bodies_offered += 1
        return len(self.bodies) < 2 or self.bodies_offered % SAMPLE_EVERY_FRAMES == 0

    def add_face(self, sample: FaceSample) -> None:
        self.faces.append(sample)
        if len(self.faces) > MAX_FACES:
            self.faces.pop(_most_redundant(self.faces))

    def add_body(self, embedding: NDArray[np.float32]) -> None:
        """Keep a few bodies, the first ones and then every other one replaced in turn."""
        if len(self.bodies) < MAX_BODIES:
            self.bodies.append(embedding)
        else:
            self.bodies.pop(1)
            self.bodies.append(embedding)

    def see(self, frame: int, box: Box) -> None:
        """Take in where the tracklet was seen."""
        self.first = self.first or (frame, box)
        self.last = frame, box
        if self.runs and self.runs[-1][1] == frame:
            self.runs[-1][1] = frame + 1
        else:
            self.runs.append([frame, frame + 1])

    def add_colours(self, histogram: NDArray[np.float32], apart: bool = True) -> None:
        """Take in what the tracklet looked like; `apart` if nobody else was near."""
        if self.colours_apart and not apart:
            return
        if apart and not self.colours_apart:
            self.colours, self.colour_count, self.colours_apart = None, 0, True
        self._mix(histogram, 1)

    def add_mean_colours(self, other: SegmentEvidence) -> None:
        """Take in what another segment of the same person looked like."""
        if other.colours is None or (self.colours_apart and not other.colours_apart):
            return
        if other.colours_apart and not self.colours_apart:
            self.colours, self.colour_count, self.colours_apart = None, 0, True
        self._mix(other.colours, other.colour_count)

    def _mix(self, histogram: NDArray[np.float32], count: int) -> None:
        self.colour_count += count
        if self.colours is None:
            self.colours = histogram.copy()
        else:
            self.colours += (histogram - self.colours) * (count / self.colour_count)


@dataclass(slots=True)
class TrackletEvidence:
    """Everything known about one tracklet."""

    id: int
    shot: int
    stretches: list[SegmentEvidence] = field(default_factory=list)
    start: int = -1
    end: int = -1
    first_seen: int = -1
    last_seen: int = -1
    seen: int = 0
    heights: list[float] = field(default_factory=list)
    face: float | None = None

    def stretch(self, frame: int) -> SegmentEvidence:
        """The stretch that `frame` falls into (the first one for earlier frames)."""
        return next((s for s in reversed(self.stretches) if s.start <= frame), self.stretches[0])

    @property
    def height(self) -> float:
        """95th percentile of the person's height."""
        return float(np.percentile(self.heights, 95)) if self.heights else 0.0


class EvidenceStore:
    """The dossiers of one video, filled while it is read."""

    def __init__(self, scale: float) -> None:
        """Args:
        scale: display pixels per grid pixel.
        """
        self._scale = scale
        self.dossiers: dict[int, TrackletEvidence] = {}

    def open(self, tracklet: int, shot: int, frame: int) -> TrackletEvidence:
        """The dossier of a tracklet, new if it is first seen now."""
        dossier = self.dossiers.get(tracklet)
        if dossier is None:
            dossier = TrackletEvidence(tracklet, shot, [SegmentEvidence(frame)])
            self.dossiers[tracklet] = dossier
        return dossier

    def doubt(self, tracklet: int, rival: int | None, frame: int, probability: float = 0.5) -> None:
        """From `frame` on the tracklet may show whom `rival` showed, or anybody (None)."""
        dossier = self.dossiers[tracklet]
        current = dossier.stretches[-1]
        rivals = set() if rival is None else {rival}
        if current.start == frame or not current.colour_count:
            current.rivals |= rivals
            current.continuity = min(current.continuity, probability)
        else:
            dossier.stretches.append(SegmentEvidence(frame, rivals, probability))

    def add_face(self, tracklet: int, sample: FaceSample, different: float) -> None:
        """Take a face in; one unlike those before it (median cosine below `different`) tells
        that somebody else was taken for this person, at some time after the last of them."""
        faces = [
            f
            for f in self.dossiers[tracklet].stretches[-1].faces
            if f.quality >= MIN_IDENTIFYING_QUALITY
        ]
        if faces and sample.quality >= MIN_IDENTIFYING_QUALITY:
            likeness = np.stack([face.embedding for face in faces]) @ sample.embedding
            if float(np.median(likeness)) < different:
                self.doubt(tracklet, None, faces[-1].frame + 1)
        self.dossiers[tracklet].stretches[-1].add_face(sample)

    def count(self, record: FrameRecord) -> None:
        """Take a finished frame into the tracklets' spans and sizes."""
        for sighting in record.sightings:
            dossier = self.dossiers[sighting.tracklet]
            dossier.start = record.index if dossier.start < 0 else dossier.start
            dossier.end = record.index + 1
            if sighting.origin in (Origin.SEEN, Origin.FACE):
                dossier.first_seen = record.index if dossier.first_seen < 0 else dossier.first_seen
                dossier.last_seen = record.index
                dossier.seen += 1
                dossier.heights.append((sighting.box[3] - sighting.box[1]) * self._scale)
                if len(dossier.heights) > 2 * MAX_HEIGHTS:
                    dossier.heights = sorted(dossier.heights)[::2]

    def tracklets(self) -> tuple[Tracklet, ...]:
        """Everyone followed, without a verdict yet."""
        nothing = Evidence(EvidenceKind.NONE)
        return tuple(
            Tracklet(
                id=d.id,
                shot=d.shot,
                start=d.start,
                end=d.end,
                seen=d.seen,
                height=round(d.height, 1),
                face=None if d.face is None else round(d.face, 1),
                verdicts=(Verdict(d.start, d.end, Decision.MASK, nothing),),
            )
            for d in self.dossiers.values()
            if d.end > d.start
        )

    def segments(self) -> tuple[list[Segment], list[Continuity]]:
        """The identity graph's nodes and links: each stretch in which something was seen."""
        segments: list[Segment] = []
        doubts: list[tuple[set[int], float]] = []
        of: dict[int, list[Segment]] = {}
        for dossier in self.dossiers.values():
            suspects: set[int] = set()
            goes_on = 1.0
            for stretch in dossier.stretches if dossier.end > dossier.start else ():
                suspects |= stretch.rivals
                goes_on = min(goes_on, stretch.continuity)
                if stretch.first is None or stretch.last is None:
                    continue
                segment = Segment(
                    id=len(segments),
                    track=dossier.id,
                    shot=dossier.shot,
                    runs=tuple((start, end) for start, end in stretch.runs),
                    first=stretch.first[1],
                    last=stretch.last[1],
                    faces=tuple(stretch.faces),
                    bodies=np.stack(stretch.bodies) if stretch.bodies else np.zeros((0, 1), "f4"),
                    colours=stretch.colours,
                    clicks=tuple(stretch.clicks),
                )
                segments.append(segment)
                doubts.append((suspects, goes_on))
                of.setdefault(dossier.id, []).append(segment)
                suspects, goes_on = set(), 1.0
        links = []
        for segment in segments:
            before = _lately(of[segment.track], segment.start)
            if not before:
                continue
            between = [doubts[s.id] for s in (segment, *before[1:])]
            suspects = set().union(*(suspected for suspected, _ in between))
            goes_on = min(probability for _, probability in between)
            rivals = [_lately(of.get(rival, ()), segment.start) for rival in sorted(suspects)]
            rivals = [earlier for earlier in rivals if earlier]
            links += [
                Continuity(s.id, segment.id, MIN_CONTINUITY_PROBABILITY * goes_on) for s in before
            ]
            others = MIN_CONTINUITY_PROBABILITY * (1 - goes_on) / max(1, len(rivals))
            links += [Continuity(s.id, segment.id, others) for rival in rivals for s in rival]
        return segments, links


def _lately(segments: Sequence[Segment], frame: int) -> list[Segment]:
    """A tracklet's last segments before `frame`, back to one that was seen for long enough."""
    before = [segment for segment in segments if segment.start < frame]
    long = [n for n, segment in enumerate(before) if segment.seen >= BRIEF_FRAMES]
    return before[long[-1] if long else 0 :]


def _most_redundant(samples: list[FaceSample]) -> int:
    """The worse of the two samples nearest in time: what remains is spread out and good."""
    gaps = [b.frame - a.frame for a, b in pairwise(samples)]
    first = int(np.argmin(gaps))
    return first if samples[first].quality < samples[first + 1].quality else first + 1
