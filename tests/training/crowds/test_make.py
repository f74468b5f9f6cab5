"""Making crowds: parts that share nobody, files that say what was pasted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bystander.errors import ConfigError
from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from bystander.geometry.types import Rgb
from training.crowds.backgrounds import panorama, strips_beside
from training.crowds.cutouts import cut_people, list_cutouts
from training.crowds.make import (
    CrowdSettings,
    Part,
    _parted,
    make_crowds,
    polygons_of,
    read_crowds,
    read_ids,
)
from training.errors import DataError
from training.pictures import Annotation, Picture

PARTS: tuple[Part, ...] = ("train", "val", "test")


class Nobody:
    """A segmenter that sees no one."""

    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        return [[] for _ in frames]


class Somebody:
    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        mask = Mask(0, 0, np.ones((4, 4), dtype=bool))
        return [[Instance((0, 0, 4, 4), 0.3, mask)] for _ in frames]


@pytest.fixture
def cutouts(tmp_path: Path) -> Path:
    """Twenty people, each in the middle of a photo of another place."""
    folder = tmp_path / "cutouts"
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(20):
        coarse = rng.integers(0, 255, (10, 16, 3), dtype=np.uint8)
        photo = cv2.resize(coarse, (260, 160), interpolation=cv2.INTER_CUBIC)
        photo[20:150, 110:150] = (12 * number, 255 - 12 * number, 60)
        mask = np.zeros((160, 260), dtype=np.uint8)
        mask[20:150, 110:150] = 255
        cv2.imwrite(str(folder / "images" / f"{number:02}.png"), photo)
        cv2.imwrite(str(folder / "masks" / f"{number:02}.png"), mask)
    return folder


def settings(cutouts: Path, **changes: object) -> CrowdSettings:
    base = {"cutouts": str(cutouts), "licence": "none", "train": 4, "val": 2, "test": 2}
    return CrowdSettings.model_validate({**base, "sizes": [(160, 96)], **changes})


def test_the_folder_says_who_is_where(cutouts: Path, tmp_path: Path) -> None:
    made = make_crowds(settings(cutouts), tmp_path / "crowds", Nobody())
    assert set(made) == set(PARTS)
    for part, count in zip(PARTS, (4, 2, 2), strict=True):
        pictures = list(read_crowds(made[part], "crowds", "none", "train"))
        assert len(pictures) == count
        for picture in pictures:
            shown = cv2.imread(str(picture.path))
            assert shown is not None
            assert shown.shape[:2] == (picture.height, picture.width)
            ids = read_ids(made[part] / "persons" / f"{picture.path.stem}.png")
            assert {int(person.key) for person in picture.people} == set(np.unique(ids)) - {0}


def test_a_complete_part_is_not_made_again(cutouts: Path, tmp_path: Path) -> None:
    make_crowds(settings(cutouts), tmp_path / "crowds", Nobody())
    marked = tmp_path / "crowds" / "val" / "images" / "val-00000.jpg"
    marked.write_bytes(b"mine")
    (tmp_path / "crowds" / "train" / "people.jsonl").unlink()
    make_crowds(settings(cutouts), tmp_path / "crowds", Nobody())
    assert marked.read_bytes() == b"mine"
    assert (tmp_path / "crowds" / "train" / "people.jsonl").is_file()


def test_people_of_an_annotated_background_stay_annotated(cutouts: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.full((96, 160, 3), 200, dtype=np.uint8))
    square = np.array([[10, 10], [60, 10], [60, 60], [10, 60]], dtype=float)
    annotated = Picture("a/photo", photo, 160, 96, (Annotation("1", (square,)),), "a", "none")
    make_crowds(
        settings(cutouts, annotated=1.0, most_people=1, cluttered=0.0, train=12),
        tmp_path / "crowds",
        Nobody(),
        [annotated],
    )
    pictures = read_crowds(tmp_path / "crowds" / "train", "crowds", "none", "train")
    assert sum(any(p.key == "1" for p in picture.people) for picture in pictures) >= 6


@pytest.fixture
def green(tmp_path: Path) -> Picture:
    """A large person in green, a small one, and a crowd."""
    photo = tmp_path / "green.png"
    picture = np.full((200, 300, 3), 200, dtype=np.uint8)
    picture[40:180, 20:80] = (0, 255, 0)
    cv2.imwrite(str(photo), picture)
    people = tuple(
        Annotation(key, (np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=float),), None, c)
        for key, (x0, y0, x1, y1), c in (
            ("large", (20, 40, 80, 180), False),
            ("small", (100, 40, 120, 80), False),
            ("crowd", (130, 20, 290, 190), True),
        )
    )
    return Picture("a/green", photo, 300, 200, people, "a", "none")


def test_only_large_people_are_cut_out_of_a_picture(green: Picture) -> None:
    (cutout,) = cut_people(green)
    assert cutout.alpha.shape[0] == pytest.approx(140, abs=6)
    assert tuple(cutout.rgb[70, 30]) == (0, 255, 0)


def box(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.float64]:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=float)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param((Annotation("edge", (box(100, 60, 160, 200),)),), id="at the edge"),
        pytest.param(
            (
                Annotation("a", (box(100, 40, 140, 180),)),
                Annotation("b", (box(140, 40, 180, 180),)),
            ),
            id="beside somebody",
        ),
        pytest.param(
            (Annotation("two", (box(100, 40, 160, 100), box(100, 120, 160, 180))),),
            id="in two pieces",
        ),
    ],
)
def test_who_is_not_seen_whole_is_not_cut_out(
    green: Picture, others: tuple[Annotation, ...]
) -> None:
    assert len(list(cut_people(replace(green, people=(green.people[0], *others))))) == 1


def test_people_of_annotated_pictures_are_met_in_training_alone(
    cutouts: Path, green: Picture, tmp_path: Path
) -> None:
    changes = {"lifelike": 0.9, "annotated": 0.0, "cluttered": 0.0, "train": 12, "test": 12}
    made = make_crowds(settings(cutouts, **changes), tmp_path / "crowds", Nobody(), [green])

    def greens(part: Part) -> int:
        """Pixels of pictures that are much greener than anybody else is dressed."""
        files = sorted((made[part] / "images").iterdir())
        shown = np.stack([np.asarray(Image.open(file), dtype=int) for file in files])
        return int(np.count_nonzero(shown[..., 1] - shown[..., [0, 2]].max(axis=-1) > 210))

    assert greens("train") > 20 * greens("test")


def test_outlines_fill_to_the_silhouette_they_came_from() -> None:
    bits = np.zeros((80, 80), dtype=bool)
    yy, xx = np.mgrid[:80, :80]
    bits[(yy - 40) ** 2 + (xx - 30) ** 2 < 500] = True
    bits[60:75, 60:75] = True
    again = Annotation("1", polygons_of(bits)).bits(80, 80)
    assert (again & bits).sum() / (again | bits).sum() > 0.95


def test_a_place_where_someone_else_is_seen_is_not_used() -> None:
    photo = np.zeros((100, 300, 3), dtype=np.uint8)
    person = np.zeros((100, 300), dtype=bool)
    person[:, 140:160] = True
    assert [strip.shape for strip in strips_beside(photo, person, Nobody())] == [
        (100, 132, 3),
        (100, 132, 3),
    ]
    assert strips_beside(photo, person, Somebody()) == []


def test_a_panorama_has_the_size_asked_for() -> None:
    strip = np.random.default_rng(0).integers(0, 255, (100, 70, 3), dtype=np.uint8)
    for seed in range(10):
        made = panorama([strip], 320, 192, np.random.default_rng(seed))
        assert made.shape == (192, 320, 3)
        assert made.std() > 5


def test_no_place_without_people_is_an_error(cutouts: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no place without people"):
        make_crowds(settings(cutouts), tmp_path / "crowds", Somebody())


def test_a_photo_that_is_there_twice_is_not_tested_on(cutouts: Path) -> None:
    first = (cutouts / "images" / "00.png").read_bytes()
    (cutouts / "images" / "19.png").write_bytes(first)
    parts = _parted(list_cutouts(cutouts))
    names = {part: [file.name for file in files] for part, files in parts.items()}
    assert "00" in names["train"]
    assert "19" not in names["test"]
    assert sum(map(len, names.values())) == 19


def test_a_folder_without_cutouts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no cutouts"):
        make_crowds(settings(tmp_path), tmp_path / "crowds", Nobody())


def test_an_unset_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(ConfigError, match="NOWHERE"):
        make_crowds(settings(Path("${NOWHERE}")), tmp_path / "crowds", Nobody())
