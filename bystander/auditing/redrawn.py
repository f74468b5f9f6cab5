"""Whether masked people look as they were to be drawn, or nearer to the source.

The timeline says which pixels are drawn over, and the effect what they then look like. So
each frame is drawn again, and wherever somebody is masked, two explanations of the output
compete: what was drawn, or the source, plus the noise of encoding. That finds what is too
narrow or too dark for any look at the output alone: a mask that lies a little beside its
person. Where drawing and source are the same, neither wins, and nothing is given away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

import av
import cv2
import numpy as np

from bystander.auditing.likeness import Luma
from bystander.choices import EffectName
from bystander.geometry.coordinates import DisplaySize
from bystander.geometry.masks import Bits, Mask, resized
from bystander.geometry.types import Box
from bystander.media.colour import Matrix, PixelFormat, planes_of
from bystander.redaction.compositing import Compositor, Region
from bystander.redaction.effects import EffectSettings
from bystander.redaction.filling import Filling
from bystander.timeline.types import Look, Sighting

WINDOW_SIDES_PX: Final = (4, 8)
"""Pixels of the video: the squares over which evidence is added up. Narrow strips need the small
one, faint ones the large one."""
MIN_SOURCE_EVIDENCE: Final = 1000.0
"""Evidence in a window, in squares of the noise, from which the source shows: 64 pixels at 4
times the noise, or 16 at 8 times. Well encoded clips stay far below, masked well; poor encoders
repeat a clear block of an earlier frame now and then."""
MIN_PIXELS: Final = 12
MIN_PICTURE_SHARE: Final = 3e-5
MIN_PERSON_SHARE: Final = 2e-3
"""Fewer such pixels, or a smaller share of the picture's or the person's, show nothing."""
MIN_NOISE_GREY_LEVELS: Final = 1.0
"""Grey levels: rounding alone."""
MIN_OUTSIDE_SHARE: Final = 0.1
"""Of the pixels masked, so many untouched ones are enough to judge the noise by."""
NORMAL_MEDIAN: Final = 0.674
NORMAL_95: Final = 1.96
"""Median and 95th percentile of the absolute values of a standard normal distribution."""
MAX_FIT_GREY_LEVELS: Final = 4.0
"""Grey levels: an effect that is further from the output than this isn't the one. Poorly encoded
clips were 2.7 off."""
LIMITED_LUMA: Final = (16, 235)
FULL_LUMA: Final = (0, 255)
"""Black's and white's."""
MAX_FACE_GREY_LEVELS: Final = 16.0
"""Grey levels: a face left out shall not speak against the effect around it."""


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedFrame:
    """What was to be drawn in one frame.

    Attributes:
        source, output: the upright pictures, in one size and planar format.
        masked: the people to draw over.
        kept: silhouettes of those to leave alone.
        silhouettes: of the masked, with their tracklets; guesses without what is seen of the kept.
        filling: of the effect `fill`, what is behind the masked.
    """

    source: av.VideoFrame
    output: av.VideoFrame
    masked: Sequence[Region]
    kept: Sequence[Mask]
    silhouettes: Sequence[Sighting]
    filling: Filling | None = None


class Redrawer:
    """Draws frames again with one effect.

    Args:
        effect: what the output was drawn with. Of the solid effect the colour doesn't count,
            it is read off the output.
        grid: width, height of the analysis grid.
        size: width, height of the video, stored pixels.
        display: width, height at which it is shown.
        pixel_format: of the pictures in plans.
        colors: matrix and range by which the video codes colours.
        looks: of people who were drawn over in their own way.
    """

    def __init__(
        self,
        effect: EffectSettings,
        grid: tuple[int, int],
        size: tuple[int, int],
        display: DisplaySize,
        pixel_format: PixelFormat,
        colors: tuple[Matrix, bool] = ("bt709", False),
        looks: Sequence[Look] = (),
    ) -> None:
        self.effect = effect
        self._grid, self._size = grid, size
        self._compositor = Compositor(grid, size, display, effect, pixel_format, *colors, looks)
        self._range = FULL_LUMA if colors[1] else LIMITED_LUMA
        # Between black and white lies how strongly each pixel is drawn over.
        self._black, self._white = (
            Compositor(
                grid,
                size,
                display,
                effect.model_copy(update={"name": EffectName.SOLID, "color": color}),
                pixel_format,
                *colors,
                looks,
            )
            for color in ("#000000", "#ffffff")
        )

    def misfit(self, plan: ExpectedFrame) -> float | None:
        """Mean difference of output and drawing under the masks, grey levels; large ones count
        as `MAX_FACE_GREY_LEVELS`. None where nobody is masked.
        """
        covered = self._covered(plan)
        if not covered.any():
            return None
        output = grey(plan.output)
        off = np.abs(output - self._drawn(plan, output, covered))[covered]
        return float(np.minimum(off, MAX_FACE_GREY_LEVELS).mean())

    def evidence(self, plan: ExpectedFrame) -> Luma:
        """By how much the source explains the output better than the drawing does.

        Returns:
            float32 [H, W] over the video: of the window around each pixel, in squares of the
            noise; 0 or less where the drawing explains it better, or nobody is masked.
        """
        evidence = self._evidence(plan)
        if plan.filling is not None and (evidence >= MIN_SOURCE_EVIDENCE).any():
            # Who is blurred instead shows no more: in deinterlaced pictures everybody is.
            blurred = self._evidence(replace(plan, filling=None))
            evidence = cast(Luma, np.minimum(evidence, blurred))
        return evidence

    def _evidence(self, plan: ExpectedFrame) -> Luma:
        """See `evidence`, of this very drawing."""
        covered = self._covered(plan)
        source, output = grey(plan.source), grey(plan.output)
        if not covered.any():
            return np.zeros_like(output)
        drawn = self._drawn(plan, output, covered)
        off, away = output - drawn, output - source
        noise = _noise(np.abs(off)[covered], np.abs(away)[~covered & (drawn == source)])
        gain = np.where(covered, off * off - away * away, np.float32(0))
        gain /= np.float32(noise * noise)
        return cast(Luma, np.maximum.reduce([_summed(gain, side) for side in WINDOW_SIDES_PX]))

    def beyond(self, plan: ExpectedFrame) -> tuple[Luma, Luma]:
        """By what source and output differ from the drawing: float32 [H, W] each.

        For a mosaic, that is the detail within its cells.
        """
        source, output = grey(plan.source), grey(plan.output)
        drawn = self._drawn(plan, output, self._covered(plan))
        return source - drawn, output - drawn

    def _drawn(self, plan: ExpectedFrame, output: Luma, covered: Bits) -> Luma:
        if self.effect.name is not EffectName.SOLID:
            drawn = self._compositor.apply(
                plan.source, plan.masked, plan.kept, filling=plan.filling
            )
            return grey(drawn)
        black, white = (
            grey(compositor.apply(plan.source, plan.masked, plan.kept))
            for compositor in (self._black, self._white)
        )
        level = np.float32(np.median(output[covered])) if covered.any() else np.float32(0)
        darkest, brightest = self._range
        opacity = (white - black) / np.float32(brightest - darkest)
        return cast(Luma, black + opacity * (level - np.float32(darkest)))

    def _covered(self, plan: ExpectedFrame) -> Bits:
        """Under somebody's silhouette: bool [H, W] over the video."""
        bits = np.zeros(self._grid[::-1], dtype=bool)
        for sighting in plan.silhouettes:
            sighting.mask.paste(bits)
        return resized(bits, self._size)


def showing(evidence: Luma, silhouette: Bits) -> Box | None:
    """The box around where a person shows, stored pixels; None where they don't.

    Args:
        evidence: of `Redrawer.evidence`.
        silhouette: bool [H, W] over the video.
    """
    shows = (evidence >= MIN_SOURCE_EVIDENCE) & silhouette
    least = MIN_PICTURE_SHARE * shows.size, MIN_PERSON_SHARE * np.count_nonzero(silhouette)
    if np.count_nonzero(shows) < max(MIN_PIXELS, *least):
        return None
    x, y, width, height = cv2.boundingRect(shows.view(np.uint8))
    return float(x), float(y), float(x + width), float(y + height)


def fitting(plans: Iterable[ExpectedFrame], candidates: Sequence[Redrawer]) -> Redrawer | None:
    """The candidate that the output was drawn with, judged by some frames; None if none was."""
    shown = list(plans)
    misfits = [
        [misfit for plan in shown if (misfit := candidate.misfit(plan)) is not None]
        for candidate in candidates
    ]
    medians = [float(np.median(values)) if values else np.inf for values in misfits]
    best = int(np.argmin(medians))
    return candidates[best] if medians[best] <= MAX_FIT_GREY_LEVELS else None


def grey(picture: av.VideoFrame) -> Luma:
    """The Y plane of a planar picture, as if it had 8 bits: float32 [H, W]."""
    luma = planes_of(picture)[0]
    levels = np.asarray(luma, dtype=np.float32)
    return levels / np.float32(4) if luma.dtype == np.uint16 else levels


def _summed(values: Luma, side: int) -> Luma:
    """The sum over the square around each pixel."""
    square = (side, side)
    summed = cv2.boxFilter(values, -1, square, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return cast(Luma, summed)


def _noise(inside: Luma, outside: Luma) -> float:
    """Standard deviation of what encoding adds, grey levels.

    Judged by what nothing was drawn over: where whole people show, the drawing is off by more
    than noise. Only where hardly anything is left of the picture, by the drawing itself. The
    95th percentile, because encoders err more where much moves, as people do.
    """
    if outside.size >= MIN_OUTSIDE_SHARE * inside.size:
        return max(MIN_NOISE_GREY_LEVELS, float(np.quantile(outside, 0.95)) / NORMAL_95)
    return max(MIN_NOISE_GREY_LEVELS, float(np.median(inside)) / NORMAL_MEDIAN)
