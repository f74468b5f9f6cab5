"""`bystander models add`, `use`, `remove`, as somebody would call them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bystander.cli.doctor import list_models
from bystander.cli.own_networks import add_network
from bystander.errors import ConfigError, ModelContract, ModelCorrupt
from bystander.models.registry import Registry
from tests.models.networks import Query, rf_detr
from tests.support.commands import call, refused, succeeded

PERSON = Query(box=(0.25, 0.25, 0.5, 0.75), score=0.9, filled=(4, 4, 8, 12))


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's data folder, with nothing in it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "bystander" / "networks"


@pytest.mark.long
def test_a_network_is_added_used_and_removed(tmp_path: Path, data: Path) -> None:
    network = rf_detr(tmp_path / "Mine.onnx", [PERSON])
    told = succeeded(call("models", "add", network, "--licence", "Apache-2.0", "--use"))
    assert "1 of 6 found in the test picture" in told
    row = next(row for row in list_models() if row["name"] == "mine")
    assert row["used"] == "used"
    assert row["where"] == str(data / "mine.onnx")
    assert network.exists()
    refused(call("models", "add", network, "--licence", "MIT"), 9, "mine", "--name")
    succeeded(call("models", "use", "auto"))
    assert not next(row for row in list_models() if row["name"] == "mine")["used"]
    succeeded(call("models", "remove", "mine"))
    assert "mine" not in [row["name"] for row in list_models()]


@pytest.mark.long
def test_one_that_finds_nobody_is_not_used_yet(tmp_path: Path) -> None:
    network = rf_detr(tmp_path / "blind.onnx", [])
    added = add_network(network, "AGPL-3.0", None, "", use=True)
    assert not added.used
    warnings = added.warnings()
    assert "found nobody" in warnings[0]
    assert "--licence commercial" in warnings[1]
    assert "used" not in [row["used"] for row in list_models() if row["name"] == "blind"]


@pytest.mark.long
def test_what_can_not_be_run_is_not_registered(tmp_path: Path, data: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("no network")
    with pytest.raises(ModelCorrupt, match=r"/text\.onnx"):
        add_network(path, "MIT", None, "", use=True)
    assert list(data.iterdir()) == []


def test_a_checkpoint_has_to_be_exported_first(tmp_path: Path) -> None:
    (tmp_path / "best.pth").touch()
    with pytest.raises(ModelContract, match=r"pretrain_weights='best\.pth'\)\.export"):
        add_network(tmp_path / "best.pth", "MIT", None, "", use=False)


def test_a_licence_is_asked_for(tmp_path: Path) -> None:
    assert call("models", "add", tmp_path / "d.onnx").exit_code == 2
    with pytest.raises(ConfigError, match="--licence is empty"):
        add_network(tmp_path / "d.onnx", "", None, "", use=False)


def test_a_shipped_network_is_not_removed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no network called person-seg-n was added"):
        Registry.of_user().remove("person-seg-n")
