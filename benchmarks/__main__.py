"""Speed and memory, side by side: `python -m benchmarks [--repeats N]`.

Prints one table. Repeats are interleaved, so that a slow minute of a shared machine
falls on every row, and the last table is kept in `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.deface import VERSION as DEFACE_VERSION
from benchmarks.deface import deface
from benchmarks.material import REPOSITORY, Clip, frames, group_pan, repeated, use_shared_models
from benchmarks.measure import CommandFailed, Measurement, measure, typical

RESULTS = REPOSITORY / "benchmarks" / "results"
LONG = 10
"""How many times the clip is repeated to see whether memory grows with its length."""

Table = dict[str, Measurement]


@dataclass(frozen=True)
class Row:
    """One line of the table: a command and the frames it processes."""

    name: str
    command: list[str]
    frames: int
    repeats: int


def processor() -> str:
    """The processor's name, where the system tells it."""
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in names if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def rows(folder: Path, repeats: int) -> tuple[str, list[Row]]:
    """What the table is measured on, and its rows; made files go to `folder`."""
    clip = Clip("opera")
    video, cast, note = clip.video, ["--cast", str(clip.folder / "cast" / "boy")], "opera"
    if not video.exists():
        video, cast = folder / "pan.mp4", []
        note = "a panned photo, for want of the shared clips (set BYSTANDER_SHARED)"
        group_pan(video)
    long = folder / "long.mp4"
    repeated(video, LONG, long)

    python = [sys.executable, "-m"]
    output = str(folder / "out.mp4")
    transcode = [*python, "benchmarks.transcode_row", str(video), output]
    masked = [*python, "bystander", "mask", str(video), *cast, "-o", output, "--overwrite"]
    masked_long = [*python, "bystander", "mask", str(long), *cast, "-o", output, "--overwrite"]
    faces = [str(deface()), str(video), "-o", output]
    count = sum(1 for _ in frames(video))
    return f"{note}, {count} frames", [
        Row("plain transcode, same encoder settings", transcode, count, repeats),
        Row("bystander mask", masked, count, repeats),
        Row(f"deface {DEFACE_VERSION}, defaults (faces only)", faces, count, repeats),
        Row(f"bystander mask, the clip {LONG} times", masked_long, count * LONG, 1),
    ]


def run(rows: list[Row], output: Path) -> Table:
    """Every row's measurements, the rows taking turns."""
    runs: dict[str, list[Measurement]] = {row.name: [] for row in rows}
    for row in rows:
        if row.repeats > 1:  # the first run of a program reads it from a cold disk
            measure(row.command)
    for turn in range(max(row.repeats for row in rows)):
        for row in rows:
            if turn < row.repeats:
                output.unlink(missing_ok=True)
                runs[row.name].append(measure(row.command))
                print(f"  {row.name}: {runs[row.name][-1].wall:.1f} s", file=sys.stderr)
    return {name: typical(measured) for name, measured in runs.items()}


def markdown(table: Table, rows: list[Row]) -> str:
    """The table; the first row is the yardstick of the last column."""
    lines = [
        "| | wall s | frames/s | CPU s | peak MiB | time per frame / transcode |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    yardstick = table[rows[0].name].wall / rows[0].frames
    for row in rows:
        measured = table[row.name]
        ratio = measured.wall / row.frames / yardstick
        lines.append(
            f"| {row.name} | {measured.wall:.1f} | {row.frames / measured.wall:.1f}"
            f" | {measured.cpu:.1f} | {measured.peak / 2**20:.0f} | {ratio:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each row (default 3)")
    repeats = parser.parse_args().repeats
    use_shared_models()
    with tempfile.TemporaryDirectory(prefix="bystander-bench-") as scratch:
        folder = Path(scratch)
        subject, planned = rows(folder, repeats)
        try:
            table = run(planned, folder / "out.mp4")
        except CommandFailed as failure:
            sys.exit(str(failure))
    machine = f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    shown = markdown(table, planned)
    print(f"{subject}; median of {repeats} after a warm-up; {machine}\n\n{shown}")
    RESULTS.mkdir(exist_ok=True)
    kept = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "subject": subject,
        "repeats": repeats,
        "rows": {name: asdict(measured) for name, measured in table.items()},
    }
    (RESULTS / "speed.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
