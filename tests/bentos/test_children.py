"""What the entry service gives its children, and what it doesn't."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bystander.models.store import Catalogue, ModelStore
from bystander.sandbox.launch import Confinement
from bystander.server.bentos.children import ServiceChildren

SERVER = {
    "PATH": os.defpath,
    "BYSTANDER_TOKENS": "a-token-of-some-length",
    "BYSTANDER_TOKENS_FILE": "/run/secrets/tokens",
    "GOOGLE_APPLICATION_CREDENTIALS": "/run/secrets/key.json",
    "BYSTANDER_WEBHOOK_SECRET": "what signs",
    "AWS_SECRET_ACCESS_KEY": "of a cloud",
    "HOME": "/home/somebody",
    "OMP_NUM_THREADS": "3",
}


def confinement_of(children: ServiceChildren, folder: Path) -> Confinement:
    *_, confinement, module, argument = children.command(folder, "a.module", "argument")
    assert (module, argument) == ("a.module", "argument")
    return Confinement.model_validate_json(confinement)


def test_they_are_told_no_token_and_no_credentials() -> None:
    environment = ServiceChildren("auto", {}, SERVER).environment
    assert set(environment) == {
        *("PATH", "LANG", "OMP_NUM_THREADS", "PYTHONPATH"),
        *("BYSTANDER_MODELS", "BENTOML_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"),
        *("BYSTANDER_CORES", "BYSTANDER_LICENCE"),
    }


def test_they_find_the_networks_that_the_server_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # they work elsewhere
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    given = {
        **SERVER,
        "BYSTANDER_MODELS": "models:~/more",
        "BYSTANDER_SEGMENTER": "own.onnx",
        "BYSTANDER_LICENCE": "commercial",
    }
    children = ServiceChildren("auto", {}, given)
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.chdir("/")
    store = ModelStore.from_environment(Catalogue.load(), children.environment)
    assert store.folders[:2] == (tmp_path / "models", tmp_path / "home" / "more")
    assert store.segmenter == tmp_path / "own.onnx"
    assert store.cache == tmp_path / "home" / ".cache" / "bystander"
    assert store.own == tmp_path / "home" / ".local" / "share" / "bystander" / "networks"
    assert store.licence == "commercial"


def test_they_read_the_networks_and_nothing_beside_them(tmp_path: Path) -> None:
    name = next(iter(Catalogue.load().files.values())).file
    own, added = tmp_path / "own.onnx", tmp_path / "share" / "bystander" / "networks"
    added.mkdir(parents=True)
    networks = [own, tmp_path / "data" / name, tmp_path / "cache" / "bystander" / name]
    for file in (*networks, tmp_path / "data" / "bystander.sqlite"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    given = {
        **SERVER,
        "BYSTANDER_MODELS": str(tmp_path / "data"),
        "BYSTANDER_SEGMENTER": str(own),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_DATA_HOME": str(tmp_path / "share"),
    }
    read = confinement_of(ServiceChildren("auto", {}, given), tmp_path).read
    assert {path for path in read if path.is_relative_to(tmp_path)} == {*networks, added}


def test_they_get_their_folder_and_the_ports_of_the_services(tmp_path: Path) -> None:
    services = {"One": "file:///tmp/one.sock", "Two": "tcp://127.0.0.1:3456"}
    children = ServiceChildren("required", services, SERVER)
    confinement = confinement_of(children, tmp_path)
    assert (confinement.mode, confinement.folder) == ("required", tmp_path)
    assert confinement.ports == (3456,)
