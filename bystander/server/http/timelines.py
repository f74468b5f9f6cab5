"""The timelines of projects, as the API looks at them: opened once, kept while they are new."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.errors import InvalidTimeline
from bystander.server.jobs.spec import TIMELINE_FILE
from bystander.storage.base import Storage
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header
from bystander.timeline.types import FrameRecord

MAX_CACHED_PROJECTS: Final = 16
MAX_CACHED_BYTES: Final = 64 * 2**20
"""Of pictures, over all projects; the newest timeline stays even if it alone has more."""


@dataclass(frozen=True, slots=True, eq=False)
class TimelineSummary:
    """What a timeline says and shows of people, without its frames.

    Attributes:
        header: with the verdicts of the analysis.
        pictures: JPEG of each tracklet that has one, by its id.
        times: when a player shows each frame, and the end of the last one: seconds, [F + 1].
    """

    header: Header
    pictures: Mapping[int, bytes]
    times: NDArray[np.float64]

    @property
    def pts(self) -> NDArray[np.int64]:
        """The timestamp of every frame: int64 [F], ticks of the video."""
        numerator, denominator = self.header.video.time_base
        ticks = np.rint(self.times[:-1] / (numerator / denominator)).astype(np.int64)
        return np.asarray(ticks + self.header.video.origin_pts)

    @property
    def size(self) -> int:
        """Bytes of its pictures."""
        return sum(map(len, self.pictures.values()))


class TimelineCache:
    """Keeps the albums that were asked for last; nothing of them is left on the disk.

    Safe to use from several threads.

    Args:
        storage: where the timelines are.
        scratch: folder for what is being read; made where it is missing. What a process that
            was killed left there is swept away with the work of jobs.
    """

    def __init__(self, storage: Storage, scratch: Path) -> None:
        self._storage = storage
        self._scratch = scratch
        self._summaries: OrderedDict[str, tuple[object, TimelineSummary]] = OrderedDict()
        self._lock = threading.Lock()

    def summary(self, project: str, version: object) -> TimelineSummary:
        """The summary of a project.

        Args:
            project: id.
            version: what changes when the project's timeline is replaced.

        Raises:
            NotStored: there is no timeline.
            StorageError: it can't be fetched.
            InvalidTimeline: it is damaged.
        """
        key = f"{project}/{TIMELINE_FILE}"
        version = (version, self._storage.size(key))
        with self._lock:
            known, summary = self._summaries.get(project, (None, None))
            if summary is not None and known == version:
                self._summaries.move_to_end(project)
                return summary
        summary = self._open(key)
        with self._lock:
            self._summaries[project] = (version, summary)
            self._summaries.move_to_end(project)
            while len(self._summaries) > 1 and self._too_much():
                self._summaries.popitem(last=False)
        return summary

    def frames(self, project: str, version: object, start: int, end: int) -> list[FrameRecord]:
        """The frames from `start` to before `end`; they aren't kept.

        Args:
            project, version: as for `summary`.

        Raises:
            NotStored, StorageError, InvalidTimeline: as `summary`; the timeline was replaced.
        """
        header = self.summary(project, version).header
        with self._fetched(f"{project}/{TIMELINE_FILE}") as timeline:
            if timeline.header != header:
                raise InvalidTimeline("the video was analysed again", "Ask again.")
            return list(islice(timeline.frames(start), end - start))

    @contextmanager
    def opened(self, key: str) -> Iterator[Timeline]:
        """A stored timeline, within the block.

        Raises:
            NotStored: there is none.
            StorageError, InvalidTimeline: as `summary`.
        """
        with self._fetched(key) as timeline:
            yield timeline

    def _too_much(self) -> bool:
        size = sum(summary.size for _, summary in self._summaries.values())
        return len(self._summaries) > MAX_CACHED_PROJECTS or size > MAX_CACHED_BYTES

    @contextmanager
    def _fetched(self, key: str) -> Iterator[Timeline]:
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            path = Path(folder) / TIMELINE_FILE
            self._storage.fetch(key, path)
            yield Timeline.load(path)

    def _open(self, key: str) -> TimelineSummary:
        with self._fetched(key) as timeline:
            return TimelineSummary(timeline.header, dict(timeline.pictures()), timeline.times())
