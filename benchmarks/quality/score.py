"""What is masked and what is true -> the promise in numbers: who shows, and who is masked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.truth import Region, Truth

Bits = NDArray[np.bool_]

VISIBLE_SHARE = 0.05
"""Someone of whom more than this share shows counts as visible in that frame."""
WHOLE_SHARE = 0.90
"""... and from here on as visible whole."""
CLEAR_SHARE = 0.80
"""The kept person is kept in a frame that leaves this share of them clear."""
MASKED_REGION, CLEAR_REGION = 0.90, 0.10
"""Of a region, what must be masked at least or may be at most."""
FACE_SHARE = 0.25
"""A face of which more than this shows is visible."""
MISTAKEN_SHARE, MISTAKEN_FRAMES = 0.5, 2
"""Mistaken for another: more than half of them is wrong in more than two frames."""
SLIVER = 0.10
"""Of the most that is ever seen of someone: less than this can't tell who they are."""
PLAIN_SHARE = 0.25
"""From this share of it on they are plainly seen."""
LOST_SHARE = 0.5
"""Kept people of whom more is masked are lost in that frame."""


class FramesDiffer(Exception):
    """The output has other frames, or other sizes, than the truth was drawn on."""


@dataclass(frozen=True)
class PersonInFrame:
    """One person of the truth in one frame.

    Attributes:
        area: source pixels of the person that the camera sees.
        masked: how many of them are masked.
    """

    frame: int
    person: int
    area: int
    masked: int

    @property
    def visible(self) -> float:
        """Share of the person that shows, 0 to 1."""
        return 1 - self.masked / self.area


@dataclass(frozen=True)
class RegionScore:
    """A region, and which share of its pixels is masked, 0 to 1."""

    region: Region
    masked: float

    @property
    def satisfied(self) -> bool:
        if self.region.expect == "mask":
            return self.masked >= MASKED_REGION
        return self.masked <= CLEAR_REGION


@dataclass(frozen=True)
class QualityScore:
    """A masked video measured against the truth.

    Attributes:
        kept: ids of people who must be clear.
        either: ids of people who may be clear or masked, and count for nothing.
        people: everyone in every frame, in order of frames.
        nobody_masked: pixels masked where nobody is; None where nobody can tell.
        faces: bystanders' faces that show, one a frame; None where the truth has no faces.
        regions: those of the truth.
        rate: frames per second.
    """

    kept: frozenset[int]
    either: frozenset[int]
    people: Sequence[PersonInFrame]
    nobody_masked: int | None = None
    faces: int | None = None
    regions: Sequence[RegionScore] = ()
    rate: float = 25.0

    @property
    def bystanders(self) -> list[PersonInFrame]:
        return [p for p in self.people if p.person not in self.kept | self.either]

    @property
    def cast(self) -> list[PersonInFrame]:
        return [p for p in self.people if p.person in self.kept]

    @property
    def leak(self) -> float | None:
        """Share of the bystanders' pixels that show, over the video; None without any."""
        area = sum(person.area for person in self.bystanders)
        return 1 - sum(person.masked for person in self.bystanders) / area if area else None

    @property
    def worst(self) -> PersonInFrame | None:
        """Where the most pixels of one bystander show; None where nobody does."""
        shown = max(self.bystanders, key=_shown, default=None)
        return shown if shown is not None and _shown(shown) else None

    @property
    def leaking_frames(self) -> int:
        """Frames that show more than 5 % of some bystander."""
        return len({p.frame for p in self.bystanders if p.visible > VISIBLE_SHARE})

    @property
    def whole_frames(self) -> int:
        """Frames that show a bystander whole; slivers of somebody don't count."""
        seen = self._seen(self.bystanders, SLIVER)
        return len({p.frame for p in seen if p.visible > WHOLE_SHARE})

    @property
    def kept_masked(self) -> float | None:
        """Share of the kept people's pixels that are masked; None where nobody is kept."""
        area = sum(person.area for person in self.cast)
        return sum(person.masked for person in self.cast) / area if area else None

    @property
    def kept_masked_worst(self) -> float | None:
        """The same in the worst frame that shows them plainly."""
        seen = self._seen(self.cast, PLAIN_SHARE)
        return max((1 - p.visible for p in seen), default=None)

    @property
    def kept_frames(self) -> float | None:
        """Share of the kept people's frames in which they are clear; None without any."""
        seen = self._seen(self.cast, SLIVER)
        return sum(p.visible >= CLEAR_SHARE for p in seen) / len(seen) if seen else None

    @property
    def lost_seconds(self) -> float | None:
        """The longest time for which a kept person is plainly seen, and mostly masked.

        Frames that show too little of them to tell neither end such a time nor count for it.
        Without maps it is told by regions: from the first to the last frame in a row that has
        some, most of whose pixels are masked.
        """
        seen = self._seen(self.cast, PLAIN_SHARE)
        if not seen:
            return self._lost_by_regions()
        longest = 0
        for person in self.kept:
            lost = (1 - p.visible > LOST_SHARE for p in seen if p.person == person)
            runs = (sum(1 for _ in run) for wrong, run in groupby(lost) if wrong)
            longest = max(longest, *runs, 0)
        return longest / self.rate

    def _lost_by_regions(self) -> float | None:
        of: dict[int, list[float]] = defaultdict(list)
        for region in self.regions:
            if region.region.expect == "keep":
                of[region.region.frame].append(region.masked)
        if not of:
            return None
        frames = ((frame, sum(of[frame]) > LOST_SHARE * len(of[frame])) for frame in sorted(of))
        longest = 0
        for lost, run in groupby(frames, key=lambda pair: pair[1]):
            span = [frame for frame, _ in run]
            if lost:
                longest = max(longest, span[-1] - span[0] + 1)
        return longest / self.rate

    @property
    def excess(self) -> float | None:
        """Area masked where nobody is, as a share of the area of all people."""
        area = sum(person.area for person in self.people)
        return self.nobody_masked / area if self.nobody_masked is not None and area else None

    @property
    def bystanders_kept(self) -> list[int]:
        """Bystanders of whom more than half shows in more than two frames."""
        seen = self._seen(self.bystanders, SLIVER)
        return _often(p for p in seen if p.visible > MISTAKEN_SHARE)

    @property
    def cast_masked(self) -> list[int]:
        """Kept people of whom more than half is masked in more than two frames."""
        seen = self._seen(self.cast, SLIVER)
        return _often(p for p in seen if 1 - p.visible > MISTAKEN_SHARE)

    def regions_right(self, expect: str) -> tuple[int, int]:
        """How many regions are as they should be, and how many there are."""
        asked = [region for region in self.regions if region.region.expect == expect]
        return sum(region.satisfied for region in asked), len(asked)

    def region_error(self, expect: str) -> float | None:
        """Mean share of these regions that is wrong: masked, or visible; None without any."""
        masked = [region.masked for region in self.regions if region.region.expect == expect]
        if not masked:
            return None
        share = sum(masked) / len(masked)
        return 1 - share if expect == "mask" else share

    def worst_frames(self, count: int) -> list[int]:
        """Frames in which the most pixels, or regions, are wrong, worst first."""
        wrong: dict[int, float] = defaultdict(float)
        for person in self.bystanders:
            wrong[person.frame] += _shown(person)
        for person in self.cast:
            wrong[person.frame] += person.masked
        for region in self.regions:
            x0, y0, x1, y1 = region.region.box
            wrong[region.region.frame] += (x1 - x0) * (y1 - y0) * (not region.satisfied)
        ranked = sorted(wrong, key=lambda frame: wrong[frame], reverse=True)
        return [frame for frame in ranked[:count] if wrong[frame]]

    def _seen(self, people: Sequence[PersonInFrame], share: float) -> list[PersonInFrame]:
        """Those of whom more than `share` of the most that is ever seen of them is seen."""
        most: dict[int, int] = defaultdict(int)
        for person in self.people:
            most[person.person] = max(most[person.person], person.area)
        return [p for p in people if p.area >= share * most[p.person]]


def score_masks(
    masks: Iterable[Bits], truth: Truth, source: tuple[int, int], rate: float
) -> QualityScore:
    """Measure what is masked in every frame.

    Args:
        masks: bool [h, w] a frame; of another size than the source they are enlarged to it.
        source: width, height in which `truth` is drawn.
        rate: frames per second.

    Raises:
        FramesDiffer: the number of frames, or their size, isn't the truth's.
    """
    people: list[PersonInFrame] = []
    regions: list[RegionScore] = []
    nobody, faces, count = 0, 0, 0
    expected = truth.map_count
    for index, small in enumerate(masks):
        count += 1
        masked = _enlarged(small, source)
        regions += [
            RegionScore(region, _share(masked, region.box))
            for region in truth.regions
            if region.frame == index
        ]
        for face in (truth.faces or {}).get(index, ()):
            allowed = face.person in truth.kept | truth.either
            faces += not allowed and 1 - _share(masked, face.box) > FACE_SHARE
        if index >= expected:
            continue
        ids = truth.ids(index)
        assert ids is not None
        if ids.shape != masked.shape:
            raise FramesDiffer(f"frames are {masked.shape}, the truth is {ids.shape} (h, w)")
        areas = np.bincount(ids.ravel(), minlength=1)
        hidden = np.bincount(ids[masked], minlength=areas.size)
        nobody += int(hidden[0])
        people += [
            PersonInFrame(index, int(person), int(areas[person]), int(hidden[person]))
            for person in np.flatnonzero(areas)
            if person
        ]
    if expected and count != expected:
        raise FramesDiffer(f"the output has {count} frames, the truth has {expected}")
    if len(regions) != len(truth.regions):
        raise FramesDiffer(f"the output has {count} frames, and regions lie after them")
    return QualityScore(
        truth.kept,
        truth.either,
        people,
        nobody if truth.persons is not None and truth.complete else None,
        faces if truth.faces is not None else None,
        regions,
        rate,
    )


def _enlarged(masked: Bits, size: tuple[int, int]) -> Bits:
    if masked.shape == size[::-1]:
        return masked
    enlarged = cv2.resize(masked.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return enlarged.astype(bool)


def _share(masked: Bits, box: tuple[int, int, int, int]) -> float:
    x0, y0, x1, y1 = box
    return float(masked[y0:y1, x0:x1].mean())


def _shown(person: PersonInFrame) -> int:
    return person.area - person.masked


def _often(wrong: Iterable[PersonInFrame]) -> list[int]:
    """Who is among `wrong` in more than two frames."""
    frames_of: dict[int, int] = defaultdict(int)
    for person in wrong:
        frames_of[person.person] += 1
    return sorted(person for person, count in frames_of.items() if count > MISTAKEN_FRAMES)
