"""The promise itself: a face recognition network doesn't know redacted faces again."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.redaction.effects import EffectSettings, blur, cell_size, mosaic

pytestmark = pytest.mark.long

SAME_PERSON = 0.6
"""Distance below which dlib's network takes two faces for one person's."""
FRAMES = 12

Rgb = NDArray[np.uint8]
Effect = Callable[[Any, tuple[int, int, int, int], int], Any]


def packaged(package: str, *parts: str) -> Path:
    """A file that an installed package ships, found without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs the package {package}")
    path = Path(spec.submodule_search_locations[0]).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{package} doesn't ship {Path(*parts)}")
    return path


class Recognizer:
    """Knows the six people of one photo by dlib's network."""

    def __init__(self) -> None:
        dlib = pytest.importorskip("dlib")
        models = "models"
        shape = packaged("face_recognition_models", models, "shape_predictor_68_face_landmarks.dat")
        network = packaged(
            "face_recognition_models", models, "dlib_face_recognition_resnet_model_v1.dat"
        )
        self._network = dlib.face_recognition_model_v1(str(network))
        photo = cv2.imread(str(packaged("insightface", "data", "images", "t1.jpg")))
        assert photo is not None
        self.photo: Rgb = np.ascontiguousarray(photo[:, :, ::-1])
        predict = dlib.shape_predictor(str(shape))
        boxes = dlib.get_frontal_face_detector()(self.photo, 0)
        self.heights = [box.height() for box in boxes]
        self._shapes = [predict(self.photo, box) for box in boxes]
        self._known = [self._descriptor(self.photo, shape) for shape in self._shapes]

    def distance(self, picture: Rgb, person: int) -> float:
        """From a person in `picture`, at the very place they are in the photo, to themselves."""
        found = self._descriptor(picture, self._shapes[person])
        return float(np.linalg.norm(found - self._known[person]))

    def _descriptor(self, picture: Rgb, shape: Any) -> NDArray[np.float64]:
        return np.array(self._network.compute_face_descriptor(picture, shape))


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


def average_of_frames(photo: Rgb, effect: Effect, cell: int) -> Rgb:
    """The attacker's best case: a face that only shifts, by known amounts, put together."""
    height, width = photo.shape[:2]
    total = np.zeros(photo.shape)
    for dx, dy in np.random.default_rng(0).integers(0, cell, (FRAMES, 2)):
        shifted = np.roll(photo, (dy, dx), (0, 1))
        planes = [effect(plane, (0, 0, width, height), cell) for plane in cv2.split(shifted)]
        total += np.roll(np.dstack(planes), (-dy, -dx), (0, 1))
    return (total / FRAMES).astype(np.uint8)


@pytest.mark.parametrize("effect", [blur, mosaic])
def test_averaging_the_frames_of_a_moving_face_does_not_make_it_recognisable(
    recognizer: Recognizer, effect: Effect
) -> None:
    assert len(recognizer.heights) == 6
    for person, height in enumerate(recognizer.heights):
        cell = cell_size(EffectSettings(), height, height, face=height)
        picture = average_of_frames(recognizer.photo, effect, cell)
        assert recognizer.distance(picture, person) > SAME_PERSON


def test_with_cells_of_a_sixteenth_of_a_face_the_same_attack_works(recognizer: Recognizer) -> None:
    # So the test above can tell strong from weak.
    distances = [
        recognizer.distance(average_of_frames(recognizer.photo, mosaic, height // 16), person)
        for person, height in enumerate(recognizer.heights)
    ]
    assert min(distances) < SAME_PERSON
