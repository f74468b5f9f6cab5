"""A bench for tasks, whose processes have a place for temporary files that a test can look into."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from bystander.executors.settings import WorkerSettings
from tests.conftest import REPOSITORY
from tests.support.fake_tasks import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where processes get their folders."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="session")
def settings() -> WorkerSettings:
    """They read the tests as well."""
    return WorkerSettings(read=(REPOSITORY / "tests",))
