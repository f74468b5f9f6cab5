from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.cleaning.made import HEIGHT, WIDTH, person
from training.cleaning import CleaningSettings
from training.cleaning.shapes import clip, judged
from training.labels import area
from training.pictures import Annotation, Picture

SETTINGS = CleaningSettings()
SOUND = person("1")
NAN = np.array([(60, 40), (90, np.nan), (90, 100)], dtype=np.float64)
LINE = np.array([(0, 0), (100, 100)], dtype=np.float64)
SLIVER = np.array([(50, 0), (50.8, 0), (50.8, 100), (50, 100)], dtype=np.float64)
ZIGZAG = np.array([(60, 40), (90, 98), (90, 100)], dtype=np.float64)


def verdicts(*people: Annotation) -> list[tuple[str, str, str | None]]:
    made = Picture("made/a", Path("a.png"), WIDTH, HEIGHT, people, "made", "CC0")
    return [(each.check, each.action, each.annotation) for each in judged(made, SETTINGS)]


@pytest.mark.parametrize(
    ("wrong", "check", "action"),
    [
        (Annotation("1", ()), "degenerate", "remove annotation"),
        (Annotation("1", (LINE,)), "degenerate", "remove annotation"),
        (Annotation("1", (NAN,)), "degenerate", "remove annotation"),
        (Annotation("1", (SLIVER,)), "degenerate", "remove annotation"),
        (person("1", width=3, height=3), "degenerate", "remove annotation"),
        # The box still says that somebody is there.
        (replace(SOUND, polygons=(LINE,)), "degenerate", "grey out"),
        (replace(SOUND, polygons=(NAN,)), "degenerate", "grey out"),
        (replace(SOUND, polygons=(*SOUND.polygons, LINE)), "degenerate", "clip annotation"),
        (person("1", x=WIDTH + 1), "outside", "remove annotation"),
        (person("1", x=WIDTH - 10), "outside", "clip annotation"),
        (person("1", y=-20), "outside", "clip annotation"),
        (replace(SOUND, box=(40, 60, 100, 90)), "box", "grey out"),
        (replace(SOUND, polygons=(ZIGZAG,)), "box", "grey out"),
        (replace(SOUND, polygons=person("1", width=3, height=3).polygons), "box", "grey out"),
    ],
)
def test_what_is_wrong_with_an_annotation_is_found(
    wrong: Annotation, check: str, action: str
) -> None:
    assert verdicts(wrong) == [(check, action, "1")]


@pytest.mark.parametrize(
    "fine",
    [
        SOUND,
        replace(SOUND, box=None),
        Annotation("1", (), SOUND.box),
        replace(SOUND, box=(58, 41, 93, 102)),
        person("1", x=WIDTH - 29.5),  # rounding puts corners so far outside
        replace(SOUND, polygons=(LINE,), crowd=True),
    ],
)
def test_what_may_be_right_is_left_alone(fine: Annotation) -> None:
    assert not verdicts(fine)


def test_somebody_annotated_twice_is_kept_once() -> None:
    again = person("2", x=60.5)
    neighbour = person("3", x=70)
    assert verdicts(SOUND, again, neighbour) == [("twin", "remove annotation", "2")]


def test_a_person_in_a_crowd_is_no_twin_of_it() -> None:
    assert not verdicts(SOUND, replace(SOUND, key="2", crowd=True))


def test_clipping_cuts_edges_where_they_leave_the_picture() -> None:
    triangle = np.array([(-10, 0), (10, 0), (10, 20)], dtype=np.float64)
    # Moving the corner at -10 to the border instead would leave 100.
    assert area(clip(triangle, WIDTH, HEIGHT)) == pytest.approx(150)


def test_what_lies_outside_has_no_corners_left() -> None:
    assert len(clip(SOUND.polygons[0] + (WIDTH, 0), WIDTH, HEIGHT)) == 0
