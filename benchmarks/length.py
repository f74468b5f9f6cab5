"""a short drawn clip, over and over -> memory and time of both passes, as the video goes on.

    python -m benchmarks.length [--hours 2] [--trace] [-o FOLDER]

Three people walk through two places in ten seconds; the clip's packets are repeated, so that a
two-hour file takes seconds to make. The networks are the tests' drawn ones, which cost nothing and
keep nothing: what grows is ours. Resident memory is read at each tenth of each pass, and at its
end, when the verdicts are passed. `--trace` adds the lines of code that hold what has come to be
held between a tenth and the end of the frames (slower: tracemalloc).
"""

from __future__ import annotations

import argparse
import tempfile
import time
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from benchmarks.material import repeated
from bystander.media.encoder import EncoderSettings
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.progress import Progress
from bystander.settings import AnalysisSettings
from tests.support.drawn import BLUE, GREEN, RED, Figure, Scene, drawn_models, walking
from tests.support.videos import Clip

FPS: Final = 8
CLIP_SECONDS: Final = 10
SIZE: Final = (256, 144)
TICKS: Final = 12_800 // FPS
TENTHS: Final = 10
TRACED_LINES: Final = 12


@dataclass
class Watched:
    """Memory and time of one pass, as its progress is reported.

    Attributes:
        resident: MiB by tenths of the frames done.
        seconds: of processor time, likewise.
    """

    trace: bool
    resident: dict[int, float] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    early: tracemalloc.Snapshot | None = None
    late: tracemalloc.Snapshot | None = None

    def __call__(self, progress: Progress) -> None:
        tenth = TENTHS * progress.done // max(1, progress.total)
        if tenth in self.resident:
            return
        self.resident[tenth], self.seconds[tenth] = resident_mib(), time.process_time()
        if self.trace and tenth == 1:
            self.early = tracemalloc.take_snapshot()
        if self.trace and tenth == TENTHS - 1:
            self.late = tracemalloc.take_snapshot()

    def show(self, name: str, began: float) -> None:
        ended = time.process_time()
        tenths = ", ".join(f"{mib:.0f}" for _, mib in sorted(self.resident.items()))
        growth = self.resident[TENTHS - 1] / self.resident[1] - 1
        first = self.seconds[2] - self.seconds[1]
        last = self.seconds[TENTHS - 1] - self.seconds[TENTHS - 2]
        print(f"{name}: MiB at each tenth {tenths}; at the end {resident_mib():.0f}")
        print(f"  from the first tenth to the ninth {growth:+.1%}")
        after = ended - self.seconds[TENTHS]
        print(
            f"  CPU: second tenth {first:.1f} s, ninth {last:.1f} s, after the last frame "
            f"{after:.1f} s, whole {ended - began:.1f} s"
        )
        if self.early is not None and self.late is not None:
            for line in self.late.compare_to(self.early, "lineno")[:TRACED_LINES]:
                print(f"  {line}")


def resident_mib() -> float:
    return float(psutil.Process().memory_info().rss / 2**20)


def filmed(folder: Path, hours: float) -> Path:
    """The drawn clip as often as `hours` take."""
    frames = FPS * CLIP_SECONDS
    scene = Scene(
        [
            Figure(RED, walking(-30, 4, 20)),
            Figure(GREEN, walking(200, -2, 25), present=range(frames // 2)),
            Figure(BLUE, walking(60, 1.5, 30)),
        ],
        frames=frames,
        cuts=(frames // 2,),
        size=SIZE,
    )
    clip, long = folder / "clip.mp4", folder / "long.mp4"
    scene.video(clip, Clip(pts=range(0, TICKS * frames, TICKS), last_duration=TICKS, size=SIZE))
    long.unlink(missing_ok=True)
    repeated(clip, max(1, round(hours * 3600 / CLIP_SECONDS)), long)
    return long


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.length")
    parser.add_argument("--hours", type=float, default=2)
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("-o", "--output", type=Path, help="keeps the files")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bystander-length-") as scratch:
        folder = given.output or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        video = filmed(folder, given.hours)
        if given.trace:
            tracemalloc.start()
        watched, began = Watched(given.trace), time.process_time()
        settings = AnalysisSettings(long_side=256, workers=1)
        timeline = analyze(
            video, folder / "timeline", models=drawn_models(), settings=settings, report=watched
        )
        watched.show("analysis", began)
        header = timeline.header
        print(
            f"  {header.video.frames} frames, {len(header.shots)} shots, "
            f"{len(header.tracklets)} tracklets, {len(header.persons)} persons, timeline "
            f"{(folder / 'timeline').stat().st_size / 2**20:.1f} MiB"
        )
        watched, began = Watched(given.trace), time.process_time()
        fast = EncoderSettings(preset="ultrafast")
        render(video, timeline, folder / "out.mp4", encoder=fast, overwrite=True, report=watched)
        watched.show("rendering", began)


if __name__ == "__main__":
    main()
