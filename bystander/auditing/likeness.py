"""How much of the source's detail is left in a part of the masked video.

Pixels alone don't tell: a plain shirt looks the same blurred and not. What tells is
detail, the difference of a picture and its blurred self. Where the source has none,
nothing can be given away; where it has some, it is either still in the output or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits

Luma = NDArray[np.float32]
"""float32 [H, W], 0 to 255."""

FINE_SIGMA_PX: Final = 2.0
"""Standard deviation, pixels, of the blur that separates detail from what is under it."""
WINDOW_PX: Final = 5
"""Pixels: the square over which details are compared. Half of it is narrower than what
masks grow at least, so that clear surroundings don't count for a masked person."""
MIN_DETAIL_GREY_LEVELS: Final = 4.0
"""Grey levels, root mean square: less is noise, which encoding takes away."""
MIN_SOFT_DETAIL_GREY_LEVELS: Final = 1.5
"""The same in pictures of half the size, in which noise is half as strong: someone in the
dark and out of focus shows little else."""
MIN_CLEAR_CONCORDANCE: Final = 0.7
"""Concordance from which detail is clear: untouched pixels keep it when they are encoded at
the usual quality, and what blur and mosaic leave lies around 0."""
SPECK_PX: Final = 5
"""Pixels: narrower patches of clear detail are chance, as where an edge of a mosaic's cell
falls on one of the source."""
CELL_PIXELS: Final = 8.0
"""Width of a cell when masks are measured for their strength."""
MIN_REGION_PIXELS: Final = 150
"""Reduced pixels: a little over two cells."""


def luma(picture: NDArray[np.uint8]) -> Luma:
    """Brightness of uint8 [H, W, 3] RGB."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """Where a frame's detail is still clear in the output.

    Attributes:
        detailed: bool [H, W], where the source has detail.
        clear: bool [H, W], where it is also in the output; part of `detailed`.
    """

    detailed: Bits
    clear: Bits

    def counts(self, region: Bits, x: int = 0, y: int = 0) -> tuple[int, int]:
        """Pixels with detail, and those of them that are clear, under `region`.

        Args:
            region: bool [h, w], its corner at `x, y`; lies within the picture.
        """
        rows, columns = slice(y, y + region.shape[0]), slice(x, x + region.shape[1])
        detailed = int(np.count_nonzero(self.detailed[rows, columns] & region))
        return detailed, int(np.count_nonzero(self.clear[rows, columns] & region))


def compare(source: Luma, output: Luma, least_detail: float = MIN_DETAIL_GREY_LEVELS) -> Likeness:
    """Compare the detail of two pictures of one size, pixel by pixel.

    The measure is Lin's concordance of the two details in a window around each pixel,
    2 cov / (var + var): 1 for equal ones, 0 for unrelated ones, and also near 0 where one
    of them is much weaker.
    """
    here, there = _detail(source), _detail(output)
    window = (WINDOW_PX, WINDOW_PX)
    energy = cv2.blur(here * here, window)
    other = cv2.blur(there * there, window)
    common = cv2.blur(here * there, window)
    detailed = energy >= least_detail**2
    clear = detailed & (2 * common >= MIN_CLEAR_CONCORDANCE * (energy + other))
    opened = cv2.morphologyEx(
        clear.view(np.uint8), cv2.MORPH_OPEN, np.ones((SPECK_PX, SPECK_PX), np.uint8)
    )
    return Likeness(detailed, opened.astype(bool))


def compare_softly(source: Luma, output: Luma) -> Likeness:
    """Compare faint, soft detail: as `compare`, at half the size."""
    height, width = source.shape
    size = max(1, width // 2), max(1, height // 2)
    halves = [
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
        for picture in (source, output)
    ]
    return compare(halves[0], halves[1], MIN_SOFT_DETAIL_GREY_LEVELS)


def detail_kept(source: Luma, output: Luma, region: Bits, cell: float) -> float | None:
    """Share of the source's detail finer than a cell that the output still carries.

    Both are reduced so that a cell is `CELL_PIXELS` wide, which takes away everything much
    finer; of the rest, the regression of the output's detail on the source's is measured.

    Args:
        source, output: of one size.
        region: bool [H, W], what is masked.
        cell: the side that the effect's cells should have, pixels.

    Returns:
        1 for untouched pixels, about 0.2 or less behind cells of that size; None where the
        region is too small or the source too plain to tell.
    """
    scale = min(1.0, CELL_PIXELS / cell)
    height, width = region.shape
    size = max(1, round(width * scale)), max(1, round(height * scale))
    inside = cv2.resize(region.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.99
    if np.count_nonzero(inside) < MIN_REGION_PIXELS:
        return None
    here, there = (
        _detail(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))[inside]
        for picture in (source, output)
    )
    energy = float(here @ here)
    if energy < MIN_DETAIL_GREY_LEVELS**2 * here.size:
        return None
    return float(here @ there) / energy


def _detail(picture: NDArray[np.generic]) -> Luma:
    values = np.asarray(picture, dtype=np.float32)
    return values - cv2.GaussianBlur(values, (0, 0), FINE_SIGMA_PX).astype(np.float32, copy=False)
