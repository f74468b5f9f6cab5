"""Pasting people: what is told about the scene must be what is in it."""

from __future__ import annotations

import numpy as np
import pytest

from training.crowds.camera import photograph
from training.crowds.compose import Canvas, clutter, populate
from training.crowds.cutouts import Cutout, cut_out
from training.crowds.layouts import LAYOUTS, Layout, Place, huddle

GREY = np.full((120, 200, 3), 90, dtype=np.uint8)


def someone(colour: tuple[int, int, int] = (200, 30, 30)) -> Cutout:
    """A person like a plank, 20 x 80 px."""
    rgb = np.full((80, 20, 3), colour, dtype=np.uint8)
    return Cutout(rgb, np.ones((80, 20), dtype=np.float32))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_who_stands_alone_is_wholly_visible(rng: np.random.Generator) -> None:
    canvas = Canvas(GREY)
    canvas.put(someone(), Place(100, 110, 80), rng)
    (person,) = canvas.scene(rng, smallest=10).people
    assert person.visible == 1
    assert 75 <= person.height <= 80


def test_the_nearer_person_has_the_pixels_that_both_cover(rng: np.random.Generator) -> None:
    canvas = Canvas(GREY)
    canvas.put(someone(), Place(100, 110, 80), rng)
    canvas.put(someone((30, 200, 30)), Place(108, 112, 80), rng)
    scene = canvas.scene(rng, smallest=10)
    far, near = scene.people
    assert near.visible == 1
    assert far.visible < 0.8
    assert far.visible == pytest.approx((scene.ids == far.id).sum() / (20 * 80), rel=0.3)


def test_what_the_frame_cuts_off_counts_as_hidden(rng: np.random.Generator) -> None:
    canvas = Canvas(GREY)
    canvas.put(someone(), Place(100, 160, 80), rng)
    (person,) = canvas.scene(rng, smallest=10).people
    assert person.visible == pytest.approx(0.5, abs=0.08)


def test_who_is_nearly_gone_is_nobody(rng: np.random.Generator) -> None:
    canvas = Canvas(GREY)
    canvas.put(someone(), Place(100, 110, 80), rng)
    canvas.put(someone((30, 200, 30)), Place(100, 112, 120), rng)
    canvas.put(someone((30, 200, 30)), Place(88, 112, 120), rng)
    canvas.put(someone((30, 200, 30)), Place(112, 112, 120), rng)
    scene = canvas.scene(rng, smallest=300)
    assert 1 not in {person.id for person in scene.people}
    assert not (scene.ids == 1).any()


def test_people_of_the_background_keep_only_what_nobody_covers(rng: np.random.Generator) -> None:
    before = np.zeros((120, 200), dtype=bool)
    before[20:100, 90:130] = True
    canvas = Canvas(GREY, [before])
    canvas.put(someone(), Place(100, 110, 80), rng)
    scene = canvas.scene(rng, smallest=10)
    assert not (scene.ids == 1)[~before].any()
    assert 0.3 < scene.people[0].visible < 0.9


def test_things_in_front_belong_to_nobody(rng: np.random.Generator) -> None:
    canvas = Canvas(GREY)
    canvas.put(someone(), Place(100, 110, 80), rng)
    table = np.zeros((120, 200), dtype=bool)
    table[70:] = True
    canvas.cover(np.full_like(GREY, 250), table)
    scene = canvas.scene(rng, smallest=10)
    assert not scene.ids[70:].any()
    assert scene.people[0].visible < 0.7


def test_a_person_beside_the_frame_changes_nothing(rng: np.random.Generator) -> None:
    canvas = Canvas(GREY)
    canvas.put(someone(), Place(400, 110, 80), rng)
    assert canvas.people == 0


@pytest.mark.parametrize("layout", [layout for layout, _ in LAYOUTS])
def test_layouts_put_the_farthest_first(layout: Layout, rng: np.random.Generator) -> None:
    for _ in range(20):
        places = layout(640, 384, 12, rng)
        assert places
        assert len(places) <= 13
        assert places[-1].height >= 0.5 * max(place.height for place in places)


def test_the_same_seed_makes_the_same_scene() -> None:
    def scene(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        rng = np.random.default_rng(seed)
        canvas = Canvas(GREY)
        populate(canvas, [someone()], 8, rng)
        clutter(canvas, GREY, rng)
        return canvas.scene(rng, smallest=10).rgb

    np.testing.assert_array_equal(scene(3), scene(3))
    assert (scene(3) != scene(4)).any()


def test_the_camera_moves_nothing(rng: np.random.Generator) -> None:
    """A bright square stays where it is: else the silhouettes would be wrong."""
    scene = GREY.copy()
    scene[40:80, 60:120] = 250
    for _ in range(30):
        shot = photograph(scene, rng).astype(float).mean(axis=2)
        bright = np.argwhere(shot > (shot.min() + shot.max()) / 2)
        np.testing.assert_allclose(bright.mean(axis=0), [59.5, 89.5], atol=0.8)


def test_a_cutout_carries_no_colour_of_its_old_background() -> None:
    """A red person before green, the mask a pixel too wide."""
    rgb = np.zeros((60, 60, 3), dtype=np.uint8)
    rgb[:] = (0, 255, 0)
    rgb[15:45, 20:40] = (255, 0, 0)
    wide = np.zeros((60, 60), dtype=bool)
    wide[14:46, 19:41] = True
    person = cut_out(rgb, wide)
    seen = person.alpha[..., None] * person.rgb
    assert seen[..., 1].sum() < 0.05 * seen[..., 0].sum()
    assert person.alpha.sum() == pytest.approx(30 * 20, rel=0.15)


def test_who_lies_is_as_long_as_who_stands(rng: np.random.Generator) -> None:
    canvas = Canvas(GREY)
    canvas.put(someone(), Place(100, 80, 80, turned=90), rng)
    scene = canvas.scene(rng, smallest=10)
    height, width = np.ptp(np.argwhere(scene.ids), axis=0) + 1
    assert height == pytest.approx(20, abs=4)
    assert width == pytest.approx(80, abs=4)
    assert scene.people[0].visible == 1


def test_some_of_many_lie(rng: np.random.Generator) -> None:
    lying = 0
    for _ in range(60):
        canvas = Canvas(np.full((400, 400, 3), 90, dtype=np.uint8))
        populate(canvas, [someone()], 1, rng, turned=0.2)
        scene = canvas.scene(rng, smallest=10)
        if all(person.visible == 1 for person in scene.people):
            lying += any(person.height < 50 for person in scene.people)
    assert 1 <= lying <= 30


def test_people_in_a_huddle_cover_each_other(rng: np.random.Generator) -> None:
    shares = []
    for _ in range(20):
        canvas = Canvas(np.full((200, 320, 3), 90, dtype=np.uint8))
        for place in huddle(320, 200, 3, rng):
            canvas.put(someone(), place, rng)
        shares += [person.visible for person in canvas.scene(rng, smallest=1).people]
    assert 0.3 < np.mean(shares) < 0.9
