"""What the product itself would say: its rule for faces, given a track and a photo.

The samples are those that an analysis would have kept (its rate of looks, its choice which
face is worth embedding), the verdict is `bystander.identity.verdicts.FaceRule`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.identity.cast import CastMember
from bystander.identity.segments import MIN_IDENTIFYING_QUALITY, FaceSample, IdentitySettings
from bystander.identity.verdicts import FaceRule
from bystander.models.face_model import FaceThresholds
from bystander.settings import AnalysisSettings
from bystander.timeline.types import EvidenceKind
from bystander.tracking.evidence import SegmentEvidence
from bystander.tracking.frame_analysis import MIN_FACE_QUALITY
from training.faces.settings import FaceExperimentSettings
from training.faces.several import references
from training.faces.tracks import Case, FaceTrack
from training.faces.verification import Row

Vectors = NDArray[np.float32]

FPS: Final = 1000
"""The rule counts frames; here they are milliseconds."""


def verdict(
    track: FaceTrack,
    photos: Vectors,
    thresholds: FaceThresholds,
    settings: IdentitySettings,
    looks_per_second: float,
) -> EvidenceKind:
    """Whether `track` would be kept by its faces.

    Args:
        photos: float32 [R, D], the cast member's references.

    Returns:
        FACE: kept. DOUBT: not enough. NONE: another one, or no usable face.
    """
    stretch = SegmentEvidence(0)
    due = -np.inf
    for now, worth, vector in zip(
        track.seconds, track.samples.quality, track.samples.vectors, strict=True
    ):
        if now < due - 1e-6:
            continue
        due = now + 1 / looks_per_second
        if worth >= MIN_FACE_QUALITY and stretch.wants_face(worth):
            stretch.add_face(FaceSample(round(FPS * now), vector, worth, 0.0))
    rule = FaceRule(settings, thresholds.same, thresholds.different, FPS)
    return rule.best(stretch.faces, [CastMember("photo", photos)]).kind


def against_own(tracks: Sequence[FaceTrack], settings: FaceExperimentSettings) -> list[Case]:
    """Faces that count as photos, each with its own track from `settings.apart` seconds away."""
    cases = []
    for track in tracks:
        photos = track.usable(MIN_IDENTIFYING_QUALITY)
        for row in references(photos, settings):
            away = np.flatnonzero(np.abs(track.seconds - photos.seconds[row]) >= settings.apart)
            if len(away):
                cases.append((track.rows(away), photos.samples.vectors[[row]]))
    return cases


def against_rivals(tracks: Sequence[FaceTrack], settings: FaceExperimentSettings) -> list[Case]:
    """Faces that count as photos, each with every track seen together with its own."""
    return [
        (track, photos.samples.vectors[[row]])
        for other in tracks
        for photos in [other.usable(MIN_IDENTIFYING_QUALITY)]
        for row in references(photos, settings)
        for track in tracks
        if track is not other and track.meets(other)
    ]


def against_people(
    tracks: Sequence[FaceTrack], vectors: Vectors, person: NDArray[np.intp]
) -> list[Case]:
    """Each track, and all photos of one stranger."""
    return [(track, vectors[person == who]) for track in tracks for who in np.unique(person)]


def told(
    name: str,
    cases: Iterable[Case],
    thresholds: FaceThresholds,
    settings: AnalysisSettings,
) -> Row:
    """How often the product keeps, doubts and masks."""
    counts = Counter(
        verdict(track, photos, thresholds, settings.identity, settings.later_faces)
        for track, photos in cases
    )
    total = max(1, counts.total())
    return {
        "track and photo": name,
        "cases": counts.total(),
        "kept": counts[EvidenceKind.FACE] / total,
        "in doubt": counts[EvidenceKind.DOUBT] / total,
        "masked": counts[EvidenceKind.NONE] / total,
    }
