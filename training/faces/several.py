"""One frame against several: how sure does it get when more faces of a track are compared?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.faces.conditions import spread
from training.faces.metrics import AGGREGATES, Scores, aggregate, eer, roc, tar_at_far
from training.faces.photos import similarities
from training.faces.samples import Samples
from training.faces.settings import FaceExperimentSettings
from training.faces.tracks import FaceTrack
from training.faces.verification import Row

FRONTAL: Final = 20.0
"""Degrees of yaw up to which a face stands for a photo."""


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Comparisons of one reference face with K faces of a track, spread in time.

    Attributes:
        similarity: float64 [N, K].
        quality: float64 [N, K], of the track's faces.
    """

    similarity: Scores
    quality: Scores

    def __len__(self) -> int:
        return len(self.similarity)

    def scores(self, how: str, count: int) -> Scores:
        """float64 [N]: one score from `count` of the K faces, evenly spread over them."""
        size = self.similarity.shape[1]
        columns = ((np.arange(count) + 0.5) * size / count).astype(int)
        return aggregate(how, self.similarity[:, columns], self.quality[:, columns])


def genuine_trials(tracks: Sequence[FaceTrack], settings: FaceExperimentSettings) -> Trials:
    """Each track against faces of its own, at least `settings.apart` seconds away."""
    rng = np.random.default_rng(settings.seed)

    def parts() -> Iterable[Trials]:
        for track in tracks:
            for row in references(track, settings):
                away = np.abs(track.seconds - track.seconds[row]) >= settings.apart - 1e-6
                probes = track.samples[away]
                yield _drawn(track.samples[[row]], probes, settings.draws, settings, rng)

    return _stacked(parts(), settings)


def rival_trials(tracks: Sequence[FaceTrack], settings: FaceExperimentSettings) -> Trials:
    """Each track against faces of those it was seen together with."""
    rng = np.random.default_rng(settings.seed)
    return _stacked(
        (
            _drawn(other.samples[[row]], track.samples, settings.draws, settings, rng)
            for track in tracks
            for other in tracks
            if track is not other and track.meets(other)
            for row in references(other, settings)
        ),
        settings,
    )


def photo_trials(
    photos: Samples, tracks: Sequence[FaceTrack], settings: FaceExperimentSettings
) -> Trials:
    """Each track against each photo."""
    rng = np.random.default_rng(settings.seed)
    return _stacked(
        (
            _drawn(photos[[row]], track.samples, 1, settings, rng)
            for track in tracks
            for row in range(len(photos))
        ),
        settings,
    )


def references(track: FaceTrack, settings: FaceExperimentSettings) -> NDArray[np.intp]:
    """Rows of the faces that stand for a photo, evenly spread from the first to the last."""
    if not len(track.samples):
        return np.zeros(0, dtype=np.intp)
    spread = np.linspace(0, len(track.samples) - 1, settings.references)
    return np.unique(spread.round().astype(np.intp))


def compared(genuine: Trials, impostor: Trials, counts: Sequence[int]) -> list[Row]:
    """A row for a single face, then one for each way to make a score of each number of faces."""
    ways = [("mean", 1), *((how, count) for how in AGGREGATES for count in counts if count > 1)]
    rows: list[Row] = []
    for how, count in ways:
        mine, theirs = genuine.scores(how, count), impostor.scores(how, count)
        curve = roc(mine, theirs)
        rows.append(
            {
                "score": "single face" if count == 1 else how,
                "faces": count,
                "EER": eer(curve),
                "TAR at FAR 1e-2": tar_at_far(curve, 1e-2),
                "TAR at FAR 1e-3": tar_at_far(curve, 1e-3),
                "genuine 1%": float(np.percentile(mine, 1)),
                "impostor 99.9%": float(np.percentile(theirs, 99.9)),
                "impostor max": float(theirs.max()),
            }
        )
    return rows


def within_tracks(tracks: Sequence[FaceTrack], apart: float) -> Scores:
    """Similarities of every two faces of a track that lie `apart` seconds apart."""
    found = [np.zeros(0)]
    for track in tracks:
        similarity = similarities(track.samples, track.samples)
        later = track.seconds[None, :] - track.seconds[:, None] >= apart - 1e-6
        found.append(similarity[later])
    return np.concatenate(found)


def between_tracks(tracks: Sequence[FaceTrack]) -> Scores:
    """Similarities of every two faces of tracks that were seen together."""
    found = [np.zeros(0)]
    for i, track in enumerate(tracks):
        for other in tracks[i + 1 :]:
            if track.meets(other):
                found.append(similarities(track.samples, other.samples).ravel())
    return np.concatenate(found)


def to_photos(tracks: Sequence[FaceTrack], photos: Samples) -> Scores:
    """Similarities of every face of every track to every photo."""
    found = [np.zeros(0)]
    found += [similarities(track.samples, photos).ravel() for track in tracks]
    return np.concatenate(found)


def by_yaw(
    tracks: Sequence[FaceTrack],
    photos: Samples,
    settings: FaceExperimentSettings,
    bins: tuple[float, ...],
) -> list[Row]:
    """How much a face says when it is turned aside, whatever its quality.

    Args:
        bins: edges in degrees.

    Returns:
        A row a bin: probes in it against nearly frontal faces of their own track, at least
        `settings.apart` seconds away, and against strangers' photos.
    """
    rows: list[Row] = []
    for low, high in pairwise(bins):
        genuine, impostor, faces = [np.zeros(0)], [np.zeros(0)], 0
        for track in tracks:
            turned = (track.samples.yaw >= low) & (track.samples.yaw < high)
            frontal = track.samples.yaw < FRONTAL
            similarity = similarities(track.samples, track.samples)
            away = np.abs(track.seconds[:, None] - track.seconds[None, :]) >= settings.apart - 1e-6
            genuine.append(similarity[turned[:, None] & frontal[None, :] & away])
            impostor.append(similarities(track.samples[turned], photos).ravel())
            faces += int(turned.sum())
        if faces:
            label = f"{low:g} to {high:g}" if high != bins[-1] else f"from {low:g}"
            pool = np.concatenate(genuine), np.concatenate(impostor)
            rows.append({"yaw": label, "faces": faces, "genuine": len(pool[0]), **spread(*pool)})
    return rows


def after_earlier(tracks: Sequence[FaceTrack]) -> tuple[Scores, Scores]:
    """What `different` is compared with in `bystander.tracking.evidence`: the median similarity
    of a face to those before it.

    Returns:
        For every face but the first of each track: genuine. For every face of a track seen
        together with it, as if the two had been swapped: impostor.
    """
    genuine, impostor = [np.zeros(0)], [np.zeros(0)]
    for track in tracks:
        own = similarities(track.samples, track.samples)
        genuine.append(np.array([np.median(own[row, :row]) for row in range(1, len(own))]))
        for other in tracks:
            if track is not other and track.meets(other):
                impostor.append(np.median(similarities(other.samples, track.samples), axis=1))
    return np.concatenate(genuine), np.concatenate(impostor)


def _drawn(
    reference: Samples,
    probes: Samples,
    draws: int,
    settings: FaceExperimentSettings,
    rng: np.random.Generator,
) -> Trials:
    """`draws` choices of one face from each of K equal parts of the probes' time."""
    size = max(settings.counts)
    if len(probes) < size:
        return Trials(np.zeros((0, size)), np.zeros((0, size)))
    parts = np.array_split(np.arange(len(probes)), size)
    rows = np.stack([rng.choice(part, draws) for part in parts], axis=1)
    similarity = similarities(probes, reference)[:, 0]
    return Trials(similarity[rows], probes.quality[rows])


def _stacked(parts: Iterable[Trials], settings: FaceExperimentSettings) -> Trials:
    size = max(settings.counts)
    listed = [Trials(np.zeros((0, size)), np.zeros((0, size))), *parts]
    return Trials(
        np.concatenate([part.similarity for part in listed]),
        np.concatenate([part.quality for part in listed]),
    )
