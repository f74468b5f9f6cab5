"""A worker with drawn networks, to be run as a module: FOLDER HOLD [SOCKET].

Its segmenter writes the digest of every frame that it looks at into the file `LOOKED` of the
folder. HOLD says where it waits for ever, so that a test can disturb it there and nowhere else:
in the analysis after so many frames, `RENDERING` after its first segment, `NOWHERE`; with
`NO_NETWORKS` there are none. It prints, as libraries do that were not made for pipes.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from bystander.choices import ProfileName
from bystander.errors import ModelNotFound
from bystander.geometry.instances import Instance
from bystander.media import resuming
from bystander.media.segments import Filled, SegmentWriter
from bystander.models import Models, ModelSettings
from bystander.server.jobs import worker
from bystander.server.jobs.previews import INTERVAL_SECONDS, PreviewWriter
from bystander.settings import Profile, load_profile
from bystander.tracking.settings import KeyframeSettings
from tests.support.drawn import DrawnBodies, DrawnFaces, DrawnSegmenter, Pixels
from tests.support.drawn_tasks import Drawn

LOOKED: Final = "looked"
NOWHERE, RENDERING, NO_NETWORKS = "nowhere", "rendering", "no networks"
CHUNK_SECONDS: Final = 1.0
"""Of the video, in one part, where it is done in parts."""
SKETCH_FRAMES: Final = 5
"""Between two sketches: their clock goes on with the frames."""


def for_ever() -> NoReturn:
    """Wait until the process is ended from outside, or by its own watch over its parent."""
    while True:
        threading.Event().wait()


class Watched(DrawnSegmenter):
    """`most`: frames that it looks at."""

    def __init__(self, folder: Path, most: int | None) -> None:
        self._file = os.open(folder / LOOKED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._numbers, self._most = itertools.count(1), most

    def segment(self, frames: Sequence[Pixels]) -> list[list[Instance]]:
        for frame in frames:
            os.write(self._file, hashlib.sha256(frame.tobytes()).hexdigest().encode() + b"\n")
            if next(self._numbers) == self._most:
                for_ever()
        print("found somebody", flush=True)
        os.write(1, b"from below Python\n")
        return super().segment(frames)


class HeldWriter(SegmentWriter):
    """Waits once a segment is whole."""

    def finish(self, last: bool, filled: Filled | None = None) -> None:
        super().finish(last, filled)
        for_ever()


def every_frame(name: ProfileName) -> Profile:
    """The profile, but that the network looks at every frame: so they can be counted."""
    profile = load_profile(name)
    analysis = profile.analysis.model_copy(update={"keyframes": KeyframeSettings(seconds=0)})
    return profile.model_copy(update={"analysis": analysis})


def main(folder: Path, hold: str, line: int | None = None) -> int:
    vars(worker)["load_profile"] = every_frame
    ticks = itertools.count(0.0, INTERVAL_SECONDS / SKETCH_FRAMES)
    vars(worker)["PreviewWriter"] = partial(PreviewWriter, clock=lambda: next(ticks))
    if hold == RENDERING:
        vars(resuming)["SegmentWriter"] = HeldWriter

    def open_models(_: ModelSettings) -> Models:
        if hold == NO_NETWORKS:
            raise ModelNotFound("no segmenter in /opt/models", "Get one.")
        most = int(hold) if hold.isdecimal() else None
        return Models(Watched(folder, most), DrawnFaces(), DrawnBodies())

    if line is None:
        return worker.main(folder, open_models)
    parallel = worker.relayed(line, folder)
    drawn = replace(parallel, executor=Drawn(parallel.executor), chunk_seconds=CHUNK_SECONDS)
    return worker.main(folder, open_models, drawn)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])))
