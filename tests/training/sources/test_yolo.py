from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from training.errors import DataError, InvalidAnnotation
from training.pictures import Picture
from training.sources import YoloSource, read

TRIANGLE = "0 0.1 0.1 0.5 0.1 0.5 0.5"


def write_picture(path: Path, label: str | None = None, size: tuple[int, int] = (40, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)
    if label is not None:
        labels = Path(str(path.parent).replace("images", "labels"))
        labels.mkdir(parents=True, exist_ok=True)
        (labels / f"{path.stem}.txt").write_text(label)


def read_all(folder: Path, **changes: object) -> list[Picture]:
    data = {"train": "images/train", "names": ["person"], **changes}
    (folder / "data.yaml").write_text(yaml.safe_dump(data))
    return list(read(YoloSource(name="yolo", data="data.yaml"), folder))


def test_corners_are_in_pixels(tmp_path: Path) -> None:
    write_picture(tmp_path / "images/train/a.png", TRIANGLE)
    [picture] = read_all(tmp_path)

    assert (picture.key, picture.split) == ("yolo/images/train/a.png", "train")
    assert (picture.width, picture.height) == (40, 20)
    assert picture.people[0].polygons[0].tolist() == [[4, 2], [20, 2], [20, 10]]
    assert picture.people[0].box is None


def test_four_numbers_are_a_box(tmp_path: Path) -> None:
    write_picture(tmp_path / "images/train/a.png", "0 0.5 0.5 0.5 0.2")
    [picture] = read_all(tmp_path)

    assert picture.people[0].polygons == ()
    assert picture.people[0].box == pytest.approx((10, 8, 30, 12))


def test_a_picture_without_a_label_file_has_nobody(tmp_path: Path) -> None:
    write_picture(tmp_path / "images/train/a.png")

    assert read_all(tmp_path)[0].people == ()


@pytest.mark.parametrize("names", [["dog", "Person"], {0: "dog", 1: "person"}, {"1": "person"}])
def test_the_person_class_is_found_by_its_name(tmp_path: Path, names: object) -> None:
    write_picture(tmp_path / "images/train/a.png", f"{TRIANGLE}\n\n1{TRIANGLE[1:]}\n")
    [picture] = read_all(tmp_path, names=names)

    assert [person.key for person in picture.people] == ["3"]


def test_without_a_person_class_the_classes_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidAnnotation, match="dog"):
        read_all(tmp_path, names=["dog"])


@pytest.mark.parametrize(
    "changes",
    [
        {"train": "images/train", "val": "images/valid"},
        {"train": ["images/train"], "val": "../images/valid"},
        {"path": "nested/..", "train": "images/train", "val": "valid.txt"},
        {"path": "/nowhere/at/all", "val": "images/valid"},
    ],
)
def test_every_usual_way_to_name_the_splits(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "nested").mkdir()
    write_picture(tmp_path / "images/train/a.png")
    write_picture(tmp_path / "images/valid/b.png", TRIANGLE)
    (tmp_path / "valid.txt").write_text("./images/valid/b.png\n")

    found = read_all(tmp_path, **changes)

    assert [(p.split, p.path.name, len(p.people)) for p in found] == [
        ("train", "a.png", 0),
        ("val", "b.png", 1),
    ]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="images/train"):
        read_all(tmp_path)


def test_the_limit_counts_for_each_split(tmp_path: Path) -> None:
    for name in "abc":
        write_picture(tmp_path / f"images/train/{name}.png")
        write_picture(tmp_path / f"images/val/{name}.png")
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [person]\n")

    found = read(YoloSource(name="y", data="data.yaml", limit=2), tmp_path)

    assert [f"{p.split}/{p.path.stem}" for p in found] == ["train/a", "train/b", "val/a", "val/b"]


def test_a_damaged_picture_does_not_stop_reading(tmp_path: Path) -> None:
    write_picture(tmp_path / "images/train/b.png", TRIANGLE)
    (tmp_path / "images/train/a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")

    damaged, intact = read_all(tmp_path)

    assert (damaged.width, damaged.height) == (0, 0)
    assert (intact.width, intact.height) == (40, 20)


def test_a_photo_taken_upright_has_its_displayed_size(tmp_path: Path) -> None:
    path = tmp_path / "images/train/a.jpg"
    path.parent.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to display
    Image.new("RGB", (40, 20)).save(path, exif=exif)

    [picture] = read_all(tmp_path)

    assert (picture.width, picture.height) == (20, 40)


@pytest.mark.parametrize(
    "line", ["0 0.1 0.1 0.5 0.1 0.5", "0 0.1 0.1 0.5 x 0.5 0.5", "0.5 0.1 0.1 0.5 0.1", "person"]
)
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    write_picture(tmp_path / "images/train/a.png", f"{TRIANGLE}\n{line}\n")
    with pytest.raises(InvalidAnnotation, match=r"a\.txt, line 2: "):
        read_all(tmp_path)


@pytest.mark.parametrize("line", ["0 -5 0.1 7 0.1 0.5 0.5", "0 nan 0 1 0 1 1", "0 0.1 0.1"])
def test_what_cleaning_judges_is_passed_on(tmp_path: Path, line: str) -> None:
    write_picture(tmp_path / "images/train/a.png", line)

    assert len(read_all(tmp_path)[0].people) == 1


@pytest.mark.parametrize("written", ["names: [", "train: images\n", "- person\n"])
def test_another_yaml_is_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / "data.yaml").write_text(written)
    with pytest.raises(InvalidAnnotation, match=r"data\.yaml"):
        list(read(YoloSource(name="y", data="data.yaml"), tmp_path))
