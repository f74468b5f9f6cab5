from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from tests.training.cleaning.made import HEIGHT, WIDTH, picture, scene
from training.cleaning import Finding, clean
from training.cleaning.files import load
from training.pictures import Picture


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def found(made: Picture) -> list[Finding]:
    return list(clean([made]).found)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (Path.unlink, "doesn't exist"),
        (truncate, "truncated"),
        (lambda path: path.write_bytes(b"<html>"), "can't be decoded"),
        (lambda path: path.write_bytes(b""), "can't be decoded"),
    ],
)
def test_files_that_are_no_pictures_are_removed(
    tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    made = picture(tmp_path, "a.jpg")
    damage(made.path)
    [finding] = found(made)
    assert (finding.check, finding.action) == ("broken file", "remove picture")
    assert said in finding.reason


def test_annotations_of_another_size_than_the_file_are_not_believed(tmp_path: Path) -> None:
    [finding] = found(replace(picture(tmp_path, "a.jpg"), width=WIDTH + 1))
    assert finding.action == "remove picture"
    assert f"{WIDTH + 1}x{HEIGHT}" in finding.reason


def turned(folder: Path) -> Picture:
    made = picture(folder, "a.jpg")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(scene(0)).save(made.path, exif=exif)
    return made


def test_a_turned_file_whose_annotations_are_not_turned_is_removed(tmp_path: Path) -> None:
    [finding] = found(turned(tmp_path))
    assert finding.action == "remove picture"
    assert "EXIF" in finding.reason


def test_a_turned_file_whose_annotations_are_turned_is_to_be_looked_at(tmp_path: Path) -> None:
    made = turned(tmp_path)
    [finding] = found(replace(made, width=HEIGHT, height=WIDTH))
    assert (finding.check, finding.action) == ("broken file", "look")
    assert load(made.path).shape == (WIDTH, HEIGHT, 3)


def test_a_sound_file_is_left_alone(tmp_path: Path) -> None:
    assert not found(picture(tmp_path, "a.jpg"))
