from __future__ import annotations

from pathlib import Path

import pytest

from bystander.errors import ConfigError, ModelCorrupt, ModelError
from bystander.models import ModelSettings, segmenter_files
from bystander.models.registry import Registry
from bystander.models.store import Catalogue, ModelStore
from tests.models.networks import yolo


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "data" / "bystander" / "networks", Catalogue.load())


def store(tmp_path: Path) -> ModelStore:
    homes = {name: str(tmp_path / name) for name in ("BENTOML_HOME", "XDG_CACHE_HOME")}
    environ = {**homes, "XDG_DATA_HOME": str(tmp_path / "data")}
    return ModelStore.from_environment(Catalogue.load(), environ)


def add(registry: Registry, name: str, use: bool = False) -> Path:
    with registry.arriving(yolo(registry.folder.parents[2] / "y.onnx", [])) as part:
        return registry.register(part, name, "MIT", "a test", "images", use)


def test_an_added_network_is_found_by_its_name(registry: Registry, tmp_path: Path) -> None:
    file = add(registry, "mine")
    here = store(tmp_path)
    assert here.find("mine") == file
    assert file.read_bytes() == (tmp_path / "y.onnx").read_bytes()
    assert here.catalogue.entry("mine").licence == "MIT"


def test_the_one_that_is_used_goes_before_the_shipped_one(
    registry: Registry, tmp_path: Path
) -> None:
    shipped = segmenter_files(ModelSettings(), store(tmp_path))
    file = add(registry, "mine")
    assert segmenter_files(ModelSettings(), store(tmp_path)) == shipped
    registry.use("mine")
    assert segmenter_files(ModelSettings(), store(tmp_path)) == ("float", {"float": file})
    registry.use("auto")
    assert segmenter_files(ModelSettings(), store(tmp_path)) == shipped


def test_what_is_removed_is_neither_used_nor_there(registry: Registry, tmp_path: Path) -> None:
    file = add(registry, "mine", use=True)
    kept = add(registry, "other")
    registry.remove("mine")
    here = store(tmp_path)
    assert (here.used, here.registered) == (None, ("other",))
    assert not file.exists()
    assert kept.exists()
    with pytest.raises(ConfigError, match="no network called mine was added"):
        registry.remove("mine")


def test_what_was_changed_afterwards_is_not_run(registry: Registry, tmp_path: Path) -> None:
    add(registry, "mine", use=True).write_bytes(b"something else")
    with pytest.raises(ModelCorrupt, match=r"mine\.onnx"):
        segmenter_files(ModelSettings(), store(tmp_path))


def test_who_is_to_go_first_and_is_gone_is_told(registry: Registry, tmp_path: Path) -> None:
    add(registry, "mine", use=True)
    path = registry.folder / "networks.yaml"
    path.write_text("used: mine\n")
    with pytest.raises(ConfigError, match=r"no network mine any more.*models use auto"):
        segmenter_files(ModelSettings(), store(tmp_path))
    registry.use("auto")
    assert segmenter_files(ModelSettings(), store(tmp_path))


@pytest.mark.parametrize("name", ["person-seg-n", "auto", "mine"])
def test_a_name_is_given_once(registry: Registry, name: str) -> None:
    add(registry, "mine")
    with pytest.raises(ConfigError, match=f"a network called {name} already"):
        registry.free_name(Path("y.onnx"), name)


def test_one_that_was_shipped_since_is_not_shadowed(registry: Registry, tmp_path: Path) -> None:
    add(registry, "mine")
    path = registry.folder / "networks.yaml"
    path.write_text(path.read_text().replace("mine:", "person-seg-n:"))
    here = store(tmp_path)
    assert here.registered == ()
    assert here.catalogue.entry("person-seg-n").licence == "AGPL-3.0-or-later"


@pytest.mark.parametrize(
    ("file", "name"),
    [("YOLO11x Seg.onnx", "yolo11x-seg"), ("best_total.onnx", "best_total"), ("..onnx", None)],
)
def test_a_name_is_made_of_the_file_s(registry: Registry, file: str, name: str | None) -> None:
    if name is not None:
        assert registry.free_name(Path(file), None) == name
        return
    with pytest.raises(ConfigError, match="--name"):
        registry.free_name(Path(file), None)


@pytest.mark.parametrize("name", ["../person", "a/b", "A", ""])
def test_a_name_leads_to_no_other_folder(registry: Registry, name: str) -> None:
    if name:
        with pytest.raises(ConfigError, match="is no name"):
            registry.free_name(Path("y.onnx"), name)


def test_what_fails_on_the_way_leaves_nothing(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), registry.arriving(yolo(tmp_path / "y.onnx", [])):
        raise ZeroDivisionError
    with pytest.raises(ModelError, match=r"absent\.onnx can't be copied"):
        registry.arriving(tmp_path / "absent.onnx").__enter__()
    assert list(registry.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["osnet-x0.25", "person-seg-n-int8", "unknown"])
def test_only_a_segmenter_of_its_own_right_is_used(registry: Registry, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        registry.use(name)


def test_no_file_beyond_the_folder_is_named(registry: Registry, tmp_path: Path) -> None:
    add(registry, "mine")
    path = registry.folder / "networks.yaml"
    path.write_text(path.read_text().replace("mine.onnx", "../mine.onnx"))
    with pytest.raises(ConfigError, match=r"files\.mine\.file"):
        registry.remove("mine")


def test_a_damaged_list_is_told(registry: Registry, tmp_path: Path) -> None:
    add(registry, "mine")
    (registry.folder / "networks.yaml").write_text("files: 3\n")
    with pytest.raises(ConfigError, match=r"networks\.yaml: files"):
        store(tmp_path)
