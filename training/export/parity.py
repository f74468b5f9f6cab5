"""Whether two forms of one network answer alike: in raw numbers, and in the people found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Instance
from bystander.geometry.masks import iou
from bystander.geometry.types import Rgb
from bystander.models.segmenter import PersonSegmenter, SegmenterSettings
from bystander.models.sessions import Array, Session

Floats = NDArray[np.float32]

SAME_PERSON = 0.5
"""Silhouettes whose IoU reaches this are taken for one person's, as COCO does for AP50."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Absolute differences of one kind of numbers, over all frames."""

    largest: float
    mean: float


@dataclass(frozen=True, slots=True)
class Parity:
    """How a network differs from the one it was made from.

    Attributes:
        frames: number of frames compared.
        boxes: of centres and sides of every proposal, in network pixels.
        scores: of the classes' scores, 0 to 1.
        coefficients: of the mask coefficients.
        prototypes: of the mask prototypes.
        people: how many the original finds.
        lost: how many of them the other one doesn't find.
        new: how many the other one finds besides.
        mask_iou: mean IoU of the silhouettes of people both find; 1 if there are none.
    """

    frames: int
    boxes: Difference
    scores: Difference
    coefficients: Difference
    prototypes: Difference
    people: int
    lost: int
    new: int
    mask_iou: float

    @property
    def recall(self) -> float:
        """Share of the original's people that are found, 0 to 1."""
        return 1 - self.lost / self.people if self.people else 1.0


def compare(original: Session, other: Session, frames: Iterable[Rgb], confidence: float) -> Parity:
    """Run both networks on each frame.

    Args:
        original: what the other one is measured against.
        other: the same network in another form.
        frames: uint8 [H, W, 3] RGB of any sizes.
        confidence: least score of a person, for both.
    """
    # One look a frame: whom a second one is for hangs on what the first found, in either network.
    settings = SegmenterSettings(confidence=confidence, large_share=1)
    recorders = [_Recorder(session) for session in (original, other)]
    segmenters = [PersonSegmenter(recorder, settings) for recorder in recorders]
    raw: dict[str, list[tuple[float, float, int]]] = {}
    matches: list[Match] = []
    for frame in frames:
        found = [segmenter.segment([frame])[0] for segmenter in segmenters]
        matches.append(match(*found))
        first, second = (_parts(*recorder.last) for recorder in recorders)
        for name, numbers in first.items():
            gaps = np.abs(numbers - second[name])
            raw.setdefault(name, []).append((float(gaps.max()), float(gaps.sum()), gaps.size))
    shared = [overlap for each in matches for overlap in each.overlaps]
    return Parity(
        frames=len(matches),
        **{name: _difference(gaps) for name, gaps in raw.items()},
        people=sum(each.lost for each in matches) + len(shared),
        lost=sum(each.lost for each in matches),
        new=sum(each.new for each in matches),
        mask_iou=float(np.mean(shared)) if shared else 1.0,
    )


@dataclass(frozen=True, slots=True)
class Match:
    """People found in one frame by two networks.

    Attributes:
        overlaps: IoU of the silhouettes of each person that both found.
        lost: number of people that only the first one found.
        new: number of people that only the second one found.
    """

    overlaps: tuple[float, ...]
    lost: int
    new: int


def match(original: Sequence[Instance], other: Sequence[Instance]) -> Match:
    """Pair the people of two networks off, the best overlap first."""
    pairs = sorted(
        ((iou(a.mask, b.mask), i, j) for i, a in enumerate(original) for j, b in enumerate(other)),
        reverse=True,
    )
    taken: tuple[set[int], set[int]] = set(), set()
    overlaps = []
    for overlap, i, j in pairs:
        if overlap >= SAME_PERSON and i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            overlaps.append(overlap)
    return Match(tuple(overlaps), len(original) - len(overlaps), len(other) - len(overlaps))


class _Recorder:
    """A session that keeps what it last answered, so that each network runs once a frame."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.inputs, self.outputs = session.inputs, session.outputs
        self.last: list[Array] = []

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        self.last = self._session.run(feeds)
        return self.last


def _parts(proposals: Floats, prototypes: Floats) -> dict[str, Floats]:
    count = prototypes.shape[1]
    return {
        "boxes": proposals[:, :4],
        "scores": proposals[:, 4:-count],
        "coefficients": proposals[:, -count:],
        "prototypes": prototypes,
    }


def _difference(gaps: Sequence[tuple[float, float, int]]) -> Difference:
    largest, sums, counts = zip(*gaps, strict=True)
    return Difference(max(largest), sum(sums) / sum(counts))
