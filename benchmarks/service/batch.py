"""Four jobs at once beside the same four one after another: do batches fill, does it pay?"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.service.clips import Clip
from benchmarks.service.server import Server
from bystander.client import Client

JOBS = 4
CHANGES: dict[str, dict[str, object]] = {"jobs": {"at_once": JOBS}, "models": {"in_flight": 8}}


def table(clips: Path, folder: Path) -> str:
    """The table, as Markdown."""
    clip = Clip.find(clips / "hamilton")
    lines = ["| | seconds in all | frames | mean batch |", "|---|---:|---:|---:|"]
    with Server(folder, CHANGES) as server, Client(server.url, server.tokens[0]) as client:
        for name, at_once in (("one after another", 1), ("at once", JOBS)):
            projects = [clip.send(client) for _ in range(JOBS)]
            looked, batches = server.segmented()
            begun = time.monotonic()
            for first in range(0, JOBS, at_once):
                jobs = [project.start("mask") for project in projects[first : first + at_once]]
                for job in jobs:
                    job.wait(poll=0.1)
            took = time.monotonic() - begun
            now, ran = server.segmented()
            frames, mean = now - looked, (now - looked) / (ran - batches)
            lines.append(f"| {JOBS} jobs {name} | {took:.1f} | {frames} | {mean:.2f} |")
            for project in projects:
                project.delete()
    return "\n".join(lines)
