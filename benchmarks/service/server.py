"""A real service, to be measured, killed, and started again on the same data.

Made of several processes, each in a group of its own: BentoML's master, the entry service, the
model services; and the workers of jobs, which the entry service starts.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil
import requests
import yaml

REPOSITORY: Final = Path(__file__).resolve().parents[2]
START: Final = 600.0
"""Seconds; nothing takes as long, on the slowest machine."""
END: Final = 300.0
ENTRY: Final = "bystander"
JOB_WORKER: Final = "bystander.server.bentos.job_worker"
SEGMENTER: Final = "PersonSegmenter"
BATCHES: Final = "bentoml_service_adaptive_batch_size"


class NotStarted(Exception):
    """The service didn't come up; says what its log says."""


class Server:
    """`bystander serve` on a free port of this machine; a context manager that starts and ends it.

    Args:
        folder: gets the data folder, the settings, the tokens and the log.
        changes: what is set otherwise than in `configs/service.yaml`, section by section.
        packages: where the program is installed; by default it is the checkout's.

    Attributes:
        url: of the service, without /v1. The port stays the same when it is started again.
        tokens: two bearer tokens.
        data: the folder in which the service stores everything.
        log: what all its processes print.
    """

    def __init__(
        self,
        folder: Path,
        changes: Mapping[str, Mapping[str, object]] | None = None,
        packages: Path | None = None,
    ) -> None:
        self.data, self.log = folder / "data", folder / "log"
        self.tokens = (secrets.token_urlsafe(24), secrets.token_urlsafe(24))
        configs, tokens = folder / "configs", folder / "tokens"
        _write_configs(configs, changes or {})
        tokens.write_text("\n".join(self.tokens), encoding="utf-8")
        tokens.chmod(0o600)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._environ = {
            **os.environ,
            "BENTOML_HOME": str(folder / "bentoml"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "BYSTANDER_CONFIGS": str(configs),
            "BYSTANDER_TOKENS_FILE": str(tokens),
        }
        self._folder = REPOSITORY
        if packages is not None:
            self._environ["PYTHONPATH"], self._folder = str(packages), folder
        self._process: subprocess.Popen[bytes] | None = None
        self._family: set[psutil.Process] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.terminate()

    def start(self) -> None:
        """Start it, and wait until it is ready.

        Raises:
            NotStarted
        """
        command = [sys.executable, "-m", "bystander", "serve", "--port", str(self._port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--data", str(self.data)],
                cwd=self._folder,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.wait_until_ready()
        except NotStarted:
            self.kill()
            raise

    def wait_until_ready(self) -> None:
        """Raises NotStarted: it ended, or takes too long."""
        until = time.monotonic() + START
        while time.monotonic() < until and self._running():
            with contextlib.suppress(requests.RequestException):
                if _get(f"{self.url}/readyz").ok:
                    self.family()
                    return
            time.sleep(0.1)
        raise NotStarted(f"the service doesn't start: {self.log.read_text()[-4000:]}")

    def terminate(self) -> None:
        """End it as an operator does, and whatever of it is left then."""
        self.family()
        if self._process is not None and self._running():
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END)
        self.kill()

    def kill(self) -> None:
        """End all its processes at once, without a chance to tidy up."""
        self.family()
        for process in self._family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process is not None:
            self._process.wait()
        psutil.wait_procs(self._family, END)
        self._process, self._family = None, set()

    def kill_master(self) -> list[psutil.Process]:
        """Kill BentoML's master alone; gives what of the service still runs after a while."""
        family = self.family()
        family[0].kill()
        assert self._process
        self._process.wait()
        _, alive = psutil.wait_procs(family, END)
        return list(alive)

    def family(self) -> list[psutil.Process]:
        """All its processes that are alive: the master first, the others as they come."""
        if not self._running():
            return []
        assert self._process
        master = psutil.Process(self._process.pid)
        found = [master, *master.children(recursive=True)]
        self._family.update(found)
        return found

    def service(self, name: str) -> psutil.Process:
        """The process of one service, e.g. `ENTRY`."""
        [found] = [p for p in self.family() if _follows(_command(p), "--service-name", name)]
        return found

    def worker(self, job: str) -> psutil.Process | None:
        """The process that does a job, if there is one now."""
        folder = str(self.data / "work" / job)
        found = [p for p in self.family() if _follows(_command(p), JOB_WORKER, folder)]
        return found[0] if found else None

    def metrics(self) -> str:
        """Everything at /metrics, in Prometheus' text format."""
        answer = _get(f"{self.url}/metrics", {"Authorization": f"Bearer {self.tokens[0]}"})
        answer.raise_for_status()
        return answer.text

    def segmented(self) -> tuple[int, int]:
        """Frames that the segmenter has looked at since it was started, and in how many batches."""
        text = self.metrics()
        return _total(text, f"{BATCHES}_sum"), _total(text, f"{BATCHES}_count")

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _follows(command: list[str], option: str, value: str) -> bool:
    return (option, value) in itertools.pairwise(command)


def _total(text: str, name: str) -> int:
    """Sum of a metric over the segmenter's APIs."""
    pattern = rf'^{name}\{{[^}}]*service_name="{SEGMENTER}"[^}}]*\}} (\S+)$'
    return round(sum(float(value) for value in re.findall(pattern, text, re.MULTILINE)))


def _write_configs(folder: Path, changes: Mapping[str, Mapping[str, object]]) -> None:
    shutil.copytree(REPOSITORY / "configs", folder)
    file = folder / "service.yaml"
    settings: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    for section, changed in changes.items():
        settings[section] = {**settings.get(section, {}), **changed}
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")


def free_port() -> int:
    """A port of this machine that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _get(url: str, headers: Mapping[str, str] | None = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=headers, timeout=5)
