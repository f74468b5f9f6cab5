"""What must be the same before and after an attack."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import psutil

from benchmarks.service.server import Server
from tests.support.stranger import open_client, open_project
from tests.support.waiting import until

MOST_GROWTH = 150e6
"""Bytes."""
MASTERS = ("serve", "--service-name")
"""In the command lines of the processes that stay."""


@dataclass(frozen=True)
class State:
    """A service at rest.

    Attributes:
        processes: ids of the master and the services.
        memory: bytes that they hold together, what they share counted once.
        files: in the data folder and the folder for temporary files.
        log: characters.
    """

    processes: frozenset[int]
    memory: int
    files: frozenset[str]
    log: int

    @classmethod
    def of(cls, service: Server) -> Self:
        staying = [p for p in service.family() if set(MASTERS) & set(_command(p))]
        return cls(
            frozenset(process.pid for process in staying),
            sum(process.memory_full_info().pss for process in staying),
            frozenset(files(service)),
            len(service.log.read_text(errors="replace")),
        )


@contextlib.contextmanager
def unharmed(service: Server, video: Path) -> Iterator[None]:
    """What is done meanwhile leaves the same processes, no files, little memory, no defects."""
    with open_client(service, service.tokens[1]) as stranger:
        _warm_up(stranger, video)
        before = State.of(service)
        yield
        until(lambda: not files(service) - before.files)  # what was broken off is tidied up
        after = State.of(service)

        assert stranger.get("/readyz").is_success
        assert not stranger.get("/v1/projects").json()["projects"]
        assert after.processes == before.processes
        assert after.files - before.files == set()
        assert after.memory - before.memory < MOST_GROWTH
        written = service.log.read_text(errors="replace")[before.log :]
        assert "defect" not in written
        assert not _tracebacks(written), "\n\n".join(_tracebacks(written))


def _warm_up(stranger: httpx.Client, video: Path) -> None:
    """What is opened at the first use belongs to the service at rest."""
    with open_project(stranger) as project:
        stranger.put(f"{project}/video", content=video.read_bytes())
        stranger.get(f"{project}/preview")
        stranger.post(f"{project}/photos?person=A", content=b"")
        stranger.post("/segment", json={"image": ""})


def files(service: Server) -> set[str]:
    """All of the data folder and of the temporary one; SQLite's own come and go."""
    found = set()
    for folder in (service.data, temporary(service)):
        found |= {str(path) for path in folder.rglob("*") if ".sqlite" not in path.name}
    return found


def temporary(service: Server) -> Path:
    """Where the service puts temporary files."""
    return service.data.parent / "tmp"


def _tracebacks(written: str) -> list[str]:
    """Each with the lines before it that say from where it comes."""
    lines = written.splitlines()
    found = [number for number, line in enumerate(lines) if "Traceback" in line]
    return ["\n".join(lines[max(0, number - 5) : number + 60]) for number in found]


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []
