"""What a crash costs: jobs that are disturbed in the middle, beside one that is not.

The pictures must be the same bit for bit, and the segmenter must not look again at frames
that lie before the last checkpoint: with all attempts together it may look at no more than
the video's frames and those of one interval between checkpoints.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av

from benchmarks.service.clips import Clip, seconds
from benchmarks.service.server import Server
from bystander.client import Client, RemoteJob

SETTLED = 0.5
"""Seconds in which the segmenter has answered what a dead worker asked."""
OFTEN: dict[str, dict[str, object]] = {"jobs": {"checkpoint_seconds": 2, "segment_frames": 60}}
SETTINGS: dict[str, dict[str, dict[str, object]]] = {
    "default settings": {},
    "checkpoint_seconds 2, segment_frames 60": OFTEN,
}


def kill_worker(server: Server, job: RemoteJob) -> int:
    """Returns how many frames a segmenter that is gone had looked at: none."""
    worker = server.worker(job.id)
    if worker is not None:
        worker.kill()
    return 0


def restart(server: Server, job: RemoteJob) -> int:
    """Returns how many frames the segmenter had looked at that is gone."""
    looked, _ = server.segmented()
    server.terminate()
    server.start()
    return looked


@dataclass(frozen=True)
class Disturbance:
    """What is done when a share of the job is done."""

    name: str
    share: float
    do: Callable[[Server, RemoteJob], int]


DISTURBANCES = (
    Disturbance("undisturbed", 2.0, kill_worker),
    Disturbance("worker killed at 30 %", 0.3, kill_worker),
    Disturbance("worker killed at 80 %", 0.8, kill_worker),
    Disturbance("server restarted at 30 %", 0.3, restart),
    Disturbance("server restarted at 80 %", 0.8, restart),
)


def table(clips: Path, folder: Path) -> str:
    """The table, as Markdown."""
    clip = Clip.find(clips / "hamilton")
    lines = [
        "| | seconds | same frames | looked at by the segmenter | resumed | attempts |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for number, (name, changes) in enumerate(SETTINGS.items()):
        lines.append(f"| **{name}** | | | | | |")
        home = folder / str(number)
        home.mkdir()
        with Server(home, changes) as server, Client(server.url, server.tokens[0]) as client:
            expected = ""
            for disturbance in DISTURBANCES:
                facts, looked, got = _disturbed(server, client, clip, disturbance, home)
                expected = expected or got
                same = "yes" if got == expected else "NO"
                lines.append(
                    f"| {disturbance.name} | {seconds(facts):.1f} | {same} | {looked}"
                    f" | {facts['resumed']} | {facts['attempts']} |"
                )
    return "\n".join(lines)


def _disturbed(
    server: Server, client: Client, clip: Clip, disturbance: Disturbance, folder: Path
) -> tuple[dict[str, float], int, str]:
    """Facts of the job, frames that were looked at, and a digest of the result's frames."""
    before, result = server.segmented()[0], folder / "result.mp4"
    project, job = clip.start(client)
    while (facts := job.facts())["state"] in ("queued", "running"):
        if (facts["progress"] or {}).get("share", 0) >= disturbance.share:
            before -= disturbance.do(server, job)
            break
        time.sleep(0.05)
    facts = job.wait()
    time.sleep(SETTLED)
    project.download("result", result, overwrite=True)
    project.delete()
    return facts, server.segmented()[0] - before, _digest(result)


def _digest(video: Path) -> str:
    digest = hashlib.sha256()
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            digest.update(frame.to_ndarray().tobytes())
    return digest.hexdigest()
