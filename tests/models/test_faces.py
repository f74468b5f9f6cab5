from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.errors import ConfigError, ModelContract, ModelNotFound
from bystander.geometry.instances import Face
from bystander.identity.segments import IdentitySettings
from bystander.models.face_model import (
    FaceModel,
    FaceThresholds,
    align,
    frontality,
    quality,
)
from bystander.models.face_packs import InsightFacePack, open_faces
from bystander.models.sessions import SessionSettings
from bystander.models.store import Catalogue, ModelStore
from tests.conftest import shared

pytestmark = pytest.mark.sampled(4)

ONE_THREAD = SessionSettings(threads=1)
PACKS = ["insightface", "dlib"]


def store(home: Path, models: Path | None = None) -> ModelStore:
    environ = {"XDG_CACHE_HOME": str(home), "BENTOML_HOME": str(home)}
    if models is not None:
        environ["BYSTANDER_MODELS"] = str(models)
    return ModelStore.from_environment(Catalogue.load(), environ)


@pytest.fixture(scope="module", params=PACKS)
def faces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FaceModel:
    folder = shared("models") if request.param == "insightface" else None
    return open_faces(request.param, store(tmp_path_factory.mktemp("home"), folder), ONE_THREAD)


def picture(path: Path) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] RGB."""
    pixels = cv2.imread(str(path))
    assert pixels is not None
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


@pytest.fixture(scope="module")
def friends() -> NDArray[np.uint8]:
    """Six people; the picture comes with the package insightface."""
    package = importlib.util.find_spec("insightface")
    assert package is not None
    assert package.origin is not None
    return picture(Path(package.origin).parent / "data/images/t1.jpg")


def test_six_friends_have_six_faces(faces: FaceModel, friends: NDArray[np.uint8]) -> None:
    found = faces.detect(friends)
    assert len(found) == 6
    for face in found:
        x0, y0, x1, y1 = face.box
        right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
        assert x0 < right_eye[0] < left_eye[0] < x1
        assert right_mouth[0] < left_mouth[0]
        assert y0 < max(right_eye[1], left_eye[1]) < nose[1] < right_mouth[1] < y1
        assert 0.5 <= face.score <= 1


def test_six_friends_are_six_people(faces: FaceModel, friends: NDArray[np.uint8]) -> None:
    vectors = faces.embed(friends, faces.detect(friends))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    similarity = vectors @ vectors.T - 2 * np.eye(6)
    assert similarity.max() < faces.thresholds.same


def test_a_picture_without_people_has_no_faces(faces: FaceModel) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (201, 333, 3), dtype=np.uint8)
    assert faces.detect(noise) == []
    assert faces.embed(noise, []).shape[0] == 0


def test_faces_keep_their_place_when_the_picture_has_an_odd_size(
    faces: FaceModel, friends: NDArray[np.uint8]
) -> None:
    whole = faces.detect(friends)
    cut = faces.detect(friends[7:, 5:])
    for face in whole:
        moved = face.landmarks - (5, 7)
        nearest = min(float(np.abs(other.landmarks - moved).max()) for other in cut)
        assert nearest < 4


def portraits(faces: FaceModel) -> list[tuple[str, NDArray[np.uint8], Face]]:
    """Three photos of each of ten people: name, uint8 [H, W, 3] RGB, face."""
    found = []
    for person in sorted(shared("images", "faces", "lfw10").iterdir()):
        for path in sorted(person.iterdir())[:3]:
            image = picture(path)
            # LFW's photos are centred on the one they show.
            centre = np.array(image.shape[1::-1]) / 2
            face = min(
                faces.detect(image),
                key=lambda face: float(np.abs(face.landmarks.mean(axis=0) - centre).sum()),
            )
            found.append((person.name, image, face))
    return found


def similarities(
    faces: FaceModel, people: list[tuple[str, NDArray[np.uint8], Face]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Between two photos of one person, and between photos of two."""
    names = np.array([name for name, _, _ in people])
    vectors = np.stack([faces.embed(image, [face])[0] for _, image, face in people])
    similarity = vectors @ vectors.T
    one = names[:, np.newaxis] == names
    return similarity[one & ~np.eye(len(names), dtype=bool)], similarity[~one]


@pytest.mark.long
def test_photos_of_one_person_are_nearer_than_photos_of_two(faces: FaceModel) -> None:
    one, two = similarities(faces, portraits(faces))
    same, different = faces.thresholds.same, faces.thresholds.different
    asked = different + IdentitySettings().mean * (same - different)
    assert two.max() < asked
    assert (one >= asked).mean() > 0.85
    assert one.min() >= faces.thresholds.different
    assert (two < faces.thresholds.different).mean() > 0.85


@pytest.mark.long
def test_red_and_blue_are_not_swapped(faces: FaceModel) -> None:
    """The networks were trained on RGB, and tell people apart better in it."""
    people = portraits(faces)
    swapped = [
        (name, np.ascontiguousarray(image[:, :, ::-1]), face) for name, image, face in people
    ]
    assert separation(*similarities(faces, people)) > separation(*similarities(faces, swapped))


def separation(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """The sensitivity index d'."""
    return float((one.mean() - two.mean()) / np.sqrt((one.var() + two.var()) / 2))


@pytest.mark.long
def test_dlib_needs_nothing_but_wheels(tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data")
    astronaut = data.astronaut()
    faces = open_faces("auto", store(tmp_path), ONE_THREAD)
    assert faces.name == "dlib"
    [face] = faces.detect(astronaut)
    np.testing.assert_allclose(face.landmarks[2], (225, 120), atol=15)


def test_auto_prefers_insightface_where_its_files_are(tmp_path: Path) -> None:
    faces = open_faces("auto", store(tmp_path, shared("models")), ONE_THREAD)
    assert faces.name == "mobilefacenet"


def test_a_missing_pack_says_what_to_pull(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="models pull buffalo-sc-detector"):
        open_faces("insightface", store(tmp_path))


def test_an_unknown_pack_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Known: auto, insightface, .*dlib"):
        open_faces("eigenfaces", store(tmp_path))


def test_detector_and_embedder_are_not_mixed_up() -> None:
    detector = shared("models", "scrfd_2.5g_bnkps.onnx")
    embedder = shared("models", "arcface_mobilefacenet.onnx")
    with pytest.raises(ModelContract, match="arcface_mobilefacenet"):
        InsightFacePack("mixed", embedder, detector, FaceThresholds(0.4, 0.2), 20)


def drawn(eye_distance: float, nose: float = 0.5) -> Face:
    """A face with the proportions of a person, its nose at `nose` between the eyes."""
    unit = np.array([[0, 0], [1, 0], [nose, 0.57], [0.1, 1.15], [0.92, 1.15]], dtype=np.float32)
    landmarks = (unit * eye_distance + 60).astype(np.float32)
    return Face((50.0, 50.0, 60 + 2 * eye_distance, 60 + 2 * eye_distance), 0.9, landmarks)


def test_a_profile_is_not_frontal() -> None:
    assert frontality(drawn(30).landmarks) == pytest.approx(1, abs=0.01)
    assert frontality(drawn(30, nose=1.2).landmarks) == 0


def test_quality_falls_with_size_blur_and_turning() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    blurred = cv2.GaussianBlur(noise, (0, 0), 6).astype(np.uint8)
    good = quality(drawn(40), noise)
    assert good > 0.8
    assert quality(drawn(6), noise) < 0.5 * good
    assert quality(drawn(40, nose=0.9), noise) < 0.5 * good
    assert quality(drawn(40), blurred) < 0.5 * good


def test_an_aligned_face_is_upright_whatever_its_tilt(friends: NDArray[np.uint8]) -> None:
    canvas = np.zeros((300, 300, 3), dtype=np.uint8)
    face = drawn(40)
    turn = cv2.getRotationMatrix2D((150, 150), 40, 1.3)
    tilted = (face.landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    for (x, y), colour in zip(tilted, np.eye(3, dtype=int)[[0, 1, 2, 0, 1]] * 255, strict=True):
        cv2.circle(canvas, (round(float(x)), round(float(y))), 4, colour.tolist(), -1)
    chip = align(canvas, Face(face.box, 0.9, tilted))
    assert chip.shape == (112, 112, 3)
    assert chip[52, 38].argmax() == 0
    assert chip[52, 73].argmax() == 1
    assert chip[72, 56].argmax() == 2
