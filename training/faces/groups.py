"""An independent test: photos and group scenes of people whom no threshold was chosen on.

Nobody labelled the scenes. But the people in one picture are different people: their faces
make impostor pairs, and of two faces taken for the same person one is taken wrongly.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bystander.media.photos import load_photo, photo_files
from bystander.models.face_model import FaceModel
from training.faces.metrics import Scores
from training.faces.photos import Album, similarities
from training.faces.samples import Samples, measure
from training.faces.verification import Row, Thresholds


def read_scenes(folder: Path, model: FaceModel) -> list[Samples]:
    """The faces of every picture that lies in `folder` itself and shows two or more.

    Raises:
        UnreadablePhoto: one is damaged, or there are none.
    """
    found = []
    for path in photo_files(folder):
        image = load_photo(path)
        faces = model.detect(image)
        if len(faces) > 1:
            found.append(measure(image, faces, model))
    return found


def within_scenes(scenes: list[Samples]) -> Scores:
    """Impostor similarities: every two faces of a picture."""
    found = [np.zeros(0)]
    for scene in scenes:
        similarity = similarities(scene, scene)
        found.append(similarity[np.triu_indices(len(scene), 1)])
    return np.concatenate(found)


def recognised(scenes: list[Samples], people: Album, thresholds: Thresholds) -> Row:
    """What the thresholds make of the scenes' faces, as the cast's nearest photo decides.

    Returns:
        How many faces somebody's photos reach `same` with, how many nobody's reach
        `different` with, and how many are surely mistaken: two faces of a picture taken
        for one person, all but the best of them.
    """
    who = np.unique(people.person)
    faces = taken = refused = mistaken = 0
    for scene in scenes:
        similarity = similarities(scene, people.samples)
        nearest = np.stack([similarity[:, people.person == p].max(axis=1) for p in who], axis=1)
        faces += len(scene)
        best, value = nearest.argmax(axis=1), nearest.max(axis=1)
        passed = best[value >= thresholds.same]
        taken += len(passed)
        refused += int((value < thresholds.different).sum())
        mistaken += len(passed) - len(np.unique(passed))
    return {
        "scenes": len(scenes),
        "faces": faces,
        "recognised": taken,
        "refused": refused,
        "in doubt": faces - taken - refused,
        "surely mistaken": mistaken,
    }
