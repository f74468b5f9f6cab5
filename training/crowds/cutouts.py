"""People cut out of photos, with a soft edge and clean colours in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits, Mask
from training.errors import DataError
from training.pictures import Picture

Rgb = NDArray[np.uint8]
"""uint8 [H, W, 3] RGB."""
Floats = NDArray[np.float32]

_RADIUS = 3  # pixels around the bilevel edge in which the true edge is looked for
_EPSILON = 1e-4  # guided filter: how flat a colour must be to pass for one surface
_CORE = 2  # pixels inside the edge from where on colours are the person's own
_BLEED = 4.0  # pixels, how far the person's own colours are spread into the edge
_TALL, _LARGE = 90, 3000  # pixels of height, pixels; smaller people are too blurred to enlarge


@dataclass(frozen=True, slots=True)
class CutoutFile:
    """A photo of one person and the bilevel mask of that person, of the same size."""

    photo: Path
    mask: Path

    @property
    def name(self) -> str:
        return self.photo.stem


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """One person without surroundings.

    Attributes:
        rgb: uint8 [h, w, 3] RGB; around the edge free of the old background's colour.
        alpha: float32 [h, w], 0 to 1, cropped to where it isn't 0.
    """

    rgb: Rgb
    alpha: Floats


def list_cutouts(folder: Path) -> list[CutoutFile]:
    """The pairs `images/NAME.jpg`, `masks/NAME.png` in `folder`, by name.

    Raises:
        DataError: there are none.
    """
    found = [
        CutoutFile(photo, mask)
        for photo in sorted((folder / "images").glob("*"))
        if (mask := folder / "masks" / f"{photo.stem}.png").is_file()
    ]
    if not found:
        raise DataError(
            f"no cutouts in {folder}", "It must hold images/NAME.jpg and masks/NAME.png."
        )
    return found


def read_photo(file: CutoutFile) -> tuple[Rgb, Bits]:
    """The photo, uint8 [H, W, 3] RGB, and the person's pixels, bool [H, W].

    Raises:
        DataError: one of the files is damaged, or they differ in size.
    """
    bgr = cv2.imread(str(file.photo), cv2.IMREAD_COLOR)
    grey = cv2.imread(str(file.mask), cv2.IMREAD_GRAYSCALE)
    if bgr is None or grey is None or bgr.shape[:2] != grey.shape:
        raise DataError(
            f"{file.photo} and {file.mask} are no photo and mask of one size",
            "Repair or remove the pair.",
        )
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False), grey > 127


def cut_out(rgb: Rgb, person: Bits) -> Cutout:
    """Cut `person` (bool [H, W]) out of `rgb`, with the edge refined to fractions of a pixel."""
    alpha = refine_edge(rgb, person)
    clean = _own_colours(rgb, person, alpha)
    crop = Mask.from_frame(alpha > 0)
    x0, y0, x1, y1 = crop.box
    return Cutout(clean[y0:y1, x0:x1].copy(), alpha[y0:y1, x0:x1].copy())


def read_picture(picture: Picture) -> Rgb:
    """An annotated picture: uint8 [H, W, 3] RGB.

    Raises:
        DataError: it can't be decoded.
    """
    bgr = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise DataError(f"{picture.path} can't be decoded", "Clean the data first.")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def cut_people(picture: Picture) -> Iterator[Cutout]:
    """Those of an annotated picture who are large and seen whole, as far as masks can tell.

    They sit, lie and bend, which people posing for a photo don't. Who touches the picture's edge
    or somebody else, or comes in pieces, isn't whole: a hand by itself is to be no person.

    Raises:
        DataError: the picture can't be decoded.
    """
    rgb = read_picture(picture)
    everyone = [person.bits(rgb.shape[1], rgb.shape[0]) for person in picture.people]
    taken = np.sum(everyone, axis=0)  # int64 [H, W]: how many people have each pixel
    for person, bits in zip(picture.people, everyone, strict=True):
        rows = np.count_nonzero(bits.any(axis=1))
        if person.crowd or rows < _TALL or np.count_nonzero(bits) < _LARGE:
            continue
        if cv2.connectedComponents(bits.astype(np.uint8))[0] > 2:  # nobody is 0, one piece 1
            continue
        around = cv2.dilate(bits.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=0) > 0
        at_edge = around[[0, -1]].any() or around[:, [0, -1]].any()
        if not at_edge and not (taken[around] > bits[around]).any():
            yield cut_out(rgb, bits)


def refine_edge(rgb: Rgb, person: Bits) -> Floats:
    """Alpha from a bilevel mask: a guided filter (He et al. 2013) follows the photo's edges.

    Only pixels within `_RADIUS` of the mask's edge change.

    Returns:
        float32 [H, W], 0 to 1.
    """
    guide = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    hard = person.astype(np.float32)
    size = (2 * _RADIUS + 1, 2 * _RADIUS + 1)
    mean_guide, mean_hard = cv2.blur(guide, size), cv2.blur(hard, size)
    covariance = cv2.blur(guide * hard, size) - mean_guide * mean_hard
    variance = cv2.blur(guide * guide, size) - mean_guide * mean_guide
    slope = covariance / (variance + _EPSILON)
    offset = mean_hard - slope * mean_guide
    soft = cv2.blur(slope, size) * guide + cv2.blur(offset, size)
    # The filter leaves a veil of a few per cent: stretched away.
    soft = np.clip((soft - 0.1) / 0.8, 0, 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size)
    inside, outside = cv2.erode(hard, kernel), cv2.dilate(hard, kernel)
    return np.where(inside > 0, 1, np.where(outside > 0, soft, 0)).astype(np.float32)


def _own_colours(rgb: Rgb, person: Bits, alpha: Floats) -> Rgb:
    """Colours from inside the person in place of the mixed ones on the edge."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _CORE + 1, 2 * _CORE + 1))
    core = cv2.erode(person.astype(np.float32), kernel)
    weight = cv2.GaussianBlur(core, (0, 0), _BLEED)
    spread = cv2.GaussianBlur(rgb.astype(np.float32) * core[..., None], (0, 0), _BLEED)
    own = spread / np.maximum(weight, 1e-3)[..., None]
    # Thin parts have no core: they keep what the photo shows.
    edge = (core == 0) & (weight > 0.02) & (alpha > 0)
    mixed = np.where(edge[..., None], own, rgb)
    return np.clip(mixed, 0, 255).astype(np.uint8)
