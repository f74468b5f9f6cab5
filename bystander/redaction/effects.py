"""What is drawn over a person: blur, mosaic, a solid colour, a picture or the background.

Blur and mosaic both keep nothing but the mean of each *cell*, a square of many
pixels on a grid that is fixed in the frame, smoothed once more over the cells around
it. Mosaic paints these as tiles, blur interpolates between them, so both carry the
same. Cells are larger than would stop a face recogniser, because one that is taught
with masked photos makes do with less (docs/strength.md).

Why the grid is fixed in the frame and doesn't travel with the person: the boxes of
a detector tremble by a few pixels from frame to frame, so a grid anchored to them
would measure someone sitting still at ever new offsets, and averaging those frames
brings detail back. On a fixed grid they yield the same means in every frame. A
person who walks does cross the grid, but also turns and sways meanwhile, and each
sample is a mean over half of their face or more.
"""

from __future__ import annotations

from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from bystander.choices import DEFAULT_COLOR, DEFAULT_STRENGTH, EffectName, ShapeName
from bystander.config import Settings
from bystander.errors import ConfigError
from bystander.geometry.types import PixelBox
from bystander.redaction.pictures import check_picture

Plane = NDArray[Any]
"""One colour plane, uint8 (8 bit) or uint16 (10 bit) [H, W]."""

CELLS_PER_FACE = 2
CELLS_PER_BODY = 13
MIN_CELL_PX = 12
"""Luma pixels: compression alone blurs less than this."""

FACE_SHARE = ((1.4, 0.60), (2.0, 0.30), (3.0, 0.15))
"""(visible height / width, height of the face / visible height), the worst case each.

Up to 1.4 the picture may show a head alone, near 2 someone from the waist up, from 3
on someone standing; in between the share is interpolated."""


class EffectSettings(Settings):
    """How masked people are drawn over.

    Raises:
        ConfigError: blur or mosaic weaker than the defaults, and `allow_weak` isn't set.
    """

    name: EffectName = Field(
        EffectName.BLUR, title="Effect", description="What is drawn over a masked person."
    )
    shape: ShapeName = Field(
        ShapeName.SILHOUETTE,
        title="Shape",
        description="What of a masked person is drawn over. The silhouette leaves the outline, by "
        "which people who are known can be told; blob and box hide it.",
    )
    color: str = Field(
        DEFAULT_COLOR,
        pattern="^#[0-9a-fA-F]{6}$",
        title="Colour",
        description="The colour of the solid effect, and beneath a picture, #rrggbb.",
    )
    strength: float = Field(
        DEFAULT_STRENGTH,
        ge=0.25,
        le=8.0,
        title="Strength",
        description="Makes the cells of blur and mosaic this many times larger, and of the blur "
        "where fill knows no background. Below 1 people may be recognised, and allow_weak is "
        "asked for.",
    )
    picture: str | None = Field(
        None,
        title="Picture",
        description="Of the picture effect: a PNG file in base64, drawn over the person's box. "
        "Without one, only the colour is drawn.",
    )
    allow_weak: bool = Field(
        False,
        title="Allow weak",
        description="Take a strength below 1 all the same.",
    )
    growth: float = Field(
        0.01,
        ge=0.0,
        le=0.2,
        title="Growth",
        description="How far the mask reaches beyond the silhouette, in heights of the person.",
    )
    softness: float = Field(
        0.012,
        ge=0.0,
        le=0.2,
        title="Edge softness",
        description="Width of the soft edge outside the grown mask, in heights of the person.",
    )

    @property
    def weak(self) -> bool:
        """Whether more of a person is left than the defaults leave."""
        celled = (EffectName.BLUR, EffectName.MOSAIC, EffectName.FILL)
        return self.name in celled and self.strength < 1

    @property
    def boxed(self) -> bool:
        """Whether what is drawn follows people's boxes, and not their silhouettes alone."""
        return self.name is EffectName.PICTURE or self.shape is not ShapeName.SILHOUETTE

    @field_validator("picture")
    @classmethod
    def _is_a_picture(cls, value: str | None) -> str | None:
        if value is not None:
            check_picture(value)
        return value

    @model_validator(mode="after")
    def _refuse_weak(self) -> Self:
        # Here, so that no way to make these settings goes around it: command line, API, file.
        if self.weak and not self.allow_weak:
            cells = round(CELLS_PER_FACE / self.strength)
            raise ConfigError(
                f"strength {self.strength:g} is too weak for {self.name}: up to {cells}x{cells} "
                "cells of each face would be left, and a face recogniser that was taught with "
                "masked photos may tell who it is",
                "Choose a strength of 1 or more, or solid; to insist, add --allow-weak "
                "(allow_weak: true).",
            )
        return self


def cell_size(
    settings: EffectSettings,
    height: float,
    width: float,
    face: float | None = None,
    cut_off: bool = False,
) -> int:
    """The side of a cell for one person, in luma pixels, a multiple of 4.

    A face gets at most 2x2 cells and a body 13 from top to bottom. Where no face was
    seen, its height is taken for the largest that the person's outline allows
    (`FACE_SHARE`), because a tall box may be a close-up. Sizes are rounded up to
    12, 16, 24, 32, 48, 64, 96, ... so that a box that trembles doesn't make the
    cells flicker.

    Args:
        settings: `strength` multiplies the size.
        height: visible height of the person, display pixels.
        width: visible width of the person, display pixels.
        face: height of the largest face seen of them, display pixels, if any was.
        cut_off: the left or right edge of the frame cuts the person, so that the
            outline says nothing about what part of them is seen.
    """
    if not face:
        aspect = 0.0 if cut_off else height / max(width, 1.0)
        aspects, shares = zip(*FACE_SHARE, strict=True)
        face = height * float(np.interp(aspect, aspects, shares))
    wanted = settings.strength * max(height / CELLS_PER_BODY, face / CELLS_PER_FACE, MIN_CELL_PX)
    size = 8
    while size < wanted:
        # 8, 12, 16, 24, 32, ...: a power of two, then one and a half times it.
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return size


def mosaic(plane: Plane, box: PixelBox, cell: int) -> Plane:
    """`plane` inside `box` as cells of `cell` x `cell` pixels in their smoothed mean colour."""
    means, x, y = _smoothed_means(plane, box, cell)
    return _cut(means.repeat(cell, axis=0).repeat(cell, axis=1), box, x, y)


def blur(plane: Plane, box: PixelBox, cell: int) -> Plane:
    """`plane` inside `box` blurred so strongly that it carries no more than its mosaic."""
    means, x, y = _smoothed_means(plane, box, cell)
    size = (means.shape[1] * cell, means.shape[0] * cell)
    # Linear: cubic overshoots, and 10-bit samples would leave their range.
    return _cut(cv2.resize(means, size, interpolation=cv2.INTER_LINEAR), box, x, y)


def solid(plane: Plane, box: PixelBox, level: int) -> Plane:
    """The sample `level` all over `box`, in the sample type of `plane`."""
    x0, y0, x1, y1 = box
    return np.full((y1 - y0, x1 - x0), level, dtype=plane.dtype)


def _smoothed_means(plane: Plane, box: PixelBox, cell: int) -> tuple[Plane, int, int]:
    """Means of the cells, each mixed with those around it; the first cell's x, y.

    Where a person crosses the grid, sharp means are many measurements of the same face,
    and laid over each other they tell more than one does; smoothed ones tell little more.
    """
    means, x, y = _cell_means(plane, box, cell)
    return cv2.GaussianBlur(means, (3, 3), 0, borderType=cv2.BORDER_REPLICATE), x, y


def _cell_means(plane: Plane, box: PixelBox, cell: int) -> tuple[Plane, int, int]:
    """Means of the cells under `box` and one cell around it; the first cell's x, y."""
    height, width = plane.shape
    left, top = (max(0, edge // cell - 1) * cell for edge in box[:2])
    right, bottom = ((-(-edge // cell) + 1) * cell for edge in box[2:])
    right, bottom = min(right, -(-width // cell) * cell), min(bottom, -(-height // cell) * cell)
    pixels = plane[top : min(bottom, height), left : min(right, width)]
    if bottom > height or right > width:
        # The frame ends inside a cell: mirrored, so that a narrow rest is still a
        # mean over many pixels and not close to a sample.
        missing = (max(0, bottom - height), max(0, right - width))
        pixels = cv2.copyMakeBorder(pixels, 0, missing[0], 0, missing[1], cv2.BORDER_REFLECT)
    size = ((right - left) // cell, (bottom - top) // cell)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), left, top


def _cut(pixels: Plane, box: PixelBox, x: int, y: int) -> Plane:
    """`box` out of `pixels`, whose top-left pixel is at x, y."""
    x0, y0, x1, y1 = box
    return pixels[y0 - y : y1 - y, x0 - x : x1 - x]
