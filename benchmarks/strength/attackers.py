"""Everyone who tries to find out who a masked portrait shows.

Each gives scores [N, P] of N portraits for P people, knowing all other photos of everybody;
the portrait's own photo is never among what it is compared with or what anyone is taught with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.strength.attacks import ATTACKS, Picture, averaged_face
from benchmarks.strength.portraits import Portrait, Set, Shot, cell_of, clear
from benchmarks.strength.reidentification import Discriminant, Scores, pooled
from bystander.models.face_model import Embeddings, FaceModel, align
from bystander.redaction.effects import EffectSettings

FRAMES: Final = 8
"""In which the person is seen, each elsewhere on the grid."""
LESSONS: Final = 4
"""Maskings of each photo that an informed attacker makes."""
PIXELS: Final = 12
"""Side of the picture of a head that a classifier is taught with: finer than the cells."""
WIDER: Final = 1.7
"""Times the face that is: with hair and collar."""

Vectors = NDArray[np.floating]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What an effect leaves of all portraits.

    Attributes:
        shots: of each portrait `FRAMES` masked frames.
        lessons: of each portrait `LESSONS` maskings by the attacker, and those averaged.
        cells: the side of each portrait's cells.
        known: float32 [N, D], embeddings of the portraits as they are.
    """

    portraits: Sequence[Portrait]
    shots: Sequence[Sequence[Shot]]
    lessons: Sequence[Sequence[Shot]]
    cells: Sequence[int]
    known: Embeddings

    @property
    def people(self) -> NDArray[np.intp]:
        return np.array([portrait.person for portrait in self.portraits])


def collect(
    portraits: Sequence[Portrait],
    places: Sequence[Picture],
    effect: EffectSettings,
    faces: FaceModel,
) -> Evidence:
    film, lessons = Set(places, seed=1), Set(places, seed=2)
    return Evidence(
        portraits,
        [tuple(film.frames(portrait, effect, FRAMES)) for portrait in portraits],
        [tuple(lessons.frames(portrait, effect, FRAMES)) for portrait in portraits],
        [cell_of(portrait, effect) for portrait in portraits],
        embedded([clear(portrait) for portrait in portraits], faces),
    )


def attackers(evidence: Evidence, faces: FaceModel) -> Iterator[tuple[str, Scores]]:
    """Every attacker's name and scores."""
    people, known = evidence.people, evidence.known
    firsts = [shots[0] for shots in evidence.shots]
    for name, attack in ATTACKS.items():
        pairs = zip(firsts, evidence.cells, strict=True)
        attacked = [replace(shot, picture=attack(shot.picture, cell)) for shot, cell in pairs]
        yield f"recogniser, {name}", compared(embedded(attacked, faces), known, people)
    frames = [embedded(shots, faces) for shots in evidence.shots]
    means = np.stack([pooled(vectors) for vectors in frames])
    yield f"recogniser, {FRAMES} frames pooled", compared(means, known, people)
    laid = [together(shots) for shots in evidence.shots]
    laid_vectors = embedded(laid, faces)
    yield f"recogniser, {FRAMES} frames averaged", compared(laid_vectors, known, people)

    singles = np.stack([vectors[0] for vectors in frames])
    lessons = [shots[:LESSONS] for shots in evidence.lessons]
    taught = np.stack([embedded(shots, faces) for shots in lessons])
    laid_lessons = [together(shots) for shots in evidence.lessons]
    yield "informed recogniser", compared(singles, np.stack([*map(pooled, taught)]), people)
    both = laid_vectors, embedded(laid_lessons, faces)
    yield f"informed recogniser, {FRAMES} frames averaged", compared(*both, people)
    yield "taught with embeddings", classified(singles, taught, evidence)
    for name, look in (
        ("pixels", head),
        ("pixels but no colour", grey_head),
        ("mean colour", tone),
    ):
        yield f"taught with {name}", classified(*looks(look, firsts, lessons), evidence)
    teaching = [[lesson] for lesson in laid_lessons]
    yield (
        f"taught with pixels, {FRAMES} frames averaged",
        classified(*looks(head, laid, teaching), evidence),
    )


def embedded(shots: Sequence[Shot], faces: FaceModel) -> Embeddings:
    """float32 [N, D]."""
    return np.concatenate([faces.embed(shot.picture, [shot.face]) for shot in shots])


def together(shots: Sequence[Shot]) -> Shot:
    return Shot(*averaged_face([s.picture for s in shots], [s.face for s in shots]))


def compared(probes: Embeddings, gallery: Embeddings, people: NDArray[np.intp]) -> Scores:
    """The mean similarity to everybody's photos, the probe's own left out."""
    similarity = (probes @ gallery.T).astype(np.float64)
    np.fill_diagonal(similarity, np.nan)
    everybody = range(int(people.max()) + 1)
    return np.stack([np.nanmean(similarity[:, people == one], axis=1) for one in everybody], axis=1)


def classified(probes: Vectors, lessons: Vectors, evidence: Evidence) -> Scores:
    """By a discriminant taught with the masked photos [N, L, D] of other numbers than the
    probe's."""
    people = evidence.people
    numbers = np.array([portrait.photo for portrait in evidence.portraits])
    scores = np.zeros((len(people), int(people.max()) + 1))
    for number in np.unique(numbers):
        held_out = numbers == number
        taught = lessons[~held_out]
        labels = np.repeat(people[~held_out], taught.shape[1])
        classifier = Discriminant.fitted(taught.reshape(len(labels), -1), labels)
        scores[held_out] = classifier.scores(probes[held_out])
    return scores


def looks(
    look: Callable[[Shot], Vectors], probes: Sequence[Shot], lessons: Sequence[Sequence[Shot]]
) -> tuple[Vectors, Vectors]:
    """What is seen of probes [N, D] and lessons [N, L, D]."""
    return np.stack([*map(look, probes)]), np.stack([[*map(look, shots)] for shots in lessons])


def head(shot: Shot) -> Vectors:
    """The head's pixels, upright: float64 [D], luma and colour differences."""
    return _small(shot).ravel()


def grey_head(shot: Shot) -> Vectors:
    """The same without colour, brightness and contrast: the pattern alone."""
    luma = _small(shot)[:, :, 0]
    return np.asarray((luma - luma.mean()) / (luma.std() + 1e-3)).ravel()


def tone(shot: Shot) -> Vectors:
    """The mean colour of the face alone: float64 [3]. Nobody needs a network to see it."""
    edge = PIXELS // 4
    return np.asarray(_small(shot)[edge:-edge, edge:-edge].mean(axis=(0, 1)))


def _small(shot: Shot) -> NDArray[np.float64]:
    centre = shot.face.landmarks.mean(axis=0)
    wider = centre + (shot.face.landmarks - centre) * WIDER
    chip = align(shot.picture, replace(shot.face, landmarks=wider.astype(np.float32)))
    small = cv2.resize(chip, (PIXELS, PIXELS), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb).astype(np.float64)
