from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask
from bystander.geometry.types import Rgb
from tests.training.cleaning.made import person, picture
from training.cleaning import Finding, apply, clean
from training.pictures import Annotation

GRID = 4  # the analysis size is 640 x 480


@dataclass(frozen=True)
class Sees:
    """A segmenter that sees upright rectangles: x of the left side, and the score."""

    people: tuple[tuple[int, float], ...]

    def segment(self, frames: Sequence[Rgb]) -> list[list[Instance]]:
        assert [frame.shape for frame in frames] == [(480, 640, 3)]
        seen = []
        for x, score in self.people:
            mask = Mask(GRID * x, GRID * 40, np.ones((GRID * 60, GRID * 30), dtype=bool))
            x0, y0, x1, y1 = mask.box
            seen.append(Instance((x0, y0, x1, y1), score, mask))
        return [seen]


def sightings(
    folder: Path, people: tuple[Annotation, ...], *seen: tuple[int, float]
) -> list[Finding]:
    made = picture(folder, "a.png", people)
    findings = clean([made], segmenter=Sees(seen))
    assert [each.key for each in apply([made], findings)] == [made.key]
    return [each for each in findings.found if each.check == "unlabelled person"]


def test_somebody_nobody_annotated_is_listed_where_the_picture_shows_them(tmp_path: Path) -> None:
    [finding] = sightings(tmp_path, (person("1", x=5),), (5, 0.9), (100, 0.8))
    assert finding.action == "look"
    assert finding.sighting is not None
    assert finding.sighting.score == 0.8
    assert finding.sighting.box == pytest.approx((100, 40, 130, 100))
    outline = np.array(finding.sighting.outline)
    assert outline.min(axis=0) == pytest.approx((100, 40), abs=0.5)
    assert outline.max(axis=0) == pytest.approx((130, 100), abs=0.5)


def test_the_most_certain_come_first(tmp_path: Path) -> None:
    found = sightings(tmp_path, (), (5, 0.7), (100, 0.9))
    assert [each.sighting.score for each in found if each.sighting] == [0.9, 0.7]


def test_doubtful_people_are_not_listed(tmp_path: Path) -> None:
    assert not sightings(tmp_path, (), (5, 0.3))


@pytest.mark.parametrize(
    "there",
    [
        person("1", x=65),
        replace(person("1", width=35), crowd=True),
        Annotation("1", (), (60, 40, 90, 100)),
    ],
)
def test_people_under_an_annotation_are_not_listed(tmp_path: Path, there: Annotation) -> None:
    assert not sightings(tmp_path, (there,), (60, 0.9))
