"""The words of the design as frozen dataclasses; the timeline file holds exactly these.

Frames are counted in the order they are shown, from 0; spans are end-exclusive.
Boxes and masks are in grid pixels (see `bystander.geometry.masks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from bystander.geometry.masks import Mask
from bystander.geometry.types import Box


class Origin(IntEnum):
    """How a sighting came about."""

    SEEN = 0  # segmented in this frame, or followed into it by optical flow
    FACE = 1  # a face without a silhouette: head and shoulders drawn from it
    FILLED = 2  # between two sightings of the same tracklet
    EXTENDED = 3  # before the first or after the last sighting


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """An instance linked to its tracklet."""

    tracklet: int
    box: Box
    score: float
    mask: Mask
    origin: Origin = Origin.SEEN


@dataclass(frozen=True, slots=True, eq=False)
class FrameRecord:
    """Everyone in one frame, in a timeline with one sighting each, whose mask is final.

    `pts` is in ticks of the source's time base.
    """

    index: int
    pts: int
    sightings: tuple[Sighting, ...]


class Decision(StrEnum):
    KEEP = "keep"
    MASK = "mask"


class EvidenceKind(StrEnum):
    NONE = "none"  # nothing speaks for keeping: the default
    FACE = "face"  # several face samples agree
    BODY = "body"  # carried by appearance from a tracklet recognised by face
    CLICK = "click"  # a person pointed at them in the video
    USER = "user"  # decided when rendering, by id
    DOUBT = "doubt"  # something spoke for keeping, but not clearly enough


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for (or against) a tracklet being a cast member.

    Attributes:
        name: the cast member it is about, None for nobody in particular.
        similarity: cosine similarity, -1 to 1, of the deciding samples; 0 without any.
        samples: how many face samples agree.
        reason: one plain sentence for the person who reviews.
    """

    kind: EvidenceKind
    name: str | None = None
    similarity: float = 0.0
    samples: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Keep or mask, for the frames `start` to `end` of one tracklet, `end` not among them."""

    start: int
    end: int
    decision: Decision
    evidence: Evidence

    def joins(self, later: Verdict) -> bool:
        """Whether `later` goes on with the same, right after."""
        same = (self.decision, self.evidence) == (later.decision, later.evidence)
        return same and self.end == later.start


@dataclass(frozen=True, slots=True)
class Shot:
    """Frames `start` to `end` without a cut, `end` not among them."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Look:
    """What is drawn over somebody masked instead of what is drawn over everybody else.

    Attributes:
        color: #rrggbb, over all of them.
        picture: a PNG file in base64, over that; None for the colour alone.
    """

    color: str
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class Tracklet:
    """Instances linked within one shot.

    Attributes:
        start: first frame, extensions included.
        end: one past the last frame, extensions included.
        seen: number of frames in which it was segmented, not filled.
        height: the person's height in display pixels, 95th percentile over the tracklet.
        face: height of the largest face seen, display pixels; None if there was none.
        verdicts: consecutive spans that cover start to end.
        looks: where it is drawn over in its own way if it is masked: first frame, one past the
            last, and the number of the `Look` in the header; the last one counts.
    """

    id: int
    shot: int
    start: int
    end: int
    seen: int
    height: float
    face: float | None
    verdicts: tuple[Verdict, ...]
    looks: tuple[tuple[int, int, int], ...] = ()

    def look_at(self, frame: int) -> int | None:
        """The number of the look that holds in `frame`; None for what everybody has."""
        for start, end, number in reversed(self.looks):
            if start <= frame < end:
                return number
        return None

    def decision_at(self, frame: int) -> Decision:
        """The verdict that holds in `frame`; MASK where none does."""
        for verdict in self.verdicts:
            if verdict.start <= frame < verdict.end:
                return verdict.decision
        return Decision.MASK


@dataclass(frozen=True, slots=True)
class PointedAt:
    """Whom a click meant.

    Attributes:
        seconds: of the click, from the first frame.
        x: of the click, display pixels.
        y: of the click, display pixels.
        frame: the one that the click belongs to.
        tracklet: who was seen there.
    """

    seconds: float
    x: float
    y: float
    frame: int
    tracklet: int


@dataclass(frozen=True, slots=True)
class Person:
    """The tracklets judged to be one human.

    Attributes:
        id: "p1", "p2", ... in order of the time they are in the picture.
        name: of the cast member, None for a bystander.
        tracklets: those that show them most of the time; each belongs to one person at most.
        seconds: time in the picture.
        spans: where a tracklet shows two people one after the other, the parts of any tracklet
            that show this one: (tracklet, first frame, one past the last). Otherwise empty.
    """

    id: str
    name: str | None
    tracklets: tuple[int, ...]
    seconds: float
    spans: tuple[tuple[int, int, int], ...] = ()
