"""How well masked people are found again: by a recogniser, and by one trained for it.

Two figures for every attacker. *Identification*: how often the right one of the candidates
comes first; chance is one over their number. *Verification*: how often the right one is more
alike than a wrong one (the area under the ROC curve); chance is one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binomtest

from benchmarks.strength.attacks import ATTACKS, Picture, averaged_face
from bystander.geometry.instances import Face
from bystander.models.face_model import Embeddings, FaceModel, normalised

Scores = NDArray[np.float64]
"""float64 [N, P]: how alike each of N probes is to each of P candidates."""

CONFIDENCE: Final = 0.95
SHRINKAGE: Final = 0.3
"""Of the covariance towards a sphere: there are fewer photos than features."""
AVERAGED: Final = "averaged"
POOLED: Final = "pooled"


@dataclass(frozen=True, slots=True)
class Reidentified:
    """What an attacker reached.

    Attributes:
        firsts: of every masked person who was tried, whether they came first.
        chance: share of hits that guessing gives.
        low, high: exact binomial confidence interval (Clopper and Pearson 1934) of the share
            of hits, 95 %. It takes probes for independent; those of one person aren't quite.
        auc: area under the ROC curve, 0 to 1.
        accepted: share of right pairs accepted where one in ten wrong ones is.
    """

    firsts: tuple[bool, ...]
    chance: float
    low: float
    high: float
    auc: float
    accepted: float

    @property
    def rank_one(self) -> float:
        """Share of hits."""
        return sum(self.firsts) / len(self.firsts)

    @property
    def above_chance(self) -> bool:
        """Whether guessing can't explain it."""
        return self.low > self.chance

    def more_than(self, other: Reidentified) -> float:
        """p of hitting as much more often than `other` did on the same probes, were they
        equally good: the exact one-sided test of McNemar (1947)."""
        pairs = list(zip(self.firsts, other.firsts, strict=True))
        mine, theirs = pairs.count((True, False)), pairs.count((False, True))
        if mine + theirs == 0:
            return 1.0
        return float(binomtest(mine, mine + theirs, alternative="greater").pvalue)


def judge(groups: Sequence[tuple[Scores, NDArray[np.intp]]]) -> Reidentified:
    """Figures over groups of probes that have candidates of their own.

    Args:
        groups: scores [N, P], and for each probe which candidate is right, intp [N].
    """
    random = np.random.default_rng(0)
    firsts: list[bool] = []
    chances = 0.0
    right: list[NDArray[np.float64]] = []
    wrong: list[NDArray[np.float64]] = []
    for scores, truth in groups:
        is_right = np.arange(scores.shape[1]) == truth[:, np.newaxis]
        best = scores == scores.max(axis=1, keepdims=True)
        # Of equal scores the attacker has to guess.
        first = np.where(best, random.random(scores.shape), -1.0).argmax(axis=1)
        firsts += [bool(hit) for hit in first == truth]
        chances += len(scores) / scores.shape[1]
        right.append(scores[is_right])
        wrong.append(scores[~is_right])
    hits, probes = sum(firsts), len(firsts)
    low, high = interval(hits, probes)
    figures = roc(np.concatenate(right), np.concatenate(wrong))
    return Reidentified(tuple(firsts), chances / probes, low, high, *figures)


def interval(hits: int, probes: int) -> tuple[float, float]:
    """Exact binomial confidence interval of a share."""
    tail = (1 - CONFIDENCE) / 2
    low = float(beta.ppf(tail, hits, probes - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, probes - hits)) if hits < probes else 1.0
    return low, high


def roc(
    right: NDArray[np.float64], wrong: NDArray[np.float64], far: float = 0.1
) -> tuple[float, float]:
    """Area under the curve, and the share of right pairs accepted at a false-accept rate."""
    ranked = np.sort(wrong)
    below = np.searchsorted(ranked, right, side="left")
    up_to = np.searchsorted(ranked, right, side="right")
    threshold = np.quantile(wrong, 1 - far, method="higher")
    return float((below + up_to).mean() / (2 * len(wrong))), float((right > threshold).mean())


@dataclass(frozen=True, slots=True, eq=False)
class Discriminant:
    """A linear discriminant (Fisher 1936) with a shrunken covariance, trained by an attacker
    who masked photos of the candidates the same way."""

    _centre: NDArray[np.float64]
    _scale: NDArray[np.float64]
    _weights: NDArray[np.float64]
    _bias: NDArray[np.float64]

    @classmethod
    def fitted(cls, features: NDArray[np.floating], labels: NDArray[np.intp]) -> Discriminant:
        """Trained on features [N, D] of the candidates 0 to P - 1, `labels` intp [N]."""
        centre = features.mean(axis=0, dtype=np.float64)
        scale = features.std(axis=0, dtype=np.float64) + 1e-6
        values = (features - centre) / scale
        means = np.stack([values[labels == person].mean(axis=0) for person in np.unique(labels)])
        rest = values - means[labels]
        covariance = rest.T @ rest / len(rest)
        sphere = np.trace(covariance) / len(covariance) + 1e-9
        covariance *= 1 - SHRINKAGE
        covariance[np.diag_indices_from(covariance)] += SHRINKAGE * sphere
        weights = np.linalg.solve(covariance, means.T)
        bias = -0.5 * np.einsum("pd,dp->p", means, weights)
        return cls(centre, scale, weights, bias)

    def scores(self, features: NDArray[np.floating]) -> Scores:
        """float64 [N, P] for features [N, D]; a probe's scores add up to 0."""
        scores = (features - self._centre) / self._scale @ self._weights + self._bias
        return np.asarray(scores - scores.mean(axis=1, keepdims=True))


def pooled(embeddings: Embeddings) -> Embeddings:
    """The mean of a track's embeddings [N, D], of length 1: float32 [D]."""
    mean: Embeddings = normalised(embeddings.mean(axis=0, keepdims=True))[0]
    return mean


def face_probes(
    outputs: Sequence[Picture], faces: Sequence[Face], cells: Sequence[int], model: FaceModel
) -> dict[str, Embeddings]:
    """What a recogniser makes of a track's masked face under every attack.

    Args:
        outputs: of every frame the masked picture, uint8 [H, W, 3] RGB, whole or cut along
            the grid, so that its corner is a cell's.
        faces: where the face is in each, from the source.
        cells: the side of the effect's cells in each, pixels.
        model: the recogniser.

    Returns:
        Embeddings of length 1 by the attack's name: float32 [N, D] of the single frames; of
        one row for "pooled", their mean, and "averaged", the frames laid over each other.
    """
    found = {}
    for name, attack in ATTACKS.items():
        views = zip(outputs, faces, cells, strict=True)
        each = [model.embed(attack(output, cell), [face]) for output, face, cell in views]
        found[name] = np.concatenate(each)
    found[POOLED] = pooled(found["untouched"])[np.newaxis]
    picture, face = averaged_face(outputs, faces)
    found[AVERAGED] = model.embed(picture, [face])
    return found


def likeness_of(probes: dict[str, Embeddings], references: Embeddings) -> dict[str, float]:
    """How alike a track is to someone, by attack: the cosine similarity of its best frame to
    the nearest of the references, float32 [R, D] of length 1."""
    return {name: float((vectors @ references.T).max()) for name, vectors in probes.items()}
