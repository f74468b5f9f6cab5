"""Whose pixels are they? Where two people touch, networks draw both as one, or one as two.

Pixels are somebody's if they were a moment ago, followed by optical flow (DIS, Kroeger et
al. 2016). Four uses:

- What the network loses of somebody for a few frames stays theirs.
- A weak detection in somebody's territory is a part of them: a bag, a hand.
- What a silhouette takes of somebody else's territory is given back.
- Pixels new to a silhouette, where somebody else may be - seen, or hidden and about to
  come out - are both people's, unless the colours speak for the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.instances import Box
from bystander.masks import Bits, Mask
from bystander.people.appearance import known_colours, likelihood_ratio
from bystander.people.tracking import Appearance, Contact
from bystander.people.vocabulary import Origin, Sighting

Picture = NDArray[np.uint8]
Weights = NDArray[np.float32]
Rectangle = tuple[int, int, int, int]
"""x0, y0, x1, y1 in grid pixels, end-exclusive."""

FLOW_SCALE: Final = 0.5
"""Flow is computed on a picture this much smaller: four times as fast, and smoother."""
MEMORY: Final = 0.6
"""How much of a pixel's ownership lasts from frame to frame; the rest is the new silhouette."""
OWNED: Final = 0.25
"""Ownership from which a pixel is the person's own: one uncontested frame is enough."""
LONG_OWNED: Final = 0.7
"""... and from which it has been for some frames."""
SLACK: Final = 2
"""Grid pixels by which flow and silhouettes may err."""
SPECK: Final = 3
"""Grid pixels: narrower contested parts are the edge's trembling."""
OWN_COLOURS: Final = 0.3
"""Log-likelihood ratio up to which new pixels are the person's own."""
OTHERS_COLOURS: Final = 1.2
"""Log-likelihood ratio from which pixels not owned for long are the other's, too."""
NOT_OWN_COLOURS: Final = -0.1
"""Log-likelihood ratio from which new pixels in the other's territory are given back."""
PART: Final = 0.6
"""A detection of which this share was somebody's a moment ago is a part of them ..."""
PART_COLOURS: Final = 0.7
"""... if this share of it has colours that they were seen in."""
RECENT: Final = 0.1
"""Ownership from which lost pixels are still taken for the person's: for four frames."""
MISMATCH: Final = 20.0
"""Grey levels from which flow has not found a pixel again."""
REMEMBERED: Final = 5
"""Frames for which the territory of somebody unseen is followed."""
MOTION: Final = 12
"""Grid pixels that somebody may move in a frame."""


@dataclass(frozen=True, slots=True, eq=False)
class _Territory:
    """How much somebody owns the pixels of a rectangle whose corner is at `x, y`.

    Attributes:
        weights: float32 [h, w], 0 to 1.
        age: frames since they were seen.
        new: they weren't there a frame ago.
    """

    x: int
    y: int
    weights: Weights
    age: int = 0
    new: bool = False

    @property
    def box(self) -> Rectangle:
        height, width = self.weights.shape
        return self.x, self.y, self.x + width, self.y + height


@dataclass(frozen=True, slots=True, eq=False)
class _Contest:
    """What of a silhouette isn't its own: bool of the silhouette's shape each.

    Attributes:
        given_back: is certainly the other's.
        both: may be the other's.
    """

    given_back: Bits
    both: Bits


class Ownership:
    """Follows through a shot which pixels are whose. For every frame: `look`, then `settle`.

    Args:
        grid: width, height of the analysis grid.
    """

    def __init__(self, grid: tuple[int, int]) -> None:
        self._grid = grid
        self._estimator = _estimator()
        self._frame: Picture = np.zeros((grid[1], grid[0], 3), dtype=np.uint8)
        self._now: Picture | None = None
        self._before: Picture | None = None
        self._motion: tuple[Weights, Weights] | None = None
        self._errors: NDArray[np.float32] | None = None
        self._territories: dict[int, _Territory] = {}

    def __getstate__(self) -> dict[str, Any]:
        # OpenCV's object can't be pickled, and holds nothing from one frame to the next.
        return {name: value for name, value in vars(self).items() if name != "_estimator"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._estimator = _estimator()

    def cut(self) -> None:
        """Forget everything: a new shot begins."""
        self._now = None
        self._territories = {}

    def look(self, frame: Picture) -> None:
        """Go on to the next frame, uint8 [H, W, 3] RGB at grid size."""
        size = tuple(round(side * FLOW_SCALE) for side in self._grid)
        small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        self._frame, self._before = frame, self._now
        self._now = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        self._motion = self._errors = None

    def is_part(self, mask: Mask, tracklet: int, looks: Appearance) -> bool:
        """Whether a silhouette in this frame is only a part of somebody seen a moment ago.

        Args:
            looks: `colour_histogram` of that person, seen apart.
        """
        inside = mask.clipped(*self._grid)
        owned = self._carried(tracklet, inside.box, SLACK) if inside.area else None
        if owned is None or float((owned[inside.bits] >= OWNED).mean()) < PART:
            return False
        return known_colours(self._frame, inside, looks) >= PART_COLOURS

    def settle(self, sightings: Sequence[Sighting], contacts: Sequence[Contact]) -> list[Sighting]:
        """Decide who owns what in this frame.

        Args:
            sightings: everyone linked in it, one sighting a tracklet.
            contacts: who may be mixed up with whom.

        Returns:
            The sightings, without what is certainly somebody else's; after them what may be
            somebody else's, too, as sightings of that person (`Origin.SHARED`); and what the
            network just lost of somebody, followed by flow (`Origin.CARRIED`).
        """
        touching: dict[int, list[Contact]] = defaultdict(list)
        for contact in contacts:
            touching[contact.tracklet].append(contact)
        settled: list[Sighting] = []
        more: list[Sighting] = []
        territories: dict[int, _Territory] = {}
        for sighting in sightings:
            mask = sighting.mask.clipped(*self._grid)
            if not mask.area:
                settled.append(sighting)
                continue
            own, contested = mask.bits, np.zeros_like(mask.bits)
            others = touching[sighting.tracklet]
            history = self._carried(sighting.tracklet, mask.box, SLACK) if others else None
            exact = self._carried(sighting.tracklet, mask.box) if others else None
            if history is not None and exact is not None:
                followed = self._followed(mask.box)
                history, exact = history * followed, exact * followed
                for contact in others:
                    contest = self._contest(mask, history, contact)
                    if contest.both.any():
                        more.append(_shared(sighting, contact.other, mask, contest.both))
                    own = own & ~contest.given_back
                    # Without slack: else, frame by frame, what is shared becomes their own.
                    contested |= self._contest(mask, exact, contact).both
            territory = self._territory(sighting.tracklet, mask, exact, contested)
            territories[sighting.tracklet] = territory
            more += _carried_on(sighting, mask, territory)
            settled.append(_cropped(sighting, mask, own))
        self._territories = self._unseen(territories) | territories
        return settled + more

    def _territory(
        self, tracklet: int, mask: Mask, history: Weights | None, contested: Bits
    ) -> _Territory:
        """What somebody owns after this frame: the silhouette, and what it lost just now."""
        x0, y0, x1, y1 = _widened(mask.box, MOTION, self._grid)
        weights = np.zeros((y1 - y0, x1 - x0), dtype=np.float32)
        before = self._carried(tracklet, (x0, y0, x1, y1))
        if before is not None:
            weights[:] = MEMORY * np.where(self._followed((x0, y0, x1, y1)), before, 0)
        inside = mask.bits.astype(np.float32)
        if history is not None:
            inside = MEMORY * history * mask.bits + (1 - MEMORY) * (mask.bits & ~contested)
        rows, columns = slice(mask.y - y0, mask.box[3] - y0), slice(mask.x - x0, mask.box[2] - x0)
        weights[rows, columns] = np.where(mask.bits, inside, weights[rows, columns])
        return _Territory(x0, y0, weights, new=before is None)

    def firm(self) -> dict[int, Mask]:
        """By tracklet, what is surely theirs in this frame, and has been for a while."""
        return {
            tracklet: Mask(territory.x, territory.y, territory.weights >= LONG_OWNED)
            for tracklet, territory in self._territories.items()
            if territory.age == 0 and not territory.new
        }

    def _contest(self, mask: Mask, history: Weights, contact: Contact) -> _Contest:
        """What of a silhouette is, or may be, the other's.

        Args:
            history: how much the silhouette's person owned its pixels, of the mask's shape.
        """
        near = mask.bits & _inside(contact.place, mask.box)
        unsettled = near & (history < LONG_OWNED)
        both, given_back = np.zeros_like(near), np.zeros_like(near)
        part = Mask.from_frame(unsettled)
        if part.area == 0:
            return _Contest(given_back, both)
        # Only where it matters: colours are the costly part.
        x0, y0, x1, y1 = part.box
        window = slice(y0, y1), slice(x0, x1)
        here = Mask(mask.x + x0, mask.y + y0, mask.bits[window])
        heights = (float(mask.y), float(mask.box[3])), (contact.place[1], contact.place[3])
        ratio = likelihood_ratio(self._frame, here, contact.own, contact.others, heights)
        new = (near & (history < OWNED))[window]
        both[window] = new & (ratio > OWN_COLOURS)
        both[window] |= unsettled[window] & (ratio > OTHERS_COLOURS)
        theirs = self._carried(contact.other, here.box, SLACK)
        if theirs is not None:
            given_back[window] = new & (theirs >= LONG_OWNED) & (ratio > NOT_OWN_COLOURS)
        return _Contest(_without_specks(given_back), _without_specks(both))

    def _unseen(self, seen: dict[int, _Territory]) -> dict[int, _Territory]:
        """The territories of people who were there a moment ago and aren't in `seen`."""
        followed: dict[int, _Territory] = {}
        for tracklet, territory in self._territories.items():
            if tracklet in seen or territory.age >= REMEMBERED:
                continue
            box = _widened(territory.box, MOTION, self._grid)
            weights = self._carried(tracklet, box, SLACK)
            if weights is not None:
                followed[tracklet] = _Territory(box[0], box[1], weights, territory.age + 1)
        return followed

    def _carried(self, tracklet: int, box: Rectangle, slack: int = 0) -> Weights | None:
        """Somebody's territory of the previous frame, carried by flow into `box`.

        Args:
            slack: also as much as was owned within so many pixels.
        """
        before = self._territories.get(tracklet)
        came_from = self._came_from()
        if before is None or came_from is None:
            return None
        rows, columns = slice(box[1], box[3]), slice(box[0], box[2])
        edges = slack, slack, slack, slack
        padded = cv2.copyMakeBorder(before.weights, *edges, cv2.BORDER_CONSTANT)
        spread = cv2.dilate(padded, np.ones((2 * slack + 1, 2 * slack + 1), np.uint8))
        carried = cv2.remap(
            spread,
            came_from[0][rows, columns] - np.float32(before.x - slack),
            came_from[1][rows, columns] - np.float32(before.y - slack),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )
        return np.asarray(carried, dtype=np.float32)

    def _followed(self, box: Rectangle) -> Bits:
        """Where flow found the pixels of the frame before again: bool of the rectangle's shape.

        It doesn't where something that was hidden comes out.
        """
        if self._came_from() is None or self._errors is None:
            return np.zeros((box[3] - box[1], box[2] - box[0]), dtype=bool)
        return np.asarray(self._errors[box[1] : box[3], box[0] : box[2]] <= MISMATCH)

    def _came_from(self) -> tuple[Weights, Weights] | None:
        """Where each grid pixel was in the frame before: x, y, float32 [H, W] each."""
        if self._before is None or self._now is None:
            return None
        if self._motion is None:
            estimate = cast(Any, self._estimator.calc)  # its stub wants a flow to begin with
            flow = estimate(self._now, self._before, None)
            columns, rows = _pixels(self._now.shape[1], self._now.shape[0])
            x, y = columns + flow[..., 0], rows + flow[..., 1]
            again = cv2.remap(self._before, x, y, cv2.INTER_LINEAR)
            errors = cv2.blur(cv2.absdiff(again, self._now), (3, 3))
            self._errors = cv2.resize(errors, self._grid).astype(np.float32, copy=False)
            u, v = (cv2.resize(flow[..., i], self._grid) / FLOW_SCALE for i in (0, 1))
            columns, rows = _pixels(*self._grid)
            self._motion = columns + u.astype(np.float32), rows + v.astype(np.float32)
        return self._motion


def _estimator() -> cv2.DISOpticalFlow:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)


def _pixels(width: int, height: int) -> tuple[Weights, Weights]:
    """x and y of every pixel, float32 [height, width] each."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    return columns.astype(np.float32), rows.astype(np.float32)


def _widened(box: Rectangle, margin: int, grid: tuple[int, int]) -> Rectangle:
    """A rectangle on the grid, wider by `margin` on all sides."""
    x0, y0, x1, y1 = box
    return (
        max(0, x0 - margin),
        max(0, y0 - margin),
        min(grid[0], x1 + margin),
        min(grid[1], y1 + margin),
    )


def _cropped(sighting: Sighting, mask: Mask, own: Bits) -> Sighting:
    """A sighting with only its own pixels; with all, if it would have none."""
    if not own.any() or own is mask.bits:
        return sighting
    return replace(sighting, mask=Mask(mask.x, mask.y, own))


def _carried_on(sighting: Sighting, mask: Mask, territory: _Territory) -> list[Sighting]:
    """What somebody owned until just now, and the silhouette lacks."""
    lost = territory.weights >= RECENT
    mask.moved(-territory.x, -territory.y).clear(lost)
    lost = _without_specks(lost)
    if not lost.any():
        return []
    part = Mask.from_frame(lost, territory.x, territory.y)
    return [replace(sighting, mask=part, origin=Origin.CARRIED)]


def _shared(sighting: Sighting, other: int, mask: Mask, both: Bits) -> Sighting:
    """A part of a sighting's silhouette as a sighting of another person."""
    part = Mask.from_frame(both, mask.x, mask.y)
    x0, y0, x1, y1 = part.box
    box = float(x0), float(y0), float(x1), float(y1)
    return replace(sighting, tracklet=other, box=box, mask=part, origin=Origin.SHARED)


def _inside(place: Box, box: Rectangle) -> Bits:
    """Which pixels of the rectangle `box` lie in `place`: bool [h, w]."""
    columns, rows = np.arange(box[0], box[2]), np.arange(box[1], box[3])
    across = (columns >= place[0]) & (columns < place[2])
    down = (rows >= place[1]) & (rows < place[3])
    return np.asarray(across & down[:, np.newaxis])


def _without_specks(bits: Bits) -> Bits:
    kernel = np.ones((SPECK, SPECK), np.uint8)
    return np.asarray(cv2.morphologyEx(bits.view(np.uint8), cv2.MORPH_OPEN, kernel), dtype=bool)
