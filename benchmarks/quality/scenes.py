"""The made scenes, each named for what it tests.

A scene is a function of the crew, who are other people and places each time; it says who
is where in every frame. Ids count from 1 in the order in which people are named; the first
is the one to keep unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.quality.people import Look, Person, Rgb
from benchmarks.quality.stage import Camera, Move, Pose, Role, Shot

SIZE = (1280, 720)
"""Faces of people as high as the frame are 40 to 60 pixels wide."""
PLACE_SIZE = (1640, 780)
FPS = 20
FRAMES = 60
TALL = 630
"""Pixels of height: the photos are 640 high, so nobody is enlarged."""
FLOOR = 705
STRIDE = 11.0  # frames of one step: people bob and sway with it
NEVER = range(0)
ALWAYS = range(10**6)
FROM_BEHIND = range(10**6)


@dataclass(frozen=True, eq=False)
class Crew:
    """Whom a scene can be made with.

    Attributes:
        people: who don't resemble one another.
        places: as many as a scene has shots, uint8 [H, W, 3] RGB.
    """

    people: Sequence[Person]
    places: Sequence[Rgb]


@dataclass(frozen=True, eq=False)
class Scene:
    """What is filmed, and whom the product is asked to keep.

    Attributes:
        shots: one after the other, with cuts between them.
        kept: portraits by the id of the person who may be seen.
        either: ids of people of whom both is right: they are asked for, but never show a face.
        clicked: ids of people to be kept by a click.
        faced: it is known whose face is seen where.
    """

    shots: Sequence[Shot]
    kept: dict[int, Rgb]
    either: tuple[int, ...] = ()
    clicked: tuple[int, ...] = ()
    faced: bool = True


def standing(x: float, turned: Collection[int] = NEVER, present: Collection[int] = ALWAYS) -> Move:
    return walking(x, x, turned, present)


def walking(
    start: float,
    end: float,
    turned: Collection[int] = NEVER,
    present: Collection[int] = ALWAYS,
    foot: float = FLOOR,
    frames: int = FRAMES,
) -> Move:
    """From `start` to `end` (x in pixels) within `frames`, bobbing and swaying.

    Args:
        turned: frames in which the back is seen.
        present: frames in which they are there at all.
    """

    def move(time: float) -> Pose | None:
        number = int(time)
        if number not in present:
            return None
        x = start + (end - start) * time / frames
        step = math.pi * time / STRIDE
        bob, sway = 4 * abs(math.sin(step)), 0.8 * math.sin(step)
        return Pose(x, foot - bob, sway=sway, turned=number in turned)

    return move


def role(person: int, look: Look, move: Move, height: float = TALL) -> Role:
    scaled = look.scaled(height)
    return Role(person, scaled, scaled.turned(), move)


def thing(place: Rgb, box: tuple[int, int, int, int]) -> Role:
    """Something that stands in front: `box` (x0, y0, x1, y1 of the frame) of another place."""
    x0, y0, x1, y1 = box
    texture = place[: y1 - y0, : x1 - x0] * 0.8  # darker, to stand out from the place
    layers = np.dstack((texture, np.ones(texture.shape[:2]))).astype(np.float32)
    look = Look(layers, (0, 0, 0, 0))
    return Role(0, look, look, lambda _: Pose((x0 + x1) / 2, y1))


def shot(crew: Crew, roles: Sequence[Role], camera: Camera | None = None, place: int = 0) -> Shot:
    return Shot(crew.places[place], roles, FRAMES, SIZE, camera or Camera())


def keeping(crew: Crew, *shots: Shot, people: int = 1) -> Scene:
    """A scene in which the first `people` of the crew, with ids from 1, may be seen."""
    return Scene(shots, {n + 1: crew.people[n].portrait for n in range(people)})


def walks_alone(crew: Crew) -> Scene:
    return keeping(crew, shot(crew, [role(1, crew.people[0].look, walking(250, 1000))]))


def crosses_in_front(crew: Crew) -> Scene:
    kept, other = crew.people[:2]
    roles = [
        role(2, other.look, walking(1050, 200)),
        role(1, kept.look, walking(200, 1050)),
    ]
    return keeping(crew, shot(crew, roles))


def crosses_behind(crew: Crew) -> Scene:
    front = crosses_in_front(crew).shots[0]
    return keeping(crew, replace(front, roles=front.roles[::-1]))


def twin_from_behind(crew: Crew) -> Scene:
    """A stranger in the same clothes crosses, and shows no face."""
    look = crew.people[0].look
    twin = look.mirrored().tinted((1.05, 1.0, 0.94))
    roles = [
        role(2, twin, walking(1050, 250, FROM_BEHIND)),
        role(1, look, walking(250, 1000)),
    ]
    return keeping(crew, shot(crew, roles))


def same_clothes(crew: Crew) -> Scene:
    """Another face over clothes of the same colours crosses behind."""
    kept, other = crew.people[:2]
    dressed = other.look.dressed_like(kept.look)
    roles = [role(2, dressed, walking(1050, 250)), role(1, kept.look, walking(250, 1000))]
    return keeping(crew, shot(crew, roles))


def turns_away(crew: Crew) -> Scene:
    kept, other = crew.people[:2]
    away = range(20, 45)
    roles = [
        role(2, other.look, walking(850, 1000, range(15, 50))),
        role(1, kept.look, walking(300, 550, away)),
    ]
    return keeping(crew, shot(crew, roles))


def leaves_and_returns(crew: Crew) -> Scene:
    kept, other = crew.people[:2]

    def there_and_back(time: float) -> Pose | None:
        half = FRAMES / 2
        pose = walking(800, 1800)(time if time < half else FRAMES - time)
        return pose

    roles = [role(2, other.look, standing(350)), role(1, kept.look, there_and_back)]
    return keeping(crew, shot(crew, roles))


def cut_kept_again(crew: Crew) -> Scene:
    kept, other, third = crew.people[:3]
    first = [role(2, other.look, standing(950)), role(1, kept.look, walking(250, 500))]
    second = [role(3, third.look, standing(300)), role(1, kept.look, walking(1000, 800))]
    return keeping(crew, shot(crew, first), shot(crew, second, place=1))


def cut_kept_from_behind(crew: Crew) -> Scene:
    """After the cut only the clothes can tell who it is."""
    kept, other, third = crew.people[:3]
    first = [role(2, other.look, standing(950)), role(1, kept.look, walking(250, 500))]
    second = [
        role(3, third.look, standing(300, FROM_BEHIND)),
        role(1, kept.look, walking(1000, 800, FROM_BEHIND)),
    ]
    return keeping(crew, shot(crew, first), shot(crew, second, place=1))


def cut_without_kept(crew: Crew) -> Scene:
    kept, other, third = crew.people[:3]
    first = [role(2, other.look, standing(950)), role(1, kept.look, walking(250, 500))]
    second = [role(2, other.look, standing(300)), role(3, third.look, walking(500, 800))]
    return keeping(crew, shot(crew, first), shot(crew, second, place=1))


def crowd_of_six(crew: Crew) -> Scene:
    paths = [(100, 500), (1200, 800), (300, 900), (1000, 400), (700, 1250)]
    feet, heights = [560, 590, 620, 650, 700], [480, 500, 520, 540, 600]
    crowd = [
        role(n + 2, person.look, walking(*paths[n], foot=feet[n]), heights[n])
        for n, person in enumerate(crew.people[1:6])
    ]
    crowd.insert(3, role(1, crew.people[0].look, walking(150, 800, foot=FLOOR)))
    return keeping(crew, shot(crew, crowd))


def behind_a_table(crew: Crew) -> Scene:
    kept, other, third = crew.people[:3]
    roles = [
        role(1, kept.look, standing(350)),
        role(2, other.look, standing(700)),
        role(3, third.look, walking(950, 1100, FROM_BEHIND)),
        thing(crew.places[1], (120, 330, 1240, 720)),
    ]
    return keeping(crew, shot(crew, roles))


def truncated_at_the_edge(crew: Crew) -> Scene:
    kept, other, third = crew.people[:3]
    roles = [
        role(2, other.look, walking(-150, 120)),
        role(3, third.look, standing(1290)),
        role(1, kept.look, walking(1000, 550)),
    ]
    return keeping(crew, shot(crew, roles))


def far_and_small(crew: Crew) -> Scene:
    """Bystanders of 70 to 150 pixels far behind the one to keep."""
    heights = (150, 120, 95, 70)
    far = [
        role(n + 2, person.look, walking(200 + 260 * n, 260 + 250 * n, foot=400), heights[n])
        for n, person in enumerate(crew.people[1:5])
    ]
    return keeping(crew, shot(crew, [*far[::-1], role(1, crew.people[0].look, walking(900, 1100))]))


def fast_and_blurred(crew: Crew) -> Scene:
    """A bystander runs through at 40 pixels a frame while the shutter is open."""
    kept, other, third = crew.people[:3]
    roles = [
        role(2, other.look, walking(-300, 2100)),
        role(1, kept.look, walking(850, 700)),
        role(3, third.look, walking(2600, -400, FROM_BEHIND)),
    ]
    return keeping(crew, shot(crew, roles, Camera(samples=7)))


def dark_and_noisy(crew: Crew) -> Scene:
    kept, other = crew.people[:2]
    roles = [role(2, other.look, walking(950, 700)), role(1, kept.look, walking(250, 500))]
    return keeping(crew, shot(crew, roles, Camera(gain=0.3, noise=7)))


def shaking_camera(crew: Crew) -> Scene:
    kept, other = crew.people[:2]
    roles = [role(2, other.look, walking(950, 700)), role(1, kept.look, walking(250, 500))]
    return keeping(crew, shot(crew, roles, Camera(shake=9, zoom=0.002, pan=3, samples=1)))


def late_face(crew: Crew) -> Scene:
    """The face shows in the last third only, and counts from the first frame."""
    kept, other = crew.people[:2]
    roles = [
        role(2, other.look, standing(950)),
        role(1, kept.look, walking(250, 550, range(40))),
    ]
    return keeping(crew, shot(crew, roles))


def never_faces(crew: Crew) -> Scene:
    """Whom nobody can recognise may be masked or not; the bystander must be."""
    kept, other = crew.people[:2]
    roles = [
        role(2, other.look, walking(950, 800)),
        role(1, kept.look, walking(250, 500, FROM_BEHIND)),
    ]
    return replace(keeping(crew, shot(crew, roles)), either=(1,))


def swap_at_the_edge(crew: Crew) -> Scene:
    """The kept person leaves, and a bystander enters where they left half a second later."""
    kept, other = crew.people[:2]
    roles = [
        role(1, kept.look, walking(800, 2100)),
        role(2, other.look, walking(2300, 500, FROM_BEHIND, present=range(33, FRAMES))),
    ]
    return keeping(crew, shot(crew, roles))


def swap_behind_a_pillar(crew: Crew) -> Scene:
    """The kept person stops behind a pillar; a bystander walks on, with their back turned."""
    kept, other = crew.people[:2]

    def stops(time: float) -> Pose | None:
        return walking(200, 1100)(min(time, 29.0))

    roles = [
        role(1, kept.look, stops),
        role(2, other.look, walking(200, 1100, FROM_BEHIND, present=range(30, FRAMES))),
        thing(crew.places[1], (480, 0, 800, 720)),
    ]
    return keeping(crew, shot(crew, roles))


def two_kept(crew: Crew) -> Scene:
    first, second, other = crew.people[:3]
    roles = [
        role(3, other.look, walking(650, 750)),
        role(2, second.look, walking(1050, 250)),
        role(1, first.look, walking(250, 1000)),
    ]
    return keeping(crew, shot(crew, roles), people=2)


def nobody_kept(crew: Crew) -> Scene:
    first, second, third = crew.people[:3]
    roles = [
        role(1, first.look, walking(1050, 250)),
        role(2, second.look, walking(250, 1000)),
        role(3, third.look, standing(1000, FROM_BEHIND)),
    ]
    return keeping(crew, shot(crew, roles), people=0)


def arm_in_arm(crew: Crew) -> Scene:
    """They touch all the time, and a third of the kept person is covered."""
    kept, other = crew.people[:2]
    roles = [role(1, kept.look, walking(350, 750)), role(2, other.look, walking(490, 890))]
    return keeping(crew, shot(crew, roles))


def comes_closer(crew: Crew) -> Scene:
    kept, other = crew.people[:2]

    def nearer(time: float) -> Pose | None:
        size = 0.45 + 0.75 * time / FRAMES
        return Pose(450, 420 + 500 * (size - 0.45), size=size)

    def farther(time: float) -> Pose | None:
        pose = nearer(FRAMES - time)
        return pose and replace(pose, x=900, turned=True)

    roles = [role(2, other.look, farther), role(1, kept.look, nearer)]
    return keeping(crew, shot(crew, roles))


SCENES: tuple[Callable[[Crew], Scene], ...] = (
    walks_alone,
    crosses_in_front,
    crosses_behind,
    twin_from_behind,
    same_clothes,
    turns_away,
    leaves_and_returns,
    cut_kept_again,
    cut_kept_from_behind,
    cut_without_kept,
    crowd_of_six,
    behind_a_table,
    truncated_at_the_edge,
    far_and_small,
    fast_and_blurred,
    dark_and_noisy,
    shaking_camera,
    late_face,
    never_faces,
    swap_at_the_edge,
    swap_behind_a_pillar,
    two_kept,
    nobody_kept,
    arm_in_arm,
    comes_closer,
)


def name_of(make: Callable[..., Scene]) -> str:
    """What a scene is called on the command line and in tables."""
    return make.__name__.replace("_", "-")
