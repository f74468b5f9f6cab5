"""Speed of the person segmenter's files, side by side.

python -m benchmarks.segmenter FP32.onnx INT8.onnx ...   the first one is the yardstick

Each round gives every file its turn, so that a slow minute of a shared machine falls on
all of them; the median of the rounds is shown. "Two at once" is how an analysis runs on
two cores: one network of one thread, asked by two workers.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from insightface.data import get_image

from benchmarks.__main__ import processor
from benchmarks.measure import CommandFailed, measure
from bystander.errors import BystanderError
from bystander.geometry.types import Rgb
from bystander.models.letterbox import Letterbox
from bystander.models.sessions import Array, Session, SessionSettings, open_session

SIZE = (640, 360)
"""Width, height of an analysed 16:9 video; the network sees 640x384."""

WORKERS = 2
BURST = 6
"""Frames in one turn: enough that the clock doesn't matter, few enough to take turns often."""

Milliseconds = float
Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Speed:
    """Attributes:
    path: the file.
    opening: milliseconds to open it, without the process's start.
    single: milliseconds per frame, one at a time.
    paired: milliseconds per frame, two at once.
    peak: bytes resident in a process that opens it and sees a few frames.
    """

    path: Path
    opening: Milliseconds
    single: Milliseconds
    paired: Milliseconds
    peak: int


def frame() -> Rgb:
    """The group photo that insightface ships, cropped to a video's aspect."""
    photo = np.asarray(get_image("t1")[:, :, ::-1], dtype=np.uint8)  # BGR to RGB
    width, height = SIZE
    return np.ascontiguousarray(photo[:height, :width])


def feeds() -> dict[str, Array]:
    return {"images": Letterbox.around(*SIZE).blob([frame()])}


def opened(path: Path) -> Session:
    return open_session(path, SessionSettings(providers=("cpu",), threads=1))


def clock(work: Callable[[Subject], object], subject: Subject) -> Milliseconds:
    started = time.perf_counter()
    work(subject)
    return (time.perf_counter() - started) * 1000


def compare(paths: Sequence[Path], rounds: int) -> list[Speed]:
    """Time each file, the files taking turns.

    Raises:
        BystanderError: a file can't be opened or run.
        CommandFailed: it fails in a process of its own.
    """
    fed = feeds()
    peaks = [alone(path) for path in paths]
    sessions = [opened(path) for path in paths]
    opening: list[list[Milliseconds]] = [[] for _ in paths]
    single: list[list[Milliseconds]] = [[] for _ in paths]
    paired: list[list[Milliseconds]] = [[] for _ in paths]
    with ThreadPoolExecutor(WORKERS) as pool:

        def burst(session: Session) -> None:
            for _ in range(BURST):
                session.run(fed)

        def burst_of_workers(session: Session) -> None:
            list(pool.map(burst, [session] * WORKERS))

        for session in sessions:
            burst_of_workers(session)  # to fill the arenas
        for _ in range(rounds):
            for turn, session in enumerate(sessions):
                opening[turn].append(clock(opened, paths[turn]))
                single[turn].append(clock(burst, session) / BURST)
                both = clock(burst_of_workers, session)
                paired[turn].append(both / (BURST * WORKERS))
    return [
        Speed(path, median(opening[i]), median(single[i]), median(paired[i]), peaks[i])
        for i, path in enumerate(paths)
    ]


def alone(path: Path) -> int:
    """Peak memory in bytes of a process that only opens `path` and sees a few frames."""
    return measure([sys.executable, "-m", "benchmarks.segmenter", "--alone", str(path)]).peak


def markdown(speeds: Sequence[Speed]) -> str:
    """The table; the first row is the yardstick of the ratios."""
    first = speeds[0]
    lines = [
        "| file | MB | open ms | ms/frame | times as fast | ms/frame, two at once"
        " | times as fast | peak MiB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for speed in speeds:
        lines.append(
            f"| {speed.path.name} | {speed.path.stat().st_size / 1e6:.1f} | {speed.opening:.0f}"
            f" | {speed.single:.1f} | {first.single / speed.single:.2f}"
            f" | {speed.paired:.1f} | {first.paired / speed.paired:.2f}"
            f" | {speed.peak / 2**20:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segmenter", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each file (default 15)")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    try:
        if given.alone:
            session, fed = opened(given.files[0]), feeds()
            for _ in range(BURST):
                session.run(fed)
            return
        speeds = compare(given.files, given.rounds)
    except (BystanderError, CommandFailed) as failure:
        sys.exit(str(failure))
    machine = f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    width, height = Letterbox.around(*SIZE).canvas
    print(f"{width}x{height}, median of {given.rounds} rounds; {machine}\n\n{markdown(speeds)}")


if __name__ == "__main__":
    main()
