"""Pasting people into a place, nearer ones over farther ones, and knowing every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits
from training.crowds.camera import photograph
from training.crowds.cutouts import Cutout, Floats, Rgb
from training.crowds.layouts import LAYOUTS, Place, huddle

Ids = NDArray[np.uint8]
"""uint8 [H, W]: whose pixel it is, from 1; 0 is nobody's."""

MOST_PEOPLE = 200  # ids of one picture; a byte holds 255

_SMALLEST = 14  # pixels of height; smaller people are a few pixels of noise
_LARGEST = 4.0  # times; beyond, an enlarged cutout is only blur
_TURN_DEGREES = 35.0  # about lying and upside down, who is turned
_SOLID = 0.5  # alpha from which on a pixel is the person's


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is known of one person of a scene.

    Attributes:
        id: value of the person's pixels in the scene's `ids`.
        visible: share of the whole body's pixels that is in the frame and not covered.
        height: of the visible part, pixels.
    """

    id: int
    visible: float
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and the truth about it.

    Attributes:
        rgb: uint8 [H, W, 3] RGB.
        ids: uint8 [H, W].
        people: those with enough visible pixels to be told as people.
    """

    rgb: Rgb
    ids: Ids
    people: tuple[Hidden, ...]


class Canvas:
    """A place that people are put into, the farthest first.

    Args:
        background: uint8 [H, W, 3] RGB.
        already: silhouettes of the people whom the background shows, bool [H, W] each.
    """

    def __init__(self, background: Rgb, already: Sequence[Bits] = ()) -> None:
        self._rgb = background.astype(np.float32)
        self._height, self._width = background.shape[:2]
        self._ids = np.zeros((self._height, self._width), dtype=np.uint8)
        self._whole: list[int] = []  # pixels of each whole body, by id - 1
        for bits in already:
            self._whole.append(int(np.count_nonzero(bits)))
            self._ids[bits] = len(self._whole)

    @property
    def people(self) -> int:
        return len(self._whole)

    @property
    def size(self) -> tuple[int, int]:
        """Width, height in pixels."""
        return self._width, self._height

    def put(self, person: Cutout, place: Place, rng: np.random.Generator) -> None:
        """Paste `person`, lit roughly as the surroundings are."""
        rgb, alpha = _posed(person, place, rng)
        whole = int(np.count_nonzero(alpha >= _SOLID))
        x, y = round(place.x - alpha.shape[1] / 2), round(place.foot - alpha.shape[0])
        inside = _overlap(x, y, alpha.shape, self._ids.shape)
        if inside is None or whole == 0 or self.people >= MOST_PEOPLE:
            return
        there, here = inside
        lit = _lit(rgb[here].astype(np.float32), alpha[here], self._rgb[there], rng)
        self._blend(there, lit, alpha[here])
        self._whole.append(whole)
        self._ids[there][alpha[here] >= _SOLID] = self.people

    def cover(self, texture: Rgb, bits: Bits) -> None:
        """Put a thing (a table, a car) in front: `texture` (the canvas's size) where `bits`."""
        alpha: Floats = bits.astype(np.float32)
        cv2.GaussianBlur(alpha, (0, 0), 0.8, dst=alpha)
        self._blend((slice(None), slice(None)), texture.astype(np.float32), alpha)
        self._ids[bits] = 0

    def scene(self, rng: np.random.Generator, smallest: int) -> Scene:
        """Take the picture.

        Args:
            smallest: who shows fewer pixels isn't told as a person any more, and is nobody.
        """
        ids = self._ids.copy()
        people = []
        for person, whole in enumerate(self._whole, start=1):
            bits = ids == person
            area = int(np.count_nonzero(bits))
            if area < smallest:
                ids[bits] = 0
                continue
            rows = np.flatnonzero(bits.any(axis=1))
            people.append(Hidden(person, area / whole, int(rows[-1] - rows[0]) + 1))
        rgb = np.clip(self._rgb, 0, 255).astype(np.uint8)
        return Scene(photograph(rgb, rng), ids, tuple(people))

    def _blend(self, there: tuple[slice, slice], rgb: Floats, alpha: Floats) -> None:
        region = self._rgb[there]
        region += alpha[..., None] * (rgb - region)


def populate(
    canvas: Canvas,
    cutouts: Sequence[Cutout],
    people: int,
    rng: np.random.Generator,
    turned: float = 0.0,
    huddled: float = 0.0,
) -> None:
    """Put up to `people` of `cutouts` into `canvas`, in one of the layouts.

    Args:
        turned: share of the people who lie, fall or stand on their hands.
        huddled: share of the canvases on which they hug.
    """
    layouts, shares = zip(*LAYOUTS, strict=True)
    layout = layouts[int(rng.choice(len(layouts), p=shares))]
    if huddled and rng.random() < huddled:
        layout = huddle
    for place in layout(*canvas.size, people, rng):
        if place.height < _SMALLEST:
            continue
        if turned and rng.random() < turned:
            degrees = float(rng.choice((-90, 90, 180)) + rng.normal(0, _TURN_DEGREES))
            place = replace(place, turned=degrees)
        canvas.put(cutouts[int(rng.integers(len(cutouts)))], place, rng)


def clutter(canvas: Canvas, texture: Rgb, rng: np.random.Generator) -> None:
    """Put up to three things in front, each cut from another place's picture."""
    width, height = canvas.size
    for _ in range(int(rng.integers(1, 4))):
        outline = np.zeros((height, width), dtype=np.uint8)
        middle = (int(rng.uniform(0, width)), int(rng.uniform(0.5, 1.05) * height))
        sides = (rng.uniform(0.05, 0.5) * width, rng.uniform(0.05, 0.35) * height)
        box = cv2.boxPoints((middle, sides, float(rng.normal(0, 8))))
        if rng.random() < 0.3:
            cv2.ellipse(outline, (middle, sides, float(rng.normal(0, 8))), (1,), -1)
        else:
            cv2.fillPoly(outline, [np.round(box).astype(np.int32)], (1,))
        canvas.cover(np.roll(texture, int(rng.integers(width)), axis=1), outline.astype(bool))


def _posed(person: Cutout, place: Place, rng: np.random.Generator) -> tuple[Rgb, Floats]:
    """The cutout at its size, perhaps mirrored, leaning, slimmer or wider."""
    scale = min(place.height / person.alpha.shape[0], _LARGEST)
    width = max(2, round(person.alpha.shape[1] * scale * rng.uniform(0.88, 1.15)))
    size = (width, max(2, round(person.alpha.shape[0] * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    # Premultiplied, so that shrinking mixes no colour from beside the person in.
    mixed = np.dstack((person.rgb * person.alpha[..., None], person.alpha))
    layers = cv2.resize(mixed, size, interpolation=kind)
    if rng.random() < 0.5:
        layers = layers[:, ::-1]
    upright: Floats = np.ascontiguousarray(layers, dtype=np.float32)
    if place.turned:
        layers = _turned(upright, place.turned)
    else:
        layers = _leaning(upright, float(rng.normal(0, 4)))
    alpha = np.clip(layers[..., 3], 0, 1)
    rgb = layers[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    return np.clip(rgb, 0, 255).astype(np.uint8), alpha


def _turned(layers: Floats, degrees: float) -> Floats:
    """Lying, falling, upside down: turned about the middle, whole.

    Args:
        layers: float32 [h, w, 4], RGB times alpha, and alpha; so is what is returned, cropped.
    """
    height, width = layers.shape[:2]
    side = int(np.hypot(height, width)) + 1
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turn[:, 2] += (side - width) / 2, (side - height) / 2
    turned = cv2.warpAffine(layers, turn, (side, side))
    columns, rows = (np.flatnonzero(turned[..., 3].any(axis=axis)) for axis in (0, 1))
    return np.ascontiguousarray(turned[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _leaning(layers: Floats, degrees: float) -> Floats:
    height, width = layers.shape[:2]
    margin = int(abs(np.sin(np.radians(degrees))) * height) + 1
    turn = cv2.getRotationMatrix2D((width / 2, height), degrees, 1.0)
    turn[0, 2] += margin
    leaning = cv2.warpAffine(layers, turn, (width + 2 * margin, height))
    return np.asarray(leaning, dtype=np.float32)


def _overlap(
    x: int, y: int, size: tuple[int, ...], frame: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Where a picture of `size` at `x, y` lies in `frame`, and which part of it does."""
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + size[1], frame[1]), min(y + size[0], frame[0])
    if x0 >= x1 or y0 >= y1:
        return None
    there = (slice(y0, y1), slice(x0, x1))
    return there, (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))


def _lit(rgb: Floats, alpha: Floats, place: Floats, rng: np.random.Generator) -> Floats:
    """Brightness and tint drawn part of the way to those of the place."""
    inside = alpha >= _SOLID
    if not inside.any():
        return rgb
    own = rgb[inside].mean(axis=0)
    wanted = own + rng.uniform(0, 0.5) * (place.reshape(-1, 3).mean(axis=0) - own)
    gain = np.clip(wanted / np.maximum(own, 1), 0.4, 1.8) * rng.uniform(0.8, 1.2)
    contrast = rng.uniform(0.8, 1.15)
    return np.asarray((rgb - own) * contrast + own * gain, dtype=np.float32)
