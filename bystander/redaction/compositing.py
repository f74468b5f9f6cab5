"""Draws the effect over the masked people of a picture, and over nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import av
import cv2
import numpy as np

from bystander.choices import EffectName
from bystander.errors import UnsupportedVideo
from bystander.geometry.coordinates import DisplaySize
from bystander.geometry.masks import Mask
from bystander.geometry.types import PixelBox
from bystander.media.colour import Matrix, PixelFormat, copy_of, planes_of, ycbcr, ycbcr_planes
from bystander.media.segments import Filled
from bystander.redaction.edges import EdgeRefiner
from bystander.redaction.effects import EffectSettings, Plane, blur, cell_size, mosaic, solid
from bystander.redaction.filling import Filling, Offsets
from bystander.redaction.mattes import Alpha, Matte, MatteMaker
from bystander.redaction.pictures import Sticker
from bystander.timeline.types import Look

MIN_SHAPE_SHARE: Final = 0.998
"""Of a shape, so much of what is behind it has to be known to fill it at all."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One person to draw over, in one picture.

    Attributes:
        mask: what has to be covered wholly.
        extent: the person's height in display pixels, best smoothed over the tracklet:
            growth, softness and the size of the cells follow it. Where the mask is
            taller, its height counts for the cells.
        face: height of the largest face seen of them in display pixels, if any was.
        shape: what is drawn over, where that is more than the mask; gives way to the kept.
        place: their box without the kept, for a picture.
        look: the number of the `Look` that they have instead of the effect; None for the effect.
    """

    mask: Mask
    extent: float
    face: float | None = None
    shape: Mask | None = None
    place: Mask | None = None
    look: int | None = None

    @property
    def cover(self) -> Mask:
        """All that is drawn over, growth and soft edge aside."""
        return self.mask if self.shape is None else self.shape


class Compositor:
    """Draws over people in the pictures of one video.

    Args:
        grid: width, height of the analysis grid that masks live on.
        size: width, height of the pictures, stored pixels.
        display: width, height at which they are shown; no side is smaller than stored.
        settings: what is drawn.
        pixel_format: the format of the pictures, see `colour.to_planar`.
        matrix: how the video codes colours; only the solid colour depends on it.
        full_range: whether samples use their full range; likewise.
        looks: those that regions name by number.

    Raises:
        ConfigError: a picture can't be decoded.
    """

    def __init__(
        self,
        grid: tuple[int, int],
        size: tuple[int, int],
        display: DisplaySize,
        settings: EffectSettings,
        pixel_format: PixelFormat = "yuv420p",
        matrix: Matrix = "bt709",
        full_range: bool = False,
        looks: Sequence[Look] = (),
    ) -> None:
        self._grid, self._size, self._display = grid, size, display
        self._format = pixel_format
        self._settings = settings
        bits = 10 if pixel_format.endswith("10le") else 8
        self._colours = partial(ycbcr_planes, matrix=matrix, full_range=full_range, bits=bits)
        self._levels = ycbcr(settings.color, matrix, full_range, bits)
        self._sticker = None
        if settings.name is EffectName.PICTURE and settings.picture is not None:
            self._sticker = Sticker(settings.picture)
        self._looks = [
            (ycbcr(look.color, matrix, full_range, bits), look.picture and Sticker(look.picture))
            for look in looks
        ]
        self._subsampling = 2 if pixel_format.startswith("yuv420") else 1
        self._mattes = MatteMaker(grid, size, display, settings, self._subsampling)
        self._edges = EdgeRefiner(grid, size)

    def apply(
        self,
        picture: av.VideoFrame,
        masked: Sequence[Region],
        kept: Sequence[Mask] = (),
        whole: bool = False,
        filling: Filling | None = None,
    ) -> av.VideoFrame:
        """The picture of `draw`."""
        return self.draw(picture, masked, kept, whole, filling)[0]

    def draw(
        self,
        picture: av.VideoFrame,
        masked: Sequence[Region],
        kept: Sequence[Mask] = (),
        whole: bool = False,
        filling: Filling | None = None,
    ) -> tuple[av.VideoFrame, Filled]:
        """A new picture with the effect over `masked`; `picture` itself stays as it is.

        Pixels that no matte reaches are bit-identical. Growth and softness of the masked give
        way to the kept; what a masked and a kept silhouette both claim is masked, but for pixels
        along its edge that the picture gives to the kept (`edges`). In 4:2:0 the chroma of a kept
        pixel beside a masked one is masked with it.

        Args:
            picture: in the size and format given to the constructor.
            masked: the people to draw over.
            kept: silhouettes of the people to leave alone.
            whole: draw over the whole picture, for one that couldn't be analysed.
            filling: of the effect `fill`, what is behind people; without it they are blurred.

        Returns:
            A new picture, or `picture` itself where nothing is masked; and how much is filled.

        Raises:
            UnsupportedVideo: the picture has another size or format.
        """
        there, clear = self._prepared(picture, masked, kept, whole)
        filled = Filled()
        if not there:
            return picture, filled
        result = copy_of(picture)
        source, target = planes_of(picture), planes_of(result)
        # Where people overlap, the strongest effect is drawn last and stays.
        usual = [region for _, region in there if region.look is None]
        ordered = sorted(((self._cell(r), r) for r in usual), key=lambda pair: pair[0])
        for cell, region in ordered:
            matte = self._mattes.matte(region.cover, region.extent, clear)
            behind = None if whole or filling is None else self._behind(source, matte, filling)
            filled += self._draw(source, target, matte, cell, behind)
        for _, region in there:
            if region.look is not None:  # nothing of anybody is seen through it
                matte = self._mattes.matte(region.cover, region.extent, clear)
                self._paint(target, matte, self._looks[region.look][0])
        # The larger are nearer, and lie above.
        for region in sorted((r for _, r in there), key=lambda region: region.extent):
            sticker = self._sticker if region.look is None else self._looks[region.look][1]
            if sticker:
                self._draw_picture(sticker, target, region, clear)
        return result, filled

    def mattes(
        self,
        picture: av.VideoFrame,
        masked: Sequence[Region],
        kept: Sequence[Mask] = (),
        whole: bool = False,
    ) -> list[tuple[int, Matte]]:
        """The mattes that `apply` draws by, each with the number of its region in `masked`.

        Of the effect `picture` they are what lies beneath it.

        Args, Raises: as of `apply`.
        """
        there, clear = self._prepared(picture, masked, kept, whole)
        return [
            (number, self._mattes.matte(region.cover, region.extent, clear))
            for number, region in there
        ]

    def _prepared(
        self, picture: av.VideoFrame, masked: Sequence[Region], kept: Sequence[Mask], whole: bool
    ) -> tuple[list[tuple[int, Region]], Alpha | None]:
        """Who is drawn over, with their numbers in `masked`, and what has to stay clear of it."""
        self._check(picture)
        if whole:
            everything = Mask(0, 0, np.ones(self._grid[::-1], dtype=bool))
            masked, kept = [Region(everything, self._display[1])], ()
        # A mask that was moved may have left the picture.
        there = [(n, r) for n, r in enumerate(masked) if r.mask.clipped(*self._grid).area]
        if not there:
            return [], None
        regions = [region for _, region in there]
        reach = max(self._mattes.reach(region.extent) for region in regions)
        silhouettes = [region.mask for region in regions]
        covers = [region.cover for region in regions]
        covers += [region.place for region in regions if region.place is not None]
        return there, self._edges.clear(planes_of(picture), kept, silhouettes, reach, covers)

    def _check(self, picture: av.VideoFrame) -> None:
        found = (picture.width, picture.height, picture.format.name)
        expected = (*self._size, self._format)
        if found != expected:
            raise UnsupportedVideo(
                "The picture at {} s is {}x{} {}, the video began as {}x{} {}".format(
                    picture.time, *found, *expected
                ),
                "Re-encode the video to one size and pixel format first.",
            )

    def _cell(self, region: Region) -> int:
        """The side of a cell. Cells are squares of stored pixels, of which a person has at
        most as many as display pixels, either way: no more cells than were asked for."""
        x0, y0, x1, y1 = region.mask.box
        width = (x1 - x0) * self._display[0] / self._grid[0]
        height = (y1 - y0) * self._display[1] / self._grid[1]
        cut_off = x0 <= 0 or x1 >= self._grid[0]
        return cell_size(self._settings, max(region.extent, height), width, region.face, cut_off)

    def _behind(
        self, source: Sequence[Plane], matte: Matte, filling: Filling
    ) -> tuple[Filling, Offsets] | None:
        """What is behind one person, and how it meets the frame; None where they are blurred.

        A shape is filled wholly or not at all: where filling meets blur within it, the outline
        would be seen again that it hides.
        """
        height, width = source[0].shape
        alpha = matte.alpha[: height - matte.y, : width - matte.x]
        box = matte.x, matte.y, matte.x + alpha.shape[1], matte.y + alpha.shape[0]
        if self._settings.boxed:
            _, known = filling.patch(0, box)
            shown = float(cv2.multiply(alpha, known, scale=1 / 255).sum())
            if shown < MIN_SHAPE_SHARE * float(alpha.sum()):
                return None
        offsets = filling.offsets(source, box)
        return None if offsets is None else (filling, offsets)

    def _draw(
        self,
        source: Sequence[Plane],
        target: Sequence[Plane],
        matte: Matte,
        cell: int,
        behind: tuple[Filling, Offsets] | None,
    ) -> Filled:
        """Blend the effect on the planes `source` into the planes `target`."""
        filled = Filled()
        if self._settings.name is EffectName.FILL:
            filled += Filled(drawn=int(matte.alpha.sum()))
        chroma = matte.halved() if self._subsampling == 2 else matte
        scales = (1, self._subsampling, self._subsampling)
        for index, part in enumerate((matte, chroma, chroma)):
            height, width = target[index].shape
            x, y = part.x, part.y
            alpha = part.alpha[: height - y, : width - x]
            box = x, y, x + alpha.shape[1], y + alpha.shape[0]
            effect = self._effect(index, source[index], box, cell // scales[index])
            if behind is not None:
                filling, offsets = behind
                values, known = filling.patch(index, box, offsets[index])
                effect = effect.copy()
                _blend(effect, values, known)
                if index == 0:
                    shown = cv2.multiply(alpha, known, scale=1 / 255)
                    filled += Filled(filled=int(shown.sum()))
            _blend(target[index][box[1] : box[3], box[0] : box[2]], effect, alpha)
        return filled

    def _paint(self, target: Sequence[Plane], matte: Matte, levels: Sequence[int]) -> None:
        """Blend a colour into the planes `target`."""
        chroma = matte.halved() if self._subsampling == 2 else matte
        for plane, part, level in zip(target, (matte, chroma, chroma), levels, strict=True):
            rows, columns = part.alpha.shape
            canvas = plane[part.y : part.y + rows, part.x : part.x + columns]
            alpha = part.alpha[: canvas.shape[0], : canvas.shape[1]]
            _blend(canvas, np.full(canvas.shape, level, dtype=canvas.dtype), alpha)

    def _draw_picture(
        self, sticker: Sticker, target: Sequence[Plane], region: Region, clear: Alpha | None
    ) -> None:
        """Draw a picture over a person's box, as large as fits, where nobody kept is."""
        place = region.cover if region.place is None else region.place
        if not place.clipped(*self._grid).area:
            return
        matte = self._mattes.matte(place, region.extent, clear)
        colours = np.zeros((*matte.alpha.shape, 3), dtype=np.uint8)
        alpha = np.zeros_like(matte.alpha)
        x0, y0, x1, y1 = self._fitted(sticker, place)
        left, top = max(x0, matte.x), max(y0, matte.y)
        right = min(x1, matte.x + alpha.shape[1])
        bottom = min(y1, matte.y + alpha.shape[0])
        if left >= right or top >= bottom:
            return
        there = np.s_[top - matte.y : bottom - matte.y, left - matte.x : right - matte.x]
        part = np.s_[top - y0 : bottom - y0, left - x0 : right - x0]
        shown, opacity = sticker.scaled(x1 - x0, y1 - y0)
        colours[there], alpha[there] = shown[part], opacity[part]
        alpha = np.asarray(cv2.multiply(alpha, matte.alpha, scale=1 / 255), dtype=np.uint8)
        step = self._subsampling
        for index, plane in enumerate(self._colours(colours)):
            x, y = matte.x, matte.y
            samples: Plane = plane
            weight: Plane = alpha
            if index and step == 2:
                x, y = x // 2, y // 2
                size = alpha.shape[1] // 2, alpha.shape[0] // 2
                samples, weight = (
                    np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA))
                    for one in (samples, weight)
                )
            canvas = target[index][y : y + weight.shape[0], x : x + weight.shape[1]]
            height, width = canvas.shape
            drawn = samples[:height, :width].astype(canvas.dtype)
            _blend(canvas, drawn, weight[:height, :width].astype(np.uint8))

    def _fitted(self, sticker: Sticker, place: Mask) -> PixelBox:
        """Where the picture goes: in the middle of the box, in its own proportions as displayed."""
        across, down = self._size[0] / self._grid[0], self._size[1] / self._grid[1]
        x0, y0, x1, y1 = place.box
        box = x0 * across, y0 * down, x1 * across, y1 * down
        wide, tall = self._display[0] / self._size[0], self._display[1] / self._size[1]
        width, height = sticker.size
        scale = min((box[2] - box[0]) * wide / width, (box[3] - box[1]) * tall / height)
        width, height = max(1, round(width * scale / wide)), max(1, round(height * scale / tall))
        left = round((box[0] + box[2] - width) / 2)
        top = round((box[1] + box[3] - height) / 2)
        return left, top, left + width, top + height

    def _effect(self, index: int, plane: Plane, box: PixelBox, cell: int) -> Plane:
        """What covers `box` of the Y, Cb or Cr plane (`index` 0, 1, 2)."""
        match self._settings.name:
            case EffectName.BLUR | EffectName.FILL:
                return blur(plane, box, cell)
            case EffectName.MOSAIC:
                return mosaic(plane, box, cell)
            case EffectName.SOLID | EffectName.PICTURE:
                return solid(plane, box, self._levels[index])


def _blend(canvas: Plane, effect: Plane, alpha: Alpha) -> None:
    """`effect` over `canvas`, in place; exactly one of them where alpha is 255 or 0."""
    weight = alpha.astype(canvas.dtype, copy=False)
    over = cv2.multiply(effect, weight, scale=1 / 255)
    under = cv2.multiply(canvas, 255 - weight, scale=1 / 255)
    np.add(under, over, out=canvas)


def combined(mattes: Iterable[Matte], size: tuple[int, int]) -> Alpha:
    """The one matte that has the effect of several that are drawn one after another.

    Args:
        size: width, height of the picture.

    Returns:
        uint8 [H, W]: 0 exactly where none of them reaches, 255 where nothing else is seen.
    """
    clear = np.full(size[::-1], 255, dtype=np.uint8)
    for matte in mattes:
        part = clear[matte.y :, matte.x :][: matte.alpha.shape[0], : matte.alpha.shape[1]]
        over = 255 - matte.alpha[: part.shape[0], : part.shape[1]].astype(np.uint16)
        part[:] = part * over // 255  # rounded down: what is drawn over is never 255
    return np.asarray(255 - clear)
