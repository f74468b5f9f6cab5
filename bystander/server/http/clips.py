"""Clips of people: a few seconds of the video with a frame around one of them.

Made when somebody asks for one, kept beside the video until it is analysed again or deleted.
"""

from __future__ import annotations

import hashlib
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.errors import NotStored
from bystander.sandbox import ClipOrder, Moment, cut_clip
from bystander.server.http.deps import Context
from bystander.server.http.errors import ApiError
from bystander.server.jobs.spec import TIMELINE_FILE, VIDEO_FILE
from bystander.server.models import Project
from bystander.timeline.archive import Timeline
from bystander.timeline.header import Header
from bystander.timeline.types import EvidenceKind, FrameRecord, Person

MAX_CLIP_SECONDS: Final = 6.0
"""Seconds; enough to see who somebody is."""
MIN_CLIP_SECONDS: Final = 2.0
"""... of one that the service chooses: what comes before and after helps."""
TOLD_SECONDS: Final = 0.001
"""How exactly a client is told when a frame is shown."""
MAX_CACHED_CLIPS: Final = 50
"""Of a project. One has about 300 kB."""

Span = tuple[int, int]
"""First frame and one past the last."""


class ClipCache:
    """The clips of all projects."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._scratch = context.data / "work"

    def ensure(self, project: Project, analysis: str, header: Header, wanted: Person,
               span: Span) -> str:  # fmt: skip
        """Make the clip, unless it is there already; the key under which storage has it.

        Args:
            analysis: id of what made the timeline: its people aren't another one's.
            header: of that timeline.

        Raises:
            VideoError: nothing can be decoded there.
            ApiError: the project, or the analysis, was replaced meanwhile.
            OutputUnwritable, StorageError: it can't be kept.
        """
        folder = f"{project.id}/clips/{analysis}/"
        # Somebody who was merged is somebody else by the same id.
        who = hashlib.sha256(repr(sorted(wanted.tracklets)).encode()).hexdigest()[:16]
        key = f"{folder}{wanted.id}-{who}-{span[0]}-{span[1]}.mp4"
        storage = self._context.storage
        try:
            storage.size(key)
        except NotStored:
            self._make_room(project, folder)
            self._make(project, header, wanted, span, key)
            if self._context.store.projects.find(project.id) is None:
                storage.delete(f"{project.id}/")
                raise ApiError.missing("There is no such project") from None
        return key

    def _make_room(self, project: Project, folder: str) -> None:
        """Delete the clips of earlier analyses, and all of them where they are many."""
        storage, every = self._context.storage, f"{project.id}/clips/"
        there = list(storage.keys(every))
        if len(there) >= MAX_CACHED_CLIPS or not all(key.startswith(folder) for key in there):
            storage.delete(every)

    def _make(self, project: Project, header: Header, wanted: Person, span: Span, key: str) -> None:
        storage, settings = self._context.storage, self._context.settings
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch, prefix="clip-") as name:
            folder = Path(name)
            storage.fetch(f"{project.id}/{TIMELINE_FILE}", folder / TIMELINE_FILE)
            storage.fetch(f"{project.id}/{VIDEO_FILE}", folder / VIDEO_FILE)
            timeline = Timeline.load(folder / TIMELINE_FILE)
            if timeline.header != header:  # the frame would be around somebody else
                raise ApiError(409, "The video was analysed again", "Ask who is in it now.")
            made = folder / "made.mp4"
            cut_clip(folder / VIDEO_FILE, settings.limits, order_for(timeline, wanted, span), made)
            self._context.janitor.room_for(made.stat().st_size)
            storage.put(made, key)


def span_of(
    header: Header,
    wanted: Person,
    start: float | None,
    end: float | None,
    times: NDArray[np.float64] | None = None,
) -> Span:
    """The frames to show of somebody: at most `MAX_CLIP_SECONDS`.

    Args:
        start, end: seconds, as a player shows them; where neither is given, it is the middle of
            what there is most doubt about, or of their longest appearance.
        times: of the frames, and the end of the last one: seconds, [F + 1]; by default they are
            evenly spaced from 0 on.

    Raises:
        ApiError: the seconds lie outside the video, or end before they start.
    """
    rate, frames = header.video.rate, header.video.frames
    longest = max(1, round(MAX_CLIP_SECONDS * rate))
    if start is None and end is None:
        first, last = _telling(header, wanted)
        length = min(max(last - first, round(MIN_CLIP_SECONDS * rate)), longest)
        first = max(0, min((first + last - length) // 2, frames - length))
        return first, min(frames, first + length)
    times = header.even_times() if times is None else times
    duration = float(times[-1])
    until = duration if end is None else min(end, duration)
    since = max(0.0, until - MAX_CLIP_SECONDS) if start is None else start
    if not since < until:
        raise ApiError(
            422,
            "There is nothing of the video between these seconds",
            f"Give a start before its end at {duration:.3f}, and an end after the start.",
        )
    first = max(0, int(np.searchsorted(times[:-1], since, side="right")) - 1)
    last = int(np.searchsorted(times[:-1], until - TOLD_SECONDS))
    return first, min(frames, first + longest, max(first + 1, last))


def order_for(timeline: Timeline, wanted: Person, span: Span) -> ClipOrder:
    """What the sandbox is to show: the frames of `span`, and where `wanted` is in each."""
    video, grid = timeline.header.video, timeline.header.grid
    tracklets = frozenset(wanted.tracklets)
    moments = [
        Moment(pts=record.pts, box=_box(record, tracklets, grid))
        for record in islice(timeline.frames(span[0]), span[1] - span[0])
    ]
    start, last = moments[0].pts, moments[-1].pts
    numerator, denominator = video.time_base
    # The mean rate says too little where frames are uneven: what is shown is counted in ticks.
    seconds = (last - start) * numerator / denominator + 0.5 / video.rate
    return ClipOrder(start=start, seconds=min(MAX_CLIP_SECONDS, seconds), moments=tuple(moments))


def _telling(header: Header, wanted: Person) -> Span:
    """The longest span of doubt about somebody, or else their longest appearance."""
    owned = header.tracklets_of(wanted)
    doubts = [
        (verdict.start, verdict.end)
        for tracklet in owned
        for verdict in tracklet.verdicts
        if verdict.evidence.kind is EvidenceKind.DOUBT
    ]
    return max(doubts or [(t.start, t.end) for t in owned], key=lambda span: span[1] - span[0])


def _box(
    record: FrameRecord, tracklets: frozenset[int], grid: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """Around somebody in a frame, as shares of the picture; None where they aren't in it."""
    mine = [s.box for s in record.sightings if s.tracklet in tracklets]
    if not mine:
        return None
    corners = np.array(mine) / (*grid, *grid)
    left, top = corners[:, :2].min(axis=0).clip(0, 1).tolist()
    right, bottom = corners[:, 2:].max(axis=0).clip(0, 1).tolist()
    return left, top, right, bottom
