"""A real server, started once, with the shipped weights and dlib."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import REPOSITORY
from tests.support.waiting import HANGS_AFTER_SECONDS

pytest.importorskip("bentoml", reason="needs the extra serve")


@dataclass(frozen=True)
class Server:
    """`bentoml serve tests.bentos.small:Small`.

    Attributes:
        services: url by service name, what the entry process hands to its children.
        parent: the process that starts the model services.
        environ: of the server, for networks of one's own that are to be the same.
    """

    url: str
    services: dict[str, str]
    parent: int
    environ: dict[str, str]

    def metrics(self) -> str:
        return httpx.get(f"{self.url}/metrics").text


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    environ = {
        **os.environ,
        "BENTOML_HOME": str(home / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "1",
        "PYTHONPATH": str(REPOSITORY),
        "XDG_CACHE_HOME": str(home / "cache"),
    }
    environ.pop("BYSTANDER_MODELS", None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bentoml", "serve", "tests.bentos.small:Small"]
    log = home / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=REPOSITORY,
            env=environ,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process, log)
        services = httpx.post(f"{url}/services", json={}).json()
        parent = httpx.post(f"{url}/parent", json={}).json()
        yield Server(url, services, parent, environ)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    # Services are in process groups of their own: killing their parent alone leaves them.
    services = (
        psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    )
    process.terminate()
    try:
        process.wait(HANGS_AFTER_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for service in services:
        with contextlib.suppress(psutil.NoSuchProcess):
            service.kill()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + HANGS_AFTER_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    pytest.fail(f"the server doesn't start: {log.read_text()}")
