"""The network at keyframes, and at every frame -> frames looked at, time of the analysis.

    python -m benchmarks.keyframes [--only CLIP]

What it costs in quality says `python -m benchmarks.quality --without keyframes`. A window of a
crowd that is looked at enlarged counts as a frame, too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.material import Clip, use_shared_models
from bystander.choices import ProfileName
from bystander.geometry.instances import Instance
from bystander.models import Segmenter, load_models
from bystander.pipeline.analyze import analyze
from bystander.settings import load_profile

CLIPS: Final = ("hamilton", "opera", "interview", "schoolgirls", "dance-twirl", "busking", "plaza")
WAYS: Final[dict[str, dict[str, float]]] = {
    "every frame": {"seconds": 0.0},
    "keyframes": {},
    "keyframes, never asked": {"agreement": 0.0},
}


class Counted:
    """A segmenter that counts the frames it is shown."""

    def __init__(self, segmenter: Segmenter) -> None:
        self.segmenter = segmenter
        self.shown = 0

    def segment(self, frames: Sequence[NDArray[np.uint8]]) -> list[list[Instance]]:
        self.shown += len(frames)
        return self.segmenter.segment(frames)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keyframes")
    parser.add_argument("--only", action="append", choices=CLIPS)
    given = parser.parse_args()
    use_shared_models()
    models, settings = load_models(), load_profile(ProfileName.BALANCED).analysis
    print("| clip | | shown to the network | wall ms a frame | CPU ms a frame |")
    print("|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="bystander-keyframes-") as folder:
        for name in given.only or CLIPS:
            for way, change in WAYS.items():
                keyframes = settings.keyframes.model_copy(update=change)
                counted = Counted(models.segmenter)
                began, busy = time.perf_counter(), time.process_time()
                timeline = analyze(
                    Clip(name).video,
                    Path(folder) / "timeline",
                    models=replace(models, segmenter=counted),
                    settings=settings.model_copy(update={"keyframes": keyframes}),
                )
                frames = timeline.header.video.frames
                wall = 1e3 * (time.perf_counter() - began) / frames
                cpu = 1e3 * (time.process_time() - busy) / frames
                share = counted.shown / frames
                print(f"| {name} | {way} | {share:.0%} | {wall:.0f} | {cpu:.0f} |", flush=True)


if __name__ == "__main__":
    main()
