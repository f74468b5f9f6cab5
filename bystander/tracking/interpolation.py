"""Tracked frames -> frames of the timeline, gaps between sightings filled.

Silhouettes flicker: an arm is there, gone for a frame, and there again. So a mask also covers
what was carried on from the frames before and the person's silhouette in the next frame, moved
along, but not where somebody else is. Pixels that two people may share are in both their masks.

Gaps inside a tracklet are filled, and tracklets are continued a little before
their first and after their last sighting, within the shot. Both need to know what
comes later, so frames are held back for as long as a gap may last, and no longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bystander.geometry.instances import shift, translated
from bystander.geometry.masks import union
from bystander.geometry.types import Box
from bystander.timeline.types import FrameRecord, Origin, Sighting

_VELOCITY_SIGHTING_COUNT = 4
EDGE_MARGIN_PX = 2.0
"""Grid pixels from the edge at which somebody is cut off by it."""


class MaskFinalizer:
    """Completes frames, each when the next one is known.

    It can be pickled, to go on in another process.
    """

    def __init__(self) -> None:
        self._held: FrameRecord | None = None

    def push(self, record: FrameRecord) -> Iterator[FrameRecord]:
        """Add the next frame; gives back the one before it, completed."""
        if self._held is not None:
            yield final(self._held, record)
        self._held = record

    def flush(self) -> Iterator[FrameRecord]:
        """End the video; gives back its last frame."""
        if self._held is not None:
            yield final(self._held, None)
        self._held = None


def final(record: FrameRecord, following: FrameRecord | None) -> FrameRecord:
    """The frame with each mask reaching as far as the person's silhouette in the next one.

    Args:
        record: tracked and filled.
        following: the next frame, if there is one.
    """
    ahead = {sighting.tracklet: sighting for sighting in (following.sightings if following else ())}
    finals = []
    for sighting in record.sightings:
        after = ahead.get(sighting.tracklet)
        if after is None:
            finals.append(sighting)
            continue
        others = [other.mask for other in record.sightings if other is not sighting]
        reach = after.mask.moved(*shift(after.box, sighting.box)).without(others)
        finals.append(replace(sighting, mask=union((sighting.mask, reach))))
    return replace(record, sightings=tuple(finals))


class GapFillerSettings(BaseModel):
    """How far a tracklet reaches beyond what was seen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extension: float = Field(
        0.2,
        ge=0,
        le=5,
        description="Seconds that a tracklet is continued before its first and after its last "
        "sighting. Longer hides people whom the network finds late, and masks more empty space.",
    )
    face_extension: float = Field(
        0.35,
        ge=0,
        le=5,
        description="The same for someone of whom only the face was found: faces are not "
        "looked for in every frame.",
    )
    edge_extension: float = Field(
        0.5,
        ge=0,
        le=5,
        description="The same at the left and right edge of the picture: the network finds "
        "people late who come in, and they walk out of the picture by themselves.",
    )
    shot_extension: float = Field(
        0.5,
        ge=0,
        le=5,
        description="Whoever is found so many seconds after a cut, or lost so many before one, is "
        "masked up to it: most likely they were there all the time.",
    )


@dataclass(slots=True)
class _Trail:
    """The first and the latest sightings of one tracklet, for its motion at both ends."""

    first: list[tuple[int, Sighting]] = field(default_factory=list)
    last: deque[tuple[int, Sighting]] = field(
        default_factory=lambda: deque(maxlen=_VELOCITY_SIGHTING_COUNT)
    )
    begun: bool = False
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class _PendingFrame:
    """A frame that may still be completed."""

    index: int
    pts: int
    sightings: list[Sighting]


class GapFiller:
    """Completes the frames of a shot; feed it in order.

    Args:
        grid: width, height of the analysis grid.
        max_gap: frames a gap may last, see `Tracker.max_gap_frames`.
        extension: frames that tracklets are continued at both ends.
        face_extension: the same where only a face was found.
        edge_extension: the same at the left and right edge of the picture.
        shot_extension: whoever is found so soon after a cut, or lost so soon before one, is
            continued to it.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        max_gap: int,
        extension: int,
        face_extension: int | None = None,
        edge_extension: int = 0,
        shot_extension: int = 0,
    ) -> None:
        self._grid = grid
        self._extension = extension
        self._face_extension = extension if face_extension is None else face_extension
        self._edge_extension = edge_extension
        self._shot_extension = shot_extension
        self._shot_start: int | None = None
        self._max_gap = max_gap
        longest = max(extension, self._face_extension, edge_extension, shot_extension)
        self._lag = max_gap + longest + _VELOCITY_SIGHTING_COUNT
        self._held: deque[_PendingFrame] = deque()
        self._trails: dict[int, _Trail] = {}

    def push(
        self,
        index: int,
        pts: int,
        sightings: Iterable[Sighting],
        ended: Iterable[int],
        hidden: Iterable[int] = (),
        followed: Collection[int] = (),
    ) -> Iterator[FrameRecord]:
        """Add the next frame of the shot; gives back the frames that are complete.

        Args:
            index, pts: of the frame.
            sightings: everyone linked in it.
            ended: tracklets that will not be seen again.
            hidden: tracklets that went behind somebody else: if they stay there for longer than a
                gap may last, it isn't filled, but they are continued into it at both ends.
            followed: tracklets of which nothing was detected: flow followed what is given, maybe
                only a part, so what lies between detections is filled all the same.
        """
        if self._shot_start is None:
            self._shot_start = index
        held = list(sightings)
        self._held.append(_PendingFrame(index, pts, held))
        for tracklet in hidden:
            if tracklet in self._trails:
                self._trails[tracklet].hidden = True
        for sighting in list(held):
            if sighting.tracklet not in followed:
                self._extend_trail(index, sighting)
        for tracklet in ended:
            self._finish(tracklet)
        for tracklet, trail in list(self._trails.items()):
            if index - trail.last[-1][0] > self._max_gap:
                self._finish(tracklet)
        while len(self._held) > self._lag:
            yield self._release()

    def flush(self) -> Iterator[FrameRecord]:
        """End the shot: gives back everything that was held."""
        for tracklet in list(self._trails):
            self._finish(tracklet, cut=self._held[-1].index if self._held else None)
        while self._held:
            yield self._release()
        self._shot_start = None

    def _release(self) -> FrameRecord:
        frame = self._held.popleft()
        return FrameRecord(frame.index, frame.pts, tuple(frame.sightings))

    def _extend_trail(self, index: int, sighting: Sighting) -> None:
        trail = self._trails.setdefault(sighting.tracklet, _Trail())
        if trail.hidden and index - trail.last[-1][0] > self._max_gap:
            self._finish(sighting.tracklet)
            trail = self._trails[sighting.tracklet] = _Trail()
        trail.hidden = False
        if trail.last:
            self._fill(trail.last[-1], (index, sighting))
        trail.last.append((index, sighting))
        if not trail.begun:
            trail.first.append((index, sighting))
            # Not later: frames that wait for sparse sightings are written meanwhile.
            if index - trail.first[0][0] >= _VELOCITY_SIGHTING_COUNT - 1:
                self._begin(trail)

    def _fill(self, before: tuple[int, Sighting], after: tuple[int, Sighting]) -> None:
        (start, a), (end, b) = before, after
        for frame in range(start + 1, end):
            share = (frame - start) / (end - start)
            box = _lerp(a.box, b.box, share)
            # Nobody saw which pose lies between: both silhouettes are covered.
            mask = union((a.mask.carried(a.box, box), b.mask.carried(b.box, box)))
            score = min(a.score, b.score)
            self._place(frame, Sighting(a.tracklet, box, score, mask, Origin.FILLED))

    def _begin(self, trail: _Trail) -> None:
        trail.begun = True
        start, sighting = trail.first[0]
        velocity = _velocity(trail.first)
        since = start - (self._shot_start or 0)
        for step in range(1, self._reach(sighting, since) + 1):
            self._place(start - step, _continued(sighting, -step * velocity))
        trail.first.clear()

    def _finish(self, tracklet: int, cut: int | None = None) -> None:
        trail = self._trails.pop(tracklet, None)
        if trail is None:
            return
        if not trail.begun:
            self._begin(trail)
        end, sighting = trail.last[-1]
        velocity = _velocity(list(trail.last))
        until = self._lag if cut is None else cut - end
        for step in range(1, self._reach(sighting, until) + 1):
            self._place(end + step, _continued(sighting, step * velocity))

    def _reach(self, sighting: Sighting, cut: int) -> int:
        """For how many frames somebody is continued; the shot ends after `cut` frames."""
        if cut <= self._shot_extension:
            return cut  # nobody comes from nowhere, nor with the cut
        if sighting.origin is Origin.FACE:
            return self._face_extension
        at_edge = (
            sighting.box[0] <= EDGE_MARGIN_PX or sighting.box[2] >= self._grid[0] - EDGE_MARGIN_PX
        )
        return max(self._extension, self._edge_extension if at_edge else 0)

    def _place(self, frame: int, sighting: Sighting) -> None:
        if not self._held or not self._held[0].index <= frame <= self._held[-1].index:
            return  # beyond the shot, or already written
        held = self._held[frame - self._held[0].index]
        others = [other.mask for other in held.sightings if other.tracklet != sighting.tracklet]
        mask = sighting.mask.clipped(*self._grid).without(others)
        if not mask.area:
            return
        for number, known in enumerate(held.sightings):
            if known.tracklet == sighting.tracklet:
                # Flow followed a part of them, or they are continued from both ends.
                held.sightings[number] = replace(known, mask=union((known.mask, mask)))
                return
        held.sightings.append(replace(sighting, mask=mask))


def _continued(sighting: Sighting, shift: NDArray[np.float64]) -> Sighting:
    dx, dy = float(shift[0]), float(shift[1])
    box = translated(sighting.box, dx, dy)
    return Sighting(
        sighting.tracklet, box, sighting.score, sighting.mask.moved(dx, dy), Origin.EXTENDED
    )


def _velocity(sightings: list[tuple[int, Sighting]]) -> NDArray[np.float64]:
    """Mean motion, grid pixels a frame: float64 [2]."""
    (start, a), (end, b) = sightings[0], sightings[-1]
    if start == end:
        return np.zeros(2)
    return np.array(shift(a.box, b.box)) / (end - start)


def _lerp(a: Box, b: Box, share: float) -> Box:
    x0, y0, x1, y1 = (p + share * (q - p) for p, q in zip(a, b, strict=True))
    return x0, y0, x1, y1
