"""Where a long analysis stands, saved now and then, so that a crash costs seconds.

A folder holds the timeline's finished chunks and `state`, which is replaced atomically. The
state holds face embeddings: the folder is as private as the photos, and goes with its job.
It is pickled, so a folder that others can write to must not be given.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import pickle
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bystander.errors import OutputUnwritable
from bystander.timeline.archive import WriterState
from bystander.tracking.frame_analysis import FrameAnalyzer
from bystander.tracking.keyframes import Keyframe
from bystander.tracking.shots import Thumbnail

log = logging.getLogger(__name__)

STATE_FILE: Final = "state"
MAX_OVERHEAD_SHARE: Final = 20
"""Saving takes at most one part in so many of the time ..."""
MAX_INTERVAL_SECONDS: Final = 3
"""... but checkpoints never lie further apart than so many times what was asked for: on a busy
machine everything takes long, and most of the work is to be kept all the same."""


@dataclass(frozen=True, slots=True, eq=False)
class ReaderPosition:
    """Where reading stands after a frame.

    Attributes:
        index, pts: of the frame.
        before: what the next frame is compared with to find cuts.
        shot_begun, look_due: seconds; when the shot began, and when faces are due again.
        key: the frame, if the networks have looked at it.
    """

    index: int
    pts: int
    before: Thumbnail | None
    shot_begun: float
    look_due: float
    key: Keyframe | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisState:
    """Everything an analysis knows after a frame, but for its networks."""

    standing: ReaderPosition
    analyzer: FrameAnalyzer
    writer: WriterState


class AnalysisCheckpoints:
    """Saves and finds the state of one analysis.

    Args:
        folder: made if it isn't there; nothing else may live in it.
        every: seconds between two checkpoints.
        clock: seconds.
    """

    def __init__(
        self, folder: Path, every: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.chunks = folder / "chunks"
        self._folder, self._every, self._clock = folder, every, clock
        self._key = ""
        self._due = clock() + every

    def resume(self, key: Mapping[str, object]) -> AnalysisState | None:
        """What was saved for this very analysis; anything else in the folder is removed.

        Args:
            key: all that the result depends on: video, settings, networks, clicks.

        Raises:
            OutputUnwritable: the folder can't be made.
        """
        self._key = hashlib.sha256(
            json.dumps(key, sort_keys=True, default=str).encode()
        ).hexdigest()
        state = self._load()
        if state is None:
            self.clear()
        try:
            self.chunks.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OutputUnwritable(
                f"checkpoints can't be written to {self._folder} ({error.strerror})",
                "Choose another folder.",
            ) from error
        self._due = self._clock() + self._every
        return state

    def offer(self, make: Callable[[], AnalysisState]) -> bool:
        """Save what `make` gives if it is time to; says whether it did.

        Raises:
            OutputUnwritable: the disk is full.
        """
        begun = self._clock()
        if begun < self._due:
            return False
        self._save(make())
        now = self._clock()
        self._due = now + min(
            max(self._every, MAX_OVERHEAD_SHARE * (now - begun)), MAX_INTERVAL_SECONDS * self._every
        )
        return True

    def clear(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _save(self, state: AnalysisState) -> None:
        part = self._folder / f".{STATE_FILE}.part"
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
                # Silhouettes are bitmaps: they shrink to a fiftieth.
                with gzip.GzipFile(fileobj=f, mode="wb", compresslevel=1, mtime=0) as packed:
                    pickle.dump((self._key, state), packed, protocol=pickle.HIGHEST_PROTOCOL)
                f.flush()
                os.fsync(f.fileno())
            part.replace(self._folder / STATE_FILE)
        except OSError as error:
            raise OutputUnwritable(
                f"a checkpoint can't be written to {self._folder} ({error.strerror})",
                "Free some space and try again.",
            ) from error

    def _load(self) -> AnalysisState | None:
        path = self._folder / STATE_FILE
        if not path.is_file():
            return None
        try:
            with gzip.open(path) as file:
                key, state = pickle.load(file)
        except Exception as error:  # of another version, or damaged: pickle raises anything
            log.warning("a checkpoint can't be read (%s); analysing from the start", error)
            return None
        if key != self._key or not isinstance(state, AnalysisState):
            log.info("a checkpoint is of another analysis; analysing from the start")
            return None
        if len(list(self.chunks.glob("*.npz"))) < state.writer.chunks:
            log.warning("chunks of a checkpoint are missing; analysing from the start")
            return None
        return state
