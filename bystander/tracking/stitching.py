"""Two analyses of overlapping parts of a video -> where the later one takes over, and who is who.

Both saw the overlap, each with a tracker of its own. The later part takes over at a cut, where
nobody has to be known again; else in the frame about which the two agree best, and whoever has
the same pixels around there is the same person.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from bystander.geometry.instances import as_boxes, overlaps
from bystander.geometry.masks import intersection
from bystander.timeline.types import FrameRecord

MIN_IOU: Final = 0.25
"""Of two people's pixels around the joint, from which on they are one person."""
AMBIGUOUS_SHARE: Final = 0.5
"""Of the best match's overlap: who has so much of it may be the same person as well."""


@dataclass(frozen=True, slots=True)
class Link:
    """Somebody of the later part, found in the earlier one.

    Attributes:
        track: there.
        probability: that it is them.
        rivals: tracks of the earlier part that may be them as well.
    """

    track: int
    probability: float = 1.0
    rivals: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Joint:
    """Where the later part takes over.

    Attributes:
        pts: of the first frame that is its.
        cut: a shot begins there.
        links: by the later part's tracks; who isn't in it is new.
    """

    pts: int
    cut: bool = False
    links: Mapping[int, Link] = field(default_factory=dict)


def joint_of(
    earlier: Sequence[FrameRecord],
    later: Sequence[FrameRecord],
    cuts: Collection[int],
    margins: tuple[int, int],
    reach: int,
    doubts: Collection[int] = (),
    blur: int = 0,
) -> Joint:
    """Where, and with whom, the later of two parts goes on.

    Args:
        earlier, later: the frames that both have, in order, from each.
        cuts: pts of frames with which a shot begins, of those that may be joints.
        margins: frames at the beginning and at the end of the overlap where no joint may lie: one
            of the two knows too little there. Cuts may.
        reach: frames before and after the joint that tell who is who.
        doubts: pts of frames in which people may have been swapped, after either part: no joint
            lies within `blur` frames of them, if there is another place.

    Raises:
        ValueError: they aren't of the same frames, or of none.
    """
    times = [record.pts for record in later]
    if not times or times != [record.pts for record in earlier]:
        raise ValueError("the two parts have no frames in common, or not the same ones")
    first = min(margins[0], len(times) // 2)
    last = max(len(times) - margins[1] - 1, first)
    middle = (first + last) / 2
    at_cuts = [number for number, pts in enumerate(times) if pts in cuts]
    if at_cuts:
        return Joint(times[min(at_cuts, key=lambda number: abs(number - middle))], cut=True)
    shared = [_Shared.of(a, b) for a, b in zip(earlier, later, strict=True)]
    agreement = [frame.agreement for frame in shared]
    both = [min(agreement[max(0, n - 1)], agreement[n]) for n in range(len(agreement))]
    doubtful = [number for number, pts in enumerate(times) if pts in doubts]

    def worth(number: int) -> tuple[bool, float, float]:
        sure = all(abs(number - doubt) > blur for doubt in doubtful)
        return sure, round(both[number], 2), -abs(number - middle)

    best = max(range(first, last + 1), key=worth)
    near = shared[max(0, best - reach) : best + reach]
    return Joint(times[best], links=_links(near))


@dataclass(frozen=True, slots=True, eq=False)
class _Shared:
    """One frame seen by both.

    Attributes:
        rows, columns: tracks of the earlier and the later part.
        areas: pixels of each, of the rows and of the columns.
        both: pixels that each two share, [rows, columns].
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    areas: tuple[NDArray[np.int64], NDArray[np.int64]]
    both: NDArray[np.int64]

    @classmethod
    def of(cls, earlier: FrameRecord, later: FrameRecord) -> _Shared:
        one, other = earlier.sightings, later.sightings
        both = np.zeros((len(one), len(other)), dtype=np.int64)
        boxes = [as_boxes(_floats(s.mask.box) for s in side) for side in (one, other)]
        for row, column in np.argwhere(overlaps(*boxes) > 0):
            both[row, column] = intersection(one[row].mask, other[column].mask)
        areas = [np.array([s.mask.area for s in side], dtype=np.int64) for side in (one, other)]
        rows, columns = (tuple(s.tracklet for s in side) for side in (one, other))
        return cls(rows, columns, (areas[0], areas[1]), both)

    @property
    def agreement(self) -> float:
        """Share of all pixels of people that both give to one person, whoever that is."""
        total = int(self.areas[0].sum() + self.areas[1].sum())
        if not total:
            return 1.0
        alike = int(self.both[linear_sum_assignment(self.both, maximize=True)].sum())
        return alike / (total - alike)


def _links(frames: Sequence[_Shared]) -> dict[int, Link]:
    """Who of the later part is whom of the earlier one, by the pixels of several frames."""
    rows = sorted({track for frame in frames for track in frame.rows})
    columns = sorted({track for frame in frames for track in frame.columns})
    both = np.zeros((len(rows), len(columns)))
    areas = np.zeros(len(rows)), np.zeros(len(columns))
    for frame in frames:
        row = [rows.index(track) for track in frame.rows]
        column = [columns.index(track) for track in frame.columns]
        both[np.ix_(row, column)] += frame.both
        areas[0][row] += frame.areas[0]
        areas[1][column] += frame.areas[1]
    iou = both / np.maximum(areas[0][:, None] + areas[1][None] - both, 1)
    links = {}
    for row_, column_ in zip(*linear_sum_assignment(iou, maximize=True), strict=True):
        score = iou[row_, column_]
        if score < MIN_IOU:
            continue
        others = np.delete(iou[:, column_], row_)
        names = [rows[row] for row in range(len(rows)) if row != row_]
        rivals = [n for n, s in zip(names, others, strict=True) if s >= AMBIGUOUS_SHARE * score]
        certain = 1.0 if not rivals else score / (score + others.sum())
        links[columns[column_]] = Link(rows[row_], float(certain), tuple(rivals))
    return links


def _floats(box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = box
    return float(x0), float(y0), float(x1), float(y1)
