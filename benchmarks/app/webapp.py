"""The web app's own process, to be looked at, killed, and started again at the same address."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import requests

from benchmarks.service.server import REPOSITORY, NotStarted, free_port

START: Final = 600.0
"""Seconds; nothing takes as long, on the slowest machine."""
END: Final = 60.0


class WebApp:
    """`streamlit run frontend/app.py` before a service; a context manager that starts and ends it.

    Args:
        folder: gets its log.
        service: its address.
        token: for it, if it wants one.

    Attributes:
        url: stays the same when it is started again.
        log: what it prints.
    """

    def __init__(self, folder: Path, service: str, token: str = "") -> None:
        self.log = folder / "app.log"
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._environ = {
            **os.environ,
            "BYSTANDER_URL": service,
            "BYSTANDER_TOKENS": token,
        }
        self._environ.pop("BYSTANDER_TOKENS_FILE", None)
        self._process: subprocess.Popen[bytes] | None = None

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
        """Start it, and wait until it answers.

        Raises:
            NotStarted
        """
        command = [sys.executable, "-m", "streamlit", "run", "frontend/app.py"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--server.port", str(self._port)],
                cwd=REPOSITORY,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + START
        while time.monotonic() < until and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        self.kill()
        raise NotStarted(f"the web app doesn't start: {self.log.read_text()[-4000:]}")

    def terminate(self) -> None:
        """End it as an operator does, and at once if that takes too long."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END)
        self.kill()

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(requests.RequestException), requests.Session() as session:
            session.trust_env = False
            return session.get(f"{self.url}/_stcore/health", timeout=5).ok
        return False
