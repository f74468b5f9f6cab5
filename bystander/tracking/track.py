"""One person within a shot: where they are, what they look like, whose pixels are theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from bystander.geometry.instances import Instance, centre, shift, translated
from bystander.geometry.masks import Mask
from bystander.geometry.types import Box
from bystander.tracking.appearance import Histogram, PixelMemory
from bystander.tracking.motion import Window

MIN_CLAIM_OWNERSHIP: Final = 0.25
"""Ownership from which a pixel is somebody's by what was known a frame ago."""
VISIBLE_SHARE: Final = 0.03
"""Somebody of whom less than this share of their area is left is hidden."""
KNOWN_HITS: Final = 3
"""Sightings from which on somebody is known: where they are heading, that they may be hidden for
long, and that what is new in their silhouette may be somebody else."""
COAST_FRAMES: Final = 5
"""Frames without a detection for which motion is believed in."""
POSITION_GAIN: Final = 0.5
"""How much of a detection's distance from `expected` is taken for a step out of the way, ..."""
HEADING_GAIN: Final = POSITION_GAIN**2 / (2 - POSITION_GAIN)
"""... and for a change of heading, a frame (Benedict and Bordner's alpha-beta filter)."""


class State(StrEnum):
    """How much is known of somebody in the current frame."""

    SEEN = "seen"  # detected
    PROPAGATED = "propagated"  # not detected; their pixels were followed by flow
    HIDDEN = "hidden"  # behind somebody else
    LOST = "lost"  # not found, and nobody stands before them


@dataclass(slots=True, eq=False)
class Detection:
    """What the network found once: a whole person, a part of one, or two people as one.

    Attributes:
        position: in the list that the tracker was given.
        mask: clipped to the grid.
        histogram: its colours.
        apart: nobody else's box reaches into its own.
    """

    position: int
    instance: Instance
    mask: Mask
    area: int
    histogram: Histogram
    apart: bool

    @property
    def box(self) -> Box:
        return self.instance.box

    @property
    def score(self) -> float:
        return self.instance.score


@dataclass(slots=True, eq=False)
class Track:
    """A person followed through a shot.

    Attributes:
        id: unique in the video.
        box: of the mask when they were last seen, grid pixels.
        frame: in which that was.
        histogram: colours, seen apart from others if they ever were (`apart_count` times).
        ownership: how much each pixel was theirs after the last frame.
        predicted: the same, moved to the current frame; None if nothing is left of it.
        whole: box when they were last seen apart.
        whole_area: grid pixels of their mask then.
        velocity: of the box just now, grid pixels a frame, x and y.
        expected: the box in the current frame if they go on with `heading`.
        heading: how they went while nobody was near, less the camera's motion, grid pixels a
            frame, x and y: unlike `velocity` it outlasts that somebody walks past before them.
        memory: what their pixels looked like.
        score: of the last detection.
        contacts: ids of tracks that they may be mixed up with.
        detections: those of the current frame that show them, the main one first.
        mask: what is theirs in the current frame.
    """

    id: int
    box: Box
    frame: int
    histogram: Histogram
    whole: Box
    whole_area: int
    ownership: Window
    state: State = State.SEEN
    predicted: Window | None = None
    predicted_mask: Mask | None = None
    velocity: tuple[float, float] = (0.0, 0.0)
    expected: Box = (0.0, 0.0, 0.0, 0.0)
    heading: tuple[float, float] = (0.0, 0.0)
    hits: int = 0
    apart_count: int = 0
    score: float = 0.0
    memory: PixelMemory = field(default_factory=PixelMemory)
    contacts: set[int] = field(default_factory=set)
    detections: list[Detection] = field(default_factory=list)
    mask: Mask | None = None

    @property
    def visible(self) -> bool:
        """Whether pixels are known to be theirs before this frame's detections are looked at."""
        return self.predicted_mask is not None and self.predicted_mask.area > 0

    @property
    def confidence(self) -> float:
        """Score of the detection that shows them, the last one if none does."""
        return self.detections[0].score if self.detections else self.score

    @property
    def least_area(self) -> float:
        """Grid pixels: with less, they are hidden. A new track is there whatever its size."""
        return VISIBLE_SHARE * self.whole_area if self.hits >= 2 else 1

    def predict(self, moved: Window | None, camera: tuple[float, float]) -> None:
        """Take over what flow made of their pixels, and go with the picture if none is left.

        Args:
            moved: `ownership`, where its pixels are now.
            camera: how far the picture as a whole moved, grid pixels, x and y.
        """
        self.expected = translated(
            self.expected, self.heading[0] + camera[0], self.heading[1] + camera[1]
        )
        if self.state in (State.HIDDEN, State.LOST):
            self.box = translated(self.box, *camera)
        self.predicted, self.predicted_mask, self.detections = moved, None, []
        if moved is not None and moved.weights.size:
            mask = Mask.from_frame(moved.weights > MIN_CLAIM_OWNERSHIP, moved.x, moved.y)
            self.predicted_mask = mask if mask.area else None

    def place(self, frame: int) -> Box:
        """Where they may be, as large as they were when last seen apart."""
        steps = min(frame - self.frame, COAST_FRAMES)
        x0, y0, x1, y1 = self.box
        if self.state is not State.SEEN:
            half = max(x1 - x0, self.whole[2] - self.whole[0]) / 2
            height = max(y1 - y0, self.whole[3] - self.whole[1])
            middle = (x0 + x1) / 2
            x0, x1, y1 = middle - half, middle + half, max(y1, y0 + height)
        return translated((x0, y0, x1, y1), self.velocity[0] * steps, self.velocity[1] * steps)

    def see(self, frame: int, mask: Mask, box: Box, histogram: Histogram, apart: bool) -> None:
        """Take in what is theirs in a frame in which they were detected.

        What was seen amid others doesn't count for the colours once they were seen apart:
        colours that drift towards whoever stands in front would speak for a swap.
        """
        if self.hits and self.frame == frame - 1:
            step = shift(self.box, box)
            rate = 0.5 if self.hits > 1 else 1.0
            self.velocity = (
                self.velocity[0] + rate * (step[0] - self.velocity[0]),
                self.velocity[1] + rate * (step[1] - self.velocity[1]),
            )
        self._head(frame, box, apart)
        self.box, self.frame, self.state = box, frame, State.SEEN
        self.hits += 1
        if apart:
            self.apart_count += 1
            self.whole, self.whole_area = box, mask.area
            self._learn(histogram, max(0.1, 1 / self.apart_count))
        elif not self.apart_count:
            self.whole_area = max(self.whole_area, mask.area)
            self._learn(histogram, 0.1)

    def _head(self, frame: int, box: Box, apart: bool) -> None:
        """Correct where they are heading; a box that others may cover tells no change of it."""
        if not self.hits or frame - self.frame > COAST_FRAMES:
            self.expected, self.heading = box, (0.0, 0.0)
            return
        (x, y), (now_x, now_y) = centre(self.expected), centre(box)
        dx, dy = now_x - x, now_y - y
        self.expected = translated(box, (POSITION_GAIN - 1) * dx, (POSITION_GAIN - 1) * dy)
        if apart:
            x, y = self.heading
            self.heading = x + HEADING_GAIN * dx, y + HEADING_GAIN * dy

    def _learn(self, histogram: Histogram, rate: float) -> None:
        self.histogram = np.asarray(
            (1 - rate) * self.histogram + rate * histogram, dtype=np.float32
        )
