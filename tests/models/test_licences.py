from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bystander.choices import LicenceUse
from bystander.errors import ConfigError, ModelNotFound
from bystander.models import ModelSettings, load_models, segmenter_files, used_networks
from bystander.models.face_packs import face_licences, open_faces
from bystander.models.licences import licence_use, permits
from bystander.models.registry import Registry
from bystander.models.segmenter import SegmenterSettings
from bystander.models.store import Catalogue, ModelStore, Variant
from tests.conftest import shared
from tests.models.networks import Query, rf_detr

COMMERCIAL = ModelSettings(licence=LicenceUse.COMMERCIAL)
PERSON = Query(box=(0.25, 0.25, 0.5, 0.75), score=0.9, filled=(4, 4, 8, 12))


def store(tmp_path: Path, **more: str) -> ModelStore:
    homes = ("BENTOML_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    environ = {**{name: str(tmp_path / name) for name in homes}, **more}
    return ModelStore.from_environment(Catalogue.load(), environ)


def added(tmp_path: Path, name: str, licence: str) -> Path:
    folder = tmp_path / "XDG_DATA_HOME" / "bystander" / "networks"
    registry = Registry(folder, Catalogue.load())
    with registry.arriving(rf_detr(tmp_path / "d.onnx", [PERSON])) as part:
        return registry.register(part, name, licence, "a test", "none", use=False)


@pytest.mark.parametrize(
    ("licence", "commercial"),
    [
        ("Apache-2.0", True),
        ("mit", True),
        ("MIT AND CC0-1.0 AND BSL-1.0", True),
        ("AGPL-3.0-or-later", False),
        ("MIT AND AGPL-3.0", False),
        ("CC-BY-NC-4.0", False),
        ("non-commercial research", False),
        ("Apache", False),
        ("", False),
    ],
)
def test_only_what_is_on_the_list_may_be_used_commercially(licence: str, commercial: bool) -> None:
    assert permits(LicenceUse.COMMERCIAL, licence) is commercial
    assert permits(LicenceUse.ANY, licence)


def test_the_environment_asks_for_it_too(tmp_path: Path) -> None:
    assert store(tmp_path, BYSTANDER_LICENCE="commercial").licence is LicenceUse.COMMERCIAL
    assert licence_use({"BYSTANDER_LICENCE": ""}) is LicenceUse.ANY
    with pytest.raises(ConfigError, match=r"BYSTANDER_LICENCE=gpl.*any or commercial"):
        licence_use({"BYSTANDER_LICENCE": "gpl"})


def test_no_setting_takes_back_what_the_environment_asks_for(tmp_path: Path) -> None:
    asked = store(tmp_path, BYSTANDER_LICENCE="commercial")
    assert asked.under(LicenceUse.ANY).licence is LicenceUse.COMMERCIAL


def test_without_such_a_network_it_is_told_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"person-seg-n is under AGPL.*RF-DETR-Seg"):
        load_models(COMMERCIAL, store(tmp_path))


def test_a_file_of_unknown_licence_is_not_used(tmp_path: Path) -> None:
    own = rf_detr(tmp_path / "own.onnx", [])
    with pytest.raises(ModelNotFound, match=r"nobody says .*own\.onnx is.*models add"):
        load_models(COMMERCIAL, store(tmp_path, BYSTANDER_SEGMENTER=str(own)))


@pytest.mark.parametrize("variant", ["float", "int8"])
def test_an_added_one_takes_the_place_of_those_that_may_not_be_used(
    tmp_path: Path, variant: Variant
) -> None:
    file = added(tmp_path, "mine", "Apache-2.0")
    added(tmp_path, "other", "AGPL-3.0")
    settings = COMMERCIAL.model_copy(update={"segmenter": SegmenterSettings(variant=variant)})
    assert segmenter_files(settings, store(tmp_path)) == ("float", {"float": file})


def test_of_the_faces_those_are_used_that_may_be(tmp_path: Path) -> None:
    added(tmp_path, "mine", "Apache-2.0")
    here = store(tmp_path, BYSTANDER_MODELS=str(shared("models")))
    assert used_networks(COMMERCIAL, here) == {
        "mine": "Apache-2.0",
        "dlib": "MIT AND CC0-1.0 AND BSL-1.0",
        "osnet-x0.25": "MIT",
    }
    models = load_models(COMMERCIAL, here)
    assert models.faces.name == "dlib"
    assert "mine.onnx" in models.describe()
    with pytest.raises(ModelNotFound, match=r"scrfd-2\.5g is under non-commercial research.*dlib"):
        load_models(COMMERCIAL.model_copy(update={"faces": "mobilefacenet"}), here)


def test_a_pack_of_unknown_licence_is_not_used(tmp_path: Path) -> None:
    shipped = Catalogue.load()
    dlib = shipped.faces["dlib"].model_copy(update={"licence": None})
    here = replace(store(tmp_path), catalogue=shipped.model_copy(update={"faces": {"dlib": dlib}}))
    assert face_licences("dlib", here) == {"dlib": "not told"}
    open_faces("dlib", here)
    with pytest.raises(ModelNotFound, match="dlib is under nobody knows what"):
        open_faces("dlib", here.under(LicenceUse.COMMERCIAL))


def test_where_anything_may_be_used_added_ones_wait_to_be_chosen(tmp_path: Path) -> None:
    added(tmp_path, "mine", "Apache-2.0")
    assert "person-seg-n" in used_networks(ModelSettings(), store(tmp_path))
