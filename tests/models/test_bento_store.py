"""Networks in BentoML's model store."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bystander.errors import ConfigError, ModelNotFound
from bystander.models.store import Catalogue, ModelFile, ModelStore, import_model, sha256


def store_with(folder: Path, bentoml: Path, content: bytes = b"network") -> ModelStore:
    folder.mkdir()
    file = folder / "net.onnx"
    file.write_bytes(content)
    entry = ModelFile(
        file="net.onnx",
        role="segmenter",
        sha256=sha256(file),
        licence="AGPL-3.0",
        source="a test",
        input="nothing",
    )
    body = entry.model_copy(update={"role": "body"})
    files = {"net": entry, "body": body}
    catalogue = Catalogue(files=files, segmenters=("net",), bodies=("body",), faces={})
    return ModelStore(catalogue, (folder,), bentoml, folder / "cache")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "bentoml"))
    return tmp_path / "bentoml"


def test_without_bentoml_the_error_says_what_to_install(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bentoml", None)
    with pytest.raises(ConfigError, match=r"bystander\[serve\]"):
        import_model(store_with(tmp_path / "here", home), "net")


@pytest.mark.filterwarnings("ignore")
def test_an_imported_network_is_found_in_the_store(tmp_path: Path, home: Path) -> None:
    pytest.importorskip("bentoml", reason="needs the extra serve")
    store = store_with(tmp_path / "here", home)
    tag = import_model(store, "net")
    assert tag == f"net:{store.catalogue.entry('net').sha256[:12]}"
    assert import_model(store, "net") == tag
    elsewhere = ModelStore(store.catalogue, (), home, tmp_path / "nowhere")
    assert elsewhere.find("net").read_bytes() == b"network"


@pytest.mark.filterwarnings("ignore")
def test_a_network_that_is_not_here_can_not_be_imported(tmp_path: Path, home: Path) -> None:
    pytest.importorskip("bentoml", reason="needs the extra serve")
    store = store_with(tmp_path / "here", home)
    (tmp_path / "here" / "net.onnx").unlink()
    with pytest.raises(ModelNotFound, match=r"net\.onnx"):
        import_model(store, "net")
