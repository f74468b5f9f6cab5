"""A video and masks drawn in some of its frames -> where each is in every frame it is followed to.

What is followed is said in data (`Leg`, timestamps), so that the child that decodes a stranger's
video needs no timeline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.editing.apply import EditedTimeline
from bystander.editing.document import DrawnEdit
from bystander.editing.drawn import Place
from bystander.editing.follow import follow
from bystander.editing.shapes import Motion, box_of, moved
from bystander.media.facts import VideoInfo
from bystander.media.reader import UNSEEKABLE, frames_after
from bystander.tracking.motion import Grey, grey

BLOCK_FRAMES: Final = 240
"""Pictures that are held at once where a mask is followed backwards."""
MAX_BLOCK_FRAMES: Final = 1200
"""... of a video that is decoded from its beginning for each block; 100 kB each at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Leg:
    """What is followed from one key.

    Attributes:
        at: the key's frame.
        before, after: the first frame, and the one after the last.
        corners: as drawn, grid pixels: float64 [N, 2].
    """

    at: int
    before: int
    after: int
    corners: NDArray[np.float64]

    @property
    def steps(self) -> int:
        """Pictures that are looked at; the key's own is twice."""
        return self.after - self.before + 1


def legs_of(timeline: EditedTimeline, where: str, edit: DrawnEdit) -> list[Leg]:
    """How far a mask is followed from each of its keys: to its own ends, the next key, a cut.

    Args:
        timeline: that the edit is of.
        where: what the edit is called in errors.

    Raises:
        InvalidEdits: a key isn't between its start and end, or in the video; it lies beside the
            picture.
    """
    first, last = timeline.frames(where, edit)
    keys = timeline.keys_within(where, edit, first, last)
    corners = timeline.corners(where, edit)
    legs = []
    for key, at in enumerate(keys):
        start, end = _shot(timeline, at)
        before = max(first, start, keys[key - 1] + 1 if key else 0)
        after = min(last, end, keys[key + 1] if key + 1 < len(keys) else last)
        legs.append(Leg(at, before, after, corners[key]))
    return legs


def _shot(timeline: EditedTimeline, frame: int) -> tuple[int, int]:
    for shot in timeline.header.shots:
        if shot.start <= frame < shot.end:
            return shot.start, shot.end
    return 0, timeline.header.video.frames


class MaskFollower:
    """Follows drawn masks through one video.

    Args:
        info: what `probe` said of the video.
        grid: width and height of the analysis grid.
        pts: timestamps of frames, ticks: int64 [F]; all that legs lead to, and the one before.
        first: the frame that the first of them is of.
    """

    def __init__(
        self,
        video: Path,
        info: VideoInfo,
        grid: tuple[int, int],
        pts: Sequence[int] | NDArray[np.int64],
        first: int = 0,
    ) -> None:
        self._video, self._info, self._grid = video, info, grid
        self._pts, self._first = pts, first

    def places(self, legs: Sequence[Leg]) -> Iterator[tuple[int, Place]]:
        """Where a mask is, frame by frame: ahead from each key, then back from it.

        A frame between two keys comes twice; the later place is the one that counts.

        Args:
            legs: of all keys of one mask, in order.

        Raises:
            VideoError: the video can't be read any more.
        """
        path: dict[int, Place] = {}
        for key, leg in enumerate(legs):
            for frame, motion in chain(self._ahead(leg), self._back(leg)):
                place = key, motion
                if frame in path and path[frame][0] != key:  # between two keys
                    place = _between(frame, path[frame], place, legs)
                path[frame] = place
                yield frame, place

    def _ahead(self, leg: Leg) -> Iterator[tuple[int, Motion]]:
        pictures = self._pictures(leg.at, leg.after)
        motions = follow(leg.corners, pictures, self._grid)
        return zip(range(leg.at, leg.after), motions, strict=False)

    def _back(self, leg: Leg) -> Iterator[tuple[int, Motion]]:
        pictures = self._backwards(leg.at, leg.before)
        motions = follow(leg.corners, pictures, self._grid)
        return zip(range(leg.at, leg.before - 1, -1), motions, strict=False)

    def _backwards(self, at: int, start: int) -> Iterator[Grey]:
        """The pictures from `at` back to `start`, a block of them in memory at a time."""
        block = MAX_BLOCK_FRAMES if self._info.container in UNSEEKABLE else BLOCK_FRAMES
        end = at + 1
        while end > start:
            begin = max(start, end - block)
            yield from reversed(list(self._pictures(begin, end)))
            end = begin

    def _pictures(self, start: int, end: int) -> Iterator[Grey]:
        """The pictures of the frames `start` to before `end`."""
        shown = int(self._pts[start - 1 - self._first]) if start else None
        frames = frames_after(self._video, self._info, start, shown)
        for frame in islice(frames, end - start):
            yield grey(frame.rgb(self._grid))


def _between(frame: int, one: Place, other: Place, legs: Sequence[Leg]) -> Place:
    """Where a mask is that was followed from the key before and from the key behind."""
    start, end = legs[one[0]].at, legs[other[0]].at
    share = (frame - start) / (end - start)
    nearer = one if share < 0.5 else other
    middles = [_middle(moved(legs[key].corners, motion)) for key, motion in (one, other)]
    middle = (1 - share) * middles[0] + share * middles[1]
    shift = middle - _middle(legs[nearer[0]].corners)
    return nearer[0], Motion(float(shift[0]), float(shift[1]), nearer[1].scale)


def _middle(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    x0, y0, x1, y1 = box_of(corners)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2])
