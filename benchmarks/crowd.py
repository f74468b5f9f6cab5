"""1 to 100 people on one street -> milliseconds a frame of following them.

    python -m benchmarks.crowd

Textured figures of 24 x 60 grid pixels walk to and fro on a grid of 640 x 360 and hide each other;
what the network would find of each is what is visible. Measured is what comes after the networks,
on one thread: optical flow, tracking, gaps and final masks.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from bystander.timeline.types import Origin, Sighting
from bystander.tracking.appearance import to_lab
from bystander.tracking.interpolation import GapFiller, MaskFinalizer
from bystander.tracking.motion import Flow, Grey, grey
from bystander.tracking.tracker import Tracker

GRID: Final = (640, 360)
FIGURE: Final = (24, 60)
FPS: Final = 25
PEOPLE: Final = (1, 3, 10, 30, 100)
LEAST_PX: Final = 60
"""Grid pixels: of whom less is visible, the network finds nothing."""

Picture = NDArray[np.uint8]


class Street:
    """People who walk to and fro, the later ones before the earlier ones."""

    def __init__(self, people: int) -> None:
        chance = np.random.default_rng(people)
        self._background = _textured(chance, np.full(3, 120.0), GRID)
        self._clothes = [
            _textured(chance, chance.uniform(40, 220, 3), FIGURE) for _ in range(people)
        ]
        self._start = chance.uniform(0, 1, people)
        self._step = chance.uniform(-3, 3, people)
        self._row = np.sort(chance.integers(0, GRID[1] - FIGURE[1], people))

    def frame(self, number: int) -> tuple[Picture, list[Instance]]:
        """uint8 [360, 640, 3] RGB, and whoever is visible in it."""
        picture, owner = self._background.copy(), np.full(GRID[::-1], -1)
        room = GRID[0] - FIGURE[0]
        for person, clothes in enumerate(self._clothes):
            # There and back again.
            way = (self._start[person] * 2 * room + self._step[person] * number) % (2 * room)
            x, y = round(min(way, 2 * room - way)), int(self._row[person])
            place = slice(y, y + FIGURE[1]), slice(x, x + FIGURE[0])
            picture[place], owner[place] = clothes, person
        found = []
        for person in range(len(self._clothes)):
            mask = Mask.from_frame(owner == person)
            if mask.area >= LEAST_PX:
                x0, y0, x1, y1 = (float(side) for side in mask.box)
                found.append(Instance((x0, y0, x1, y1), 0.9, mask))
        return picture, found


def _textured(
    chance: np.random.Generator,
    colour: tuple[float, ...] | NDArray[np.float64],
    size: tuple[int, int],
) -> Picture:
    """Blotches of 8 pixels around one colour."""
    coarse = chance.normal(0, 28, (size[1] // 8 + 2, size[0] // 8 + 2))
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    return np.clip(colour + fine[..., np.newaxis], 0, 255).astype(np.uint8)


def follow(people: int, frames: int) -> tuple[float, float]:
    """Milliseconds of processor time a frame, and how many people were followed in the mean."""
    street = Street(people)
    film = [street.frame(number) for number in range(frames)]
    tracker, finalizer = Tracker(GRID, FPS), MaskFinalizer()
    filler = GapFiller(GRID, tracker.max_gap_frames, extension=5)
    before: Grey | None = None
    sightings = 0
    begun = time.process_time()
    for number, (picture, found) in enumerate(film):
        now = grey(picture)
        flow = Flow.between(now, before, GRID) if before is not None else None
        before = now
        tracked = tracker.step(number, found, to_lab(picture), flow)
        seen = [
            Sighting(person.track, person.box, person.score, person.mask, Origin.SEEN)
            for person in tracked.people
        ]
        sightings += len(seen)
        for record in filler.push(number, number, seen, tracked.ended, tracked.hidden):
            list(finalizer.push(record))
    return 1e3 * (time.process_time() - begun) / frames, sightings / frames


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd")
    parser.add_argument("--frames", type=int, default=60)
    frames = parser.parse_args().frames
    cv2.setNumThreads(1)
    print("| people | followed | ms a frame | ms a frame and person |\n|---:|---:|---:|---:|")
    for people in PEOPLE:
        cost, followed = follow(people, frames)
        print(f"| {people} | {followed:.1f} | {cost:.1f} | {cost / people:.2f} |")


if __name__ == "__main__":
    main()
