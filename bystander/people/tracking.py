"""Linking instances within one shot into tracklets.

Association follows ByteTrack (Zhang et al., ECCV 2022): confident detections are
matched first, weak ones only where a tracklet predicts someone. Similarity is the
overlap of silhouettes, not only of boxes, because people cross: two boxes overlap
long before two silhouettes do. Where the matching could as well have gone the other
way round, both tracklets are told so (`Doubt`), and identity is judged anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import linear_sum_assignment

from bystander.instances import Box, Instance, box_iou, shared
from bystander.masks import Mask, intersection

Appearance = NDArray[np.float32]
"""A colour histogram of one instance, float32 [D], sums to 1."""


IsPart = Callable[[Mask, int, Appearance], bool]
"""Whether a silhouette is a part of a tracklet's person, who looks like that."""


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
    person: float = Field(
        0.65,
        ge=0,
        le=1,
        description="A detection from this score on is a person even where it looks like a part "
        "of somebody else.",
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
    colours_tell: float = Field(
        0.12,
        ge=0,
        le=1,
        description="... unless their clothes' colours speak against it by this much "
        "(Bhattacharyya, the mean of both).",
    )
    colours_object: float = Field(
        0.02,
        ge=0,
        le=1,
        description="And whatever their places say, two people in contact may have been swapped "
        "when their colours speak for it by this much.",
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
    """The instance `detection` (its position in the given list) belongs to `tracklet`.

    Attributes:
        part: it is a part of the person that another detection of the tracklet lacks.
    """

    detection: int
    tracklet: int
    part: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Contact:
    """`tracklet` is seen in this frame where `other`, seen or hidden, may be too.

    Attributes:
        place: where `other` may be, grid pixels.
        own, others: what the two look like on their own.
    """

    tracklet: int
    other: int
    place: Box
    own: Appearance
    others: Appearance


@dataclass(frozen=True, slots=True)
class Step:
    """What one frame brought.

    Attributes:
        ended: tracklets that will not be seen again.
        apart: for each instance whether all others keep clear of it.
    """

    links: tuple[Link, ...]
    doubts: tuple[Doubt, ...]
    contacts: tuple[Contact, ...]
    ended: tuple[int, ...]
    apart: tuple[bool, ...]


@dataclass(slots=True)
class _Track:
    id: int
    box: NDArray[np.float64]
    mask: Mask
    appearance: Appearance
    frame: int
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    hits: int = 1
    clear: int = 0
    whole: Box | None = None
    partners: set[int] = field(default_factory=set)

    def predicted(self, frame: int) -> NDArray[np.float64]:
        # Motion fades: someone not seen for long is rather where they were last
        # than where a straight line leads.
        steps = min(frame - self.frame, FADED)
        return self.box + self.velocity * steps

    def walked_on(self, frame: int) -> NDArray[np.float64]:
        """Where they are if they walked on all the while."""
        return self.box + self.velocity * (frame - self.frame)

    def update(self, frame: int, instance: Instance, appearance: Appearance, apart: bool) -> None:
        """Take a sighting; `apart` if nobody else is so near that colours could mix."""
        box = np.array(instance.box)
        step = (box - self.box) / (frame - self.frame)
        rate = 0.5 if self.hits > 1 else 1.0
        self.velocity += rate * (step - self.velocity)
        self._remember(appearance, apart)
        self.box, self.mask, self.frame = box, instance.mask, frame
        self.hits += 1

    def place(self, frame: int) -> Box:
        """Where they may be, as large as they were when they were last seen apart."""
        x0, y0, x1, y1 = _tuple(self.predicted(frame))
        if self.whole is None:
            return x0, y0, x1, y1
        left, top, right, bottom = self.whole
        return min(x0, left), min(y0, top), max(x1, right), max(y1, bottom)

    def _remember(self, appearance: Appearance, apart: bool) -> None:
        """What was seen amid others doesn't count once they were seen apart: colours that
        drift towards whoever stands in front would speak for a swap."""
        if apart:
            self.whole = _tuple(self.box)
            self.clear += 1
            rate = max(0.1, 1 / self.clear)
        else:
            rate = 0.0 if self.clear else 0.1
        self.appearance = (1 - rate) * self.appearance + rate * appearance


FADED: Final = 5
"""Frames after which motion is no longer believed in."""
LOST: Final = 3
"""Frames unseen after which somebody else may have come to a tracklet's place."""
FADING: Final = 0.5
"""A detection that matches nothing but a long-lost tracklet's place needs this colour match."""
KNOWN: Final = 3
"""Sightings from which somebody is surely there: single ones are the network's mistakes."""
APART: Final = 0.1
"""Two instances of whose smaller box no more than this is shared don't mix their colours."""
WIDER: Final = 0.5
"""How far beside their predicted place someone may be, in widths."""
RIVALRY: Final = 5.0
"""How strongly a partner's better colours speak against a match: similarity falls by e to the
power of this times the difference."""


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
        is_part: IsPart | None = None,
    ) -> Step:
        """Link one frame's instances.

        Args:
            frame: index of the frame, growing.
            instances: everyone detected, weak detections included.
            appearances: one colour histogram for each instance.
            is_part: tells whether an instance is a part of somebody who is seen already.
        """
        settings = self._settings
        colours = self._colours(appearances)
        similarity = self._similarities(frame, instances, colours)
        strong = [i for i, inst in enumerate(instances) if inst.score >= settings.confident]
        weak = [i for i, inst in enumerate(instances) if inst.score < settings.confident]
        rows = list(range(len(self._tracks)))
        matches = self._match(similarity, rows, strong)
        left = [row for row in rows if row not in matches]
        matches |= self._match(similarity, left, weak)

        doubts = self._ambiguities(similarity, colours, matches)
        apart = _apart(instances)
        links = []
        for row, column in matches.items():
            track = self._tracks[row]
            if frame - track.frame > LOST or colours[row, column] < FADING:
                # Somebody else may have come to their place.
                doubts.append(Doubt(track.id, None, track.frame + 1))
            track.update(frame, instances[column], appearances[column], apart[column])
            links.append(Link(column, track.id))
        matched = [self._tracks[row] for row in matches]
        for column in sorted(set(range(len(instances))) - set(matches.values())):
            whole = is_part and self._whole(instances[column], matched, is_part)
            if whole:
                links.append(Link(column, whole.id, part=True))
            elif instances[column].score >= settings.new_tracklet:
                started = self._start(frame, instances[column], appearances[column])
                links.append(Link(column, started))
        ended = tuple(t.id for t in self._tracks if frame - t.frame >= self.max_gap)
        self._tracks = [t for t in self._tracks if frame - t.frame < self.max_gap]
        self._note_contacts(frame)
        contacts = tuple(self._contacts(frame))
        return Step(tuple(links), tuple(doubts), contacts, ended, tuple(apart))

    def _whole(self, instance: Instance, seen: Sequence[_Track], is_part: IsPart) -> _Track | None:
        """The track of which an unmatched instance is only a part."""
        if instance.score >= self._settings.person:
            return None
        known = {track.id for track in self._tracks if track.hits >= KNOWN}
        missing = known - {track.id for track in seen}
        for track in seen:
            near = box_iou(_tuple(track.box), instance.box) > 0.0
            # Whoever is hidden near them may be coming out.
            if not near or track.partners & missing:
                continue
            if is_part(instance.mask, track.id, track.appearance):
                return track
        return None

    def _start(self, frame: int, instance: Instance, appearance: Appearance) -> int:
        track = _Track(self._next_id, np.array(instance.box), instance.mask, appearance, frame)
        self._next_id += 1
        self._tracks.append(track)
        return track.id

    def _colours(self, appearances: Sequence[Appearance]) -> NDArray[np.float64]:
        """Bhattacharyya coefficients of tracks and instances: float64 [tracks, instances]."""
        if not self._tracks or not appearances:
            return np.zeros((len(self._tracks), len(appearances)))
        roots = np.sqrt(np.stack([track.appearance for track in self._tracks]))
        return np.asarray(roots @ np.sqrt(np.stack(appearances)).T, dtype=np.float64)

    def _similarities(
        self, frame: int, instances: Sequence[Instance], colours: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """float64 [tracks, instances], 0 to 1."""
        position = {track.id: row for row, track in enumerate(self._tracks)}
        result = np.zeros((len(self._tracks), len(instances)))
        for row, track in enumerate(self._tracks):
            places = [_tuple(track.predicted(frame))]
            if frame - track.frame > FADED:
                places.append(_tuple(track.walked_on(frame)))
            moved = [track.mask.carried(_tuple(track.box), place) for place in places]
            partners = [position[other] for other in track.partners if other in position]
            for column, instance in enumerate(instances):
                overlap = max(map(_overlap, places, moved, repeat(instance)))
                if overlap == 0.0:
                    continue
                colour = colours[row, column]
                lost = frame - track.frame > LOST
                if lost and colour < FADING:
                    continue
                better = max((colours[other, column] for other in partners), default=0.0) - colour
                result[row, column] = (
                    overlap * (0.6 + 0.4 * colour) * math.exp(-RIVALRY * max(0.0, better))
                )
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

    def _ambiguities(
        self,
        similarity: NDArray[np.float64],
        colours: NDArray[np.float64],
        matches: dict[int, int],
    ) -> list[Doubt]:
        """Pairs whose matching could as well be swapped, and whoever may have taken the
        place of someone now hidden behind or before them."""
        doubts = []
        for a, column_a in matches.items():
            track = self._tracks[a]
            for b, other in enumerate(self._tracks):
                if a == b or other.id not in track.partners:
                    continue
                column_b = matches.get(b)
                place = _swap_costs(similarity, (a, column_a), (b, column_b))
                looks = _swap_costs(colours, (a, column_a), (b, column_b))
                if column_b is not None:
                    looks /= 2
                unsure = place < self._settings.ambiguity and looks < self._settings.colours_tell
                if unsure or looks < -self._settings.colours_object:
                    doubts.append(Doubt(track.id, other.id, track.frame + 1))
                    if column_b is None:
                        # Whoever is seen when the hidden one comes back may be either, too.
                        doubts.append(Doubt(other.id, track.id, other.frame + 1))
        return doubts

    def _contacts(self, frame: int) -> Iterator[Contact]:
        by_id = {track.id: track for track in self._tracks}
        for track in self._tracks:
            if track.frame != frame:
                continue
            for other in (by_id[partner] for partner in sorted(track.partners) if partner in by_id):
                if other.hits < KNOWN:
                    continue
                place = _grown(other.place(frame), WIDER)
                if box_iou(place, _tuple(track.box)) > 0.0:
                    yield Contact(track.id, other.id, place, track.appearance, other.appearance)

    def _note_contacts(self, frame: int) -> None:
        for i, a in enumerate(self._tracks):
            for b in self._tracks[i + 1 :]:
                box_a, box_b = _tuple(a.predicted(frame)), _tuple(b.predicted(frame))
                if shared(box_a, box_b) >= self._settings.contact:
                    a.partners.add(b.id)
                    b.partners.add(a.id)
                elif a.frame == b.frame == frame and box_iou(box_a, box_b) == 0.0:
                    # Not before both are seen: who is hidden may be anywhere.
                    a.partners.discard(b.id)
                    b.partners.discard(a.id)


def _swap_costs(
    values: NDArray[np.float64], a: tuple[int, int], b: tuple[int, int | None]
) -> float:
    """What swapping the matches of two tracklets would cost: `a` and `b` are row and column.

    If `b` has no match, it is hidden, and the one that is still seen might be either.
    """
    (row_a, column_a), (row_b, column_b) = a, b
    if column_b is None:
        return float(values[row_a, column_a] - values[row_b, column_a])
    gain = values[row_a, column_a] + values[row_b, column_b]
    return float(gain - values[row_a, column_b] - values[row_b, column_a])


def _apart(instances: Sequence[Instance]) -> list[bool]:
    """Whether each instance keeps clear of all others."""
    return [
        all(shared(one.box, other.box) <= APART for other in instances if other is not one)
        for one in instances
    ]


def _grown(box: Box, share: float) -> Box:
    """A box wider by `share` of its width on both sides, and as high as it was."""
    wider = share * (box[2] - box[0])
    return box[0] - wider, box[1], box[2] + wider, box[3]


def _overlap(predicted: Box, moved: Mask, instance: Instance) -> float:
    """Mean of box IoU and silhouette IoU, both at the predicted place."""
    boxes = box_iou(predicted, instance.box)
    if boxes == 0.0:
        return 0.0
    both = intersection(moved, instance.mask)
    silhouettes = both / max(1, moved.area + instance.mask.area - both)
    return 0.5 * (boxes + silhouettes)


def _tuple(box: NDArray[np.float64]) -> Box:
    return float(box[0]), float(box[1]), float(box[2]), float(box[3])
