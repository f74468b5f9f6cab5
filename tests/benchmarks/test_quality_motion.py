"""Scenes of people in real motion: what is pasted is what the truth says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality import motion
from benchmarks.quality.actors import SOURCES, Actor, cast_of
from benchmarks.quality.motion import SCENES, keeping, path, role, shot
from benchmarks.quality.reel import scene_run, write_scene
from benchmarks.quality.scenes import name_of
from benchmarks.quality.stage import Camera, film
from tests.conftest import shared

STILL = Camera(pan=0, noise=0)


def actor(pictures: int = 4) -> Actor:
    """A bar that is brighter in each picture; its left half is red."""
    frames = []
    for number in range(pictures):
        picture = np.zeros((100, 40, 4), dtype=np.uint8)
        picture[:, 10:30] = (50 * number, 0, 200, 255)
        picture[:, 10:20, 0] = 250
        frames.append(picture)
    return Actor(frames, 100)


STREETS = [np.full((560, 1300, 3), grey, dtype=np.uint8) for grey in (120, 60)]


def test_whoever_acts_moves_on_and_back_and_is_mirrored_when_turned() -> None:
    acting = actor().acting(50)
    blues = [acting(time, False).layers[25, 12, 0] for time in range(8)]
    assert blues == [0, 50, 100, 150, 100, 50, 0, 50]
    look, mirrored = acting(1.7, False).layers, acting(1.7, True).layers
    assert look.shape == (50, 20, 4)
    np.testing.assert_array_equal(mirrored, look[:, ::-1])


def test_paths_are_straight_between_their_points() -> None:
    move = path((0, 100), (10, 200), (20, 200, 300, 0.5), mirrored=range(5, 9))
    poses = [move(time) for time in (0, 5, 15)]
    assert all(pose is not None for pose in poses)
    assert [(p.x, p.size, p.turned) for p in poses if p] == [
        (100, 1, False),
        (150, 1, True),
        (200, 0.75, False),
    ]
    assert poses[2] is not None
    assert poses[2].foot == (motion.FLOOR + 300) / 2


def test_a_scene_is_kept_by_a_click_and_nobody_knows_its_faces(tmp_path: Path) -> None:
    roles = [
        role(2, actor(), 300, path((0, 500), (5, 500))),
        role(1, actor(), 300, path((0, 200), (5, 220))),
    ]
    scene = keeping(shot(STREETS, roles, STILL, frames=5))
    write_scene(tmp_path, scene, film(scene.shots[0], np.random.default_rng(0)))
    run = scene_run("two", tmp_path)
    assert (run.truth.kept, run.truth.faces, run.truth.people) == (frozenset({1}), None, 2)
    (click,) = run.clicks
    ids = run.truth.ids(0)
    assert ids is not None
    assert (click.seconds, ids[int(click.y), int(click.x)]) == (0, 1)
    assert run.cast == ()


@pytest.mark.parametrize("make", SCENES, ids=name_of)
def test_every_scene_shows_whom_it_is_about(make: motion.Make) -> None:
    scene = make(dict.fromkeys(SOURCES, actor()), STREETS)
    people = {role.person for shot in scene.shots for role in shot.roles} - {0}
    assert {*scene.clicked} <= people
    assert sum(shot.frames for shot in scene.shots) in range(60, 101)
    first = next(film(scene.shots[0], np.random.default_rng(0)))
    assert first.rgb.shape == (480, 854, 3)
    for person in scene.clicked:
        assert (first.ids == person).any()


@pytest.mark.long
def test_people_are_cut_out_whole_and_stand_on_the_lower_edge() -> None:
    shared("clips/schoolgirls")
    (girl,) = cast_of(["small girl"]).values()
    assert len(girl.pictures) == 22
    for picture in girl.pictures:
        alpha = picture[..., 3]
        assert alpha[:, [0, -1]].max() < 255, "nobody is cut off at the sides"
        rows = np.flatnonzero((alpha > 127).any(axis=1))
        assert rows[-1] >= alpha.shape[0] - 12
