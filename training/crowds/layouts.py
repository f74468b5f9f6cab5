"""Where people stand in a picture: each layout is a way in which some hide others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person stands.

    Attributes:
        x: of the body's middle, pixels.
        foot: y of the soles, pixels; may lie below the frame.
        height: of the whole body, pixels.
        turned: degrees against the clock; 0 stands, 90 lies, 180 is upside down.
    """

    x: float
    foot: float
    height: float
    turned: float = 0.0


Layout = Callable[[int, int, int, np.random.Generator], list[Place]]
"""(width, height of the frame in pixels, people, generator) to places, the farthest first."""


def street(width: int, height: int, people: int, rng: np.random.Generator) -> list[Place]:
    """People on flat ground, in groups: the lower the feet, the nearer and the larger."""
    horizon = rng.uniform(0.1, 0.5) * height
    tall = rng.uniform(0.75, 1.5)  # body height over the distance from soles to horizon
    middles = rng.uniform(0, width, size=int(rng.integers(1, 5)))
    places = []
    for _ in range(people):
        # Distances, not rows, are spread evenly: most people are far away.
        foot = horizon + height * rng.uniform(0.12, 1.4) ** 1.5
        size = (foot - horizon) * tall * rng.uniform(0.9, 1.1)
        middle = middles[int(rng.integers(len(middles)))]
        x = middle + rng.normal(0, 0.45) * max(size, 0.3 * height)
        places.append(Place(float(np.clip(x, 0, width)), foot, size))
    return sorted(places, key=lambda place: place.foot)


def rows(width: int, height: int, people: int, rng: np.random.Generator) -> list[Place]:
    """An audience or a queue: heads of each row between the shoulders of the next one."""
    depth = int(rng.integers(2, 5))
    far, near = rng.uniform(0.2, 0.5) * height, rng.uniform(0.7, 1.6) * height
    heads, fall = rng.uniform(0.02, 0.35) * height, rng.uniform(0.0, 0.12) * height
    places = []
    for row in range(depth):
        size = far + (near - far) * (row / (depth - 1)) ** 1.5
        spacing = size * rng.uniform(0.2, 0.45)
        x = rng.uniform(0, spacing)
        for _ in range(max(1, people // depth)):
            tall = size * rng.uniform(0.92, 1.08)
            top = heads + fall * row + rng.normal(0, 0.03) * height
            places.append(Place(x, top + tall, tall))
            x += spacing * rng.uniform(0.7, 1.3)
            if x > width:
                break
    return places


def pair(width: int, height: int, people: int, rng: np.random.Generator) -> list[Place]:
    """Two or three close behind each other, the hinder ones looking out at the side."""
    size = rng.uniform(0.35, 1.5) * height
    top = rng.uniform(-0.15, 0.4) * height
    x = rng.uniform(0.15, 0.85) * width
    places = []
    for _ in range(min(people, int(rng.integers(2, 4)))):
        places.append(Place(x, top + size, size))
        x += rng.choice((-1, 1)) * rng.uniform(0.06, 0.3) * size
        size *= rng.uniform(1.0, 1.15)
    return places


def huddle(width: int, height: int, people: int, rng: np.random.Generator) -> list[Place]:
    """A hug, a dance, a photo for a friend: two to four of one size, body on body."""
    size = rng.uniform(0.4, 2.2) * height
    top = rng.uniform(-0.2, 0.35) * height
    x = rng.uniform(0.15, 0.85) * width
    places = []
    for _ in range(min(max(2, people), int(rng.integers(2, 5)))):
        tall = size * rng.uniform(0.85, 1.1)
        left, down = rng.normal(0, (0.09, 0.04)) * size
        places.append(Place(x + left, top + down + size, tall))
    return sorted(places, key=lambda place: place.foot)


def close(width: int, height: int, people: int, rng: np.random.Generator) -> list[Place]:
    """A street behind somebody who stands at the lens, cut off by the frame."""
    size = rng.uniform(1.3, 2.6) * height
    top = rng.uniform(-0.25, 0.3) * height
    edge = rng.choice((rng.uniform(-0.1, 0.2), rng.uniform(0.8, 1.1), rng.uniform(0.2, 0.8)))
    near = Place(float(edge) * width, top + size, size)
    return [*street(width, height, people - 1, rng), near]


LAYOUTS: tuple[tuple[Layout, float], ...] = (
    (street, 0.45),
    (rows, 0.25),
    (pair, 0.15),
    (close, 0.15),
)
"""Each layout and the share of pictures it gets; `huddle` gets what the settings say."""
