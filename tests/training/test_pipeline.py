"""The stages before training, on real pictures; `make train-smoke` runs all of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest

from bystander.config import read_config
from bystander.errors import ConfigError
from tests.conftest import REPOSITORY, SHARED, shared
from training.dataset import read_manifest
from training.errors import DataError
from training.pipeline import Stage, run
from training.recipe import Recipe

RECIPES = sorted((REPOSITORY / "configs" / "training").glob("[ps]*.yaml"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder in which the starting network is there already: making it needs torch."""
    shutil.copy(shared("models", "yolo11n-seg.onnx"), tmp_path / "start.onnx")
    return tmp_path


def small(out: Path) -> Recipe:
    """Twelve pictures, the first crowded one among them, and a few crowds."""
    source = shared("images", "persons", "person_instances_train2017.json")
    listed = json.loads(source.read_text())
    crowded = {one["image_id"] for one in listed["annotations"] if one["iscrowd"]}
    chosen = sorted(listed["images"], key=lambda image: image["id"] not in crowded)[:12]
    (out / "people.json").write_text(
        json.dumps(
            {
                **listed,
                "images": chosen,
                "annotations": [
                    one
                    for one in listed["annotations"]
                    if one["image_id"] in {i["id"] for i in chosen}
                ],
            }
        )
    )
    coco = {
        "kind": "coco",
        "name": "coco",
        "annotations": str(out / "people.json"),
        "images": str(SHARED / "images" / "persons" / "train2017"),
    }
    crowds = {
        "cutouts": str(SHARED / "images" / "cutouts"),
        "licence": "none",
        "limit": 20,
        "train": 3,
        "val": 2,
        "test": 2,
    }
    return Recipe.model_validate({"sources": [coco], "crowds": crowds})


@pytest.mark.long
def test_the_data_set_holds_pictures_and_crowds_but_nothing_to_test_on(out: Path) -> None:
    said: list[str] = []
    run(small(out), out, Stage.DATASET, said.append)
    assert said == ["cleaning", "making crowds", "building the data set"]
    assert (out / "cleaning" / "report.html").is_file()
    lines = read_manifest(out / "dataset")
    assert {(line.source, line.split) for line in lines} == {
        ("coco", "train"),
        ("crowds", "train"),
        ("crowds", "val"),
    }
    assert not any("test" in line.key for line in lines)

    said.clear()
    run(small(out), out, Stage.DATASET, said.append)
    assert said == []


@pytest.mark.long
def test_crowds_that_nobody_told_apart_are_painted_over(out: Path) -> None:
    run(small(out), out, Stage.DATASET, lambda _: None)
    painted = sorted((out / "cleaning" / "greyed").iterdir())
    assert painted
    grey = cv2.imread(str(painted[0]))
    assert grey is not None
    assert ((grey == 114).all(axis=2)).mean() > 0.001
    originals = {path.stem for path in (SHARED / "images" / "persons" / "train2017").iterdir()}
    assert all(path.stem.removeprefix("coco-") in originals for path in painted)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_recipes_are_valid(path: Path) -> None:
    assert read_config(path, Recipe).sources


def test_a_recipe_that_names_an_unset_variable_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BYSTANDER_SHARED", raising=False)
    recipe = read_config(RECIPES[0], Recipe)
    with pytest.raises(ConfigError, match="BYSTANDER_SHARED"):
        run(recipe, tmp_path)


@pytest.mark.long
def test_without_validation_pictures_nothing_is_trained(out: Path) -> None:
    recipe = small(out).model_copy(update={"crowds": None})
    with pytest.raises(DataError, match="train and val"):
        run(recipe, out, Stage.DATASET, lambda _: None)


@pytest.mark.long
def test_a_picture_that_is_tested_on_is_not_learned_from(out: Path) -> None:
    recipe = small(out)
    (source,) = recipe.sources
    assert source.kind == "coco"
    photo = "000000397133.jpg"  # in both of the shared subsets
    listed = json.loads(shared("images", "persons", "person_instances_train2017.json").read_text())
    (out / "people.json").write_text(json.dumps(listed))
    tests = {
        "annotations": str(SHARED / "images" / "persons" / "person_instances_val2017.json"),
        "images": str(SHARED / "images" / "persons" / "val2017"),
    }
    crowds = recipe.crowds
    both = Recipe.model_validate(
        {"sources": [source], "crowds": crowds, "evaluation": {"coco": [tests]}}
    )
    run(both, out, Stage.DATASET, lambda _: None)
    lines = [line for line in read_manifest(out / "dataset") if line.source == "coco"]
    assert len(lines) > 80
    assert {line.split for line in lines} == {"train"}
    assert not any(photo in line.key for line in lines)
