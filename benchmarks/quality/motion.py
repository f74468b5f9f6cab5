"""Made scenes of people in real motion, each named for what it tests; see `actors`.

As in `scenes`, ids count from 1, the farthest role comes first, and 1 is whom a click keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.quality.actors import Actor
from benchmarks.quality.people import Look, Rgb
from benchmarks.quality.scenes import Scene
from benchmarks.quality.stage import Camera, Move, Pose, Role, Shot

SIZE = (854, 480)
STREET_SIZE = (1300, 560)
FRAMES = 80
FLOOR = 465.0
NEVER = range(0)
NOTHING = Look(np.zeros((1, 1, 4), dtype=np.float32), (0.0, 0.0, 0.0, 0.0))

Actors = Mapping[str, Actor]
Streets = Sequence[Rgb]
Make = Callable[[Actors, Streets], Scene]


def path(*points: tuple[float, ...], mirrored: range = NEVER) -> Move:
    """Along points (frame, x, foot = `FLOOR`, size = 1), straight between them.

    Args:
        mirrored: frames in which they are seen the other way round.
    """
    table = np.array([(*point, *(FLOOR, 1.0)[len(point) - 2 :]) for point in points])

    def move(time: float) -> Pose | None:
        x, foot, size = (float(np.interp(time, table[:, 0], table[:, n])) for n in (1, 2, 3))
        return Pose(x, foot, size=size, turned=int(time) in mirrored)

    return move


def role(person: int, actor: Actor, height: float, move: Move, start: int = 0) -> Role:
    return Role(person, NOTHING, NOTHING, move, acting=actor.acting(height, start))


def board(street: Rgb, box: tuple[int, int, int, int]) -> Role:
    """A board in front: `box` (x0, y0, x1, y1 of the frame) of another street, darker."""
    x0, y0, x1, y1 = box
    texture = street[: y1 - y0, : x1 - x0] * 0.7
    look = Look(np.dstack((texture, np.ones(texture.shape[:2]))).astype(np.float32), (0, 0, 0, 0))
    return Role(0, look, look, lambda _: Pose((x0 + x1) / 2, y1))


def shot(
    streets: Streets,
    roles: Sequence[Role],
    camera: Camera | None = None,
    street: int = 0,
    frames: int = FRAMES,
) -> Shot:
    return Shot(streets[street], roles, frames, SIZE, camera or Camera())


def keeping(*shots: Shot, clicked: tuple[int, ...] = (1,)) -> Scene:
    return Scene(shots, {}, clicked=clicked, faced=False)


def real_crosses_in_front(actors: Actors, streets: Streets) -> Scene:
    roles = [
        role(2, actors["dancer"], 330, path((0, 650), (80, 230))),
        role(1, actors["rapper"], 360, path((0, 180), (80, 680)), 20),
    ]
    return keeping(shot(streets, roles))


def real_crosses_behind(actors: Actors, streets: Streets) -> Scene:
    """Twice: behind one who stands, and one who comes the other way."""
    roles = [
        role(1, actors["dancer"], 320, path((0, 120), (80, 740))),
        role(3, actors["waving girl"], 330, path((0, 700), (80, 420))),
        role(2, actors["rapper"], 370, path((0, 330), (80, 300)), 100),
    ]
    return keeping(shot(streets, roles, Camera(pan=2.5)))


def real_near_passes(actors: Actors, streets: Streets) -> Scene:
    """Somebody near fills the picture, and hides the kept one for half a second."""
    near = path((0, -420, 520), (15, -250, 520), (45, 500, 520), (80, 1300, 520))
    roles = [
        role(3, actors["runner"], 190, path((0, 700, 380), (80, 200, 380))),
        role(1, actors["rapper"], 230, path((0, 380, 400), (80, 470, 400)), 60),
        role(2, actors["woman"], 500, near),
    ]
    return keeping(shot(streets, roles))


def real_near_kept(actors: Actors, streets: Streets) -> Scene:
    """The kept one is near and large, others pass behind, and the camera shakes."""
    roles = [
        role(2, actors["rapper"], 260, path((0, 60, 400), (80, 820, 400)), 150),
        role(3, actors["small girl"], 200, path((0, 800, 410), (80, 100, 410))),
        role(1, actors["woman"], 430, path((0, 430, 500), (80, 400, 500)), 40),
    ]
    return keeping(shot(streets, roles, Camera(shake=4)))


def real_stops_and_turns(actors: Actors, streets: Streets) -> Scene:
    """Walks up, stops beside somebody dressed alike, turns, and passes behind them."""
    walk = path((0, 130), (28, 330), (44, 335), (80, 760), mirrored=range(44, 80))
    roles = [
        role(1, actors["waving girl"], 330, walk),
        role(2, actors["shy girl"], 345, path((0, 500), (80, 480))),
        role(3, actors["small girl"], 260, path((0, 760), (80, 600))),
    ]
    return keeping(shot(streets, roles, Camera(pan=-2)))


def real_twins(actors: Actors, streets: Streets) -> Scene:
    """The same person mirrored, in another moment, crosses behind: only motion tells them apart."""
    roles = [
        role(2, actors["rapper"], 340, path((0, 690), (80, 160), mirrored=range(80)), 130),
        role(1, actors["rapper"], 350, path((0, 150), (80, 690))),
    ]
    return keeping(shot(streets, roles))


def real_hug(actors: Actors, streets: Streets) -> Scene:
    """They meet, stay in each other's arms for two seconds, and part."""
    roles = [
        role(1, actors["dancer"], 340, path((0, 170), (22, 395), (60, 400), (80, 200))),
        role(2, actors["rapper"], 370, path((0, 700), (22, 455), (60, 460), (80, 690)), 60),
    ]
    return keeping(shot(streets, roles))


def real_crowd(actors: Actors, streets: Streets) -> Scene:
    """Six people at three distances, the kept one in the middle."""
    roles = [
        role(6, actors["runner"], 150, path((0, 150, 360), (80, 760, 360))),
        role(5, actors["small girl"], 150, path((0, 620, 365), (80, 420, 365))),
        role(4, actors["shy girl"], 250, path((0, 300, 410), (80, 380, 410))),
        role(1, actors["dancer"], 270, path((0, 520, 420), (80, 330, 420)), 10),
        role(3, actors["waving girl"], 300, path((0, 760, 450), (80, 480, 450))),
        role(2, actors["rapper"], 390, path((0, 60), (80, 250)), 200),
    ]
    return keeping(shot(streets, roles, Camera(pan=2)))


def real_cut(actors: Actors, streets: Streets) -> Scene:
    """A cut: the kept one is seen again elsewhere, nearer and mirrored, beside others."""
    before = [
        role(2, actors["dancer"], 280, path((0, 640, 430), (50, 500, 430))),
        role(1, actors["rapper"], 320, path((0, 200), (50, 350))),
    ]
    after = [
        role(3, actors["runner"], 260, path((0, 250, 440), (50, 600, 440))),
        role(1, actors["rapper"], 420, path((0, 560), (50, 500), mirrored=range(50)), 90),
    ]
    return keeping(shot(streets, before, frames=50), shot(streets, after, street=1, frames=50))


def real_leaves_and_returns(actors: Actors, streets: Streets) -> Scene:
    """The kept one leaves, somebody comes in from there, then the kept one, too."""
    roles = [
        role(3, actors["rapper"], 330, path((0, 640), (80, 560)), 30),
        role(1, actors["dancer"], 330, path((0, 320), (25, -150), (48, -150), (80, 330))),
        role(2, actors["waving girl"], 330, path((0, -150), (30, -150), (80, 460))),
    ]
    return keeping(shot(streets, roles))


def real_behind_a_board(actors: Actors, streets: Streets) -> Scene:
    """The kept one stops behind a board; another goes behind it, too, and comes out first."""
    roles = [
        role(1, actors["rapper"], 330, path((0, 120), (25, 400), (58, 410), (80, 650)), 10),
        role(2, actors["runner"], 300, path((0, 760), (40, 430), (70, 60), (80, 0))),
        board(streets[1], (290, 60, 520, 480)),
    ]
    return keeping(shot(streets, roles, Camera(pan=0)))


def real_blurred(actors: Actors, streets: Streets) -> Scene:
    """Somebody runs through before the kept one while the shutter is open."""
    roles = [
        role(1, actors["dancer"], 330, path((0, 420), (80, 470)), 30),
        role(2, actors["runner"], 340, path((0, -400), (15, -150), (50, 1100), (80, 1200))),
        role(3, actors["rapper"], 350, path((0, 1300), (30, 1000), (80, 100)), 80),
    ]
    return keeping(shot(streets, roles, Camera(samples=5)))


def real_comes_closer(actors: Actors, streets: Streets) -> Scene:
    """The kept one comes near while another goes far, and they cross halfway."""
    roles = [
        role(2, actors["waving girl"], 400, path((0, 560, 478, 1.0), (80, 380, 380, 0.4))),
        role(1, actors["rapper"], 420, path((0, 400, 370, 0.4), (80, 500, 478, 1.05)), 40),
    ]
    return keeping(shot(streets, roles))


def real_nobody_kept(actors: Actors, streets: Streets) -> Scene:
    crowd = real_crowd(actors, streets).shots[0]
    return keeping(crowd, clicked=())


SCENES: tuple[Make, ...] = (
    real_crosses_in_front,
    real_crosses_behind,
    real_near_passes,
    real_near_kept,
    real_stops_and_turns,
    real_twins,
    real_hug,
    real_crowd,
    real_cut,
    real_leaves_and_returns,
    real_behind_a_board,
    real_blurred,
    real_comes_closer,
    real_nobody_kept,
)
