"""Tasks that do next to nothing, and wait, die or fail where a test wants it.

What they did is told by files of their workspace: `try-NUMBER-TRY-PID` for each that was begun.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bystander.errors import NotAVideo
from bystander.pipeline.tasks import FolderWorkspace, Step, Workspace
from tests.support.waiting import until

_done_here = 0


@dataclass(frozen=True)
class FakeTask:
    """Tells its frames one by one, and stores a digest of the video and its number.

    Attributes:
        gate: what somebody has to store before it goes on, after half of the frames, its result
            half written.
        deaths: so many times the process that does it is killed, there.
        error: it fails with that, there.
        defect: it raises what is no error of the library's, there.
    """

    workspace: Workspace
    number: int
    frames: int = 4
    gate: str = ""
    deaths: int = 0
    error: str = ""
    defect: str = ""
    runs_networks: bool = False

    @property
    def name(self) -> str:
        return f"result-{self.number:03}"

    def run(self, step: Step) -> None:
        global _done_here
        work = self.workspace
        attempt = 1
        while work.has(f"tried-{self.number}-{attempt}"):
            attempt += 1
        for name in (
            f"tried-{self.number}-{attempt}",
            f"try-{self.number}-{attempt}-{os.getpid()}",
        ):
            with work.storing(name) as path:
                path.write_text(str(_done_here))
        half = self.frames // 2
        for _ in range(half):
            step(1)
        with work.storing(self.name) as path:
            digest = hashlib.sha256(work.video().read_bytes()).hexdigest()
            path.write_text(f"{digest} ")
            if self.gate:
                until(lambda: work.has(self.gate))
            if attempt <= self.deaths:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.error:
                raise NotAVideo(self.error, "Give another.")
            if self.defect:
                raise RuntimeError(self.defect)
            path.write_text(f"{digest} {self.number}")
        for _ in range(self.frames - half):
            step(1)
        _done_here += 1


class Bench:
    """A workspace in `folder`, and what its tasks did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        video = folder / "video"
        video.write_bytes(b"moving pictures")
        self.workspace = FolderWorkspace(video, self.folder)

    @classmethod
    def at(cls, folder: Path) -> Bench:
        """The one that is in `folder` already."""
        bench = object.__new__(cls)
        bench.folder = folder / "work"
        bench.workspace = FolderWorkspace(folder / "video", bench.folder)
        return bench

    def tasks(self, count: int, **more: object) -> list[FakeTask]:
        return [FakeTask(self.workspace, number, **more) for number in range(count)]  # type: ignore[arg-type]

    def open(self, gate: str) -> None:
        (self.folder / gate).touch()

    @property
    def results(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.glob("result-*")}

    @property
    def tries(self) -> Counter[int]:
        """How often each task was begun, by number."""
        return Counter(int(path.name.split("-")[1]) for path in self.folder.glob("try-*"))

    @property
    def pids(self) -> set[int]:
        """Of processes that did tasks."""
        return {int(path.name.split("-")[3]) for path in self.folder.glob("try-*")}

    def before(self, number: int) -> int:
        """How many tasks the process of this one had done before it."""
        return int(next(self.folder.glob(f"try-{number}-1-*")).read_text())

    @property
    def litter(self) -> list[str]:
        """Files that are neither a result nor told above."""
        known = re.compile(r"(result|try|tried|gate)-[0-9-]+")
        return [path.name for path in self.folder.iterdir() if not known.fullmatch(path.name)]
