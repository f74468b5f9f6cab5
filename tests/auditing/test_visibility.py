"""Whom a network sees between masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.auditing.findings import AuditSettings, Finding, Severity
from bystander.auditing.kept import KeptPeople
from bystander.auditing.likeness import compare, luma
from bystander.auditing.pairs import AuditFrame, FrameComparison
from bystander.auditing.visibility import visible_people
from bystander.geometry.coordinates import DisplayBox, DisplaySize
from bystander.geometry.instances import Instance
from bystander.geometry.masks import Bits, Mask

Pixels = NDArray[np.uint8]
SOMEBODY = np.ones((120, 50), dtype=bool)


class Seeing:
    """Sees people with these scores: in the source, and in the output, which has a white top.

    Args:
        lefts: the left edge of each person.
    """

    def __init__(self, in_source: float, in_output: float, lefts: Sequence[int] = (100,)) -> None:
        self.scores = in_source, in_output
        self.lefts = lefts

    def segment(self, frames: Sequence[Pixels]) -> list[list[Instance]]:
        return [self._seen(frame) for frame in frames]

    def _seen(self, frame: Pixels) -> list[Instance]:
        score = self.scores[int(frame[0].min() == 255)]
        if not score:
            return []
        mirrored = frame[1, 0, 0] == 1
        lefts = [320 - 50 - left if mirrored else left for left in self.lefts]
        return [Instance((x, 40, x + 50, 160), score, Mask(x, 40, SOMEBODY)) for x in lefts]


def view() -> AuditFrame:
    """The same picture twice, but for the output's white top; the source is marked on the right."""
    grain = np.random.default_rng(2).uniform(0, 255, (60, 80)).astype(np.float32)
    grey = cv2.resize(grain, (320, 240)).astype(np.uint8)
    source = np.dstack([grey] * 3)
    source[0], source[1] = 0, 0
    source[1, -1] = 1
    output = source.copy()
    output[0] = 255
    return AuditFrame(7, 0.28, source, output, (source, output), None, None, None, frozenset())


def signs(
    in_source: float, in_output: float, allowed: Bits | None = None, source_first: bool = False
) -> list[Finding]:
    shown = replace(view(), in_source=source_first)
    likeness = compare(luma(shown.source), luma(shown.output))
    compared = FrameComparison(shown, likeness, allowed, DisplaySize((320, 240)))
    network = Seeing(in_source, in_output)
    return visible_people(compared, network, AuditSettings(), Severity.LEAK)


@pytest.mark.parametrize("source_first", [False, True])
@pytest.mark.parametrize(
    ("in_source", "in_output", "found"),
    [(0.9, 0.9, [True]), (0.4, 0.7, [False]), (0.23, 0.65, []), (0.0, 0.9, []), (0.9, 0.0, [])],
    ids=["seen in both", "seen badly", "hardly", "a bag before a wall", "behind a mask"],
)
def test_somebody_counts_who_is_in_output_and_mirrored_source(
    in_source: float, in_output: float, found: list[bool], source_first: bool
) -> None:
    """Certain, so that one frame is enough, where both looks are."""
    seen = signs(in_source, in_output, source_first=source_first)
    assert [sign.certain for sign in seen] == found
    assert all(sign.box == (100, 40, 150, 160) for sign in seen)


@pytest.mark.parametrize(
    ("rows", "found"),
    [(range(40, 105), 0), (range(40, 80), 1), (range(0, 30), 1)],
    ids=["their arm", "a stranger behind them", "a stranger elsewhere"],
)
def test_a_part_of_a_kept_person_is_no_stranger(rows: range, found: int) -> None:
    """Half of a silhouette in the area of the kept makes it theirs, also what reaches beyond."""
    allowed = np.zeros((240, 320), dtype=bool)
    allowed[list(rows)] = True
    assert len(signs(0.9, 0.9, allowed)) == found


@pytest.mark.parametrize("source_first", [False, True])
@pytest.mark.parametrize(
    ("lefts", "people", "score", "found"),
    [
        ((100,), 1, 0.9, []),
        ((100, 170), 1, 0.9, [(100, 40, 220, 160)]),
        ((100, 170), 2, 0.9, []),
        ((100, 170), 1, 0.6, []),
        ((100, 115), 1, 0.9, []),
    ],
    ids=["one", "two as one", "two kept", "perhaps an arm", "twice the same"],
)
def test_a_stranger_in_a_kept_silhouette_is_found(
    lefts: tuple[int, ...], people: int, score: float, found: list[DisplayBox], source_first: bool
) -> None:
    """Where one person is kept and two show; the box is around both."""
    area = np.zeros((240, 320), dtype=bool)
    area[40:160, 95:205] = True
    shown = replace(view(), kept=KeptPeople(area, people), in_source=source_first)
    likeness = compare(luma(shown.source), luma(shown.output))
    compared = FrameComparison(shown, likeness, area, DisplaySize((320, 240)))
    network = Seeing(score, score, lefts)
    seen = visible_people(compared, network, AuditSettings(), Severity.LEAK)
    assert [sign.box for sign in seen] == found
    assert not any(sign.certain for sign in seen)
