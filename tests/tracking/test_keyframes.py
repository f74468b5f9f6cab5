"""What is between two frames that the network has looked at, and where it has to look again."""

from __future__ import annotations

from collections.abc import Callable

from bystander.geometry.instances import Instance
from bystander.geometry.masks import iou
from bystander.tracking.frames import AnalysisFrame
from bystander.tracking.keyframes import Keyframe, fill
from bystander.tracking.motion import grey
from bystander.tracking.settings import KeyframeSettings

from .bodies import GREEN, GRID, RED, Body, found, picture, share

SETTINGS = KeyframeSettings()
Scene = Callable[[int], list[Body]]
"""Who is where in which frame."""


def instance(body: Body, score: float = 0.9) -> Instance:
    mask = body.mask.clipped(*GRID)
    x0, y0, x1, y1 = (float(side) for side in mask.box)
    return Instance((x0, y0, x1, y1), score, mask)


def view(scene: Scene, index: int) -> AnalysisFrame:
    return AnalysisFrame(index, index, picture(*scene(index)), False, None)


def key(scene: Scene, index: int, score: float = 0.9) -> Keyframe:
    bodies = scene(index)
    return Keyframe(index, grey(picture(*bodies)), [instance(body, score) for body in bodies])


class Network:
    """Finds everyone, and counts how often it was asked."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.looked: list[int] = []

    def __call__(self, frame: AnalysisFrame) -> list[Instance]:
        self.looked.append(frame.index)
        return [instance(body) for body in self.scene(frame.index)]


def filled(scene: Scene) -> tuple[list[list[Instance]], list[int]]:
    """Everyone in the frames between 0 and 4, and which of them the network looked at."""
    network = Network(scene)
    views = [view(scene, index) for index in (1, 2, 3)]
    return fill(key(scene, 0), views, key(scene, 4), network, SETTINGS), network.looked


def walking(index: int) -> list[Body]:
    return [Body.of(RED, 60 + 4 * index), Body.of(GREEN, 200 - 3 * index, seed=2)]


def test_people_who_walk_are_found_between_without_a_look() -> None:
    between, looked = filled(walking)
    assert looked == []
    for index, people in enumerate(between, start=1):
        assert len(people) == 2
        for body in walking(index):
            truth = body.mask.clipped(*GRID)
            best = max(people, key=lambda person: iou(person.mask, truth))
            assert share(best.mask, truth) > 0.95  # whatever they show is covered
            assert iou(best.mask, truth) > 0.75  # and little else is


def test_somebody_of_one_side_only_is_looked_for() -> None:
    def comes_in(index: int) -> list[Body]:
        return [Body.of(RED, 60)] + ([Body.of(GREEN, 200, seed=2)] if index >= 2 else [])

    between, looked = filled(comes_in)
    assert looked[0] == 2  # the middle first
    assert [len(people) for people in between] == [1, 2, 2]


def test_every_frame_is_looked_at_where_no_keyframe_came_before() -> None:
    network = Network(walking)
    views = [view(walking, index) for index in (1, 2)]
    between = fill(None, views, key(walking, 3), network, SETTINGS)
    assert sorted(network.looked) == [1, 2]
    assert [len(people) for people in between] == [2, 2]


def test_a_street_without_people_stays_empty() -> None:
    assert filled(lambda index: []) == ([[], [], []], [])


def test_a_weak_detection_of_one_side_is_carried_along() -> None:
    network = Network(walking)
    after = Keyframe(2, grey(picture(*walking(2))), [])
    (people,) = fill(key(walking, 0, score=0.15), [view(walking, 1)], after, network, SETTINGS)
    assert network.looked == []
    assert share(people[0].mask, walking(1)[0].mask) > 0.9


def test_silhouettes_that_differ_are_looked_at_again() -> None:
    """One side shows all of somebody, the other only the upper part."""
    whole, (ann, _) = key(walking, 0), walking(2)
    upper = found(ann.part(bottom=84))
    after = Keyframe(2, whole.picture, [upper, whole.instances[1]])
    still = view(walking, 0)
    middle = AnalysisFrame(1, 1, still.grid, False, None)
    for settings, looked in ((SETTINGS, [1]), (SETTINGS.model_copy(update={"agreement": 0}), [])):
        network = Network(walking)
        fill(whole, [middle], after, network, settings)
        assert network.looked == looked
