"""A worker's folder, and workers that are started on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bystander.sandbox.launch import Confinement, confined_command
from bystander.server.jobs.process import parse_message
from bystander.server.jobs.spec import (
    CHECKPOINTS_FOLDER,
    VIDEO_FILE,
    JobSpec,
)
from tests.conftest import REPOSITORY
from tests.support.drawn_worker import LOOKED, NOWHERE
from tests.support.waiting import HANGS_AFTER_SECONDS, until


class Work:
    """A worker's folder, and the workers that were started on it."""

    def __init__(self, folder: Path, video: Path, order: JobSpec) -> None:
        self.folder = folder
        folder.mkdir()
        os.link(video, folder / VIDEO_FILE)
        order.save(folder)

    @contextmanager
    def worker(self, hold: str | int = NOWHERE) -> Iterator[subprocess.Popen[str]]:
        """One at work, ended on leaving; `hold`: where it waits, see `drawn_worker`."""
        # As the service starts one: it gets along with its folder.
        confinement = Confinement(folder=self.folder, read=(REPOSITORY / "tests",))
        process = subprocess.Popen(
            confined_command(
                confinement, "tests.support.drawn_worker", str(self.folder), str(hold)
            ),
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def done(self, hold: str = NOWHERE) -> tuple[list[dict[str, Any]], int, str]:
        """What one tells until it ends, its exit code and its complaints."""
        with self.worker(hold) as process:
            output, complaints = process.communicate(timeout=HANGS_AFTER_SECONDS)
        return told(output), process.returncode, complaints

    def interrupted(
        self, hold: str | int, when: Callable[[], object], which: signal.Signals
    ) -> list[str]:
        """What one has looked at that gets a signal once `when()` holds; it can't get further
        than `hold`, however long the signal takes."""
        with self.worker(hold) as process:
            until(lambda: bool(when()) or process.poll() is not None)
            process.send_signal(which)
            assert process.wait(HANGS_AFTER_SECONDS) == -which
        return self.looked()

    def looked(self) -> list[str]:
        """Digests of the frames that networks have looked at, and forgets them."""
        try:
            lines = (self.folder / LOOKED).read_text().splitlines()
        except FileNotFoundError:
            return []
        (self.folder / LOOKED).unlink()
        return lines

    def analysed(self) -> bool:
        return (self.folder / CHECKPOINTS_FOLDER / "analysis" / "state").exists()

    def rendered(self) -> bool:
        return any((self.folder / CHECKPOINTS_FOLDER / "render").glob("*.segment"))


def told(output: str) -> list[dict[str, Any]]:
    """The events in a worker's output, which has nothing else in it."""
    for line in output.splitlines():
        assert parse_message(line.encode()) is not None, line
    return [json.loads(line) for line in output.splitlines()]
