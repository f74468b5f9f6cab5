"""What the tracker learnt of people -> nodes and weighted links of the identity graph.

The weights are log-likelihood ratios, each a straight line with two bounds over likeness, fitted
to pairs of one person and of two people seen together (docs/identity.md). How alike strangers are
differs from video to video - an ensemble in costume, a dark stage - so the video's own people who
were seen together set the level.

A *segment* is a part of a track that certainly shows one person: a new one begins wherever two
people may have been swapped. Segments hold embeddings: they live in memory, for one analysis,
and are never saved.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bystander.geometry.types import Box

MIN_PAIRS: Final = 8
"""Pairs of strangers from which they tell how alike strangers are in this video."""
STRANGERS_SHARE: Final = 0.9
"""Share of the strangers whose likeness speaks against being one person."""
HANDOVER_SECONDS = 0.2
"""So long two segments of one person may be seen together, one ending as the other begins: of
someone half hidden, two parts can pass for two people."""
COMEBACK_PROBABILITY = 0.75
"""That who appears where somebody was lost a moment ago is the same person."""
COMEBACK_SECONDS = 2.5
"""After this time nobody is expected to come back."""
DEPARTED_SECONDS = 0.5
"""Whose track was seen for so long is counted among those who left."""
REACH_HEIGHTS = 1.0
"""How far away somebody may come back, in body heights; as much again for every second."""
MIN_IDENTIFYING_QUALITY = 0.15
"""From this quality on a face can tell two people apart: worse ones resemble nobody."""


@dataclass(frozen=True, slots=True)
class BoundedLogRatio:
    """The ratio's logarithm grows by `slope` from 0 at `even`, up to `bound` either way.

    A mean of few looks is less like anything and tells less: of n looks the zero lies lower by
    `noise` / n, and all is worth n / (n + 0.5).
    """

    even: float
    slope: float
    bound: float
    noise: float = 0.0

    def at(self, similarity: float, looks: int) -> float:
        """The ratio for means of `looks` looks, the fewer of both sides."""
        ratio = self.slope * (similarity - self.even + self.noise / looks)
        return min(self.bound, max(-self.bound, ratio)) * looks / (looks + 0.5)

    def adapted(self, strangers: Sequence[float]) -> BoundedLogRatio:
        """The line for a video in which people seen together are so much alike."""
        if len(strangers) < MIN_PAIRS:
            return self
        even = max(self.even, float(np.quantile(strangers, STRANGERS_SHARE)))
        return replace(self, even=even)


BODY_LOG_RATIO: Final = BoundedLogRatio(0.75, 31.0, 5.0, 0.05)
"""Cosine of mean OSNet embeddings."""
COLOUR_LOG_RATIO: Final = BoundedLogRatio(0.87, 36.0, 5.0, 0.06)
"""Bhattacharyya coefficient of mean colour histograms within a shot."""
FACE_LOG_RATIO: Final = BoundedLogRatio(0.5, 8.8, 8.0)
"""Mean cosine of two people's faces, from 'different' (0) to 'same' (1)."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceSample:
    """One face of a person.

    Attributes:
        frame: index.
        embedding: float32 [D], L2-normalised.
        quality: 0 (useless) to 1 (frontal, sharp, large).
        height: of the face, display pixels.
    """

    frame: int
    embedding: NDArray[np.float32]
    quality: float
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A part of a track that certainly shows one person.

    Attributes:
        id: its own, of any segment of the video.
        track: the track's; also the tracklet's id in the timeline.
        shot: index of the shot.
        runs: frames in which the person was seen, (first, one past the last), growing.
        first, last: box in the first and in the last of them, grid pixels.
        faces: in the order of time.
        bodies: body embeddings, float32 [B, D], L2-normalised; B may be 0.
        colours: mean colour histogram, seen apart from others if ever: float32 [C], sums to 1.
        clicks: names under which a person pointed at this segment.
    """

    id: int
    track: int
    shot: int
    runs: tuple[tuple[int, int], ...]
    first: Box
    last: Box
    faces: tuple[FaceSample, ...] = ()
    bodies: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 1), np.float32))
    colours: NDArray[np.float32] | None = None
    clicks: tuple[str, ...] = ()

    @property
    def start(self) -> int:
        return self.runs[0][0]

    @property
    def end(self) -> int:
        return self.runs[-1][1]

    @property
    def seen(self) -> int:
        """Number of frames in which the person was seen."""
        return sum(end - start for start, end in self.runs)

    def together(self, other: Segment) -> int:
        """In how many frames both were seen."""
        return sum(
            max(0, min(end, until) - max(start, since))
            for start, end in self.runs
            for since, until in other.runs
        )


@dataclass(frozen=True, slots=True)
class Continuity:
    """Segment `b` may show the person of segment `a`.

    Between the segments of one track, before and after a possible swap, and between either and
    the rival's; from who was hidden to whoever comes out there.

    Attributes:
        probability: that it does, by place and motion alone, 0 to 1.
    """

    a: int
    b: int
    probability: float


def seen_together(a: Segment, b: Segment, fps: float) -> bool:
    """Whether two segments were seen in the same frames for too long to be one person."""
    return a.track != b.track and a.together(b) > HANDOVER_SECONDS * fps


def overlapping(segments: Sequence[Segment]) -> Iterator[tuple[Segment, Segment]]:
    """Pairs whose time overlaps, in O(n log n + pairs)."""
    active: list[Segment] = []
    for segment in sorted(segments, key=lambda segment: segment.start):
        active = [other for other in active if other.end > segment.start]
        yield from ((other, segment) for other in active)
        active.append(segment)


def departures(segments: Sequence[Segment], fps: float) -> dict[int, list[int]]:
    """By shot, the frames in which tracks were seen for the last time, growing."""
    ends: dict[int, dict[int, int]] = {}
    seen: dict[int, int] = {}
    for segment in segments:
        tracks = ends.setdefault(segment.shot, {})
        tracks[segment.track] = max(segment.end, tracks.get(segment.track, 0))
        seen[segment.track] = seen.get(segment.track, 0) + segment.seen
    least = DEPARTED_SECONDS * fps
    return {
        shot: sorted(end for track, end in tracks.items() if seen[track] >= least)
        for shot, tracks in ends.items()
    }


def comebacks(segments: Sequence[Segment], fps: float) -> Iterator[Continuity]:
    """Links within shots from whoever was lost to whoever appears near there soon after.

    The probability falls with the time in between and with the distance (docs/identity.md).
    """
    begun = sorted(segments, key=lambda segment: (segment.shot, segment.start))
    starts = [(segment.shot, segment.start) for segment in begun]
    limit, tolerance = COMEBACK_SECONDS * fps, HANDOVER_SECONDS * fps
    for a in segments:
        first = bisect_left(starts, (a.shot, math.ceil(a.end - tolerance)))
        for b in islice(begun, first, None):
            if b.shot != a.shot or b.start > a.end + limit:
                break
            if b.track == a.track or b.end <= a.end or b.start <= a.start:
                continue
            absence = max(0, b.start - a.end) / fps
            distance = _distance(a.last, b.first) / (REACH_HEIGHTS * (1 + absence))
            near = (1 - absence / COMEBACK_SECONDS) * (1 - distance**2)
            if distance < 1 and near > 0:
                yield Continuity(a.id, b.id, COMEBACK_PROBABILITY * near)


def _distance(a: Box, b: Box) -> float:
    """Between the middles of two boxes, in heights of the taller one."""
    height = max(a[3] - a[1], b[3] - b[1], 1.0)
    return math.hypot(a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3]) / 2 / height


class IdentitySettings(BaseModel):
    """How much evidence it takes to keep someone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    samples: int = Field(
        3, ge=1, le=20, description="Face samples that must agree. More is safer and keeps less."
    )
    spread: float = Field(
        0.3, ge=0, le=10, description="Seconds between the first and the last agreeing sample."
    )
    support: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A sample agrees when its similarity lies this far from 'different' (0) to "
        "'same' (1), the face model's two thresholds.",
    )
    mean: float = Field(
        0.7,
        ge=0,
        le=1,
        description="... and all samples together agree when their mean lies this far. Higher "
        "is safer and keeps less: on five clips with 71 strangers' photos, means of three and "
        "more samples of ArcFace reached 0.21 at most, this asks for 0.35.",
    )
    quality: float = Field(
        0.15, ge=0, le=1, description="Face samples below this quality say nothing."
    )
    faint_quality: float = Field(
        0.05,
        ge=0,
        le=1,
        description="... but where the photos have that quality themselves, samples from this "
        "quality on speak for the same person, profiles among them (docs/faces.md).",
    )
    margin: float = Field(
        1.5,
        ge=0,
        le=20,
        description="How much likelier than anybody else's (natural logarithm of the ratio) "
        "somebody's identity must be to keep them. 1.5 is 4.5 to 1. Higher is safer and keeps "
        "less.",
    )
