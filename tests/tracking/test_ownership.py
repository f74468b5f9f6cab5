"""Whose each pixel is."""

from __future__ import annotations

import numpy as np
import pytest

from bystander.geometry.masks import Mask
from bystander.tracking.settings import TrackingSettings
from bystander.tracking.tracker import TrackedFrame

from .bodies import (
    BLUE,
    FPS,
    GREEN,
    GREY,
    GRID,
    HEIGHT,
    RED,
    WIDTH,
    Body,
    Film,
    found,
    ids,
    mask_of,
    share,
    textured,
    visible,
    whose,
)

ANN, BEN = 1, 2


def apart(film: Film, ann: Body, ben: Body, frames: int = 4) -> None:
    """Both are seen for a while, each on their own: 1 is Ann, 2 is Ben."""
    *_, frame = [film.show([ann, ben]) for _ in range(frames)]
    assert whose(frame, ann.mask).track == ANN
    assert whose(frame, ben.mask).track == BEN


def coming_together(other: Body, until: int) -> tuple[Film, Body, Body]:
    """Ann, at 60, and Ben walking up to her from 150 to `until`, before her."""
    film, ann, ben = Film(), Body.of(RED, 60), other
    apart(film, ann, ben.at(150))
    for x in range(146, until - 1, -4):
        film.show([ann, ben.at(x)])
    return film, ann, ben.at(until)


def test_people_apart_own_what_is_seen_of_them() -> None:
    film = Film()
    for n in range(4):
        bodies = [Body.of(RED, 20 + 2 * n), Body.of(GREEN, 200 - 2 * n, seed=2)]
        frame = film.show(bodies)
        for body in bodies:
            person = whose(frame, body.mask)
            assert share(person.mask, body.mask) == 1
            assert person.mask.area < 1.06 * body.mask.area


def test_who_stands_still_and_is_seen_whole_neither_loses_nor_wins() -> None:
    film, ann = Film(), Body.of(RED, 60)
    for _ in range(5):
        (person,) = film.show([ann]).people
        assert person.mask.box == ann.mask.box
        assert person.mask.bits.all()


@pytest.mark.parametrize("colour", [GREEN, BLUE])
def test_of_two_drawn_as_one_each_gets_what_has_their_colours(
    colour: tuple[int, int, int],
) -> None:
    film, ann, ben = coming_together(Body.of(colour, 150, seed=2), 90)
    for x in (86, 82, 82, 82, 82):
        here = ben.at(x)
        hers, his = visible(ann, here)
        frame = film.show([ann, here], [found(hers, his)])
        assert ids(frame) == {ANN, BEN}
        assert share(mask_of(frame, ANN), hers) > 0.85
        assert share(mask_of(frame, BEN), his) > 0.85
        assert share(mask_of(frame, ANN), his) < 0.1
        assert share(mask_of(frame, BEN), hers) < 0.15


def test_nothing_of_two_drawn_as_one_is_nobodys() -> None:
    film, ann, ben = coming_together(Body.of(GREEN, 150, seed=2), 82)
    hers, his = visible(ann, ben)
    for _ in range(4):
        frame = film.show([ann, ben], [found(hers, his)])
        covered = np.zeros(GRID[::-1], dtype=bool)
        for person in frame.people:
            person.mask.paste(covered)
        assert not (ann.mask.on_grid(*GRID) & ~covered).any()
        assert not (ben.mask.on_grid(*GRID) & ~covered).any()


def behind(colour: tuple[int, int, int] = GREEN, wait: int = 8) -> tuple[Film, Body, Body]:
    """Ann walks before Ben, who stands at 120, and stays there for `wait` frames."""
    film, ann, ben = Film(), Body.of(RED, 36), Body.of(colour, 120, seed=2)
    apart(film, ann, ben)
    for x in range(42, 121, 6):
        film.show([ben, ann.at(x)])
    ann = ann.at(120)
    *_, frame = [film.show([ben, ann]) for _ in range(wait)]
    assert ids(frame) == {ANN}, "he is wholly hidden"
    return film, ann, ben


def test_who_comes_out_in_anothers_silhouette_gets_their_pixels() -> None:
    """The network draws both as one from the start."""
    film, ann, ben = behind()
    shares = []
    for x in range(126, 163, 6):
        here = ben.at(x)
        his, hers = visible(here, ann)
        frame = film.show([here, ann], [found(hers, his)])
        shares.append(
            (share(mask_of(frame, BEN), his), share(mask_of(frame, ANN), hers)),
        )
    assert min(his for his, _ in shares[2:]) > 0.8
    assert min(hers for _, hers in shares) > 0.9


@pytest.mark.parametrize("step", [3, 6, 12])
@pytest.mark.parametrize("wait", [3, 20])
def test_who_walks_behind_somebody_and_comes_out_in_their_silhouette_gets_their_pixels(
    step: int, wait: int
) -> None:
    """Less and less of him is seen: he is no smaller for that."""
    film, ann, ben = Film(), Body.of(RED, 120), Body.of(GREEN, 36, seed=2)
    apart(film, ann, ben)
    for x in range(36, 121, step):
        film.show([ben.at(x), ann])
    for _ in range(wait):
        film.show([ben.at(120), ann])
    for x in range(126, 175, 6):
        his, hers = visible(ben.at(x), ann)
        frame = film.show([ben.at(x), ann], [found(hers, his)])
        assert share(mask_of(frame, BEN), his) > 0.8
        assert share(mask_of(frame, ANN), hers) > 0.9


def test_nothing_is_kept_from_who_comes_out_by_being_followed_while_unseen() -> None:
    film, ann, ben = behind()
    *_, frame = [film.show([ben.at(x), ann]) for x in range(126, 169, 6)]
    assert whose(frame, ben.at(168).mask).track == BEN
    assert mask_of(frame, BEN).area > 0.95 * ben.mask.area


def test_who_was_lost_in_the_open_comes_out_of_nobody_seconds_later() -> None:
    film, ann, ben = Film(), Body.of(RED, 36), Body.of(GREEN, 120, seed=2)
    apart(film, ann, ben)
    for _ in range(2 * FPS):  # he isn't there any more, and nobody stands before his place
        film.show([ann])
    for x in range(42, 121, 6):
        film.show([ann.at(x)])
    ann, somebody = ann.at(120), ben
    for x in range(126, 163, 6):
        his, hers = visible(somebody.at(x), ann)
        frame = film.show([somebody.at(x), ann], [found(hers, his)])
        assert BEN not in ids(frame)


def test_of_whom_hardly_anything_shows_nothing_is_theirs() -> None:
    film, ann, ben = behind()
    edge = ben.at(122)  # two columns of him
    his, hers = visible(edge, ann)
    frame = film.show([edge, ann], [found(hers, his)])
    assert ids(frame) == {ANN}
    assert share(mask_of(frame, ANN), hers) > 0.99
    assert share(mask_of(frame, ANN), his) > 0.9, "it is hers, and masked with her"
    assert frame.hidden == (BEN,)


def test_a_new_edge_beside_somebody_hidden_is_the_silhouettes_trembling() -> None:
    film, ann, _ = behind()
    wider = Mask(ann.x - 1, ann.y, np.ones((HEIGHT, WIDTH + 2), dtype=bool))
    frame = film.show([ann], [found(wider)])
    assert ids(frame) == {ANN}
    assert share(mask_of(frame, ANN), wider) > 0.99


def test_what_is_new_in_a_persons_own_colours_is_theirs_whoever_hides_behind_them() -> None:
    """She stretches out an arm."""
    film, ann, _ = behind()
    arm = Body(textured(RED, 30, 30, seed=1), ann.x + WIDTH, 80)
    frame = film.show([ann, arm], [found(ann.mask, arm.mask)])
    assert share(mask_of(frame, ANN), arm.mask) > 0.9


def test_where_nobody_hides_all_of_a_silhouette_is_the_persons_own() -> None:
    film, ann, ben = Film(), Body.of(RED, 120), Body.of(GREEN, 168, seed=2)
    for _ in range(4):
        film.show([ann])
    strip = ben.part(right=20)
    frame = film.show([ann, ben], [found(ann.mask, strip)])
    assert ids(frame) == {ANN}
    assert share(mask_of(frame, ANN), strip) == 1


def without_leg(body: Body) -> tuple[Mask, Mask]:
    """The leg on the right, and the silhouette without it."""
    leg = body.part(left=24, top=70)
    return leg, body.mask.without([leg])


def losing(frames: int, step: int = 0, fps: float = FPS) -> list[float]:
    """What of her leg is still Ann's, in the frames in which the network doesn't find it."""
    film, ann = Film(fps=fps), Body.of(RED, 60)
    for n in range(6):
        film.show([ann.at(60 + step * n)])
    shares = []
    for n in range(6, 6 + frames):
        here = ann.at(60 + step * n)
        leg, rest = without_leg(here)
        (person,) = film.show([here], [found(rest)]).people
        shares.append(share(person.mask, leg))
        assert share(person.mask, rest) == 1
    return shares


@pytest.mark.parametrize("step", [0, 3], ids=["standing", "walking"])
def test_what_the_network_loses_of_somebody_stays_theirs_for_some_frames(step: int) -> None:
    assert min(losing(3, step)) > 0.6


def test_what_the_network_does_not_find_again_is_nobodys_after_a_while() -> None:
    assert losing(12)[-1] < 0.1


def test_it_stays_theirs_for_as_long_whatever_the_frame_rate() -> None:
    left = {fps: losing(24, fps=fps) for fps in (15, 30, 60, 120)}
    frames = {fps: sum(part > 0.5 for part in parts) for fps, parts in left.items()}
    assert frames[60] == 2 * frames[30]
    assert frames[120] == pytest.approx(4 * frames[30], abs=1)
    assert frames[15] == frames[30]  # flow from one to the next errs more


def test_what_something_else_now_hides_is_not_theirs_any_more() -> None:
    film, ann = Film(), Body.of(RED, 60)
    for _ in range(4):
        film.show([ann])
    leg, rest = without_leg(ann)
    bag = Body(textured((235, 235, 235), 24, 50, seed=9), leg.x, leg.y)
    (person,) = film.show([ann, bag], [found(rest)]).people
    assert share(person.mask, leg) < 0.3


def test_nothing_is_carried_over_a_cut() -> None:
    film, ann = Film(), Body.of(RED, 60)
    for _ in range(4):
        film.show([ann])
    film.tracker.cut()
    leg, rest = without_leg(ann)
    (person,) = film.show([ann], [found(rest)]).people
    assert share(person.mask, leg) == 0


def test_pixels_that_are_both_peoples_are_so_only_within_the_margin() -> None:
    def overlap(margin: float) -> int:
        film = Film(TrackingSettings(shared_margin=margin))
        ann, ben = Body.of(RED, 60), Body.of(GREEN, 150, seed=2)
        apart(film, ann, ben)
        for x in range(146, 81, -4):
            frame: TrackedFrame = film.show([ann, ben.at(x)])
        hers, his = visible(ann, ben.at(82))
        frame = film.show([ann, ben.at(82)], [found(hers, his)])
        one, other = (mask_of(frame, who).on_grid(*GRID) for who in (ANN, BEN))
        return int((one & other).sum())

    assert overlap(0) == 0
    assert overlap(1000) > 0


def test_who_is_half_outside_the_picture_owns_only_what_is_in_it() -> None:
    film, ann = Film(), Body.of(RED, 290)
    for n in range(3):
        (person,) = film.show([ann.at(290 + 4 * n)], [found(ann.at(290 + 4 * n).mask)]).people
        x0, _, x1, _ = person.mask.box
        assert x0 >= 0
        assert x1 <= GRID[0]


def test_hardly_anybody_leaves_a_trail_on_a_background_of_their_colours() -> None:
    film, ann = Film(), Body.of(GREY, 60)
    *_, frame = [film.show([ann.at(x)]) for x in range(60, 149, 8)]
    (person,) = frame.people
    trail = person.mask.without([ann.at(148).mask])
    assert trail.area < 0.15 * ann.mask.area


@pytest.mark.parametrize("alike", [True, False])
def test_who_is_drawn_as_another_gives_way_unless_they_look_otherwise(alike: bool) -> None:
    """Nobody detects Ben any more: in clothes like Ann's he may as well be her arm."""
    film, ann = Film(), Body.of(RED, 150)
    ben = Body.of(RED if alike else GREEN, 90, seed=2)
    apart(film, ben, ann)
    for x in range(146, 113, -4):
        film.show([ben, ann.at(x)])
    ann = ann.at(114)
    his, hers = visible(ben, ann)
    *_, frame = [film.show([ben, ann], [found(hers, his)]) for _ in range(30)]
    theirs = whose(frame, his)
    assert share(theirs.mask, his) > 0.95
    assert bool(theirs.detections) is alike


def test_motion_tells_apart_who_is_dressed_alike() -> None:
    """Ben walks past before Ann, who stands; the network draws both as one."""
    shares = []
    for weight in (0.0, TrackingSettings().motion_weight):
        film = Film(TrackingSettings(motion_weight=weight))
        ann, ben = Body.of(RED, 60), Body.of(RED, 150, seed=2)
        apart(film, ann, ben)
        for x in range(146, 93, -4):
            film.show([ann, ben.at(x)])
        for x in range(90, 69, -4):
            film.show([ann, ben.at(x)], [found(*visible(ann, ben.at(x)))])
        hers, his = visible(ann, ben.at(66))
        frame = film.show([ann, ben.at(66)], [found(hers, his)])
        shares.append(share(mask_of(frame, BEN), his) - share(mask_of(frame, BEN), hers))
    assert shares[1] > shares[0] + 0.03
