"""A face's part of a picture holds everything that embedding the face looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.geometry.instances import Face
from bystander.models.face_model import align, face_region
from bystander.models.face_packs import open_faces
from bystander.models.store import Catalogue, ModelStore

SIZE = 400
RNG = np.random.default_rng(0)
NOISE: NDArray[np.uint8] = RNG.integers(1, 256, (SIZE, SIZE, 3), dtype=np.uint8)
UNIT = np.array([[-0.5, -0.5], [0.5, -0.5], [0, 0.07], [-0.4, 0.65], [0.42, 0.65]])


def face_at(x: float, y: float, eyes: float, degrees: float = 0.0) -> Face:
    """A face whose middle is at (x, y), its eyes so many pixels apart, turned."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    landmarks = (eyes * UNIT @ turn + (x, y)).astype(np.float32)
    return Face((x - eyes, y - eyes, x + eyes, y + eyes), 0.9, landmarks)


PLACES = [
    face_at(200, 200, 20),
    face_at(200, 200, 20, degrees=45),
    face_at(6, 8, 30),
    face_at(395, 200, 40, degrees=-70),
    face_at(200, 398, 25, degrees=180),
    face_at(-10, 410, 40),
    face_at(200, 200, 300),
]


@pytest.mark.parametrize("face", PLACES)
def test_the_aligned_face_is_the_same_in_the_crop(face: Face) -> None:
    crop, moved = face_region(NOISE, face)
    whole, cut = align(NOISE, face).astype(int), align(crop, moved).astype(int)
    # Coordinates that are rounded elsewhere may move a sample by a fraction of a pixel; a pixel
    # that the crop lacks would be black.
    assert np.abs(whole - cut).max() <= 16
    assert ((whole == 0) == (cut == 0)).all()


@pytest.mark.parametrize("face", PLACES[:2])
def test_the_crop_is_small(face: Face) -> None:
    crop, _ = face_region(NOISE, face)
    assert max(crop.shape[:2]) < SIZE / 2


def test_landmarks_in_one_point_take_the_whole_picture() -> None:
    face = Face((10.0, 10.0, 30.0, 30.0), 0.5, np.full((5, 2), 20, dtype=np.float32))
    crop, _ = face_region(NOISE, face)
    assert crop.shape == NOISE.shape


def test_a_face_outside_of_the_picture_still_has_a_crop() -> None:
    crop, _ = face_region(NOISE, face_at(-900, -900, 10))
    assert crop.size


@pytest.mark.long
def test_a_face_at_the_edge_is_embedded_as_in_the_whole_picture(tmp_path: Path) -> None:
    astronaut: NDArray[np.uint8] = pytest.importorskip("skimage.data").astronaut()
    environ = {"XDG_CACHE_HOME": str(tmp_path), "BENTOML_HOME": str(tmp_path)}
    faces = open_faces("dlib", ModelStore.from_environment(Catalogue.load(), environ))
    picture = np.ascontiguousarray(astronaut[60:, 165:])  # hair and one side are cut off
    [face] = faces.detect(picture)
    [whole], [cut] = faces.embed_each([(picture, face)]), faces.embed(picture, [face])
    assert face_region(picture, face)[0].size < picture.size
    assert float(whole @ cut) > 0.9999
