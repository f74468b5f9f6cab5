"""A silhouette -> what is drawn over of that person: a shape that hides the outline, too.

The outline alone tells who somebody is to whoever knows it, and how they walk (docs/strength.md).
A *box* is the person's box, smoothed in time, and a *blob* the superellipse around it: both are
made of nothing else, so that neither tells more than how large somebody is. What belongs to
somebody kept is left out of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import takewhile
from math import ceil, floor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.choices import ShapeName
from bystander.geometry.masks import Bits, Mask
from bystander.geometry.types import Box
from bystander.redaction.effects import EffectSettings
from bystander.timeline.types import FrameRecord

STEADY_SECONDS: Final = 0.25
"""Boxes are smoothed over so much before and after, three times: about one step of a walk."""
LOOK_AHEAD_SECONDS: Final = 3 * STEADY_SECONDS
"""By which a smoothed box depends on others, before and after."""
KEPT_MARGIN_PX: Final = 3
"""Grid pixels that a shape stays away from somebody kept, whose own outline may be a little off."""
ROUNDNESS: Final = 6.0
"""Exponent of the superellipse that a blob is: 2 is an ellipse, which is half as large again as the
box that it holds; more is nearer to the box."""

_Values = NDArray[np.float64]
"""Of one person, float64 [6]: x, y of the box's middle, and how far its left, top, right and bottom
edges lie from there, grid pixels; of several frames, [N, 6]."""
_Sizes = dict[int, _Values]
"""By tracklet."""
_Measured = tuple[FrameRecord, _Sizes]


def covered(mask: Mask, box: Box, shape: ShapeName, kept: Sequence[Mask]) -> Mask:
    """What is drawn over of one person, growth and soft edge aside.

    Args:
        mask: the silhouette; all of it is covered, in every shape.
        box: of the person, grid pixels; best smoothed by `steady`.
        shape: what is made of it.
        kept: silhouettes of people to keep, seen or guessed, grown by `KEPT_MARGIN_PX`.
    """
    if shape is ShapeName.SILHOUETTE or not mask.area:
        return mask
    inner = Mask.from_frame(mask.bits, mask.x, mask.y).box
    x0, y0 = (floor(min(a, b)) for a, b in zip(box[:2], inner[:2], strict=True))
    x1, y1 = (ceil(max(a, b)) for a, b in zip(box[2:], inner[2:], strict=True))
    if shape is ShapeName.BOX:
        cover = np.ones((y1 - y0, x1 - x0), dtype=bool)
    else:
        beyond = (2 ** (1 / ROUNDNESS) - 1) / 2
        across, down = ceil(beyond * (x1 - x0)), ceil(beyond * (y1 - y0))
        x0, y0, x1, y1 = x0 - across, y0 - down, x1 + across, y1 + down
        cover = _superellipse(x1 - x0, y1 - y0)
    silhouette = mask.on_window((x0, y0, x1, y1))
    for other in kept:
        other.moved(-x0, -y0).clear(cover)
    return Mask(x0, y0, cover | silhouette)


def steady(
    records: Iterable[FrameRecord],
    effect: EffectSettings,
    time_base: Fraction,
    looks: bool = False,
) -> Iterator[FrameRecord]:
    """Frames with everyone's box smoothed in time: it holds the silhouette, but tells no gait.

    The box's middle is averaged; how far its edges lie from there is the most of what it is nearby,
    averaged as well, so that it is never less than the silhouette's own in that frame.

    Args:
        records: in order; those of `LOOK_AHEAD_SECONDS` are held.
        effect: where it isn't `boxed`, without `looks`, the records stay as they are, and none is
            held.
        time_base: of their pts.
        looks: whether anybody has a look of their own, which may be a picture over their box.
    """
    if not (effect.boxed or looks):
        yield from records
        return
    reach = round(STEADY_SECONDS / time_base)
    measured = ((record, _sizes(record)) for record in records)
    middles = _smoothed(measured, reach, _with_mean_middle)
    widest = _smoothed(middles, reach, _with_most)
    for record, sizes in _smoothed(widest, reach, _with_mean_reach):
        boxed = (replace(s, box=_box(sizes[s.tracklet])) for s in record.sightings)
        yield replace(record, sightings=tuple(boxed))


def _smoothed(
    frames: Iterator[_Measured], reach: int, smooth: Callable[[_Values, _Values], _Values]
) -> Iterator[_Measured]:
    """Each frame's sizes after `smooth`: of one person's, and of theirs in all frames near."""
    past: deque[_Measured] = deque()
    ahead: deque[_Measured] = deque()

    def smoothed() -> _Measured:
        record, sizes = now = ahead.popleft()
        while past and past[0][0].pts < record.pts - reach:
            past.popleft()
        past.append(now)
        later = takewhile(lambda other: other[0].pts <= record.pts + reach, ahead)
        near = [one for _, one in (*past, *later)]
        return record, {
            who: smooth(own, np.stack([one[who] for one in near if who in one]))
            for who, own in sizes.items()
        }

    for frame in frames:
        ahead.append(frame)
        while ahead[0][0].pts + reach < frame[0].pts:
            yield smoothed()
    while ahead:
        yield smoothed()


def _with_mean_middle(now: _Values, near: _Values) -> _Values:
    """The middle averaged; the edges stay where they are."""
    middle = near[:, :2].mean(axis=0)
    moved = middle - now[:2]
    return np.concatenate((middle, now[2:4] + moved, now[4:] - moved))


def _with_most(now: _Values, near: _Values) -> _Values:
    return np.concatenate((now[:2], near[:, 2:].max(axis=0)))


def _with_mean_reach(now: _Values, near: _Values) -> _Values:
    return np.concatenate((now[:2], near[:, 2:].mean(axis=0)))


def _sizes(record: FrameRecord) -> _Sizes:
    found = {}
    for sighting in record.sightings:
        x0, y0, x1, y1 = sighting.mask.box
        half = (x1 - x0) / 2, (y1 - y0) / 2
        found[sighting.tracklet] = np.array([x0 + half[0], y0 + half[1], *half, *half])
    return found


def _box(sizes: _Values) -> Box:
    x, y, left, top, right, bottom = sizes.tolist()
    return x - left, y - top, x + right, y + bottom


def _superellipse(width: int, height: int) -> Bits:
    """One that touches all sides: bool [height, width]."""
    across, down = (
        np.abs((np.arange(side) + 0.5) * 2 / side - 1) ** ROUNDNESS for side in (width, height)
    )
    return np.asarray(across[np.newaxis, :] + down[:, np.newaxis] <= 1)
