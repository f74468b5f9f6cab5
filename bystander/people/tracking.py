"""Linking instances within one shot into tracklets.

Association follows ByteTrack (Zhang et al., ECCV 2022): confident detections are
matched first, weak ones only where a tracklet predicts someone. Similarity is the
overlap of silhouettes, not only of boxes, because people cross: two boxes overlap
long before two silhouettes do. Where the matching could as well have gone the other
way round, both tracklets are told so (`Doubt`), and identity is judged anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import linear_sum_assignment

from bystander.instances import Box, Instance, box_area, box_iou
from bystander.masks import Mask, intersection

Appearance = NDArray[np.float32]
"""A colour histogram of one instance, float32 [D], sums to 1."""


class TrackerSettings(BaseModel):
    """How instances are linked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confident: float = Field(
        0.4, ge=0, le=1, description="Detections from this score on are matched first."
    )
    new_tracklet: float = Field(
        0.25,
        ge=0,
        le=1,
        description="An unmatched detection from this score on is a person not seen before. "
        "Lower masks more things that are nobody.",
    )
    overlap: float = Field(
        0.15,
        ge=0,
        le=1,
        description="Least similarity between a tracklet's prediction and a detection.",
    )
    max_gap: float = Field(
        1.0, ge=0, le=10, description="Seconds that a tracklet waits to be seen again."
    )
    ambiguity: float = Field(
        0.15,
        ge=0,
        le=1,
        description="If swapping two tracklets would cost less similarity than this, "
        "they may have been swapped.",
    )
    contact: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Two people are in contact when this share of the smaller box is shared.",
    )


@dataclass(frozen=True, slots=True)
class Doubt:
    """From `frame` on, `tracklet` may be showing whom `other` showed, or anybody (None)."""

    tracklet: int
    other: int | None
    frame: int


@dataclass(frozen=True, slots=True)
class Link:
    """The instance `detection` (its position in the given list) belongs to `tracklet`."""

    detection: int
    tracklet: int


@dataclass(frozen=True, slots=True)
class Step:
    """What one frame brought. `ended` tracklets will not be seen again."""

    links: tuple[Link, ...]
    doubts: tuple[Doubt, ...]
    ended: tuple[int, ...]


@dataclass(slots=True)
class _Track:
    id: int
    box: NDArray[np.float64]
    mask: Mask
    appearance: Appearance
    frame: int
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    hits: int = 1
    partners: set[int] = field(default_factory=set)

    def predicted(self, frame: int) -> NDArray[np.float64]:
        # Motion fades: someone not seen for long is rather where they were last
        # than where a straight line leads.
        steps = min(frame - self.frame, FADED)
        return self.box + self.velocity * steps

    def walked_on(self, frame: int) -> NDArray[np.float64]:
        """Where they are if they walked on all the while."""
        return self.box + self.velocity * (frame - self.frame)

    def update(self, frame: int, instance: Instance, appearance: Appearance) -> None:
        box = np.array(instance.box)
        step = (box - self.box) / (frame - self.frame)
        rate = 0.5 if self.hits > 1 else 1.0
        self.velocity += rate * (step - self.velocity)
        self.appearance = 0.9 * self.appearance + 0.1 * appearance
        self.box, self.mask, self.frame = box, instance.mask, frame
        self.hits += 1


FADED: Final = 5
"""Frames after which motion is no longer believed in."""
LOST: Final = 3
"""Frames unseen after which somebody else may have come to a tracklet's place."""
FADING: Final = 0.5
"""A detection that matches nothing but a long-lost tracklet's place needs this colour match."""


class Tracker:
    """Links the instances of consecutive frames; one tracker serves the whole video.

    Args:
        settings: what counts as the same person.
        fps: frames per second, turns the settings' seconds into frames.
    """

    def __init__(self, settings: TrackerSettings, fps: float) -> None:
        self._settings = settings
        self.max_gap = max(1, round(settings.max_gap * fps))
        self._tracks: list[_Track] = []
        self._next_id = 1

    def cut(self) -> tuple[int, ...]:
        """End every tracklet: a new shot begins. Returns their ids."""
        ended = tuple(track.id for track in self._tracks)
        self._tracks = []
        return ended

    def step(
        self,
        frame: int,
        instances: Sequence[Instance],
        appearances: Sequence[Appearance],
    ) -> Step:
        """Link one frame's instances.

        Args:
            frame: index of the frame, growing.
            instances: everyone detected, weak detections included.
            appearances: one colour histogram for each instance.
        """
        settings = self._settings
        similarity = self._similarities(frame, instances, appearances)
        strong = [i for i, inst in enumerate(instances) if inst.score >= settings.confident]
        weak = [i for i, inst in enumerate(instances) if inst.score < settings.confident]
        rows = list(range(len(self._tracks)))
        matches = self._match(similarity, rows, strong)
        left = [row for row in rows if row not in matches]
        matches |= self._match(similarity, left, weak)

        doubts = self._ambiguities(similarity, matches)
        links = []
        for row, column in matches.items():
            track = self._tracks[row]
            colour = _bhattacharyya(track.appearance, appearances[column])
            if frame - track.frame > LOST or colour < FADING:
                # Somebody else may have come to their place.
                doubts.append(Doubt(track.id, None, track.frame + 1))
            track.update(frame, instances[column], appearances[column])
            links.append(Link(column, track.id))
        for column in sorted(set(range(len(instances))) - set(matches.values())):
            if instances[column].score >= settings.new_tracklet:
                started = self._start(frame, instances[column], appearances[column])
                links.append(Link(column, started))
        ended = tuple(t.id for t in self._tracks if frame - t.frame >= self.max_gap)
        self._tracks = [t for t in self._tracks if frame - t.frame < self.max_gap]
        self._note_contacts(frame)
        return Step(tuple(links), tuple(doubts), ended)

    def _start(self, frame: int, instance: Instance, appearance: Appearance) -> int:
        track = _Track(self._next_id, np.array(instance.box), instance.mask, appearance, frame)
        self._next_id += 1
        self._tracks.append(track)
        return track.id

    def _similarities(
        self, frame: int, instances: Sequence[Instance], appearances: Sequence[Appearance]
    ) -> NDArray[np.float64]:
        """float64 [tracks, instances], 0 to 1."""
        result = np.zeros((len(self._tracks), len(instances)))
        for row, track in enumerate(self._tracks):
            places = [_tuple(track.predicted(frame))]
            if frame - track.frame > FADED:
                places.append(_tuple(track.walked_on(frame)))
            moved = [track.mask.carried(_tuple(track.box), place) for place in places]
            for column, instance in enumerate(instances):
                overlap = max(map(_overlap, places, moved, repeat(instance)))
                if overlap == 0.0:
                    continue
                colour = _bhattacharyya(track.appearance, appearances[column])
                lost = frame - track.frame > LOST
                if lost and colour < FADING:
                    continue
                result[row, column] = overlap * (0.6 + 0.4 * colour)
        return result

    def _match(
        self, similarity: NDArray[np.float64], rows: Sequence[int], columns: Sequence[int]
    ) -> dict[int, int]:
        if not rows or not columns:
            return {}
        part = similarity[np.ix_(rows, columns)]
        chosen = linear_sum_assignment(part, maximize=True)
        return {
            rows[i]: columns[j]
            for i, j in zip(*chosen, strict=True)
            if part[i, j] >= self._settings.overlap
        }

    def _ambiguities(self, similarity: NDArray[np.float64], matches: dict[int, int]) -> list[Doubt]:
        """Pairs whose matching could as well be swapped, and whoever may have taken the
        place of someone now hidden behind or before them."""
        doubts = []
        for a, column_a in matches.items():
            track = self._tracks[a]
            for b, other in enumerate(self._tracks):
                if a == b or other.id not in track.partners:
                    continue
                if b in matches:
                    column_b = matches[b]
                    gain = similarity[a, column_a] + similarity[b, column_b]
                    swapped = similarity[a, column_b] + similarity[b, column_a]
                    unsure = gain - swapped < self._settings.ambiguity
                else:
                    # One of the two is hidden: the one still seen might be either.
                    rival = similarity[b, column_a]
                    unsure = similarity[a, column_a] - rival < self._settings.ambiguity
                if unsure:
                    doubts.append(Doubt(track.id, other.id, track.frame + 1))
        return doubts

    def _note_contacts(self, frame: int) -> None:
        for i, a in enumerate(self._tracks):
            for b in self._tracks[i + 1 :]:
                box_a, box_b = _tuple(a.predicted(frame)), _tuple(b.predicted(frame))
                if _shared(box_a, box_b) >= self._settings.contact:
                    a.partners.add(b.id)
                    b.partners.add(a.id)
                elif box_iou(box_a, box_b) == 0.0:
                    a.partners.discard(b.id)
                    b.partners.discard(a.id)


def _overlap(predicted: Box, moved: Mask, instance: Instance) -> float:
    """Mean of box IoU and silhouette IoU, both at the predicted place."""
    boxes = box_iou(predicted, instance.box)
    if boxes == 0.0:
        return 0.0
    both = intersection(moved, instance.mask)
    silhouettes = both / max(1, moved.area + instance.mask.area - both)
    return 0.5 * (boxes + silhouettes)


def _shared(a: Box, b: Box) -> float:
    """Intersection over the smaller box, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / max(min(box_area(a), box_area(b)), 1e-6)


def _bhattacharyya(a: Appearance, b: Appearance) -> float:
    """Bhattacharyya coefficient of two histograms, 0 to 1."""
    return float(np.sqrt(a * b).sum())


def _tuple(box: NDArray[np.float64]) -> Box:
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])
