"""A plate and one frame of its window -> what stands in for the people in that frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from bystander.geometry.masks import Bits
from bystander.geometry.types import PixelBox
from bystander.redaction.camera import Homography
from bystander.redaction.effects import Plane
from bystander.redaction.plates import Plate, Weight, shifted

RING_GRID_PX: Final = 12
"""Grid pixels around a person's box within which frame and plate are compared."""
MIN_RING_PX: Final = 200
"""Luma pixels of the background there; fewer tell nothing."""
MAX_RING_GREY_LEVELS: Final = 10.0
"""Median difference there, of 256 levels and once brightness is matched, from which the plate isn't
what is behind this person: parallax, or a motion that was told wrongly."""
MAX_OFFSET_GREY_LEVELS: Final = 24.0
"""By which brightness or a colour may be matched; more is another place."""


Offsets = tuple[float, float, float]
"""What is added to Y, Cb, Cr of a plate."""


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """The background behind the people of one frame.

    Attributes:
        plate: of the frame's window.
        motion: from the frame's pixels to those of the window's first frame, luma pixels.
        nobody: bool [h, w] over the analysis grid, where nobody is in the frame.
    """

    plate: Plate
    motion: Homography
    nobody: Bits

    def offsets(self, source: Sequence[Plane], box: PixelBox) -> Offsets | None:
        """What has to be added to Y, Cb, Cr of the plate to meet the frame around a person.

        Args:
            source: Y, Cb, Cr of the frame.
            box: of the person, luma pixels.

        Returns:
            None where the plate doesn't show what is around them.
        """
        across, down = self.plate.canvas.scale
        margin = round(RING_GRID_PX * max(across, down))
        height, width = source[0].shape
        wide = (
            max(0, box[0] - margin) // 2 * 2,
            max(0, box[1] - margin) // 2 * 2,
            min(width, box[2] + margin),
            min(height, box[3] + margin),
        )
        columns, rows = np.arange(wide[0], wide[2]), np.arange(wide[1], wide[3])
        grid_height, grid_width = self.nobody.shape
        nobody = self.nobody[
            np.ix_(
                ((rows + 0.5) / down).astype(int).clip(0, grid_height - 1),
                ((columns + 0.5) / across).astype(int).clip(0, grid_width - 1),
            )
        ]
        unit = 1 if source[0].dtype == np.uint8 else 4
        found = []
        for index, plane in enumerate(source):
            step = self._step(index)
            part = _halved(wide) if step == 2 else wide
            shown = plane[part[1] : part[3], part[0] : part[2]]
            part = part[0], part[1], part[0] + shown.shape[1], part[1] + shown.shape[0]
            values, weight = self.patch(index, part)
            there = (weight == 255) & nobody[::step, ::step][: shown.shape[0], : shown.shape[1]]
            if np.count_nonzero(there) * step * step < MIN_RING_PX:
                found.append(0.0)
                continue
            away = shown[there].astype(np.float32) - values[there].astype(np.float32)
            offset = float(np.median(away))
            residual = float(np.median(np.abs(away - offset)))
            if abs(offset) > MAX_OFFSET_GREY_LEVELS * unit or residual > (
                MAX_RING_GREY_LEVELS * unit
            ):
                return None
            found.append(offset)
        return found[0], found[1], found[2]

    def patch(self, index: int, box: PixelBox, offset: float = 0.0) -> tuple[Plane, Weight]:
        """What is behind a rectangle of the frame, and how well that is known.

        Args:
            index: 0, 1, 2: of Y, Cb, Cr.
            box: in that plane's pixels.
            offset: added to it.

        Returns:
            samples of the plane's type, and uint8: [h, w] each.
        """
        step = self._step(index)
        size = box[2] - box[0], box[3] - box[1]
        place = self.plate.canvas.place(self.motion, step) @ shifted(box[0], box[1])
        values = _looked_up(self.plate.planes[index], place, size, cv2.BORDER_REPLICATE)
        weight = _looked_up(self.plate.weights[min(index, 1)], place, size, cv2.BORDER_CONSTANT)
        if offset:
            peak = 255 if values.dtype == np.uint8 else 1023
            values = np.rint(values + np.float32(offset)).clip(0, peak).astype(values.dtype)
        return values, weight

    def _step(self, index: int) -> int:
        """Luma pixels a pixel of a plane."""
        luma, chroma = self.plate.planes[:2]
        return 2 if index and chroma.shape[1] < luma.shape[1] else 1


def _looked_up(plane: Plane, place: Homography, size: tuple[int, int], beyond: int) -> Plane:
    """The samples of a plane that `place` leads to from each pixel of a picture of `size`."""
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(plane, place, size, flags=how, borderMode=beyond))


def _halved(box: PixelBox) -> PixelBox:
    x0, y0, x1, y1 = box
    return x0 // 2, y0 // 2, -(-x1 // 2), -(-y1 // 2)
