"""Labelled photos: a folder of people, each a folder of photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bystander.media.photos import load_photo, photo_files
from bystander.models.face_model import FaceModel
from training.errors import DataError
from training.faces.degrade import Level
from training.faces.metrics import Scores
from training.faces.samples import Samples, central, joined, measure
from training.pages import Rgb


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """One photo of a known person: uint8 [H, W, 3] RGB."""

    person: int
    image: Rgb


@dataclass(frozen=True, slots=True, eq=False)
class Album:
    """The faces found in photos.

    Attributes:
        samples: N faces.
        person: intp [N], who it is.
        photo: intp [N], the photo's number; photos without a face are missing.
    """

    samples: Samples
    person: NDArray[np.intp]
    photo: NDArray[np.intp]


def read_people(folder: Path) -> list[Photo]:
    """All photos of the people in `folder`, one subfolder each.

    Raises:
        DataError: there are fewer than two people, or someone has no second photo.
        UnreadablePhoto: one is damaged.
    """
    homes = sorted(entry for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
    files = [photo_files(home) for home in homes]
    if len(files) < 2 or min(map(len, files)) < 2:
        raise DataError(
            f"{folder} is no collection of people: it has {len(files)} folders",
            "Give a folder with a folder a person, two photos or more in each.",
        )
    return [Photo(who, load_photo(file)) for who, those in enumerate(files) for file in those]


def album(photos: list[Photo], model: FaceModel) -> Album:
    """The central face of every photo.

    Raises:
        DataError: there is a face in fewer than half of them.
    """
    found = [(i, sample) for i, photo in enumerate(photos) if (sample := look(photo.image, model))]
    if 2 * len(found) < len(photos):
        raise DataError(
            f"{model.name} finds a face in only {len(found)} of {len(photos)} photos",
            "Give photos with one large face each.",
        )
    index = np.array([i for i, _ in found], dtype=np.intp)
    who = np.array([photos[i].person for i, _ in found], dtype=np.intp)
    return Album(joined([sample for _, sample in found]), who, index)


def look(image: Rgb, model: FaceModel) -> Samples | None:
    """The central face of a picture, None where no face is found."""
    face = central(model.detect(image), image.shape[1], image.shape[0])
    return measure(image, [face], model) if face else None


def degraded(photos: list[Photo], clean: Album, level: Level, model: FaceModel) -> Album | None:
    """The same photos at `level`, those in which a face is still found; None if in none."""
    found = []
    for row, index in enumerate(clean.photo):
        image = level.apply(photos[index].image, float(clean.samples.width[row]))
        if sample := look(image, model):
            found.append((row, sample))
    if not found:
        return None
    rows = np.array([row for row, _ in found], dtype=np.intp)
    samples = joined([sample for _, sample in found])
    return Album(samples, clean.person[rows], clean.photo[rows])


def pairs(probes: Album, gallery: Album) -> tuple[Scores, Scores]:
    """Genuine and impostor similarities between two albums of the same photos.

    A photo is never compared with itself, spoilt or not. Where both albums are one, every
    pair counts once.
    """
    similarity = similarities(probes.samples, gallery.samples)
    counts = probes.photo[:, None] != gallery.photo[None, :]
    if probes is gallery:
        counts = probes.photo[:, None] < gallery.photo[None, :]
    same = probes.person[:, None] == gallery.person[None, :]
    return similarity[counts & same], similarity[counts & ~same]


def similarities(a: Samples, b: Samples) -> Scores:
    """Cosine similarity of each face with each: float64 [N, M]."""
    return np.asarray(a.vectors @ b.vectors.T, dtype=np.float64)
