"""Are two photos of one person? Thresholds, and whether they hold for other people."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from training.faces.metrics import (
    Scores,
    accepted,
    eer,
    roc,
    tar_at_far,
    threshold_at_far,
    threshold_at_tar,
)
from training.faces.photos import Album, pairs
from training.faces.settings import FaceExperimentSettings

Row = dict[str, str | int | float]
"""One line of a table in the report and in faces.json."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """`same` and `different` as `bystander.models.face_model.FaceThresholds` means them."""

    same: float
    different: float


def chosen(genuine: Scores, impostor: Scores, settings: FaceExperimentSettings) -> Thresholds:
    """Thresholds by the rule: FAR of `settings.far`, and TAR of `settings.tar`.

    Where photos are so good that one person's lowest pair lies above strangers' highest, the
    two cross: both thresholds do what they promise at once.
    """
    return Thresholds(
        threshold_at_far(impostor, settings.far), threshold_at_tar(genuine, settings.tar)
    )


def verified(name: str, genuine: Scores, impostor: Scores) -> Row:
    """One pool of pairs in figures."""
    curve = roc(genuine, impostor)
    return {
        "pairs": name,
        "genuine": len(genuine),
        "impostor": len(impostor),
        "EER": eer(curve),
        "TAR at FAR 1e-2": tar_at_far(curve, 1e-2),
        "TAR at FAR 1e-3": tar_at_far(curve, 1e-3),
        "genuine 1%": float(np.percentile(genuine, 1)),
        "genuine 50%": float(np.median(genuine)),
        "impostor 99.9%": float(np.percentile(impostor, 99.9)),
        "impostor max": float(impostor.max()),
    }


def judged(name: str, thresholds: Thresholds, genuine: Scores, impostor: Scores) -> Row:
    """What thresholds chosen elsewhere do to a pool of pairs."""
    return {
        "pairs": name,
        "same": thresholds.same,
        "different": thresholds.different,
        "TAR at same": accepted(genuine, thresholds.same),
        "FAR at same": accepted(impostor, thresholds.same),
        "refused below different": 1 - accepted(genuine, thresholds.different),
        "FAR at different": accepted(impostor, thresholds.different),
    }


def halves(people: list[int], count: int, seed: int) -> list[frozenset[int]]:
    """`count` different halves of the people, or all there are if they are fewer."""
    size = len(people) // 2
    if comb(len(people), size) <= count:
        return [frozenset(half) for half in combinations(people, size)]
    random_choice = random.Random(seed)
    found: dict[frozenset[int], None] = {}  # a set would lose the order, and repeatability
    while len(found) < count:
        found[frozenset(random_choice.sample(people, size))] = None
    return list(found)


def cross_validated(album: Album, settings: FaceExperimentSettings) -> list[Row]:
    """Thresholds chosen on half of the people and tried on the other half, many times.

    Returns:
        The mean over the splits, the lowest, and the highest figure of each kind; empty where
        a half is fewer than two people.
    """
    people = sorted({int(who) for who in album.person})
    if len(people) < 4:
        return []
    rows = []
    for half in halves(people, settings.splits, settings.seed):
        inside = np.isin(album.person, list(half))
        rule = chosen(*pairs(*_twice(album, inside)), settings)
        rows.append(judged("", rule, *pairs(*_twice(album, ~inside))))
    table = {key: np.array([float(row[key]) for row in rows]) for key in rows[0] if key != "pairs"}
    return [
        {"over splits": name, **{key: float(of(values)) for key, values in table.items()}}
        for name, of in (("mean", np.mean), ("lowest", np.min), ("highest", np.max))
    ]


def _twice(album: Album, inside: NDArray[np.bool_]) -> tuple[Album, Album]:
    part = Album(album.samples[inside], album.person[inside], album.photo[inside])
    return part, part
