"""The weights in the repository: a bare machine needs no others."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import cv2
import onnx
import pytest

from bystander.media.photos import load_photo
from bystander.models import ModelSettings, load_models
from bystander.models.segmenter import SegmenterSettings, analysis_size
from bystander.models.store import Catalogue, ModelStore, Variant
from tests.conftest import REPOSITORY

WEIGHTS = REPOSITORY / "bystander" / "weights"
LARGEST = 8_000_000


@pytest.fixture
def bare(tmp_path: Path) -> ModelStore:
    """The store of a machine that has nothing but the repository."""
    environ = {"BENTOML_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    return ModelStore.from_environment(Catalogue.load(), environ)


@pytest.mark.parametrize("variant", ["float", "int8"])
def test_shipped_weights_find_the_people_of_a_photo(bare: ModelStore, variant: Variant) -> None:
    settings = ModelSettings(segmenter=SegmenterSettings(variant=variant), faces="dlib")
    models = load_models(settings, bare)
    group = load_photo(Path(str(files("insightface") / "data" / "images" / "t1.jpg")))
    size = analysis_size(group.shape[1], group.shape[0])
    found = models.segmenter.segment([cv2.resize(group, size).astype("uint8")])[0]
    assert len([person for person in found if person.score >= 0.5]) == 6
    covered = sum(person.mask.area for person in found if person.score >= 0.5)
    assert 0.3 < covered / (size[0] * size[1]) < 0.9


@pytest.mark.long
def test_the_setting_picks_the_file(bare: ModelStore) -> None:
    for variant, file in (("float", "person-seg-n.onnx"), ("int8", "person-seg-n-int8.onnx")):
        settings = SegmenterSettings.model_validate({"variant": variant})
        models = load_models(ModelSettings(segmenter=settings, faces="dlib"), bare)
        assert file in models.checksums


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.onnx")), ids=lambda path: path.name)
def test_weights_are_small_catalogued_and_say_what_they_are(path: Path) -> None:
    assert path.stat().st_size <= LARGEST
    entries = [entry for entry in Catalogue.load().files.values() if entry.file == path.name]
    assert len(entries) == 1
    network = onnx.load(path)
    facts = {entry.key: entry.value for entry in network.metadata_props}
    assert facts["licence"] == "AGPL-3.0-or-later"
    assert facts["classes"] == "person"
    assert not any(node.doc_string for node in network.graph.node)


def test_every_shipped_file_is_described_on_the_model_card() -> None:
    card = (WEIGHTS / "README.md").read_text()
    for path in WEIGHTS.glob("*.onnx"):
        assert f"`{path.name}`" in card
