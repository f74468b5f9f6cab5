"""Estimates before the start, and the time left at a fifth, beside what it really took.

Two rounds over the same clips: in the first the service knows nothing but samples, in the
second it has learnt from the jobs before, of these and of other clips.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.service.clips import Clip, seconds
from benchmarks.service.server import Server
from bystander.client import Client

CLIPS = ("hamilton", "opera", "schoolgirls", "interview", "swings")
ROUNDS = 2
SHARE = 0.2


def table(clips: Path, folder: Path) -> str:
    """The table, as Markdown."""
    lines = [
        "| round | clip | estimate s | took s | off | left at 20 % s | really s | off |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    with Server(folder) as server, Client(server.url, server.tokens[0]) as client:
        for turn in range(1, ROUNDS + 1):
            for name in CLIPS:
                lines.append(f"| {turn} | {name} | {_row(client, Clip.find(clips / name))} |")
    return "\n".join(lines)


def _row(client: Client, clip: Clip) -> str:
    project = clip.send(client)
    estimate = float(project.estimate()["seconds"])
    job = project.start("mask")
    left = at = 0.0
    while (facts := job.facts())["state"] in ("queued", "running"):
        progress = facts["progress"] or {}
        if not at and progress.get("share", 0) >= SHARE and progress.get("eta") is not None:
            left, at = float(progress["eta"]), time.time()
        time.sleep(0.05)
    facts = job.wait()
    took, really = seconds(facts), facts["finished"] - at
    project.delete()
    return (
        f"{estimate:.1f} | {took:.1f} | {estimate / took - 1:+.0%}"
        f" | {left:.1f} | {really:.1f} | {left / really - 1:+.0%}"
    )
