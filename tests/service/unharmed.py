"""What must be the same before and after an attack."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from benchmarks.service.server import Server

MB = 1e6
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


def files(service: Server) -> set[str]:
    """All of the data folder and of the temporary one; SQLite's own come and go."""
    found = set()
    for folder in (service.data, temporary(service)):
        found |= {str(path) for path in folder.rglob("*") if ".sqlite" not in path.name}
    return found


def temporary(service: Server) -> Path:
    """Where the service puts temporary files."""
    return service.data.parent / "tmp"


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []
