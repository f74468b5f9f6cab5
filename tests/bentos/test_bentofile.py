"""What `bentoml build` packs."""

from __future__ import annotations

import tomllib
from typing import Any

import yaml

from tests.conftest import REPOSITORY

BENTOFILE: dict[str, Any] = yaml.safe_load((REPOSITORY / "bentofile.yaml").read_text())


def test_a_bento_installs_what_the_service_requires_as_it_is_pinned() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pins, *packages = BENTOFILE["python"]["packages"]
    assert pins == "-c ../../src/constraints.txt"
    assert BENTOFILE["python"]["lock_packages"]
    assert packages == project["dependencies"] + project["optional-dependencies"]["serve"]


def test_everything_that_is_included_exists() -> None:
    for pattern in BENTOFILE["include"]:
        assert any(REPOSITORY.glob(pattern.removeprefix("/"))), pattern


def test_an_image_of_it_has_the_libraries_of_opencv() -> None:
    docker = BENTOFILE["docker"]
    assert {"libgl1", "libglib2.0-0"} <= set(docker["system_packages"])
    # The names are those of this Debian; BentoML's default moves on with python:3.11-slim.
    assert docker["distro"] == "debian"
    dockerfile = (REPOSITORY / "deploy/docker/service.Dockerfile").read_text()
    assert f"ARG PYTHON={docker['base_image']}\n" in dockerfile
