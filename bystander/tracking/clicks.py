"""A click and a frame's people -> whom it means: who is seen in front there, or an error.

Where two people may be meant, neither is: a wrong guess would show a stranger. Who isn't seen at
that place is meant only if they were seen before and after, and nobody else may be there. Three
things can make a click doubtful:

- Silhouettes share the pixels around it. The network gives a pixel to two people where it
  can't tell them apart, and an outline is only exact to some pixels.
- Somebody may be there whom the network lost for a moment, and the colours there are theirs
  as well as anybody's.
- Somebody is beside whose colours they rather are.

Pixels are grid pixels here, places in messages display pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bystander.errors import SelectionError
from bystander.geometry.coordinates import DisplayPoint, GridTransform
from bystander.geometry.masks import Mask
from bystander.geometry.types import Box
from bystander.media.facts import VideoInfo
from bystander.timeline.types import FrameRecord, Origin, Sighting
from bystander.tracking.appearance import likelihood_ratio, to_lab
from bystander.tracking.face_assignment import in_head

Looks = Mapping[int, NDArray[np.float32] | None]
"""By tracklet, `colour_histogram` of when they were seen; None where that isn't known."""

OUTLINE_PX: Final = 2
"""By so much a silhouette's outline may err, grid pixels."""
REACH_PX: Final = 6
"""A click this many grid pixels beside a silhouette still means it."""
RIVAL_SHARE: Final = 0.4
"""Whoever has this share of the leading one's claim may be meant as well."""
COLOUR_REACH_PX: Final = 3
"""Colours are compared in the square that reaches so far from the click, grid pixels."""
OTHERS_COLOURS_LOG_RATIO: Final = 0.3
"""Log-likelihood ratio from which colours are rather somebody else's (as in `ownership`)."""
AS_WELL_COLOURS_LOG_RATIO: Final = 0.0
"""... and from which they are somebody else's as well, who may be at this very place."""

ADVICE: Final = (
    "Point at a part of the person that nobody else is near, or at another moment. Or analyse "
    "without pointing, see who is who with 'bystander people', and keep them by id: "
    "'bystander render --keep t17'."
)


@dataclass(frozen=True, slots=True)
class Click:
    """A person pointed at: whoever is seen at display pixel (x, y) at `seconds` is kept.

    Attributes:
        seconds: from the first frame.
        x: pixels from the left edge of the video as it is displayed.
        y: pixels from its top edge.
    """

    seconds: float
    x: float
    y: float

    @property
    def name(self) -> str:
        return f"{self.seconds:g} s at {self.x:g},{self.y:g}"

    @property
    def point(self) -> DisplayPoint:
        return DisplayPoint(self.x, self.y)


def check_clicks(clicks: Sequence[Click], video: Path, info: VideoInfo) -> None:
    """Refuse points beside the video at once, not after minutes of analysis.

    Raises:
        SelectionError: one of them is.
    """
    width, height = info.display_size
    for click in clicks:
        inside = 0 <= click.x < width and 0 <= click.y < height
        if not (inside and 0 <= click.seconds <= info.duration):
            raise SelectionError(
                f"{click.name} is not in {video}: shown as {width}x{height} pixels, "
                f"{info.duration:.2f} s",
                "Give seconds from the first frame, and pixels of the video as it is displayed.",
            )


def choose(
    click: Click,
    record: FrameRecord,
    frame: NDArray[np.uint8],
    looks: Looks,
    transform: GridTransform,
) -> Sighting:
    """Whom a click means.

    Args:
        click: what was pointed at.
        record: everyone in the click's frame.
        frame: its picture, uint8 [H, W, 3] RGB at grid size.
        looks: of everyone in `record`.
        transform: between display and grid pixels.

    Returns:
        The sighting: seen in this frame (`Origin.SEEN`, or a face: `Origin.FACE`), or before
        and after it (`Origin.FILLED`).

    Raises:
        SelectionError: nobody is there for certain, or two people are about equally likely.
    """
    x, y = transform.to_grid(click.point)
    where = f"at {click.x:g},{click.y:g} at {click.seconds:g} s (frame {record.index})"
    under = [sighting for sighting in record.sightings if _is_seen_at(sighting, x, y)]
    if under:
        likely = _claims(record, x, y)
        first, second = _leading(likely)
        if second is not None and likely[second] >= RIVAL_SHARE * likely[first]:
            raise _undecided(where, record, likely, (first, second), transform)
        chosen = next((s for s in under if s.tracklet == first), under[0])
        rival, ratio = _best_by_colours(chosen, record, x, y, frame, looks)
        if rival is not None:
            chance = 1 / (1 + math.exp(-ratio))
            likely = {chosen.tracklet: 1 - chance, rival: chance}
            raise _undecided(where, record, likely, (chosen.tracklet, rival), transform)
        return chosen
    inferred = [s for s in record.sightings if s.mask.contains(x, y)]
    if len(inferred) == 1 and inferred[0].origin is Origin.FILLED:
        rival, _ = _best_by_colours(inferred[0], record, x, y, frame, looks)
        if rival is None:
            return inferred[0]
    if inferred:
        who = " and ".join(f"t{tracklet}" for tracklet in sorted(s.tracklet for s in inferred))
        raise SelectionError(
            f"nobody is seen {where}; {who} may be there, but that is only inferred", ADVICE
        )
    return _beside(where, record, x, y, transform)


def _beside(
    where: str, record: FrameRecord, x: float, y: float, transform: GridTransform
) -> Sighting:
    """The one person near a click that hits nobody."""
    for radius in range(1, REACH_PX + 1):
        near = {s.tracklet: s for s in record.sightings if _is_seen_at(s, x, y, radius)}
        if not near:
            continue
        reach = radius + OUTLINE_PX
        as_near = {
            s.tracklet: 1 / radius for s in record.sightings if s.mask.grown(reach).contains(x, y)
        }
        likely = as_near | dict.fromkeys(near, 1 / radius)
        first = next(iter(near))
        other = next((tracklet for tracklet in likely if tracklet != first), None)
        if other is not None:
            raise _undecided(where, record, likely, (first, other), transform)
        return near[first]
    raise SelectionError(
        f"nobody was found {where}",
        "Point at the middle of the person's body, in pixels of the video as it is displayed.",
    )


def _is_seen_at(sighting: Sighting, x: float, y: float, radius: int = 0) -> bool:
    """Whether somebody is seen at a pixel, or within `radius`; of a face, only the head is."""
    if not sighting.mask.grown(radius).contains(x, y):
        return False
    if sighting.origin is Origin.FACE:
        return in_head(sighting.box, x, y, radius)
    return sighting.origin is Origin.SEEN


def _claims(record: FrameRecord, x: float, y: float) -> dict[int, float]:
    """How much of what is around a pixel each person claims, by tracklet."""
    claims: dict[int, float] = {}
    for column, row in _disc(x, y, OUTLINE_PX):
        holders: dict[int, float] = {}
        for sighting in record.sightings:
            if _is_seen_at(sighting, column, row):
                holders[sighting.tracklet] = max(
                    holders.get(sighting.tracklet, 0.0), sighting.score
                )
        for tracklet, score in holders.items():
            claims[tracklet] = claims.get(tracklet, 0.0) + score / len(holders)
    return claims


def _disc(x: float, y: float, radius: int) -> Iterator[tuple[float, float]]:
    steps = range(-radius, radius + 1)
    yield from ((x + i, y + j) for j in steps for i in steps if i * i + j * j <= radius * radius)


def _leading(likely: Mapping[int, float]) -> tuple[int, int | None]:
    first, *others = sorted(likely, key=lambda tracklet: -likely[tracklet])
    return first, others[0] if others else None


def _best_by_colours(
    chosen: Sighting,
    record: FrameRecord,
    x: float,
    y: float,
    frame: NDArray[np.uint8],
    looks: Looks,
) -> tuple[int | None, float]:
    """Who else the colours around a click may be, and their log-likelihood ratio; or None."""
    own = looks.get(chosen.tracklet)
    side = 2 * COLOUR_REACH_PX + 1
    square = Mask(
        int(x) - COLOUR_REACH_PX, int(y) - COLOUR_REACH_PX, np.ones((side, side), dtype=bool)
    ).clipped(frame.shape[1], frame.shape[0])
    rival, best = None, -math.inf
    for other in record.sightings:
        theirs = looks.get(other.tracklet)
        if other.tracklet == chosen.tracklet or own is None or theirs is None:
            continue
        if not _is_about(other.box, x, y):
            continue
        heights = (chosen.box[1], chosen.box[3]), (other.box[1], other.box[3])
        ratio = float(likelihood_ratio(to_lab(frame), square, own, theirs, heights).mean())
        here = other.mask.contains(x, y)
        if (
            ratio >= (AS_WELL_COLOURS_LOG_RATIO if here else OTHERS_COLOURS_LOG_RATIO)
            and ratio > best
        ):
            rival, best = other.tracklet, ratio
    return rival, best


def _is_about(box: Box, x: float, y: float) -> bool:
    return (
        box[0] - REACH_PX <= x <= box[2] + REACH_PX and box[1] - REACH_PX <= y <= box[3] + REACH_PX
    )


def _undecided(
    where: str,
    record: FrameRecord,
    likely: Mapping[int, float],
    pair: Sequence[int],
    transform: GridTransform,
) -> SelectionError:
    total = sum(likely[tracklet] for tracklet in pair)
    told = []
    for tracklet in pair:
        (box, *_) = (s.box for s in record.sightings if s.tracklet == tracklet)
        x0, y0, x1, y1 = transform.to_display(box)
        middle = f"{(x0 + x1) / 2:.0f},{(y0 + y1) / 2:.0f}"
        told.append(f"t{tracklet} ({likely[tracklet] / total:.0%}, around {middle})")
    return SelectionError(f"two people may be meant {where}: {' or '.join(told)}", ADVICE)
