"""Both storages, empty: a folder, and a bucket that an emulator keeps in memory."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bystander.server.models import new_id
from bystander.storage import LocalStorage, Storage
from tests.conftest import REPOSITORY

BUCKET = "bystander"


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever asks for another host's address fails its test."""
    resolve = socket.getaddrinfo

    def guarded(host: Any, *arguments: Any, **options: Any) -> Any:
        assert host in ("127.0.0.1", "localhost"), f"{host} was to be reached"
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", guarded)


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    """Its URL; there is a bucket `BUCKET`."""
    pytest.importorskip("gcsfs")
    pytest.importorskip("gcp_storage_emulator")
    command = [sys.executable, "-m", "tests.storage.emulator"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


@pytest.fixture
def cloud(emulator: str) -> Iterator[Storage]:
    """A part of the bucket that no other test has."""
    from bystander.storage.cloud import CloudStorage

    with closing(CloudStorage(BUCKET, new_id(), None, emulator)) as storage:
        yield storage


@pytest.fixture(params=["local", "cloud"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "objects")
    bucket: Storage = request.getfixturevalue("cloud")
    return bucket


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files of a test are before they are stored and after they are fetched."""
    made = tmp_path / "files"
    made.mkdir()
    return made
