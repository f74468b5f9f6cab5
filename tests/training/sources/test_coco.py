from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as pycoco

from bystander.errors import ConfigError
from tests.conftest import shared
from training.errors import DataError, InvalidAnnotation
from training.pictures import Picture
from training.sources import CocoSource, read

SQUARE = [2.0, 2.0, 8.0, 2.0, 8.0, 8.0, 2.0, 8.0]


def person(**changes: object) -> dict[str, Any]:
    entry = {"id": 7, "image_id": 1, "category_id": 3, "segmentation": [SQUARE]}
    return {**entry, "bbox": [2, 2, 6, 6], "iscrowd": 0, **changes}


def content(*people: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 20, "height": 10, "license": 4}],
        "annotations": list(people),
        "categories": [{"id": 1, "name": "dog"}, {"id": 3, "name": "person"}],
        "licenses": [{"id": 4, "name": "Attribution License"}],
        **changes,
    }


def read_all(folder: Path, written: object, **settings: Any) -> list[Picture]:
    (folder / "people.json").write_text(json.dumps(written))
    source = CocoSource(name="coco", annotations="people.json", images="images", **settings)
    return list(read(source, folder))


def test_a_person_has_polygons_and_corners_of_the_box(tmp_path: Path) -> None:
    [picture] = read_all(tmp_path, content(person()), split="val")
    [found] = picture.people

    assert (picture.key, picture.width, picture.height) == ("coco/a.jpg", 20, 10)
    assert picture.path == tmp_path / "images/a.jpg"
    assert picture.split == "val"
    assert (found.key, found.box, found.crowd) == ("7", (2, 2, 8, 8), False)
    assert found.polygons[0].tolist() == [[2, 2], [8, 2], [8, 8], [2, 8]]


def test_only_persons_are_read_whatever_their_category_number(tmp_path: Path) -> None:
    [picture] = read_all(tmp_path, content(person(id=8, category_id=1), person()))

    assert [found.key for found in picture.people] == ["7"]


def test_a_picture_without_anybody_is_read_too(tmp_path: Path) -> None:
    [picture] = read_all(tmp_path, content())

    assert picture.people == ()


def test_the_licence_is_the_images_own_and_else_the_sources(tmp_path: Path) -> None:
    assert read_all(tmp_path, content())[0].licence == "Attribution License"
    unlisted = content(licenses=[])
    assert read_all(tmp_path, unlisted)[0].licence == "unknown"
    assert read_all(tmp_path, unlisted, licence="CC BY 4.0")[0].licence == "CC BY 4.0"


def test_the_limit_stops_after_the_first_pictures(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 20, "height": 10} for n in range(1, 6)]

    found = read_all(tmp_path, content(images=images), limit=2)

    assert [picture.path.name for picture in found] == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize("compressed", [False, True])
def test_a_run_length_code_gives_back_the_pixels_holes_included(
    tmp_path: Path, compressed: bool
) -> None:
    bits = np.zeros((10, 20), dtype=np.uint8)
    bits[1:9, 1:12] = 1
    bits[3:6, 4:7] = 0
    bits[4, 15] = 1  # a part of a single pixel
    code = pycoco.encode(np.asfortranarray(bits))
    counts = code["counts"].decode() if compressed else runs(bits)
    crowd = person(segmentation={"size": [10, 20], "counts": counts}, iscrowd=1)

    [picture] = read_all(tmp_path, content(crowd))

    assert picture.people[0].crowd
    assert np.array_equal(picture.people[0].bits(20, 10), bits.astype(bool))


def runs(bits: NDArray[np.uint8]) -> list[int]:
    edges = np.flatnonzero(np.diff(bits.T.ravel(), prepend=0, append=2))
    return [int(length) for length in np.diff(edges, prepend=0)]


@pytest.mark.parametrize(
    "segmentation",
    [
        [[2.0, 2.0, 8.0, 2.0, 8.0]],
        [[2.0, "x", 8.0, 2.0]],
        {"size": [10, 20], "counts": [3, 2]},
        {"size": [10, 20], "counts": [201, -1]},
        {"size": [10, 20], "counts": ""},
        {"size": [10, 20], "counts": "\x07"},
        {"size": [20, 10], "counts": [200]},
        {"counts": [200]},
    ],
)
def test_a_broken_annotation_is_named(tmp_path: Path, segmentation: object) -> None:
    with pytest.raises(InvalidAnnotation, match=r"people\.json, annotation 7: "):
        read_all(tmp_path, content(person(segmentation=segmentation)))


@pytest.mark.parametrize(
    ("segmentation", "bbox"),
    [
        ([[-50.0, 2.0, 8.0, 2.0, 8.0, 900.0]], [-50, 2, 58, 898]),
        ([[float("nan"), 2.0, 8.0, 2.0, 8.0, 8.0]], None),
        ([[2.0, 2.0, 8.0, 2.0]], []),
        ([], [2, 2, 6, 6]),
    ],
)
def test_what_cleaning_judges_is_passed_on(
    tmp_path: Path, segmentation: list[list[float]], bbox: list[int] | None
) -> None:
    [picture] = read_all(tmp_path, content(person(segmentation=segmentation, bbox=bbox)))
    [found] = picture.people

    assert len(found.polygons) == len(segmentation)
    assert (found.box is not None) == bool(bbox)


@pytest.mark.parametrize(
    "written",
    [
        [],
        {"images": []},
        content(categories=[{"id": 1, "name": "dog"}]),
        content(images=[{"id": 1, "file_name": "a.jpg"}]),
        content(person(category_id=[])),
        content(annotations=[{"id": 7, "category_id": 3}]),
    ],
)
def test_a_file_of_another_structure_is_refused(tmp_path: Path, written: object) -> None:
    with pytest.raises(InvalidAnnotation, match=r"people\.json"):
        read_all(tmp_path, written)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text('{"images": [')
    with pytest.raises(InvalidAnnotation, match="not JSON"):
        list(read(CocoSource(name="c", annotations="people.json", images="."), tmp_path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"people\.json"):
        list(read(CocoSource(name="c", annotations="people.json", images="."), tmp_path))


def test_paths_take_variables_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "people.json").write_text(json.dumps(content()))
    source = CocoSource(name="c", annotations="${COCO}/people.json", images="${COCO}/images")
    monkeypatch.setenv("COCO", str(tmp_path))
    assert next(read(source, Path("elsewhere"))).path == tmp_path / "images/a.jpg"

    monkeypatch.delenv("COCO")
    with pytest.raises(ConfigError, match="variable COCO"):
        list(read(source, tmp_path))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
def test_coco_itself_is_read_and_its_crowds_are_pixel_exact() -> None:
    folder = shared("images", "persons")
    file = "person_instances_val2017.json"
    raw = {str(a["id"]): a for a in json.loads((folder / file).read_text())["annotations"]}

    pictures = list(read(CocoSource(name="c", annotations=file, images="val2017"), folder))

    people = [person for picture in pictures for person in picture.people]
    assert (len(pictures), len(people)) == (92, 358)
    assert all(picture.path.is_file() for picture in pictures)
    for picture in pictures:
        for found in (person for person in picture.people if person.crowd):
            height, width = raw[found.key]["segmentation"]["size"]
            code = pycoco.frPyObjects(raw[found.key]["segmentation"], height, width)
            assert np.array_equal(found.bits(width, height), pycoco.decode(code).astype(bool))
