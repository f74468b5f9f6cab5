"""A shape drawn in one frame -> where it is in those after it or before it: flow, correlation.

Flow says how the pixels inside move from frame to frame; what was drawn over first is looked for
near there, so that small errors don't add up. Where neither finds it again - it is hidden, or all
one colour - it goes on as the picture around it does: a mask never ends because it was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.editing.shapes import Motion, box_of, moved
from bystander.tracking.motion import FLOW_SCALE, Flow, Grey

AROUND_SHARE: Final = 0.5
"""Of a shape's size, at each side: what is looked at around it."""
MIN_AROUND_PX: Final = 12
"""Pixels of the small pictures; flow finds nothing in less."""
MIN_RELIABLE_SHARE: Final = 0.25
"""Of a shape's pixels that flow has to find again."""
MAX_GROWTH: Final = 0.04
"""Of a shape's size in one frame: more is an error."""
MIN_CORRELATION: Final = 0.75
"""From which on what was drawn over is found again."""
SEARCH_PX: Final = 3
"""Pixels of the small pictures, each way, in which it is looked for."""
MIN_FOLLOWED_SHARE: Final = 0.5
"""Of a shape that has to lie within the picture; with less it goes on as it went."""
MIN_VISIBLE_SHARE: Final = 0.1
"""Of a shape that lies within the picture: with less it has left."""


def follow(
    corners: NDArray[np.float64], pictures: Iterable[Grey], grid: tuple[int, int]
) -> Iterator[Motion]:
    """Where a shape is, picture by picture.

    Args:
        corners: of the shape as it was drawn, grid pixels: float64 [N, 2].
        pictures: uint8 [h, w] each, see `bystander.tracking.motion.grey`: first the one in which
            it was drawn, then those after it, or those before it backwards, within one shot.
        grid: width and height.

    Returns:
        A motion for each picture, the first one for the one in which it was drawn, until the
        shape has left the picture.
    """
    yield (motion := Motion())
    remaining = iter(pictures)
    before = next(remaining, None)
    if before is None:
        return
    first = _Template.of(before, corners)
    speed = 0.0, 0.0
    for now in remaining:
        last = motion
        step = None
        if _visible_share(moved(corners, motion), grid) >= MIN_FOLLOWED_SHARE:
            step = _step(before, now, corners, motion, speed)
        if step is None:  # as it went
            step = Motion(motion.dx + speed[0], motion.dy + speed[1], motion.scale)
        motion = step
        if first is not None:
            motion = first.found(now, corners, motion)
        if _visible_share(moved(corners, motion), grid) < MIN_VISIBLE_SHARE:
            return
        yield motion
        before = now
        speed = motion.dx - last.dx, motion.dy - last.dy


def _step(
    before: Grey,
    now: Grey,
    corners: NDArray[np.float64],
    motion: Motion,
    speed: tuple[float, float],
) -> Motion | None:
    """One picture further, by flow; None where too little is seen.

    Args:
        speed: grid pixels that it went last; flow has to find the rest alone.
    """
    x0, y0, x1, y1 = (FLOW_SCALE * v for v in box_of(moved(corners, motion)))
    larger = float(np.maximum(x1 - x0, y1 - y0))
    margin = max(MIN_AROUND_PX, AROUND_SHARE * larger)
    height, width = before.shape
    left, top = max(0, int(x0 - margin)), max(0, int(y0 - margin))
    right, bottom = min(width, int(x1 + margin) + 1), min(height, int(y1 + margin) + 1)
    if right - left < 2 * MIN_AROUND_PX or bottom - top < 2 * MIN_AROUND_PX:
        return None
    size = right - left, bottom - top
    ahead = round(speed[0] * FLOW_SCALE), round(speed[1] * FLOW_SCALE)
    flow = Flow.between(
        np.ascontiguousarray(before[top:bottom, left:right]),
        _shifted(now, left + ahead[0], top + ahead[1], size),
        size,
    )
    # At the pictures' own size here, so that vectors are too long by the scale.
    vectors = flow.vectors * np.float32(FLOW_SCALE) + np.array(ahead, dtype=np.float32)
    inside = np.zeros(size[::-1], dtype=bool)
    inside[
        max(0, int(y0) - top) : max(0, int(np.ceil(y1)) - top),
        max(0, int(x0) - left) : max(0, int(np.ceil(x1)) - left),
    ] = True
    sure = inside & flow.reliable
    if int(sure.sum()) < MIN_RELIABLE_SHARE * max(1, int(inside.sum())):
        sure = ~inside & flow.reliable  # hidden: it goes with what is around it
        if not sure.any():
            return None
        shift = np.median(vectors[sure], axis=0)
        return Motion(
            motion.dx + float(shift[0]) / FLOW_SCALE,
            motion.dy + float(shift[1]) / FLOW_SCALE,
            motion.scale,
        )
    shift = np.median(vectors[sure], axis=0)
    growth = _growth(sure, vectors, shift)
    return Motion(
        motion.dx + float(shift[0]) / FLOW_SCALE,
        motion.dy + float(shift[1]) / FLOW_SCALE,
        motion.scale * growth,
    )


def _shifted(picture: Grey, left: int, top: int, size: tuple[int, int]) -> Grey:
    """A part of a picture, whose edge goes on where it reaches beyond."""
    rows = np.clip(np.arange(top, top + size[1]), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(left, left + size[0]), 0, picture.shape[1] - 1)
    return np.ascontiguousarray(picture[rows[:, None], columns[None]])


def _growth(
    sure: NDArray[np.bool_], vectors: NDArray[np.float32], shift: NDArray[np.float32]
) -> float:
    """By how much what is inside has grown: the median over its pixels' distances to its middle."""
    rows, columns = np.nonzero(sure)
    places = np.stack([columns, rows], axis=1).astype(np.float32)
    middle = places.mean(axis=0)
    away = places - middle
    distance = np.hypot(away[:, 0], away[:, 1])
    far = distance > 0.5 * float(np.max(distance, initial=0.0))
    if np.count_nonzero(far) < 8:
        return 1.0
    after = away[far] + vectors[rows[far], columns[far]] - shift
    growth = float(np.median(np.hypot(after[:, 0], after[:, 1]) / distance[far]))
    return min(1 + MAX_GROWTH, max(1 - MAX_GROWTH, growth))


class _Template:
    """What was drawn over first: uint8 [h, w], its corner at x, y of the small picture."""

    def __init__(self, picture: Grey, x: int, y: int) -> None:
        self._picture, self._x, self._y = picture, x, y

    @classmethod
    def of(cls, picture: Grey, corners: NDArray[np.float64]) -> _Template | None:
        """None where there is too little to be found again."""
        height, width = picture.shape
        x0, y0, x1, y1 = (v * FLOW_SCALE for v in box_of(corners))
        left, top = max(0, round(x0)), max(0, round(y0))
        cut = picture[top : min(height, round(y1)), left : min(width, round(x1))]
        if min(cut.shape) < 6 or float(cut.std()) < 4:
            return None
        return cls(cut.copy(), left, top)

    def found(self, picture: Grey, corners: NDArray[np.float64], motion: Motion) -> Motion:
        """The motion, corrected if it is found near there."""
        height, width = self._picture.shape
        size = max(4, round(width * motion.scale)), max(4, round(height * motion.scale))
        template = np.asarray(cv2.resize(self._picture, size), dtype=np.uint8)
        x0, y0, x1, y1 = box_of(corners)
        middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        corner = np.array([self._x, self._y]) / FLOW_SCALE
        place = (middle + [motion.dx, motion.dy] + (corner - middle) * motion.scale) * FLOW_SCALE
        at = _found(template, picture, place)
        if at is None:
            return motion
        shift = (at - place) / FLOW_SCALE
        if np.abs(shift).max() < 1 / FLOW_SCALE:  # less than the small picture tells
            return motion
        return Motion(motion.dx + float(shift[0]), motion.dy + float(shift[1]), motion.scale)


def _found(template: Grey, picture: Grey, place: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Where a template's corner is, near a place; None if it isn't there."""
    reach = SEARCH_PX
    left, top = round(float(place[0])) - reach, round(float(place[1])) - reach
    height, width = template.shape
    if left < 0 or top < 0:
        return None
    around = picture[top : top + height + 2 * reach, left : left + width + 2 * reach]
    if around.shape != (height + 2 * reach, width + 2 * reach):
        return None
    scores = cv2.matchTemplate(around, template, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    if best < MIN_CORRELATION or x in (0, 2 * reach) or y in (0, 2 * reach):
        return None
    return np.array([left + x, top + y], dtype=np.float64)


def _visible_share(corners: NDArray[np.float64], grid: tuple[int, int]) -> float:
    x0, y0, x1, y1 = box_of(corners)
    width = max(0.0, min(x1, grid[0]) - max(x0, 0.0))
    height = max(0.0, min(y1, grid[1]) - max(y0, 0.0))
    return width * height / max((x1 - x0) * (y1 - y0), 1e-6)
