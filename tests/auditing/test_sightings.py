"""Whom a network sees between masks."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.auditing.findings import Severity
from bystander.auditing.likeness import compare, luma
from bystander.auditing.settings import AuditSettings
from bystander.auditing.sightings import visible_people
from bystander.auditing.views import Compared, View
from bystander.coordinates import DisplaySize
from bystander.instances import Instance
from bystander.masks import Mask
from bystander.models import Models
from tests.drawn import DrawnBodies, DrawnFaces

Pixels = NDArray[np.uint8]
SOMEBODY = Mask(100, 40, np.ones((120, 50), dtype=bool))


class Seeing:
    """Sees somebody with these scores: in the source, and in the output, which has a mark."""

    def __init__(self, in_source: float, in_output: float) -> None:
        self.scores = in_source, in_output

    def segment(self, frames: Sequence[Pixels]) -> list[list[Instance]]:
        return [self._seen(self.scores[int(frame[0, 0, 0] == 255)]) for frame in frames]

    def _seen(self, score: float) -> list[Instance]:
        return [Instance((100, 40, 150, 160), score, SOMEBODY)] if score else []


def view() -> View:
    """The same picture twice, but for the output's mark in a corner."""
    grain = np.random.default_rng(2).uniform(0, 255, (60, 80)).astype(np.float32)
    grey = cv2.resize(grain, (320, 240)).astype(np.uint8)
    source = np.dstack([grey] * 3)
    source[0, 0] = 0
    output = source.copy()
    output[0, 0] = 255
    return View(7, 0.28, source, output, (source, output), None, None, None, frozenset())


@pytest.mark.parametrize(
    ("in_source", "in_output", "found"),
    [(0.9, 0.9, 1), (0.4, 0.9, 1), (0.0, 0.9, 0), (0.9, 0.3, 0)],
    ids=["seen in both", "seen badly in the source", "a bag before a wall", "hardly seen"],
)
def test_somebody_counts_who_is_in_the_source_too(
    in_source: float, in_output: float, found: int
) -> None:
    shown = view()
    likeness = compare(luma(shown.source), luma(shown.output))
    compared = Compared(shown, likeness, None, DisplaySize((320, 240)))
    models = Models(Seeing(in_source, in_output), DrawnFaces(), DrawnBodies())
    signs = visible_people(compared, models, AuditSettings(), Severity.LEAK)
    assert len(signs) == found
