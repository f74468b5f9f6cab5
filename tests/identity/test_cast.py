"""Cast photos with the dlib pack, whose weights come with the install."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bystander.errors import AmbiguousFace, FaceTooSmall, NoFaceFound, UnreadablePhoto
from bystander.geometry.instances import Face
from bystander.geometry.types import Box
from bystander.identity.cast import faces_in, load_cast, member_of
from bystander.media.photos import load_photo
from bystander.models.face_model import FaceModel
from bystander.models.face_packs import open_faces
from bystander.models.store import Catalogue, ModelStore
from tests.conftest import sampled

pytestmark = pytest.mark.sampled(4)

NOSES = ((118, 340), (312, 222), (508, 360), (785, 420), (928, 140), (1170, 345))
"""Of the six people of `group`, from left to right, seen by eye."""


@pytest.fixture(scope="module")
def faces() -> FaceModel:
    return open_faces("dlib", ModelStore.from_environment(Catalogue.load()))


@pytest.fixture(scope="module")
def group() -> NDArray[np.uint8]:
    return load_photo(Path(str(files("insightface") / "data" / "images" / "t1.jpg")))


@pytest.fixture(scope="module")
def portraits(group: NDArray[np.uint8], faces: FaceModel) -> list[NDArray[np.uint8]]:
    """Each of the six people cut out, from left to right."""
    crops = []
    for face in sorted(faces.detect(group), key=lambda face: face.box[0]):
        x0, y0, x1, y1 = (round(v) for v in face.box)
        margin = (y1 - y0) // 3
        crops.append(group[max(0, y0 - margin) : y1 + margin, max(0, x0 - margin) : x1 + margin])
    return crops


def save(picture: NDArray[np.uint8], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(picture)).save(path)
    return path


def test_a_photo_is_one_person_named_after_the_file(
    portraits: list[NDArray[np.uint8]], faces: FaceModel, tmp_path: Path
) -> None:
    (member,) = load_cast([save(portraits[0], tmp_path / "minji.png")], faces)
    assert member.name == "minji"
    assert len(member.references) == 1
    assert member.similarity(member.references)[0] == pytest.approx(1.0, abs=1e-5)


def test_a_folder_is_one_person_and_a_folder_of_folders_several(
    portraits: list[NDArray[np.uint8]], faces: FaceModel, tmp_path: Path
) -> None:
    save(portraits[0], tmp_path / "minji" / "a.png")
    save(portraits[0][:, ::-1], tmp_path / "minji" / "b.png")
    save(portraits[2], tmp_path / "jun" / "c.png")
    members = {member.name: member for member in load_cast([tmp_path], faces)}
    assert {name: len(m.references) for name, m in members.items()} == {"minji": 2, "jun": 1}
    (alone,) = load_cast([tmp_path / "minji"], faces)
    assert alone.name == "minji"


def test_one_person_under_two_names_is_said_to_be_one(
    portraits: list[NDArray[np.uint8]],
    faces: FaceModel,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mirrored = portraits[0][:, ::-1]
    save(portraits[1], tmp_path / "minji" / "1.png")
    save(portraits[0], tmp_path / "minji" / "2.png")
    photo = save(mirrored, tmp_path / "minsu.png")
    other = save(portraits[3], tmp_path / "jiwoo.png")

    members = load_cast([tmp_path / "minji", photo, other], faces)

    assert [member.name for member in members] == ["minji", "minsu", "jiwoo"]
    (said,) = [record.getMessage() for record in caplog.records]
    second = tmp_path / "minji" / "2.png"
    assert said.startswith(f"minji and minsu look like one person ({second}, {photo})")


def test_different_people_are_not_said_to_be_one(
    portraits: list[NDArray[np.uint8]],
    faces: FaceModel,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    load_cast([save(p, tmp_path / f"{n}.png") for n, p in enumerate(portraits)], faces)
    assert not caplog.records


def test_a_face_that_fills_the_photo_is_found(
    portraits: list[NDArray[np.uint8]], faces: FaceModel, tmp_path: Path
) -> None:
    large = cv2.resize(portraits[1], None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    path = save(np.asarray(large, dtype=np.uint8), tmp_path / "large.png")
    assert len(load_cast([path], faces)) == 1


def test_a_photo_without_a_face_is_refused_by_name(faces: FaceModel, tmp_path: Path) -> None:
    path = save(np.full((300, 300, 3), 120, dtype=np.uint8), tmp_path / "wall.png")
    with pytest.raises(NoFaceFound, match=r"wall\.png"):
        load_cast([path], faces)


def test_a_photo_of_several_people_is_refused(
    group: NDArray[np.uint8], faces: FaceModel, tmp_path: Path
) -> None:
    with pytest.raises(AmbiguousFace, match=r"shows \d faces"):
        load_cast([save(group, tmp_path / "group.png")], faces)


def test_a_small_face_behind_does_not_matter(
    portraits: list[NDArray[np.uint8]], faces: FaceModel, tmp_path: Path
) -> None:
    front = cv2.resize(portraits[0], (600, 600))
    back = cv2.resize(portraits[2], (150, 150))
    both = np.full((600, 800, 3), 90, dtype=np.uint8)
    both[:, :600], both[100:250, 625:775] = front, back
    assert len(load_cast([save(both, tmp_path / "front.png")], faces)) == 1


def test_missing_and_empty_places_are_refused(faces: FaceModel, tmp_path: Path) -> None:
    with pytest.raises(UnreadablePhoto, match="does not exist"):
        load_cast([tmp_path / "nobody.jpg"], faces)
    with pytest.raises(UnreadablePhoto, match="no photos"):
        load_cast([tmp_path], faces)


def noses_in(boxes: list[Box], scale: float = 1, shift: int = 0) -> list[list[int]]:
    """Which of `NOSES`, moved by `shift` and then scaled, lie in each box."""
    moved = [(scale * (x + shift), scale * (y + shift)) for x, y in NOSES]
    return [
        [n for n, (x, y) in enumerate(moved) if x0 < x < x1 and y0 < y < y1]
        for x0, y0, x1, y1 in boxes
    ]


@pytest.mark.parametrize("scale", [1, 1.5, 3])
@pytest.mark.parametrize("shift", sampled([0, 200], 2))
def test_faces_are_where_they_are_in_the_photo(
    group: NDArray[np.uint8], faces: FaceModel, scale: float, shift: int
) -> None:
    beside = cv2.copyMakeBorder(group, shift, 0, shift, 0, cv2.BORDER_CONSTANT)
    photo = np.asarray(cv2.resize(beside, None, fx=scale, fy=scale), np.uint8)
    found = faces_in(photo, faces)
    boxes = [found.box(face) for face in found.faces]

    assert len(boxes) >= 5  # of six; two look away
    owners = noses_in(boxes, scale, shift)
    assert all(len(noses) == 1 for noses in owners)
    assert len({noses[0] for noses in owners}) == len(boxes)
    heights = [box[3] - box[1] for box in boxes]
    assert heights == sorted(heights, reverse=True)
    assert found.crowded
    assert found.main is None


def test_a_photo_that_shows_nobody_has_no_faces(faces: FaceModel) -> None:
    found = faces_in(np.full((300, 300, 3), 120, dtype=np.uint8), faces)

    assert found.faces == ()
    assert found.main is None
    assert not found.crowded


@pytest.mark.long
def test_the_face_that_somebody_chose_is_the_reference(
    group: NDArray[np.uint8],
    portraits: list[NDArray[np.uint8]],
    faces: FaceModel,
    tmp_path: Path,
) -> None:
    found = faces_in(group, faces)
    boxes = [found.box(face) for face in found.faces]
    boxes.sort(key=lambda box: box[0])
    # Compressed since it was chosen, as a photo is that the service stores.
    path = tmp_path / "group.jpg"
    Image.fromarray(group).save(path, quality=95)
    references = member_of("group", [(path, box) for box in boxes], faces).references

    assert references.shape == (6, 128)
    assert np.linalg.norm(references, axis=1) == pytest.approx(1, abs=1e-5)
    for number in (0, 2, 3, 5):  # who look at the camera
        file = save(portraits[number], tmp_path / f"{number}.png")
        (member,) = load_cast([file], faces)
        assert int(np.argmax(references @ member.references[0])) == number


@pytest.mark.long
def test_a_box_need_not_fit_exactly(
    group: NDArray[np.uint8], faces: FaceModel, tmp_path: Path
) -> None:
    path = save(group, tmp_path / "group.png")
    found = faces_in(group, faces)
    x0, y0, x1, y1 = found.box(found.faces[0])
    boxes = (x0, y0, x1, y1), (x0 + 20, y0 - 20, x1 + 20, y1 - 20)
    exact, shifted = member_of("group", [(path, box) for box in boxes], faces).references

    assert exact == pytest.approx(shifted)


@pytest.mark.parametrize("box", [(600, 600, 700, 700), (0, 0, 1280, 886), (300, 300, 300, 300)])
@pytest.mark.sampled(3)
def test_where_there_is_no_face_none_is_taken_instead(
    group: NDArray[np.uint8], faces: FaceModel, tmp_path: Path, box: Box
) -> None:
    with pytest.raises(NoFaceFound, match=r"no face at .*group\.png"):
        member_of("group", [(save(group, tmp_path / "group.png"), box)], faces)


def small(picture: NDArray[np.uint8], face: Face, height: int) -> NDArray[np.uint8]:
    """A face cut out with a little around it, scaled so that it is so many pixels high."""
    x0, y0, x1, y1 = (round(side) for side in face.box)
    margin = (y1 - y0) // 8
    cut = picture[y0 - margin : y1 + margin, x0 - margin : x1 + margin]
    scale = height / (y1 - y0)
    return np.asarray(
        cv2.resize(cut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )


@pytest.mark.parametrize("height", [100, 60])
def test_a_small_photo_of_a_face_is_enough(
    group: NDArray[np.uint8], faces: FaceModel, tmp_path: Path, height: int
) -> None:
    everyone = faces.detect(group)
    vectors = faces.embed(group, everyone)
    for number, face in enumerate(everyone):
        path = save(small(group, face, height), tmp_path / f"{number}.png")
        (member,) = load_cast([path], faces)
        similarity = member.similarity(vectors)
        assert int(np.argmax(similarity)) == number
        assert similarity[number] > faces.thresholds.same


def test_a_member_is_as_good_as_the_poorest_photo(
    portraits: list[NDArray[np.uint8]], faces: FaceModel, tmp_path: Path
) -> None:
    sharp = save(portraits[0], tmp_path / "minji" / "sharp.png")
    tiny = np.asarray(cv2.resize(portraits[0], None, fx=0.4, fy=0.4), np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(tiny, (0, 0), 3), np.uint8)
    smear = save(blurred, tmp_path / "minji" / "smear.png")
    (good,), (poor,) = load_cast([sharp], faces), load_cast([smear], faces)
    (both,) = load_cast([tmp_path / "minji"], faces)
    assert good.quality > 2 * poor.quality > 0
    assert both.quality == pytest.approx(poor.quality)


@pytest.mark.parametrize("height", [30, 18])
def test_a_face_of_too_few_pixels_is_refused_as_that(
    group: NDArray[np.uint8], faces: FaceModel, tmp_path: Path, height: int
) -> None:
    path = save(small(group, faces.detect(group)[0], height), tmp_path / "tiny.png")
    with pytest.raises(FaceTooSmall, match=r"tiny\.png is \d+ pixels wide"):
        load_cast([path], faces)
