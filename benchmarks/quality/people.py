"""People cut out of photos: their looks from the front and from behind, and a reference photo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.errors import NoFaceFound, UnreadablePhoto
from bystander.geometry.instances import Face
from bystander.geometry.types import Box
from bystander.models.face_model import FaceModel, quality

Rgb = NDArray[np.uint8]
"""uint8 [H, W, 3] RGB."""
Layers = NDArray[np.float32]
"""float32 [H, W, 4]: RGB 0 to 255 times alpha, and alpha 0 to 1 (premultiplied)."""
Bits = NDArray[np.bool_]

OPEN_FACE = 0.6
"""Least quality of a face: frontal and sharp, so that failing to recognise it is no excuse."""
STRANGERS = 0.25
"""Most cosine similarity of two people's faces: the photos show some people several times."""
PORTRAIT_GAIN, PORTRAIT_SCALE, PORTRAIT_JPEG = 1.15, 1.4, 80
"""The reference photo is brighter, larger and more compressed than the scene."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the camera sees of one person.

    Attributes:
        layers: float32 [h, w, 4], cropped to the person.
        face: x0, y0, x1, y1 in `layers`.
    """

    layers: Layers
    face: Box

    def scaled(self, height: float) -> Look:
        factor = height / self.layers.shape[0]
        size = (max(1, round(self.layers.shape[1] * factor)), max(1, round(height)))
        kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        layers = np.asarray(cv2.resize(self.layers, size, interpolation=kind), dtype=np.float32)
        x0, y0, x1, y1 = (edge * factor for edge in self.face)
        return Look(layers, (x0, y0, x1, y1))

    def mirrored(self) -> Look:
        width = self.layers.shape[1]
        x0, y0, x1, y1 = self.face
        flipped = np.ascontiguousarray(self.layers[:, ::-1])
        return Look(flipped, (width - x1, y0, width - x0, y1))

    def tinted(self, gains: tuple[float, float, float]) -> Look:
        """Every colour times `gains` (R, G, B)."""
        layers = self.layers.copy()
        layers[..., :3] = np.minimum(layers[..., :3] * gains, 255 * layers[..., 3:])
        return replace(self, layers=layers)

    def turned(self) -> Look:
        """From behind: hair where the face was."""
        x0, y0, x1, y1 = self.face
        width, height = x1 - x0, y1 - y0
        hair = self._colour_of_hair()
        cover = np.zeros(self.layers.shape[:2], dtype=np.float32)
        middle = (round((x0 + x1) / 2), round((y0 + y1) / 2))
        cv2.ellipse(
            cover, middle, (round(0.7 * width), round(0.68 * height)), 0, 0, 360, (1.0,), -1
        )
        cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), 0.06 * width), dtype=np.float32)
        strands = np.random.default_rng(0).normal(1, 0.15, (1, self.layers.shape[1], 1))
        alpha = self.layers[..., 3:]
        painted = np.clip(hair * strands, 0, 255) * alpha
        layers = self.layers.copy()
        layers[..., :3] += cover[..., None] * (painted - layers[..., :3])
        return replace(self, layers=layers)

    def dressed_like(self, other: Look) -> Look:
        """In clothes of `other`'s colours: their mean and spread in CIELAB (Reinhard et al. 2001).

        The head keeps its own colours.
        """
        rgb, alpha = _straight(self.layers)
        lab = _lab(rgb)
        mine, theirs = _clothes(lab, self), _clothes(_lab(_straight(other.layers)[0]), other)
        spread = theirs.std(axis=0) / np.maximum(mine.std(axis=0), 1.0)
        changed = (lab - mine.mean(axis=0)) * spread + theirs.mean(axis=0)
        dressed = cv2.cvtColor(np.asarray(changed, dtype=np.float32), cv2.COLOR_LAB2RGB) * 255
        chin = round(self.face[3] + 0.3 * (self.face[3] - self.face[1]))
        rgb[chin:] = np.clip(dressed[chin:], 0, 255)
        return replace(self, layers=np.dstack((rgb * alpha, alpha)).astype(np.float32))

    def _colour_of_hair(self) -> NDArray[np.float32]:
        """Mean colour of the head above the face: float32 [3] RGB."""
        x0, y0, x1, _ = (max(0, round(edge)) for edge in self.face)
        crown = self.layers[: max(y0, 1), x0:x1].reshape(-1, 4).astype(np.float64)
        total = crown.sum(axis=0)
        return np.asarray(total[:3] / max(total[3], 1e-3), dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Someone who may play in a scene.

    Attributes:
        look: from the front.
        portrait: a photo of their head and shoulders, uint8 [H, W, 3] RGB.
    """

    look: Look
    portrait: Rgb


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo, uint8 [H, W, 3] RGB, and the pixels of the one person in it, bool [H, W]."""

    rgb: Rgb
    person: Bits


def read_photos(folder: Path, rng: np.random.Generator) -> Iterator[Photo]:
    """The pairs `images/NAME.jpg`, `masks/NAME.png` of `folder`, shuffled.

    Raises:
        UnreadablePhoto: there is no pair, or one is damaged.
    """
    pairs = [
        (image, mask)
        for image in sorted((folder / "images").glob("*"))
        if (mask := folder / "masks" / f"{image.stem}.png").is_file()
    ]
    if not pairs:
        raise UnreadablePhoto(
            f"{folder} holds no cut-outs", "It must hold images/NAME.jpg and masks/NAME.png."
        )
    for position in rng.permutation(len(pairs)):
        image, mask = pairs[int(position)]
        bgr, grey = cv2.imread(str(image)), cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
        if bgr is None or grey is None or bgr.shape[:2] != grey.shape:
            raise UnreadablePhoto(
                f"{image} and {mask} are no photo and mask of one size", "Remove the pair."
            )
        yield Photo(np.ascontiguousarray(bgr[:, :, ::-1], dtype=np.uint8), grey > 127)


def recruit(photos: Iterator[Photo], faces: FaceModel, count: int) -> list[Person]:
    """The first `count` people who face the camera and don't resemble one another.

    Raises:
        NoFaceFound: the photos have fewer.
    """
    found: list[Person] = []
    known: list[NDArray[np.float32]] = []
    for photo in photos:
        seen = faces.detect(photo.rgb)
        if len(seen) != 1 or quality(seen[0], photo.rgb) < OPEN_FACE:
            continue
        if not _belongs(seen[0], photo.person):
            continue
        embedding = faces.embed(photo.rgb, seen)[0]
        if any(float(embedding @ other) > STRANGERS for other in known):
            continue
        known.append(embedding)
        found.append(Person(cut_out(photo, seen[0].box), portrait(photo.rgb, seen[0].box)))
        if len(found) == count:
            return found
    raise NoFaceFound(
        f"only {len(found)} of {count} different open faces are in the cut-outs",
        "Give a folder with more photos.",
    )


def soft_alpha(person: Bits) -> NDArray[np.float32]:
    """How much of each pixel is the person's, 0 to 1: the bilevel edge narrower and soft."""
    core = cv2.erode(person.astype(np.float32), np.ones((3, 3), np.uint8))
    return np.asarray(cv2.GaussianBlur(core, (0, 0), 0.8), dtype=np.float32)


def cut_out(photo: Photo, face: Box) -> Look:
    """The person without surroundings, the bilevel edge a pixel narrower and soft."""
    core = cv2.erode(photo.person.astype(np.float32), np.ones((3, 3), np.uint8))
    alpha = cv2.GaussianBlur(core, (0, 0), 0.8)
    rows, columns = np.flatnonzero(core.any(axis=1)), np.flatnonzero(core.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    layers = np.dstack((photo.rgb * alpha[..., None], alpha)).astype(np.float32)
    x0, y0, x1, y1 = face
    return Look(
        np.ascontiguousarray(layers[top:bottom, left:right]),
        (x0 - left, y0 - top, x1 - left, y1 - top),
    )


def portrait(rgb: Rgb, face: Box) -> Rgb:
    """A reference photo of the face in `rgb`: cropped, enlarged, brighter, compressed."""
    x0, y0, x1, y1 = face
    width, height = x1 - x0, y1 - y0
    left, right = max(0, round(x0 - 1.3 * width)), round(x1 + 1.1 * width)
    top, bottom = max(0, round(y0 - 0.9 * height)), round(y1 + 1.6 * height)
    crop = rgb[top:bottom, left:right].astype(np.float32) * PORTRAIT_GAIN
    larger = cv2.resize(crop, None, fx=PORTRAIT_SCALE, fy=PORTRAIT_SCALE)
    bright = np.clip(larger, 0, 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", bright, [cv2.IMWRITE_JPEG_QUALITY, PORTRAIT_JPEG])
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, dtype=np.uint8)


def _belongs(face: Face, person: Bits) -> bool:
    """Whether the face is inside the mask, and not cut off by it."""
    x0, y0, x1, y1 = (max(0, round(edge)) for edge in face.box)
    inside = person[y0:y1, x0:x1]
    return bool(inside.size) and float(inside.mean()) > 0.9


def _straight(layers: Layers) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours not multiplied by alpha, float32 [h, w, 3], and alpha, float32 [h, w, 1]."""
    alpha = layers[..., 3:]
    straight = layers[..., :3] / np.maximum(alpha, 1e-3)
    return straight.astype(np.float32), alpha


def _lab(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled = np.clip(rgb / 255, 0, 1).astype(np.float32)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB), dtype=np.float32)


def _clothes(lab: NDArray[np.float32], look: Look) -> NDArray[np.float32]:
    """The colours below the chin: float32 [N, 3]."""
    below = slice(round(look.face[3]), None)
    return lab[below][look.layers[below, :, 3] > 0.9]
