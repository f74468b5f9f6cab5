from __future__ import annotations

from pathlib import Path

import numpy as np

from bystander.geometry.instances import Instance
from tests.training.evaluation.made import (
    HEIGHT,
    WIDTH,
    Sees,
    block,
    network,
    picture,
    write_crowds,
)
from training.evaluation.failures import FALSE, FOUND, MISSED, draw, failures, worst
from training.evaluation.truth import Rgb, Scene, crowd_set, people_in

LEFT, MIDDLE, RIGHT = (16, 16, 112, 208), (240, 16, 336, 208), (480, 16, 576, 208)


def colours_at(rgb: Rgb, x: int, y: int) -> tuple[int, ...]:
    return tuple(int(value) for value in rgb[y, x])


def test_the_worst_images_come_first_and_those_without_mistakes_not_at_all() -> None:
    assert worst(np.array([0.0, 2.0, 5.0, 0.0, 1.0]), 4) == [2, 1, 4]
    assert worst(np.array([0.0, 2.0, 5.0, 0.0, 1.0]), 1) == [2]


def test_neighbours_that_look_alike_are_shown_once() -> None:
    assert worst(np.array([3.0, 4.0, 3.0, 3.0, 1.0, 2.0]), 3, apart=3) == [1, 5]


def test_found_missed_and_false_are_outlined_in_their_colours() -> None:
    rgb, ids = picture([LEFT, MIDDLE])
    scene = Scene("made", rgb, people_in(ids, rgb.shape[:2]))
    found = [Instance((0, 0, 1, 1), 0.9, block(*box)) for box in (LEFT, RIGHT)]
    drawn, caption = draw(scene, found)
    assert caption == "1 found, 1 missed, 1 false"
    for box, colour in ((LEFT, FOUND), (MIDDLE, MISSED), (RIGHT, FALSE)):
        assert colours_at(drawn, box[0], 100) == colour
    assert colours_at(drawn, 440, 300) == (60, 60, 60)
    assert colours_at(rgb, LEFT[0], 100) == (255, 0, 0)  # the scene itself isn't drawn on


def test_networks_are_side_by_side_in_the_order_of_the_worst(tmp_path: Path) -> None:
    write_crowds(tmp_path, [[(LEFT, 1.0), (MIDDLE, 1.0)], [(LEFT, 1.0)], [(MIDDLE, 1.0)]])
    networks = {"start": network(Sees(colours=0)), "ours": network(Sees())}
    shown = failures(crowd_set(tmp_path), [2, 0], networks)
    assert [failure.caption for failure in shown] == [
        "2.jpg: start 0 found, 1 missed, 0 false; ours 1 found, 0 missed, 0 false",
        "0.jpg: start 0 found, 2 missed, 0 false; ours 2 found, 0 missed, 0 false",
    ]
    assert shown[0].rgb.shape == (HEIGHT, 2 * WIDTH, 3)
