"""What the strength benchmark shows its attackers, and how its table says what they reached."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from benchmarks.strength.attackers import attackers, collect, compared
from benchmarks.strength.attacks import Picture
from benchmarks.strength.portraits import FACE, GREY, Portrait, Set, cell_of, clear
from benchmarks.strength.reidentification import judge
from benchmarks.strength.table import Row, as_markdown
from bystander.choices import EffectName
from bystander.geometry.instances import Face
from bystander.models.face_model import Embeddings, FaceThresholds, align, normalised
from bystander.redaction.effects import EffectSettings

LANDMARKS = np.array([[62, 60], [98, 60], [80, 82], [66, 102], [94, 102]], dtype=np.float32)
PLACES = [np.full((90, 120, 3), tone, dtype=np.uint8) for tone in (40, 220)]


class Chips:
    """A face model that compares the pixels of upright faces."""

    name = "chips"
    thresholds = FaceThresholds(same=0.9, different=0.5)
    min_face = 10

    def detect(self, image: Picture) -> list[Face]:
        return []

    def embed(self, image: Picture, faces: Sequence[Face]) -> Embeddings:
        chips = [cv2.resize(align(image, face), (8, 8)).astype(np.float32) for face in faces]
        return normalised(np.stack([(chip - chip.mean()).ravel() for chip in chips]))


def portrait(person: int, photo: int) -> Portrait:
    """Everyone has a pattern of their own, each photo a little noise, all one outline."""
    pattern = np.random.default_rng(person).integers(0, 255, (16, 16, 3)).astype(np.float32)
    picture = cv2.resize(pattern, (160, 160), interpolation=cv2.INTER_CUBIC)
    picture = picture + np.random.default_rng(99 + photo).normal(0, 5, picture.shape)
    silhouette = np.zeros((160, 160), dtype=bool)
    silhouette[20:, 20:140] = True
    face = Face((32, 32, 128, 32 + FACE), 0.9, LANDMARKS)
    return Portrait(person, photo, np.clip(picture, 0, 255).astype(np.uint8), silhouette, face)


@pytest.fixture(scope="module")
def portraits() -> list[Portrait]:
    return [portrait(person, photo) for person in range(4) for photo in range(2)]


def reached(portraits: list[Portrait], effect: EffectSettings) -> dict[str, float]:
    evidence = collect(portraits, PLACES, effect, Chips())
    found = attackers(evidence, Chips())
    return {name: judge([(scores, evidence.people)]).rank_one for name, scores in found}


def test_nothing_but_the_masked_person_is_shown() -> None:
    one = portrait(0, 0)
    solid = EffectSettings(name=EffectName.SOLID, color="#808080")
    for shot in Set(PLACES, seed=0).frames(one, solid, 4):
        # The effect is of the colour that surrounds it: what differs is place or person.
        middle = shot.picture[shot.face.landmarks[2][1].astype(int)]
        assert np.abs(middle.astype(int) - GREY).max() < 100
        inside = shot.face.landmarks.astype(int)
        assert all(np.abs(shot.picture[y, x].astype(int) - GREY).max() <= 2 for x, y in inside)


def test_the_person_is_elsewhere_on_the_grid_in_every_frame() -> None:
    one, effect = portrait(0, 0), EffectSettings()
    shots = list(Set(PLACES, seed=0).frames(one, effect, 5))
    assert len({tuple(shot.face.landmarks[0]) for shot in shots}) == 5
    assert (clear(one).picture[~one.silhouette] == GREY).all()


def test_cells_are_those_of_the_product() -> None:
    weak = EffectSettings(strength=0.25, allow_weak=True)
    assert cell_of(portrait(0, 0), EffectSettings()) > cell_of(portrait(0, 0), weak)


@pytest.mark.long
def test_a_weak_mosaic_is_seen_through_and_a_solid_colour_is_not(
    portraits: list[Portrait],
) -> None:
    weak = reached(portraits, EffectSettings(name="mosaic", strength=0.25, allow_weak=True))
    solid = reached(portraits, EffectSettings(name="solid"))
    assert weak["taught with pixels"] > 0.9
    assert weak["informed recogniser, 8 frames averaged"] > 0.9
    assert solid["taught with mean colour"] < 0.7
    assert weak.keys() == solid.keys()


def test_nobody_is_compared_with_their_own_photo() -> None:
    # Were it so, each probe would be most alike to the person it is alone in being.
    vectors = np.eye(4, dtype=np.float32)
    people = np.array([0, 0, 1, 1])
    assert (compared(vectors, vectors, people) == 0).all()


def test_the_table_marks_what_is_beyond_chance_and_beyond_the_outline() -> None:
    truth = np.arange(40) % 10
    knows = np.eye(10)[truth]
    guesses = np.random.default_rng(0).random((40, 10))
    solid, blur = EffectSettings(name=EffectName.SOLID), EffectSettings()
    rows = [
        Row.of("m", blur, "one", judge([(knows, truth)])),
        Row.of("m", blur, "other", judge([(guesses, truth)])),
        Row.of("m", solid, "one", judge([(guesses, truth)])),
    ]
    lines = as_markdown(rows).splitlines()
    assert lines[0] == "| attacker | blur | solid |"
    assert lines[2].startswith("| one | 100*+ (91-100) 1.00 |")
    assert lines[3].startswith("| other | ")
    assert "*" not in lines[3]
    assert lines[3].endswith("| - |")
