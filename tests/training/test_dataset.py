from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import yaml
from PIL import Image

from bystander.errors import OutputExists
from tests.conftest import shared
from training.dataset import build, read_manifest
from training.errors import DataError
from training.pictures import Annotation, Picture
from training.sources import CocoSource, YoloSource, read

TRIANGLE = np.array([(2, 2), (18, 2), (18, 8)], dtype=np.float64)
SOMEBODY = Annotation("1", (TRIANGLE,))


def picture(
    folder: Path,
    name: str = "a.jpg",
    people: tuple[Annotation, ...] = (SOMEBODY,),
    split: Literal["train", "val"] = "train",
) -> Picture:
    path = folder / "source" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (20, 10), (len(name), 0, 0)).save(path)
    return Picture(f"s/{name}", path, 20, 10, people, "s", "CC0", split, "http://example.org/a")


def test_a_data_set_is_what_ultralytics_reads(tmp_path: Path) -> None:
    a, b = picture(tmp_path), picture(tmp_path, "b.png", (), "val")
    build([a, b], tmp_path / "set")

    data = yaml.safe_load((tmp_path / "set/data.yaml").read_text())
    assert (data["nc"], data["names"]) == (1, {0: "person"})
    [image] = (tmp_path / "set" / data["train"]).iterdir()
    [label] = (tmp_path / "set/labels/train").iterdir()
    assert (image.suffix, label.suffix) == (".jpg", ".txt")
    assert image.stem == label.stem
    assert label.read_text() == "0 0.1 0.2 0.9 0.2 0.9 0.8\n"
    [empty] = (tmp_path / "set/labels/val").iterdir()
    assert empty.read_text() == ""


def test_the_manifest_says_where_each_picture_is_from(tmp_path: Path) -> None:
    a = picture(tmp_path)
    build([a], tmp_path / "set")

    [line] = read_manifest(tmp_path / "set")

    content = (tmp_path / "set" / line.file).read_bytes()
    assert content == a.path.read_bytes()
    assert line.sha256 == hashlib.sha256(content).hexdigest()
    assert (line.source, line.key, line.licence) == ("s", "s/a.jpg", "CC0")
    assert (line.url, line.width, line.height) == ("http://example.org/a", 20, 10)
    assert (line.split, line.people) == ("train", 1)


def test_crowds_and_annotations_without_area_are_left_out_and_counted(tmp_path: Path) -> None:
    crowd = Annotation("2", (TRIANGLE,), crowd=True)
    nothing = Annotation("3", (TRIANGLE[:2],))
    box = Annotation("4", (), (2, 2, 8, 8))
    people = (SOMEBODY, crowd, nothing, box)

    summary = build([picture(tmp_path, people=people)], tmp_path / "set")

    [line] = read_manifest(tmp_path / "set")
    assert (line.people, line.boxes, line.crowds, line.empty) == (2, 1, 1, 1)
    assert (summary.boxes, summary.crowds, summary.empty) == (1, 1, 1)
    assert summary.people == {"train": 2, "val": 0}
    assert summary.pictures == {"train": 1, "val": 0}


def test_images_are_linked_and_take_no_space(tmp_path: Path) -> None:
    a = picture(tmp_path)
    build([a], tmp_path / "set")

    [line] = read_manifest(tmp_path / "set")
    assert (tmp_path / "set" / line.file).samefile(a.path)


def test_a_jpeg_without_its_end_is_copied_so_that_nobody_mends_the_source(tmp_path: Path) -> None:
    a = picture(tmp_path)
    a.path.write_bytes(a.path.read_bytes()[:-2])
    build([a], tmp_path / "set")

    [line] = read_manifest(tmp_path / "set")
    copy = tmp_path / "set" / line.file
    assert copy.read_bytes() == a.path.read_bytes()
    assert not copy.samefile(a.path)


def test_files_of_the_same_name_from_two_places_stay_apart(tmp_path: Path) -> None:
    pictures = [picture(tmp_path, "one/a.jpg"), picture(tmp_path, "two/a.jpg")]

    build(pictures, tmp_path / "set")

    assert len(list((tmp_path / "set/images/train").iterdir())) == 2


def test_the_same_picture_in_both_splits_is_refused(tmp_path: Path) -> None:
    pictures = [picture(tmp_path), picture(tmp_path, split="val")]
    with pytest.raises(DataError, match=r"key s/a\.jpg"):
        build(pictures, tmp_path / "set")


def test_building_again_replaces_the_data_set(tmp_path: Path) -> None:
    build([picture(tmp_path)], tmp_path / "set")
    build([picture(tmp_path, "b.jpg")], tmp_path / "set")

    assert [line.key for line in read_manifest(tmp_path / "set")] == ["s/b.jpg"]
    assert len(list((tmp_path / "set/images/train").iterdir())) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"set", "source"}


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/thesis.txt").write_text("mine")
    with pytest.raises(OutputExists, match="set"):
        build([picture(tmp_path)], tmp_path / "set")

    assert (tmp_path / "set/thesis.txt").read_text() == "mine"
    with pytest.raises(OutputExists):
        build([picture(tmp_path)], tmp_path / "set/thesis.txt")


def test_a_failure_keeps_the_data_set_that_was_there(tmp_path: Path) -> None:
    build([picture(tmp_path)], tmp_path / "set")

    def pictures() -> Iterator[Picture]:
        yield picture(tmp_path, "b.jpg")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        build(pictures(), tmp_path / "set")

    assert [line.key for line in read_manifest(tmp_path / "set")] == ["s/a.jpg"]
    assert {path.name for path in tmp_path.iterdir()} == {"set", "source"}


def test_pictures_that_should_have_been_cleaned_away_are_named(tmp_path: Path) -> None:
    gone = picture(tmp_path)
    gone.path.unlink()
    with pytest.raises(DataError, match=r"a\.jpg"):
        build([gone], tmp_path / "set")

    unknown = Picture("s/b.jpg", tmp_path / "b.jpg", 0, 0, (), "s", "CC0")
    with pytest.raises(DataError, match=r"size of the picture .*b\.jpg"):
        build([unknown], tmp_path / "set")


def test_no_pictures_are_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture"):
        build([], tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_manifest_is_named_with_its_line(tmp_path: Path) -> None:
    build([picture(tmp_path)], tmp_path / "set")
    with (tmp_path / "set/manifest.jsonl").open("a") as stream:
        stream.write('{"file": "images')
    with pytest.raises(DataError, match="line 2"):
        read_manifest(tmp_path / "set")
    with pytest.raises(DataError, match="not a data set"):
        read_manifest(tmp_path)


def test_coco_reads_back_as_the_silhouettes_that_it_had(tmp_path: Path) -> None:
    folder = shared("images", "persons")
    coco = CocoSource(
        name="coco", annotations="person_instances_val2017.json", images="val2017", split="val"
    )
    before = {picture.path.name: picture for picture in read(coco, folder)}

    summary = build(before.values(), tmp_path / "set")
    keys = {Path(line.file).name: line.key for line in read_manifest(tmp_path / "set")}
    after = list(read(YoloSource(name="set", data="set/data.yaml"), tmp_path))

    assert (summary.pictures["val"], summary.people["val"], summary.crowds) == (92, 350, 8)
    assert len(after) == 92
    overlaps = []
    for found in after:
        original = before[Path(keys[found.path.name]).name]
        assert (found.width, found.height) == (original.width, original.height)
        people = [person for person in original.people if not person.crowd]
        for had, has in zip(people, found.people, strict=True):
            a, b = (person.bits(found.width, found.height) for person in (had, has))
            overlaps.append(np.count_nonzero(a & b) / np.count_nonzero(a | b))
    assert np.mean(overlaps) > 0.99
    assert min(overlaps) > 0.8  # bridges weigh in a person of a hundred pixels
