"""What is judged: one stretch of a tracklet, and how it lies to others in time and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from bystander.instances import shared
from bystander.people.dossier import Dossier, Stretch
from bystander.people.vocabulary import Evidence, EvidenceKind

HANDOVER: Final = 0.2
"""Seconds that two tracklets of one person may overlap, the old one ending as the new begins."""
HIDING: Final = 0.4
"""The same where the two touch: of someone half hidden, two parts can pass for two people."""
TOUCHING: Final = 0.3
"""Share of the smaller box within the other from which two boxes touch."""


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
    carry_colours: float = Field(
        0.88,
        ge=0,
        le=1,
        description="Least colour similarity (Bhattacharyya) to carry a verdict within a shot: "
        "parts of one tracklet have 0.92 and more, people in other clothes 0.85 at most.",
    )
    carry_at_once: float = Field(
        0.84,
        ge=0,
        le=1,
        description="The same where one tracklet ends and the other begins at the same time and "
        "place.",
    )
    carry_seconds: float = Field(
        2.0,
        ge=0,
        le=60,
        description="Longest absence, in seconds, over which colours carry a verdict.",
    )
    carry_reach: float = Field(
        1.0,
        ge=0,
        le=10,
        description="How far away, in body heights, somebody may come back who was hidden; and as "
        "much again for every second.",
    )
    carry_body: float = Field(
        0.8,
        ge=0,
        le=1,
        description="Least body similarity (cosine) to carry a verdict over a cut. OSNet gives "
        "strangers side by side more than 0.6 in every fifth pair and more.",
    )
    carry_margin: float = Field(
        0.08,
        ge=0,
        le=1,
        description="How much better than anybody else's the carried similarity must be.",
    )
    exclusion_margin: float = Field(
        0.1,
        ge=0,
        le=1,
        description="How much better one of two simultaneous candidates must be to be kept.",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One stretch up for judgement."""

    dossier: Dossier
    stretch: Stretch
    start: int
    end: int

    def together(self, other: Case) -> int:
        """For how many frames both were seen at the same time, as two tracklets."""
        if self.dossier.id == other.dossier.id:
            return 0
        start = max(self.start, other.start, self.dossier.first_seen, other.dossier.first_seen)
        end = min(self.end, other.end, self.dossier.last_seen + 1, other.dossier.last_seen + 1)
        return max(0, end - start)

    def hands_over(self, other: Case) -> bool:
        """Whether one ends where and when the other begins, touching it."""
        if self.end < other.start or other.end < self.start:
            return False
        earlier, later = (self, other) if self.start <= other.start else (other, self)
        if earlier.stretch.last is None or later.stretch.first is None:
            return False
        return shared(earlier.stretch.last[1], later.stretch.first[1]) >= TOUCHING

    def follows(self, other: Case, settings: IdentitySettings, fps: float) -> bool:
        """Whether one of two stretches begins where and when the other ended."""
        if self.dossier is other.dossier:
            return True
        earlier, later = (self, other) if self.start <= other.start else (other, self)
        if earlier.stretch.last is None or later.stretch.first is None:
            return False
        (end, a), (start, b) = earlier.stretch.last, later.stretch.first
        absence = max(0, start - end) / fps
        if absence > settings.carry_seconds:
            return False
        reach = settings.carry_reach * max(a[3] - a[1], b[3] - b[1]) * (1 + absence)
        apart = np.hypot(a[0] + a[2] - b[0] - b[2], a[1] + a[3] - b[1] - b[3]) / 2
        return bool(apart <= reach)

    def another_than(self, other: Case, fps: float) -> bool:
        """Whether two stretches were seen together for too long to be one person."""
        allowed = HIDING if self.hands_over(other) else HANDOVER
        return self.together(other) > allowed * fps


def keeps(evidence: Evidence) -> bool:
    """Whether such evidence speaks for keeping."""
    return evidence.kind in (EvidenceKind.FACE, EvidenceKind.CLICK, EvidenceKind.BODY)
