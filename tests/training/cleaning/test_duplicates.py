from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from tests.conftest import shared
from tests.training.cleaning.made import person, picture, scene
from training.cleaning import CleaningSettings, Finding, clean
from training.cleaning.duplicates import close, fingerprint, likeness, pairs
from training.pictures import Picture

Change = Callable[[Image.Image], Image.Image]


def recompressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    return Image.open(file).convert("RGB")


def shifted(image: Image.Image) -> Image.Image:
    padded = np.pad(np.asarray(image), ((2, 0), (2, 0), (0, 0)), mode="edge")
    return Image.fromarray(padded[: image.height, : image.width])


def cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    x, y = round(0.025 * width), round(0.025 * height)
    return image.crop((x, y, width - x, height - y))


CHANGES: dict[str, Change] = {
    "recompressed and shifted": lambda image: shifted(recompressed(image)),
    "cropped": cropped,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
}


def repeats(pictures: list[Picture]) -> list[Finding]:
    return [each for each in clean(pictures).found if each.check in ("leak", "duplicate")]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_photo_is_found_again_after_a_change_and_no_other_is(change: Change) -> None:
    files = sorted(shared("images/persons/val2017").glob("*.jpg"))[:20]
    photos = [Image.open(file).convert("RGB") for file in files]
    prints = [fingerprint(photo) for photo in photos + [change(photo) for photo in photos]]

    found = {(pair.a, pair.b) for pair in pairs(prints, CleaningSettings())}

    assert found == {(index, index + len(photos)) for index in range(len(photos))}


def test_street_photos_of_one_kind_are_different_pictures() -> None:
    files = sorted(shared("images/cutouts/images").glob("*.jpg"))[:150]
    prints = [fingerprint(Image.open(file)) for file in files]
    assert not list(pairs(prints, CleaningSettings()))


def test_close_hashes_are_found_across_blocks() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, 300, dtype=np.uint64)
    hashes[299] = hashes[3] ^ np.uint64(0b1011)
    hashes[5] = hashes[4]
    assert list(close(hashes, 3)) == [(3, 299, 3), (4, 5, 0)]


def test_flat_pictures_are_like_nothing() -> None:
    flat: NDArray[np.uint8] = np.full((48, 48), 90, dtype=np.uint8)
    assert likeness(flat, flat) == 0


def test_of_two_the_one_with_more_annotations_is_kept(tmp_path: Path) -> None:
    poor = picture(tmp_path, "a.png", (person("1"),))
    rich = picture(tmp_path, "b.png", (person("1"), person("2", x=5)))
    [finding] = repeats([poor, rich])
    assert (finding.check, finding.action) == ("duplicate", "remove picture")
    assert (finding.picture, finding.other) == (poor.key, rich.key)


def test_a_leak_always_costs_the_training_picture(tmp_path: Path) -> None:
    training = picture(tmp_path, "a.png", (person("1"), person("2", x=5)))
    validation = picture(tmp_path, "b.png", split="val")
    [finding] = repeats([training, validation])
    assert (finding.check, finding.action) == ("leak", "remove picture")
    assert (finding.picture, finding.other) == (training.key, validation.key)


def test_of_many_copies_one_is_left(tmp_path: Path) -> None:
    copies = [picture(tmp_path, f"{index}.png") for index in range(4)]
    others = [picture(tmp_path, f"other{index}.png", seed=index + 1) for index in range(4)]
    found = repeats(copies + others)
    assert {each.picture for each in found} == {copy.key for copy in copies[1:]}
    assert {each.other for each in found} == {copies[0].key}


def test_the_size_of_a_copy_decides_where_annotations_are_equal(tmp_path: Path) -> None:
    large = picture(tmp_path, "b.png")
    small = picture(tmp_path, "a.png")
    Image.fromarray(scene(0)).resize((80, 60)).save(small.path)
    small = Picture(small.key, small.path, 80, 60, (), "made", "CC0")
    [finding] = repeats([small, large])
    assert finding.picture == small.key
