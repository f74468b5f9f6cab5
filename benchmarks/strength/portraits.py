"""Photos of known people, masked by the product in frames that are made for it.

Each person is cut out of their photo and set before a picture of somewhere else, so that
they can be found again only by themselves and not by the place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.strength.attacks import Picture
from bystander.geometry.coordinates import DisplaySize
from bystander.geometry.instances import Face, Instance
from bystander.geometry.masks import Bits, Mask
from bystander.media.photos import load_photo, photo_files
from bystander.models import Models
from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.effects import EffectSettings, cell_size
from bystander.redaction.shapes import covered

FACE: Final = 96
"""Pixels: the height of every face. A multiple of the cells' sizes, so that a face gets as many
cells as the settings allow at all."""
MARGIN: Final = 96
"""Pixels around the photo, within which it is moved over the grid."""
GREY: Final = 128


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A photo of one person, scaled to `FACE`.

    Attributes:
        person: 0, 1, ...: who.
        photo: 0, 1, ...: which of theirs.
        picture: uint8 [H, W, 3] RGB.
        silhouette: bool [H, W].
        face: in the picture's pixels.
    """

    person: int
    photo: int
    picture: Picture
    silhouette: Bits
    face: Face


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A portrait in a frame, masked; what isn't masked is grey, as it says nothing.

    Attributes:
        picture: uint8 [H, W, 3] RGB, its corner is the grid's.
        face: where the face is, in pixels.
    """

    picture: Picture
    face: Face


def read_portraits(folder: Path, models: Models) -> list[Portrait]:
    """The photos of a folder of folders, one a person; those without a silhouette are left out."""
    found = []
    for person, place in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for photo, file in enumerate(photo_files(place)):
            portrait = _portrait(person, photo, load_photo(file), models)
            if portrait is not None:
                found.append(portrait)
    return found


def _portrait(person: int, photo: int, picture: Picture, models: Models) -> Portrait | None:
    height, width = picture.shape[:2]

    def off_centre(face: Face) -> float:
        x0, y0, x1, y1 = face.box
        return float(np.hypot((x0 + x1 - width) / 2, (y0 + y1 - height) / 2))

    face = min(models.faces.detect(picture), key=off_centre, default=None)
    if face is None:
        return None
    scale = FACE / (face.box[3] - face.box[1])
    scaled = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    landmarks = (face.landmarks * scale).astype(np.float32)
    x0, y0, x1, y1 = (value * scale for value in face.box)
    face = Face((x0, y0, x1, y1), face.score, landmarks)
    nose = landmarks[2]
    (people,) = models.segmenter.segment([np.asarray(scaled, dtype=np.uint8)])
    mine: list[Instance] = [p for p in people if p.mask.contains(float(nose[0]), float(nose[1]))]
    if not mine:
        return None
    silhouette = mine[0].mask.on_grid(scaled.shape[1], scaled.shape[0])
    return Portrait(person, photo, np.asarray(scaled, np.uint8), silhouette, face)


class Set:
    """Where portraits are filmed.

    Args:
        places: pictures of somewhere else.
        seed: which of them, and where in the frame the person is.
    """

    def __init__(self, places: Sequence[Picture], seed: int) -> None:
        self._places = places
        self._random = np.random.default_rng(seed)

    def frames(self, portrait: Portrait, effect: EffectSettings, count: int) -> Iterator[Shot]:
        """`count` masked frames, in each of them elsewhere on the grid."""
        for _ in range(count):
            height, width = portrait.picture.shape[:2]
            size = (width + MARGIN) // 2 * 2, (height + MARGIN) // 2 * 2
            place = self._places[int(self._random.integers(len(self._places)))]
            x, y = (int(value) for value in self._random.integers(0, MARGIN - 1, 2))
            picture = cv2.resize(place, size, interpolation=cv2.INTER_AREA)
            part = picture[y : y + height, x : x + width]
            part[portrait.silhouette] = portrait.picture[portrait.silhouette]
            mask = Mask.from_frame(portrait.silhouette, x, y)
            yield self._masked(picture, mask, moved(portrait.face, x, y), effect)

    def _masked(
        self, picture: NDArray[np.generic], mask: Mask, face: Face, effect: EffectSettings
    ) -> Shot:
        size = picture.shape[1], picture.shape[0]
        x0, y0, x1, y1 = mask.box
        cover = covered(mask, (x0, y0, x1, y1), effect.shape, ())
        region = Region(mask, float(mask.bits.shape[0]), FACE, cover)
        source = av.VideoFrame.from_ndarray(np.asarray(picture, np.uint8), format="rgb24")
        compositor = Compositor(size, size, DisplaySize(size), effect)
        drawn = compositor.apply(source.reformat(format="yuv420p"), [region])
        result = drawn.to_ndarray(format="rgb24").astype(np.uint8)
        result[~cover.grown(round(effect.growth * region.extent)).on_grid(*size)] = GREY
        return Shot(result, face)


def cell_of(portrait: Portrait, effect: EffectSettings) -> int:
    """The side of the cells that the portrait is drawn over with, pixels."""
    mask = Mask.from_frame(portrait.silhouette)
    height, width = mask.bits.shape
    return cell_size(effect, height, width, FACE)


def clear(portrait: Portrait) -> Shot:
    """The portrait as it is, before grey."""
    picture = portrait.picture.copy()
    picture[~portrait.silhouette] = GREY
    return Shot(picture, portrait.face)


def moved(face: Face, x: float, y: float) -> Face:
    x0, y0, x1, y1 = face.box
    landmarks = np.add(face.landmarks, (x, y), dtype=np.float32)
    return Face((x0 + x, y0 + y, x1 + x, y1 + y), face.score, landmarks)
