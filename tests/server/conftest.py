"""The database that the tests of the service run against."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bystander.server.store import ServiceStore
from tests.support.databases import ON_POSTGRES, VARIABLE, cluster

HERE: Final = Path(__file__).parent
STORELESS: Final = frozenset(
    {
        "http/test_bodies.py",
        "http/test_job_watcher.py",
        "http/test_picture_tasks.py",
        "http/test_ranges.py",
        "http/test_views.py",
        "jobs/test_driver.py",
        "jobs/test_messages.py",
        "jobs/test_outbound.py",
        "jobs/test_overall_progress.py",
        "jobs/test_previews.py",
        "jobs/test_sketches.py",
        "jobs/test_spec.py",
    }
)
"""Files that open no store, which `no_store` holds: PostgreSQL changes nothing about them."""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """What opens no store isn't run once more for PostgreSQL."""
    return (ON_POSTGRES and _is_storeless(collection_path)) or None


@pytest.fixture(scope="module", autouse=True)
def no_store(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where none is said to be opened, opening one is an error."""
    with pytest.MonkeyPatch.context() as patched:
        if _is_storeless(request.path):
            patched.setattr(ServiceStore, "__init__", _refuse)
        yield


def _is_storeless(file: Path) -> bool:
    return file.is_relative_to(HERE) and file.relative_to(HERE).as_posix() in STORELESS


def _refuse(*_: object) -> None:
    raise AssertionError("this file is in STORELESS of tests/server/conftest.py")


@pytest.fixture(scope="session", autouse=True)
def database_server() -> Iterator[None]:
    """PostgreSQL, where it is asked for and runs nowhere yet."""
    if not ON_POSTGRES or os.environ[VARIABLE].startswith("postgresql://"):
        yield
        return
    with cluster() as url, pytest.MonkeyPatch.context() as patched:
        patched.setenv(VARIABLE, url)
        yield
