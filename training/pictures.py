"""The vocabulary of the training data: pictures, and the people annotated in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits
from bystander.geometry.types import Box

Polygon = NDArray[np.float64]
"""float64 [K, 2]: x, y of the corners, in pixels of the picture; pixel centres are at .5."""

Split = Literal["train", "val"]

_SHIFT = 4  # fractional bits of the corners that OpenCV fills between


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """One person, or one crowd, as a data set annotates it.

    Attributes:
        key: identifies it within its picture, e.g. COCO's annotation id.
        polygons: the parts of the silhouette; empty where the source gives only a box.
        box: x0, y0, x1, y1 in pixels as the source states it; None if it states none.
        crowd: a region full of people who aren't told apart (COCO's `iscrowd`).
    """

    key: str
    polygons: tuple[Polygon, ...]
    box: Box | None = None
    crowd: bool = False

    def bits(self, width: int, height: int) -> Bits:
        """The silhouette as bool [height, width]."""
        canvas = np.zeros((height, width), dtype=np.uint8)
        for polygon in self.polygons:
            corners = np.round((polygon - 0.5) * (1 << _SHIFT)).astype(np.int32)
            cv2.fillPoly(canvas, [corners], (1,), shift=_SHIFT)
        return canvas.astype(bool)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One image file and the people in it.

    Attributes:
        key: identifies it in the whole mix: source/file name.
        path: the file. It may be damaged; cleaning looks.
        width, height: as the annotations state it, in pixels.
        people: its annotations, crowds among them.
        source: name of the source in the recipe.
        licence: of the picture, as the source states it; "unknown" where it doesn't.
        split: what the source meant it for.
    """

    key: str
    path: Path
    width: int
    height: int
    people: tuple[Annotation, ...]
    source: str
    licence: str
    split: Split = "train"
    url: str | None = field(default=None)
