from __future__ import annotations

from pathlib import Path

import pytest

from bystander.cli.doctor import check_up, list_models, pull_models
from bystander.errors import ConfigError, ModelNotFound
from bystander.models.store import Catalogue
from bystander.sandbox import landlock
from tests.conftest import shared

pytestmark = pytest.mark.sampled(2)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without networks, but for those that the package ships."""
    for variable in ("BYSTANDER_MODELS", "BENTOML_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return tmp_path


def test_everything_is_in_order_where_the_networks_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYSTANDER_MODELS", str(shared("models")))

    assert [check for check in check_up() if not check.ok] == []


@pytest.mark.long
@pytest.mark.parametrize(("abi", "found"), [(0, "not available"), (4, "Landlock ABI 4")])
def test_whether_workers_can_be_confined_is_told(
    bare: Path, monkeypatch: pytest.MonkeyPatch, abi: int, found: str
) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: abi)
    [told] = [check for check in check_up() if check.name == "confinement"]
    assert told.ok
    assert told.found.startswith(found)


def test_a_missing_network_is_told_with_the_place_for_it(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYSTANDER_SEGMENTER", str(bare / "mine.onnx"))

    failed = {check.name: check.found for check in check_up() if not check.ok}

    assert set(failed) == {"networks", "faces"}
    assert "mine.onnx" in failed["networks"]


def test_a_network_is_listed_as_found_damaged_or_missing(bare: Path) -> None:
    catalogue = Catalogue.load()
    downloadable = next(name for name, entry in catalogue.files.items() if entry.download)
    folder = bare / "BYSTANDER_MODELS"
    folder.mkdir()

    def where() -> object:
        return next(row["where"] for row in list_models() if row["name"] == downloadable)

    assert where() == "missing, can be pulled"
    (folder / catalogue.files[downloadable].file).write_bytes(b"no network")
    assert where() == "damaged, can be pulled"
    assert {row["name"] for row in list_models()} == set(catalogue.files)


def test_a_network_that_is_here_is_listed_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shared("models")
    monkeypatch.setenv("BYSTANDER_MODELS", str(folder))

    assert str(folder / "yolo11n-seg.onnx") in [row["where"] for row in list_models()]


def test_an_unknown_network_is_not_pulled(bare: Path) -> None:
    with pytest.raises(ConfigError, match="no model is called nothing"):
        list(pull_models(["nothing"]))


def test_a_network_that_nobody_offers_is_not_pulled(bare: Path) -> None:
    files = Catalogue.load().files
    name = next(name for name, entry in files.items() if not entry.download)

    with pytest.raises(ModelNotFound, match=f"{name} can't be downloaded"):
        list(pull_models([name]))
