"""Clips with exact silhouettes -> people in real motion, to be pasted into made scenes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.material import SHARED, frames
from benchmarks.quality.people import Look, soft_alpha
from benchmarks.quality.truth import person_ids

STEADY_FRAMES = 9
"""Over so many a moving camera is taken out of where somebody stands."""
NO_FACE = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Source:
    """Where somebody can be cut out whole, with nobody before them.

    Attributes:
        maps: the clip's folder of id maps.
        start, end: frames, end-exclusive.
        still: the camera doesn't move, so all motion is the person's own.
    """

    clip: str
    maps: str
    person: int
    start: int
    end: int
    still: bool = False


SOURCES: dict[str, Source] = {
    "rapper": Source("moving/rapper", "persons", 1, 0, 240, still=True),
    "woman": Source("moving/woman", "persons", 1, 84, 227, still=True),
    "dancer": Source("dance-twirl", "keep", 255, 0, 76),
    "runner": Source("composed-field", "persons", 2, 9, 44),
    "waving girl": Source("schoolgirls", "persons", 2, 27, 67),
    "small girl": Source("schoolgirls", "persons", 4, 0, 22),
    "shy girl": Source("schoolgirls", "persons", 3, 0, 25),
}


@dataclass(frozen=True, eq=False)
class Actor:
    """Somebody moving.

    Attributes:
        pictures: uint8 [h, w, 4] RGB and alpha a frame, all of one size; they stand at the
            middle of its lower edge.
        height: of the tallest silhouette, pixels.
    """

    pictures: Sequence[NDArray[np.uint8]]
    height: int

    def acting(self, height: float, start: int = 0) -> Callable[[float, bool], Look]:
        """Their look at a time in frames, seen from the left or mirrored.

        Args:
            height: of the tallest silhouette in the scene, pixels.
            start: the picture to begin with; at either end the motion runs back.
        """
        last = len(self.pictures) - 1
        held: dict[tuple[int, bool], Look] = {}

        def look(time: float, mirrored: bool) -> Look:
            step = (start + int(time)) % max(1, 2 * last)
            key = min(step, 2 * last - step), mirrored
            if key not in held:
                held.clear()
                held[key] = self._look(*key, height / self.height)
            return held[key]

        return look

    def _look(self, number: int, mirrored: bool, scale: float) -> Look:
        picture = self.pictures[number].astype(np.float32)
        picture[..., 3] /= 255
        picture[..., :3] *= picture[..., 3:]
        look = Look(picture, NO_FACE).scaled(scale * picture.shape[0])
        return look.mirrored() if mirrored else look


def cast_of(names: Sequence[str]) -> dict[str, Actor]:
    """The people of these sources. Raises FileNotFoundError where a clip isn't here."""
    return {name: _actor(SOURCES[name]) for name in names}


def _actor(source: Source) -> Actor:
    folder = SHARED / "clips" / source.clip
    cut = list(_cut_out(folder, source))
    boxes = np.array([cv2.boundingRect(alpha) for _, alpha in cut])  # x, y, width, height
    middles, feet = boxes[:, 0] + boxes[:, 2] / 2, (boxes[:, 1] + boxes[:, 3]).astype(float)
    if source.still:
        middles[:], feet[:] = middles.mean(), feet.max()
    else:
        middles, feet = _steady(middles), _steady(feet)
    half = int(np.ceil(np.abs([middles - boxes[:, 0], boxes[:, 0] + boxes[:, 2] - middles]).max()))
    above = int(np.ceil((feet - boxes[:, 1]).max()))
    below = max(0, int(np.ceil((boxes[:, 1] + boxes[:, 3] - feet).max())))
    size = 2 * half, above + below
    pictures = [
        _window(np.dstack((rgb, alpha)), round(middle) - half, round(foot) - above, size)
        for (rgb, alpha), middle, foot in zip(cut, middles, feet, strict=True)
    ]
    return Actor(pictures, int(boxes[:, 3].max()))


def _cut_out(folder: Path, source: Source) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """RGB and alpha of each frame, uint8."""
    for index, (_, rgb) in enumerate(frames(folder / "video.mp4")):
        if source.start <= index < source.end:
            bits = person_ids(folder / source.maps, index) == source.person
            alpha = np.rint(255 * soft_alpha(_largest(bits))).astype(np.uint8)
            yield rgb, alpha


def _largest(bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without crumbs: what is less than a fiftieth of the largest piece."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bits.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return np.asarray((areas >= max(1, areas.max() / 50))[labels]) if count > 1 else bits


def _steady(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The moving average, with the ends continued."""
    half = STEADY_FRAMES // 2
    padded = np.pad(values, half, mode="edge")
    return np.convolve(padded, np.full(STEADY_FRAMES, 1 / STEADY_FRAMES), mode="valid")


def _window(
    picture: NDArray[np.uint8], left: int, top: int, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """A part of a picture, `size` (width, height) from `left`, `top` on; transparent beyond it."""
    width, height = size
    canvas = np.zeros((height, width, 4), dtype=np.uint8)
    x0, y0 = max(0, left), max(0, top)
    part = picture[y0 : top + height, x0 : left + width]
    canvas[y0 - top : y0 - top + part.shape[0], x0 - left : x0 - left + part.shape[1]] = part
    return canvas
