"""From where on a face should not count: size, blur, compression, pose, and quality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.models.face_model import FaceModel
from training.faces.degrade import levels
from training.faces.metrics import Scores, accepted, eer, roc
from training.faces.photos import Album, Photo, degraded, pairs, similarities
from training.faces.settings import FaceExperimentSettings
from training.faces.verification import Row

QUALITY_BINS: Final = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.01)
YAW_BINS: Final = (0.0, 10.0, 20.0, 30.0, 40.0, 90.1)
WIDTH_BINS: Final = (0.0, 18.0, 22.0, 28.0, 36.0, 56.0, 96.0, 1000.0)


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """Pairs of a spoilt probe and an untouched photo, all levels together.

    Attributes:
        genuine, impostor: float64 [N] similarities.
        genuine_of, impostor_of: intp [N], the pair's probe, a row of the arrays below.
        quality, width, yaw: float64 [P] of the probes.
    """

    genuine: Scores
    impostor: Scores
    genuine_of: NDArray[np.intp]
    impostor_of: NDArray[np.intp]
    quality: Scores
    width: Scores
    yaw: Scores


def spoilt(
    photos: list[Photo], clean: Album, model: FaceModel, settings: FaceExperimentSettings
) -> tuple[list[Row], Probed]:
    """Each level against the photos as they are: a row a level, and all its pairs."""
    rows: list[Row] = []
    albums: list[Album] = []
    for level in levels(settings):
        at_level = degraded(photos, clean, level, model)
        found = 0.0 if at_level is None else len(at_level.person) / len(clean.person)
        row: Row = {"spoilt": level.kind, "level": level.value, "found": found}
        if at_level is not None:
            albums.append(at_level)
            row |= {"quality": float(np.median(at_level.samples.quality))}
            row |= spread(*pairs(at_level, clean))
        rows.append(row)
    return rows, _together(albums, clean)


def spread(genuine: Scores, impostor: Scores) -> Row:
    """Percentiles of both kinds, and how well they can be told apart.

    The figures of a kind that has no pairs are left out.
    """
    row: Row = {}
    if len(genuine):
        for share in (1, 5, 50):
            row[f"genuine {share}%"] = float(np.percentile(genuine, share))
    if len(impostor):
        row["impostor 99.9%"] = float(np.percentile(impostor, 99.9))
        row["impostor max"] = float(impostor.max())
    if len(genuine) and len(impostor):
        row["EER"] = eer(roc(genuine, impostor))
    return row


def by_bin(name: str, bins: tuple[float, ...], values: Scores, probed: Probed) -> list[Row]:
    """The pairs sorted by a figure of their probes.

    Args:
        name: of the figure.
        bins: edges; a bin begins at its lower edge and ends before its upper one.
        values: float64 [P], the figure of each probe.
    """
    rows: list[Row] = []
    for low, high in pairwise(bins):
        inside = (values >= low) & (values < high)
        if not inside.any():
            continue
        genuine = probed.genuine[inside[probed.genuine_of]]
        impostor = probed.impostor[inside[probed.impostor_of]]
        label = f"{low:g} to {high:g}" if high != bins[-1] else f"from {low:g}"
        rows.append({name: label, "faces": int(inside.sum()), **spread(genuine, impostor)})
    return rows


def by_least_quality(probed: Probed, same: float) -> Iterator[Row]:
    """What remains when only probes from some quality on count."""
    for least in QUALITY_BINS[:-1]:
        inside = probed.quality >= least
        genuine = probed.genuine[inside[probed.genuine_of]]
        impostor = probed.impostor[inside[probed.impostor_of]]
        if len(genuine) and len(impostor):
            yield {
                "quality from": least,
                "faces kept": float(inside.mean()),
                "TAR at same": accepted(genuine, same),
                **spread(genuine, impostor),
            }


def usable(probed: Probed, quality: float, width: float) -> tuple[Scores, Scores]:
    """Genuine and impostor similarities of the probes that count."""
    inside = (probed.quality >= quality) & (probed.width >= width)
    return probed.genuine[inside[probed.genuine_of]], probed.impostor[inside[probed.impostor_of]]


def _together(albums: list[Album], clean: Album) -> Probed:
    genuine, impostor, genuine_of, impostor_of = [], [], [], []
    first = 0
    for one in albums:
        similarity = similarities(one.samples, clean.samples)
        other = one.photo[:, None] != clean.photo[None, :]
        same = one.person[:, None] == clean.person[None, :]
        probe = np.broadcast_to(first + np.arange(len(one.person))[:, None], other.shape)
        genuine.append(similarity[other & same])
        impostor.append(similarity[other & ~same])
        genuine_of.append(probe[other & same])
        impostor_of.append(probe[other & ~same])
        first += len(one.person)
    return Probed(
        np.concatenate(genuine),
        np.concatenate(impostor),
        np.concatenate(genuine_of),
        np.concatenate(impostor_of),
        *(
            np.concatenate([getattr(one.samples, name) for one in albums])
            for name in ("quality", "width", "yaw")
        ),
    )
