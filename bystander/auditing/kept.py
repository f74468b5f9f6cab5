"""pictures and records in order -> where those who are kept may be seen, frame by frame.

The timeline's silhouettes of a kept person flicker: an arm is missing in one frame, the whole
person for three. What was theirs a moment ago is still theirs, and optical flow tells where it
is now: an audit that takes a kept person's arm for a stranger is soon ignored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits, resized
from bystander.timeline.types import Decision, FrameRecord, Origin, Tracklet

EDGE_MARGIN_PX: Final = 3
"""Grid pixels around a kept silhouette that count as the person's: hair, and what they hold."""
MEMORY_SECONDS: Final = 0.5
"""For so long a pixel stays the kept person's after the timeline said so."""
FLOW_LONG_SIDE_PX: Final = 320


def kept_silhouettes(
    record: FrameRecord, tracklets: Mapping[int, Tracklet], grid: tuple[int, int]
) -> Bits:
    """The silhouettes of those who are kept, with a margin: bool [H, W] over the grid."""
    bits = np.zeros(grid[::-1], dtype=bool)
    for sighting in record.sightings:
        if tracklets[sighting.tracklet].decision_at(record.index) is Decision.KEEP:
            sighting.mask.grown(EDGE_MARGIN_PX).paste(bits)
    return bits


@dataclass(frozen=True, slots=True, eq=False)
class KeptPeople:
    """Those who may be seen in a frame.

    Attributes:
        area: bool [H, W] over the analysis grid, where they may be.
        people: how many they are at most.
    """

    area: Bits
    people: int


def memory_frames(rate: float) -> int:
    """Frames for which a pixel stays the kept person's, at `rate` frames per second."""
    return max(1, round(MEMORY_SECONDS * rate))


class KeptArea:
    """Remembers whose silhouettes were kept, and moves the memory along.

    Args:
        tracklets: by their ids.
        grid: width, height of the analysis grid.
        rate: frames per second.
        shots: indices of the frames with which shots begin; nothing is remembered over a cut.
    """

    def __init__(
        self,
        tracklets: Mapping[int, Tracklet],
        grid: tuple[int, int],
        rate: float,
        shots: Collection[int] = (),
    ) -> None:
        self._tracklets, self._grid = tracklets, grid
        self._shots = frozenset(shots)
        self._memory = memory_frames(rate)
        scale = FLOW_LONG_SIDE_PX / max(grid)
        self._size = max(16, round(grid[0] * scale)), max(16, round(grid[1] * scale))
        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._anybody = any(
            verdict.decision is Decision.KEEP
            for tracklet in tracklets.values()
            for verdict in tracklet.verdicts
        )
        self._before: NDArray[np.uint8] | None = None
        self._left = np.zeros(self._size[::-1], dtype=np.float32)  # frames it is remembered for
        self._counts: deque[int] = deque(maxlen=self._memory)

    def see(self, picture: NDArray[np.uint8], record: FrameRecord | None) -> KeptPeople | None:
        """Take the next frame.

        Args:
            picture: uint8 [H, W, 3] RGB, the source's frame in any size.
            record: who is in it, if the timeline knows.

        Returns:
            None where nobody is kept in the whole video.
        """
        if not self._anybody:
            return None
        small = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        here = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        cut = record is not None and record.index in self._shots
        if self._before is None or cut:
            self._left[:] = 0
            self._counts.clear()
        elif self._left.any():
            self._left = np.maximum(self._moved(here) - 1, 0).astype(np.float32)
        self._before = here
        if record is None:
            return KeptPeople(self._enlarged(self._left > 0), max(self._counts, default=0))
        silhouettes = kept_silhouettes(record, self._tracklets, self._grid)
        self._left[self._reduced(self._others(record))] = 0
        self._left[self._reduced(silhouettes)] = self._memory
        decisions = [
            self._tracklets[s.tracklet].decision_at(record.index) for s in record.sightings
        ]
        self._counts.append(decisions.count(Decision.KEEP))
        return KeptPeople(self._enlarged(self._left > 0) | silhouettes, max(self._counts))

    def _moved(self, here: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What is remembered, moved from the frame before to this one."""
        flow = self._flow.calc(here, self._before, None)
        rows, columns = np.indices(here.shape, dtype=np.float32)
        moved = cv2.remap(
            self._left, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_NEAREST
        )
        return np.asarray(moved, dtype=np.float32)

    def _others(self, record: FrameRecord) -> Bits:
        """Where somebody is seen who is masked: bool [H, W] over the grid."""
        bits = np.zeros(self._grid[::-1], dtype=bool)
        for sighting in record.sightings:
            decision = self._tracklets[sighting.tracklet].decision_at(record.index)
            if decision is Decision.MASK and sighting.origin is Origin.SEEN:
                sighting.mask.paste(bits)
        return bits

    def _reduced(self, bits: Bits) -> Bits:
        return resized(bits, self._size)

    def _enlarged(self, bits: Bits) -> Bits:
        return resized(bits, self._grid)
