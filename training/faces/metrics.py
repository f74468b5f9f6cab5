"""Verification metrics over similarities: genuine pairs show one person, impostor pairs two.

A pair is accepted when its similarity is at least the threshold. FAR is the share of impostor
pairs accepted, TAR that of genuine pairs (ISO/IEC 19795-1 calls 1 - TAR the FRR).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""float64 [N]: cosine similarities of pairs, -1 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """What each threshold accepts.

    Attributes:
        thresholds: float64 [T], falling; the first is infinite and accepts nothing.
        far: float64 [T], rising from 0 to 1.
        tar: float64 [T], rising from 0 to 1.
    """

    thresholds: Scores
    far: Scores
    tar: Scores


def roc(genuine: Scores, impostor: Scores) -> Roc:
    """The receiver operating characteristic, a point for each distinct score.

    Raises:
        ValueError: there are no genuine or no impostor pairs.
    """
    _needs(genuine, "genuine")
    _needs(impostor, "impostor")
    distinct = np.unique(np.concatenate([genuine, impostor]))[::-1]
    thresholds = np.concatenate([[np.inf], distinct])
    return Roc(thresholds, _accepted(impostor, thresholds), _accepted(genuine, thresholds))


def eer(curve: Roc) -> float:
    """Equal error rate: where as many strangers pass as friends are refused.

    Linearly interpolated between the two points of the curve that it lies between.
    """
    refused = 1 - curve.tar
    after = int(np.argmax(curve.far >= refused))  # the last point has FAR 1, refused 0
    gap_before = float(refused[after - 1] - curve.far[after - 1])
    gap_after = float(curve.far[after] - refused[after])
    share = gap_before / (gap_before + gap_after)
    far = curve.far[after - 1] + share * (curve.far[after] - curve.far[after - 1])
    return float(far)


def tar_at_far(curve: Roc, far: float) -> float:
    """The greatest TAR of any threshold whose FAR is at most `far`."""
    return float(curve.tar[curve.far <= far + 1e-12].max())


def threshold_at_far(impostor: Scores, far: float) -> float:
    """The lowest threshold that accepts at most the share `far` of the impostor pairs.

    It lies just above the highest of the pairs that must be refused. With fewer than
    1 / `far` pairs it refuses them all.

    Raises:
        ValueError: there are no impostor pairs.
    """
    _needs(impostor, "impostor")
    allowed = math.floor(far * len(impostor) + 1e-9)
    if allowed >= len(impostor):
        return float(impostor.min())
    return float(np.nextafter(np.sort(impostor)[::-1][allowed], np.inf))


def threshold_at_tar(genuine: Scores, tar: float) -> float:
    """The highest threshold that accepts at least the share `tar` of the genuine pairs.

    Raises:
        ValueError: there are no genuine pairs.
    """
    _needs(genuine, "genuine")
    needed = max(1, math.ceil(tar * len(genuine) - 1e-9))
    return float(np.sort(genuine)[::-1][needed - 1])


def accepted(scores: Scores, threshold: float) -> float:
    """Share of the pairs at or above `threshold`; NaN for no pairs."""
    return float((scores >= threshold).mean()) if len(scores) else math.nan


TOP: Final = 3

AGGREGATES: Final[dict[str, Callable[[Scores, Scores], Scores]]] = {
    "max": lambda similarity, _: similarity.max(axis=1),
    "mean": lambda similarity, _: similarity.mean(axis=1),
    "mean by quality": lambda similarity, quality: np.average(similarity, axis=1, weights=quality),
    "mean of top 3": lambda similarity, _: np.sort(similarity, axis=1)[:, -TOP:].mean(axis=1),
    "median": lambda similarity, _: np.median(similarity, axis=1),
}


def aggregate(how: str, similarity: Scores, quality: Scores) -> Scores:
    """One score from several faces of a person.

    Args:
        how: a key of `AGGREGATES`.
        similarity: float64 [N, K] of K faces each.
        quality: float64 [N, K], above 0; counts only for "mean by quality", which is what
            the product does.

    Returns:
        float64 [N].
    """
    return np.asarray(AGGREGATES[how](similarity, quality), dtype=np.float64)


def _accepted(scores: Scores, thresholds: Scores) -> Scores:
    below = np.searchsorted(np.sort(scores), thresholds, side="left")
    return np.asarray(1 - below / len(scores), dtype=np.float64)


def _needs(scores: Scores, name: str) -> None:
    if not len(scores):
        raise ValueError(f"no {name} pairs")
