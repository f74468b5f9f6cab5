"""Textured people who move by whole pixels, so that optical flow finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Bits, Mask, intersection, union
from bystander.tracking.appearance import to_lab
from bystander.tracking.motion import Flow, Grey, grey
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.tracker import TrackedFrame, TrackedPerson, Tracker

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

GRID = (320, 180)
WIDTH, HEIGHT = 48, 120
RED, GREEN, BLUE, GREY = (180, 60, 60), (60, 150, 60), (60, 60, 180), (120, 120, 120)
FPS = 10
SLIVER_PX = 600
"""Grid pixels: of what is smaller the network finds nothing."""


def textured(colour: Colour, width: int, height: int, seed: int) -> Picture:
    """Blotches of 8 pixels around one colour: uint8 [height, width, 3] RGB."""
    coarse = np.random.default_rng(seed).normal(0, 28, (height // 8 + 2, width // 8 + 2))
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.array(colour) + fine[..., np.newaxis], 0, 255).astype(np.uint8)


BACKGROUND = textured(GREY, *GRID, seed=0)


@dataclass(frozen=True, eq=False)
class Body:
    """A textured rectangle with its top-left corner at `x`, `y`."""

    cloth: Picture
    x: int
    y: int = 40

    @classmethod
    def of(cls, colour: Colour, x: int, y: int = 40, seed: int = 1) -> Body:
        return cls(textured(colour, WIDTH, HEIGHT, seed), x, y)

    def at(self, x: int, y: int | None = None) -> Body:
        return replace(self, x=x, y=self.y if y is None else y)

    @property
    def mask(self) -> Mask:
        return Mask(self.x, self.y, np.ones(self.cloth.shape[:2], dtype=bool))

    def part(self, left: int = 0, top: int = 0, right: int = WIDTH, bottom: int = HEIGHT) -> Mask:
        """Some of the silhouette, in pixels from its corner."""
        bits = np.ones((bottom - top, right - left), dtype=bool)
        return Mask(self.x + left, self.y + top, bits)


def picture(*bodies: Body, background: Picture = BACKGROUND) -> Picture:
    """A frame, the farthest first: uint8 [180, 320, 3] RGB."""
    frame = background.copy()
    for body in bodies:
        inside = body.mask.clipped(*GRID)
        x0, y0, x1, y1 = inside.box
        frame[y0:y1, x0:x1] = body.cloth[
            y0 - body.y : y1 - body.y,
            x0 - body.x : x1 - body.x,
        ]
    return frame


def visible(*bodies: Body) -> list[Mask]:
    """What is seen of each, the farthest first."""
    return [
        body.mask.clipped(*GRID).without([other.mask for other in bodies[number + 1 :]])
        for number, body in enumerate(bodies)
    ]


def found(*masks: Mask, score: float = 0.9) -> Instance:
    """What the network finds: one silhouette over all of `masks`."""
    mask = union(masks)
    x0, y0, x1, y1 = mask.box
    return Instance((float(x0), float(y0), float(x1), float(y1)), score, mask)


def share(mask: Mask, within: Mask) -> float:
    """Of `within`, what `mask` sets."""
    return intersection(mask, within) / within.area


class Film:
    """Frames one after the other, and what the tracker makes of each."""

    def __init__(self, settings: TrackingSettings | None = None, fps: float = FPS) -> None:
        self.tracker = Tracker(GRID, fps, settings)
        self.frames = 0
        self._before: Grey | None = None

    def show(self, bodies: Sequence[Body], seen: Sequence[Instance] | None = None) -> TrackedFrame:
        """The next frame; the network finds what is visible of everybody, but for slivers, unless
        `seen` says else.

        Args:
            bodies: the farthest first.
        """
        if seen is None:
            seen = [found(mask) for mask in visible(*bodies) if mask.area > SLIVER_PX]
        return self.take(seen, picture(*bodies))

    def take(self, seen: Sequence[Instance], shown: Picture) -> TrackedFrame:
        """The next frame, with what the network finds in it."""
        now = grey(shown)
        flow = Flow.between(now, self._before, GRID) if self._before is not None else None
        self._before = now
        self.frames += 1
        return self.tracker.step(self.frames - 1, seen, to_lab(shown), flow)

    def cut(self) -> tuple[int, ...]:
        """A new shot begins with the next frame; gives back who was followed."""
        self._before = None
        return self.tracker.cut()


def ids(frame: TrackedFrame) -> set[int]:
    return {person.track for person in frame.people}


def whose(frame: TrackedFrame, mask: Mask) -> TrackedPerson:
    """Whoever has most of `mask`."""
    return max(frame.people, key=lambda person: intersection(person.mask, mask))


def mask_of(frame: TrackedFrame, track: int) -> Mask:
    """What is somebody's; empty if they aren't there."""
    nothing: Bits = np.zeros((0, 0), dtype=bool)
    return next((p.mask for p in frame.people if p.track == track), Mask(0, 0, nothing))
