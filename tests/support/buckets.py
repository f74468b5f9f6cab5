"""A bucket for tests of workspaces, and what is put into it and got out of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.pipeline import workspaces
from bystander.pipeline.workspaces import (
    BucketWorkspace,
)
from bystander.server.models import new_id
from bystander.storage.factory import EMULATOR_VARIABLE
from tests.storage.conftest import BUCKET, emulator
from tests.support.videos import Clip, make_video

__all__ = ["emulator"]


@pytest.fixture(autouse=True)
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this process's copies are; nothing of another test is opened any more."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(workspaces, "_opened", workspaces._Here())
    yield folder
    workspaces._cache().remove()
    assert list(folder.iterdir()) == [], "nothing is left in the end"


@pytest.fixture(params=["file", "gs"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return f"file://{tmp_path}/shared"
    return str(request.getfixturevalue("bucket"))


@pytest.fixture
def bucket(emulator: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(EMULATOR_VARIABLE, emulator)
    return f"gs://{BUCKET}/{new_id()}"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of which its ends, which the fingerprint takes, are a small part."""
    clip = Clip(
        range(0, 250 * 512, 512),
        size=(192, 144),
        options={"preset": "ultrafast", "crf": "4", "x264-params": "keyint=10:min-keyint=10"},
    )
    return make_video(tmp_path_factory.mktemp("large") / "video.mp4", clip, noise)


def workspace_in(address: str, **options: Any) -> BucketWorkspace:
    return BucketWorkspace(address, "3f2a/video", "3f2a/work", **options)


def upload(workspace: BucketWorkspace, content: bytes, folder: Path) -> None:
    source = folder / "upload"
    source.write_bytes(content)
    workspace._storage.put(source, workspace.source)


def store(workspace: BucketWorkspace, name: str, content: bytes) -> None:
    with workspace.storing(name) as path:
        path.write_bytes(content)


def read(workspace: BucketWorkspace, name: str) -> bytes:
    found = workspace.find(name)
    assert found is not None
    return found.read_bytes()


def noise(number: int, width: int, height: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
