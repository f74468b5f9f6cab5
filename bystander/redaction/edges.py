"""Silhouettes on the grid and the picture -> where the people to keep are clear, in its pixels.

A silhouette comes from a network that sees the picture at a fraction of its size. Where somebody
to be masked is near somebody to be kept, the picture itself says where the edge between them
lies: a guided filter (He, Sun, Tang 2013) fits the silhouette in each small window by a linear
function of the colours there. Its coefficients are computed on the grid and enlarged (He, Sun
2015, fast guided filter), so that the edge follows the picture's own pixels at little cost.

It may move the edge by `BAND_PX` at most, and by `INTO_MASKED_PX` into a silhouette that is to be
masked, never over its inside or its limbs. What is claimed by both, and where colours tell
nothing, is rather masked. Nothing is computed where nobody masked is near, and nothing is carried
from frame to frame. Measured in docs/edges.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits, Mask
from bystander.geometry.types import PixelBox
from bystander.redaction.effects import Plane

Floats = NDArray[np.float32]

BAND_PX: Final = 4.0
"""Grid pixels by which an edge may move ..."""
INTO_MASKED_PX: Final = 2.0
"""... and by which it may move into somebody's silhouette who is to be masked."""
THIN_PX: Final = 5
"""Parts of such a silhouette that are narrower, as an arm is, stay masked whole, grid pixels."""
RADIUS_SHARE: Final = 0.02
"""Of the kept person's height: the filter's radius."""
RADIUS_PX: Final = (2, 6)
"""Least and largest radius, grid pixels."""
SMOOTHNESS_VARIANCE: Final = 1e-3
"""Variance of colours, of samples from 0 to 1, below which they tell little: `eps` of He et al."""
FILTER_ROUNDS: Final = 2
"""How often the filtered silhouette is filtered again."""
SHARPENING_GAIN: Final = 4.0
"""Contrast of a filtered silhouette that goes into the next round."""
CLEAR_SHARE: Final = (0.45, 0.65)
"""Of somebody kept in the filtered silhouette: up to the first a pixel is masked, from the
second on it is clear, between them both mix. Half of it is rather masked."""


class EdgeRefiner:
    """Finds the edges of the people to keep in the pictures of one video.

    Args:
        grid: width, height of the analysis grid.
        size: width, height of the pictures, stored pixels.
    """

    def __init__(self, grid: tuple[int, int], size: tuple[int, int]) -> None:
        self._grid, self._size = grid, size

    def clear(
        self,
        planes: Sequence[Plane],
        kept: Sequence[Mask],
        masked: Sequence[Mask],
        reach: float,
        covers: Sequence[Mask] | None = None,
    ) -> NDArray[np.uint8] | None:
        """How clear each pixel is that would be drawn over.

        Args:
            planes: Y, Cb, Cr of the picture, the last two of half its size or of its size.
            kept: silhouettes of the people to keep.
            masked: of those to mask.
            reach: grid pixels by which is drawn beyond the covers at most.
            covers: what is drawn over of those, if more than the silhouettes.

        Returns:
            uint8 [H, W] over the picture, 255 where only it is to be seen, 0 where nobody to keep
            is or nothing is drawn near them; None where that is everywhere.
        """
        if not kept:
            return None
        own, theirs = (_pasted(masks, self._grid) for masks in (kept, masked))
        drawn = theirs if covers is None else _pasted(covers, self._grid)
        drawn = _widened(drawn, reach)
        own &= ~theirs
        clear: NDArray[np.uint8] | None = None
        for mask in kept:
            radius = _radius(mask)
            margin = round(BAND_PX) + 1
            window = self._window(mask.clipped(*self._grid).box, margin)
            there = drawn[window[1] : window[3], window[0] : window[2]]
            if not there.any():
                continue
            x, y, width, height = cv2.boundingRect(there.view(np.uint8))
            corner = window[0] + x, window[1] + y
            inner = self._window((*corner, corner[0] + width, corner[1] + height), 1)
            outer = self._window(inner, 2 * radius)
            if clear is None:
                clear = np.zeros(self._size[::-1], dtype=np.uint8)
            self._refine(clear, planes, own, theirs, inner, outer, radius)
        return clear

    def _refine(
        self,
        clear: NDArray[np.uint8],
        planes: Sequence[Plane],
        own: Bits,
        masked: Bits,
        inner: PixelBox,
        outer: PixelBox,
        radius: int,
    ) -> None:
        """Set `clear` inside the grid's rectangle `inner`, looking as far as `outer`."""
        rows, columns = slice(outer[1], outer[3]), slice(outer[0], outer[2])
        inside, theirs = own[rows, columns], masked[rows, columns]
        place, target = self._in_picture(outer), self._in_picture(inner)
        width, height = target[2] - target[0], target[3] - target[1]
        if min(width, height) < 1:
            return  # less than a pixel of a tiny picture: it stays masked
        small = [
            _samples(plane, cv2.resize(cut, inside.shape[::-1], interpolation=cv2.INTER_AREA))
            for plane, cut in ((plane, self._cut(plane, place)) for plane in planes[:3])
        ]
        fixed = _depth(inside) + _depth(~inside) > BAND_PX
        slopes, offset = _fitted(small, inside.astype(np.float32), fixed, radius)
        for slope in slopes:
            slope[fixed] = 0
        offset[fixed] = inside[fixed]
        wanted = (
            slice(inner[1] - outer[1], inner[3] - outer[1]),
            slice(inner[0] - outer[0], inner[2] - outer[0]),
        )
        share = self._applied([slope[wanted] for slope in slopes], offset[wanted], planes, target)
        low, high = CLEAR_SHARE
        opacity = cv2.convertScaleAbs(
            np.clip(share, low, high), alpha=255 / (high - low), beta=-255 * low / (high - low)
        )
        # Without the crumbs of single pixels that happen to have the other side's colour.
        side = 2 * round(self._size[0] / self._grid[0]) + 1
        opacity = cv2.medianBlur(opacity, side)
        firm = cv2.resize(_firm(theirs)[wanted] * np.uint8(255), (width, height))
        opacity[firm > 0] = 0
        clear[target[1] : target[3], target[0] : target[2]] = opacity

    def _applied(
        self, slopes: Sequence[Floats], offset: Floats, planes: Sequence[Plane], target: PixelBox
    ) -> Floats:
        """The filtered silhouette in the picture's rectangle `target`.

        Each plane counts at its own resolution.
        """
        luma, *chroma = (self._cut(plane, target) for plane in planes[:3])
        height, width = chroma[0].shape
        rest = _floats(cv2.resize(offset, (width, height)))
        for slope, plane in zip(slopes[1:], chroma, strict=True):
            rest += _floats(cv2.resize(slope, (width, height))) * _samples(plane, plane)
        size = luma.shape[::-1]
        share = _floats(cv2.resize(slopes[0], size)) * _samples(luma, luma)
        share += _floats(rest if rest.shape == luma.shape else cv2.resize(rest, size))
        return share

    def _cut(self, plane: Plane, box: PixelBox) -> Plane:
        """The samples of a plane in a rectangle of the picture."""
        half = 2 if plane.shape[1] < self._size[0] else 1
        x0, y0, x1, y1 = box[0] // half, box[1] // half, -(-box[2] // half), -(-box[3] // half)
        return plane[y0:y1, x0:x1]

    def _window(self, box: PixelBox, margin: int) -> PixelBox:
        """A rectangle on the grid, wider by `margin`."""
        return (
            max(0, box[0] - margin),
            max(0, box[1] - margin),
            min(self._grid[0], box[2] + margin),
            min(self._grid[1], box[3] + margin),
        )

    def _in_picture(self, box: PixelBox) -> PixelBox:
        """A rectangle on the grid in the picture's pixels."""
        across, down = self._size[0] / self._grid[0], self._size[1] / self._grid[1]
        return (
            round(box[0] * across),
            round(box[1] * down),
            round(box[2] * across),
            round(box[3] * down),
        )


def _firm(masked: Bits) -> Bits:
    """What of a silhouette stays masked, whatever the picture says: its inside and its limbs."""
    kernel = np.ones((THIN_PX, THIN_PX), np.uint8)
    broad = cv2.morphologyEx(masked.view(np.uint8), cv2.MORPH_OPEN, kernel).astype(bool)
    return np.asarray((_depth(masked) > INTO_MASKED_PX) | (masked & ~broad))


def _pasted(masks: Sequence[Mask], grid: tuple[int, int]) -> Bits:
    bits = np.zeros(grid[::-1], dtype=bool)
    for mask in masks:
        mask.paste(bits)
    return bits


def _widened(bits: Bits, reach: float) -> Bits:
    """At least by `reach`: with a square, which is cheap."""
    side = 2 * int(reach + 1) + 1
    kernel = np.ones((side, side), np.uint8)
    return np.asarray(cv2.dilate(bits.view(np.uint8), kernel), dtype=bool)


def _radius(mask: Mask) -> int:
    least, largest = RADIUS_PX
    return min(max(round(RADIUS_SHARE * int(mask.bits.shape[0])), least), largest)


def _depth(bits: Bits) -> Floats:
    """Distance of each set pixel to the nearest one that isn't, grid pixels."""
    if bits.all():
        return np.full(bits.shape, np.float32(1e4))
    return np.asarray(cv2.distanceTransform(bits.view(np.uint8), cv2.DIST_L2, 5))


def _floats(values: Any) -> Floats:
    return np.asarray(values, dtype=np.float32)


def _samples(plane: Plane, values: Any) -> Floats:
    """Samples of a plane's type as float32, 0 to 1."""
    peak = 255 if plane.dtype == np.uint8 else 1023
    return _floats(values) * np.float32(1 / peak)


class _GuidedFilter:
    """Fits a silhouette by linear functions of the colours around each pixel.

    Args:
        guides: Y, Cb, Cr of the picture, float32 [h, w] each, samples from 0 to 1.
        radius: of the windows, pixels.
    """

    def __init__(self, guides: Sequence[Floats], radius: int) -> None:
        self._side = 2 * radius + 1
        self._guides = a, b, c = guides
        mean = self._mean
        self._means = ma, mb, mc = mean(a), mean(b), mean(c)
        aa, bb, cc = (
            mean(g * g) - m * m + SMOOTHNESS_VARIANCE for g, m in ((a, ma), (b, mb), (c, mc))
        )
        ab, ac, bc = mean(a * b) - ma * mb, mean(a * c) - ma * mc, mean(b * c) - mb * mc
        # The inverse of the colours' covariance, by cofactors.
        iaa, iab, iac = bb * cc - bc * bc, bc * ac - ab * cc, ab * bc - bb * ac
        ibb, ibc, icc = aa * cc - ac * ac, ab * ac - aa * bc, aa * bb - ab * ab
        scale = 1 / (aa * iaa + ab * iab + ac * iac)
        self._inverse = [
            [part * scale for part in row]
            for row in ((iaa, iab, iac), (iab, ibb, ibc), (iac, ibc, icc))
        ]

    def fit(self, silhouette: Floats) -> tuple[list[Floats], Floats]:
        """The slopes, one for each guide, and the offset: float32 [h, w] each."""
        middle = self._mean(silhouette)
        together = [
            self._mean(guide * silhouette) - mean * middle
            for guide, mean in zip(self._guides, self._means, strict=True)
        ]
        slopes = [x * together[0] + y * together[1] + z * together[2] for x, y, z in self._inverse]
        offset = middle - sum(s * m for s, m in zip(slopes, self._means, strict=True))
        return [self._mean(slope) for slope in slopes], self._mean(offset)

    def _mean(self, values: Any) -> Floats:
        return _floats(cv2.blur(values, (self._side, self._side)))


def _fitted(
    guides: Sequence[Floats], silhouette: Floats, fixed: Bits, radius: int
) -> tuple[list[Floats], Floats]:
    """The coefficients of the last of `FILTER_ROUNDS` fits.

    Args:
        fixed: where the silhouette stays what it is between the rounds.
    """
    filtering = _GuidedFilter(guides, radius)
    slopes, offset = filtering.fit(silhouette)
    for _ in range(FILTER_ROUNDS - 1):
        share = sum((s * g for s, g in zip(slopes, guides, strict=True)), offset)
        sharper = np.clip((share - 0.5) * SHARPENING_GAIN + 0.5, 0, 1)
        now = np.where(fixed, silhouette, sharper).astype(np.float32)
        slopes, offset = filtering.fit(now)
    return slopes, offset
