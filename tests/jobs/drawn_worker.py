"""A worker with drawn networks, to be run as a module: FOLDER SECONDS.

Its segmenter takes SECONDS for a frame, and writes the digest of every frame that it looks at
into the file `LOOKED` of the folder. With a negative number there are no networks. It prints,
as libraries do that were not made for pipes.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bystander.errors import ModelNotFound
from bystander.instances import Instance
from bystander.jobs import worker
from bystander.models import Models, ModelSettings
from tests.drawn import DrawnBodies, DrawnFaces, DrawnSegmenter, Pixels

LOOKED: Final = "looked"


class Watched(DrawnSegmenter):
    def __init__(self, folder: Path, seconds: float) -> None:
        self._file = os.open(folder / LOOKED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._seconds = seconds

    def segment(self, frames: Sequence[Pixels]) -> list[list[Instance]]:
        for frame in frames:
            os.write(self._file, hashlib.sha256(frame.tobytes()).hexdigest().encode() + b"\n")
            time.sleep(self._seconds)
        print("found somebody", flush=True)
        os.write(1, b"from below Python\n")
        return super().segment(frames)


def main(folder: Path, seconds: float) -> int:
    def open_models(_: ModelSettings) -> Models:
        if seconds < 0:
            raise ModelNotFound("no segmenter in /opt/models", "Get one.")
        return Models(Watched(folder, seconds), DrawnFaces(), DrawnBodies())

    return worker.main(folder, open_models)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
