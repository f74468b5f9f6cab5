"""Whose pixels: textured people who move by whole pixels, so that optical flow finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.instances import Box
from bystander.masks import Bits, Mask
from bystander.people.appearance import colour_histogram
from bystander.people.ownership import REMEMBERED, Ownership
from bystander.people.tracking import Contact
from bystander.people.vocabulary import Origin, Sighting

from .figures import GRID

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

WIDTH, HEIGHT = 64, 120
RED, GREEN, GREY = (180, 60, 60), (60, 150, 60), (120, 120, 120)
ROSE = (180, 75, 75)
"""Red's neighbour: somebody in it may as well be somebody in red."""
ANN, BEN = 1, 2


def textured(colour: Colour, width: int, height: int, seed: int) -> Picture:
    """Blotches of 8 pixels around one colour: uint8 [height, width, 3] RGB."""
    coarse = np.random.default_rng(seed).normal(0, 28, (height // 8 + 2, width // 8 + 2))
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.array(colour) + fine[..., np.newaxis], 0, 255).astype(np.uint8)


BACKGROUND = textured(GREY, *GRID, seed=0)


@dataclass(frozen=True, eq=False)
class Body:
    """A textured rectangle with its left edge at `x`."""

    id: int
    cloth: Picture
    x: int
    y: int = 40

    @classmethod
    def of(cls, tracklet: int, colour: Colour, x: int, y: int = 40) -> Body:
        return cls(tracklet, textured(colour, WIDTH, HEIGHT, seed=tracklet), x, y)

    def at(self, x: int) -> Body:
        return replace(self, x=x)

    @property
    def mask(self) -> Mask:
        return Mask(self.x, self.y, np.ones(self.cloth.shape[:2], dtype=bool))

    @property
    def looks(self) -> NDArray[np.float32]:
        return colour_histogram(picture(self), self.mask)

    def part(self, left: int = 0, top: int = 0, right: int = WIDTH, bottom: int = HEIGHT) -> Mask:
        """Some of the silhouette, in pixels from its corner."""
        bits = np.ones((bottom - top, right - left), dtype=bool)
        return Mask(self.x + left, self.y + top, bits)

    def seen(self, mask: Mask | None = None) -> Sighting:
        mask = mask or self.mask
        x0, y0, x1, y1 = mask.box
        return Sighting(self.id, (float(x0), float(y0), float(x1), float(y1)), 0.9, mask)


def picture(*bodies: Body) -> Picture:
    """A frame, the farthest first: uint8 [180, 320, 3] RGB."""
    frame = BACKGROUND.copy()
    for body in bodies:
        rows = slice(body.y, body.y + body.cloth.shape[0])
        columns = slice(max(0, body.x), body.x + body.cloth.shape[1])
        frame[rows, columns] = body.cloth[:, max(0, -body.x) :][:, : GRID[0] - columns.start]
    return frame


def contact(one: Body, other: Body, place: Box | None = None) -> Contact:
    """`one` is seen where `other` may be."""
    x0, y0, x1, y1 = other.mask.box
    place = place or (float(x0), float(y0), float(x1), float(y1))
    return Contact(one.id, other.id, place, one.looks, other.looks)


def without_leg(body: Body) -> tuple[Mask, Mask]:
    """The leg on the right, and the silhouette without it."""
    leg = body.part(left=32, top=60)
    rest = body.mask.bits.copy()
    leg.moved(-body.x, -body.y).clear(rest)
    return leg, Mask(body.x, body.y, rest)


class Film:
    """Frames one after the other, and what came of each."""

    def __init__(self) -> None:
        self.ownership = Ownership(GRID)

    def show(
        self,
        bodies: Sequence[Body],
        sightings: Sequence[Sighting] | None = None,
        contacts: Sequence[Contact] = (),
    ) -> list[Sighting]:
        """The next frame, in which all of everybody is seen unless `sightings` says else."""
        self.ownership.look(picture(*bodies))
        if sightings is None:
            sightings = [body.seen() for body in bodies]
        return self.ownership.settle(sightings, contacts)


def pixels(
    settled: Sequence[Sighting], tracklet: int, origin: Origin, within: Mask | None = None
) -> int:
    """How many pixels sightings of one origin have of somebody, `within` a mask."""
    canvas: Bits = np.zeros(GRID[::-1], dtype=bool)
    for sighting in settled:
        if (sighting.tracklet, sighting.origin) == (tracklet, origin):
            sighting.mask.paste(canvas)
    return int(np.count_nonzero(canvas & within.on_grid(*GRID) if within else canvas))


def test_people_apart_own_what_is_seen_of_them() -> None:
    film = Film()
    for step in range(4):
        bodies = [Body.of(ANN, RED, 20 + 2 * step), Body.of(BEN, GREEN, 200 - 2 * step)]
        settled = film.show(bodies)
        assert [s.tracklet for s in settled[:2]] == [ANN, BEN]
        assert [s.mask.box for s in settled[:2]] == [body.mask.box for body in bodies]
        assert all(s.mask.bits.all() and s.origin is Origin.SEEN for s in settled[:2])
        assert not [s for s in settled if s.origin is Origin.SHARED]


def test_who_stands_still_and_is_seen_whole_loses_nothing() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    assert [len(film.show([ann])) for _ in range(4)] == [1] * 4


def test_what_the_network_loses_of_somebody_walking_is_carried_for_four_frames() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    for step in range(3):
        film.show([ann.at(20 + 3 * step)])
    carried, beside = [], []
    for step in range(3, 9):
        here = ann.at(20 + 3 * step)
        leg, rest = without_leg(here)
        settled = film.show([here], [here.seen(rest)])
        found = pixels(settled, ANN, Origin.CARRIED, leg)
        carried.append(found / leg.area)
        beside.append((pixels(settled, ANN, Origin.CARRIED) - found) / here.mask.area)
    assert min(carried[:4]) > 0.7
    assert max(carried[4:]) < 0.1
    assert max(beside) < 0.12, "only flow's error along her edges"


def test_what_is_carried_comes_after_what_is_seen_and_lies_beside_it() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    film.show([ann])
    leg, rest = without_leg(ann)
    seen, carried = film.show([ann], [ann.seen(rest)])
    np.testing.assert_array_equal(seen.mask.on_grid(*GRID), rest.on_grid(*GRID))
    np.testing.assert_array_equal(carried.mask.on_grid(*GRID), leg.on_grid(*GRID))
    assert (carried.tracklet, carried.origin) == (ANN, Origin.CARRIED)


def test_what_something_else_now_hides_is_not_carried() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    for _ in range(2):
        film.show([ann])
    leg, rest = without_leg(ann)
    bag = Body(0, textured((235, 235, 235), 32, 60, seed=9), leg.x, leg.y)
    settled = film.show([ann, bag], [ann.seen(rest)])
    assert pixels(settled, ANN, Origin.CARRIED) < 0.2 * leg.area


def test_a_trembling_edge_is_not_carried() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    film.show([ann])
    settled = film.show([ann], [ann.seen(ann.part(right=WIDTH - 2))])
    assert pixels(settled, ANN, Origin.CARRIED) == 0


def test_nothing_is_carried_over_a_cut() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    for _ in range(3):
        film.show([ann])
    film.ownership.cut()
    film.ownership.look(picture(ann))
    _, rest = without_leg(ann)
    assert not film.ownership.is_part(rest, ANN, ann.looks)
    assert film.ownership.settle([ann.seen(rest)], ())[1:] == []
    assert film.ownership.firm() == {}


def test_a_detection_in_somebodys_territory_is_a_part_of_them() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    film.show([ann])
    film.ownership.look(picture(ann.at(24)))
    is_part = film.ownership.is_part
    assert is_part(ann.at(24).part(left=5, top=30, right=25, bottom=50), ANN, ann.looks)
    assert not is_part(ann.at(140).part(left=5, top=30, right=25, bottom=50), ANN, ann.looks)
    assert not is_part(ann.mask, BEN, ann.looks), "nobody knows him"
    assert not is_part(Mask(400, 300, ann.mask.bits), ANN, ann.looks), "outside the grid"


def test_a_detection_mostly_beside_somebody_is_no_part_of_them_in_whatever_colours() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    twin = Body(BEN, textured(RED, WIDTH, HEIGHT, seed=4), ann.x + WIDTH)
    for _ in range(2):
        film.show([ann, twin], [ann.seen()])
    film.ownership.look(picture(ann, twin))
    assert not film.ownership.is_part(twin.at(twin.x - 8).part(right=25), ANN, ann.looks)
    assert film.ownership.is_part(twin.at(twin.x - 20).part(right=25), ANN, ann.looks)


def test_a_detection_in_strange_colours_is_a_part_of_nobody() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    film.show([ann])
    child = Body(BEN, textured(GREEN, 30, 50, seed=5), 36, 90)
    film.ownership.look(picture(ann, child))
    assert not film.ownership.is_part(child.mask, ANN, ann.looks)


def test_the_territory_of_somebody_unseen_is_followed_for_some_frames_and_no_longer() -> None:
    for hidden, remembered in ((REMEMBERED, True), (REMEMBERED + 1, False)):
        film, ann = Film(), Body.of(ANN, RED, 20)
        film.show([ann])
        for step in range(1, hidden + 1):
            film.show([ann.at(20 + 3 * step)], [])
        here = ann.at(20 + 3 * (hidden + 1))
        film.ownership.look(picture(here))
        assert film.ownership.is_part(here.part(bottom=40), ANN, ann.looks) is remembered
        assert not film.ownership.is_part(ann.at(200).part(bottom=40), ANN, ann.looks)


def test_firm_is_what_has_been_somebodys_for_a_while_and_is_seen() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    film.show([ann])
    assert film.ownership.firm() == {}, "a first sighting may be a mistake"
    film.show([ann.at(22)])
    firm = film.ownership.firm()[ANN].on_grid(*GRID)
    np.testing.assert_array_equal(firm, ann.at(22).mask.on_grid(*GRID))
    _, rest = without_leg(ann.at(24))
    film.show([ann.at(24)], [ann.at(24).seen(rest)])
    firm = film.ownership.firm()[ANN].on_grid(*GRID)
    np.testing.assert_array_equal(firm, rest.on_grid(*GRID), "carried is not firm")
    film.show([ann.at(26)], [])
    assert film.ownership.firm() == {}


def beside(colour: Colour) -> tuple[Film, Body, Body, Mask]:
    """Ann walks and is followed, and then stands where she also gets the strip beside her,
    which is Ben's in `colour`, who is not known to be there: film, both, and the strip."""
    film, ann, ben = Film(), Body.of(ANN, RED, 40), Body.of(BEN, colour, 40 + WIDTH)
    for _ in range(3):
        film.show([ann])
    return film, ann, ben, ben.part(right=20)


def reaching(ann: Body, strip: Mask) -> Sighting:
    """Ann's silhouette with a strip of somebody else."""
    _, y0, x1, y1 = strip.box
    return ann.seen(Mask(ann.x, y0, np.ones((y1 - y0, x1 - ann.x), dtype=bool)))


def test_new_pixels_where_somebody_hidden_may_come_out_are_both_peoples() -> None:
    film, ann, ben, strip = beside(GREEN)
    settled = film.show([ann, ben], [reaching(ann, strip)], [contact(ann, ben)])
    assert settled[0].mask.area == ann.mask.area + strip.area, "she is masked with all of it"
    assert pixels(settled, BEN, Origin.SHARED, strip) > 0.75 * strip.area
    assert pixels(settled, BEN, Origin.SHARED, ann.mask) < 0.05 * ann.mask.area
    (part,) = (s for s in settled if s.origin is Origin.SHARED)
    assert part.box == part.mask.box, "its own place, not hers"


def test_new_pixels_in_the_persons_own_colours_are_theirs_alone() -> None:
    film, ann, ben, strip = beside(GREEN)
    more_of_her = Body(0, textured(RED, 20, HEIGHT, seed=7), strip.x, strip.y)
    settled = film.show([ann, more_of_her], [reaching(ann, strip)], [contact(ann, ben)])
    assert pixels(settled, BEN, Origin.SHARED) < 0.1 * strip.area
    assert settled[0].mask.area == ann.mask.area + strip.area


def test_new_pixels_where_nobody_else_may_be_are_the_persons_own() -> None:
    film, ann, ben, strip = beside(GREEN)
    left_of_her = 0.0, 0.0, float(ann.x), 180.0
    settled = film.show([ann, ben], [reaching(ann, strip)], [contact(ann, ben, left_of_her)])
    assert pixels(settled, BEN, Origin.SHARED) == 0


def test_a_new_edge_of_two_pixels_is_the_silhouettes_trembling() -> None:
    film, ann, ben = Film(), Body.of(ANN, RED, 40), Body.of(BEN, GREEN, 40 + WIDTH)
    for _ in range(3):
        film.show([ann, ben], [ann.seen()])
    shared = []
    for width in (2, 6):
        seen = [reaching(ann, ben.part(right=width))]
        shared.append(pixels(film.show([ann, ben], seen, [contact(ann, ben)]), BEN, Origin.SHARED))
    assert shared[0] == 0
    assert shared[1] > 0


def test_who_jumps_in_front_of_somebody_shares_their_silhouette_there() -> None:
    """She was there a moment ago, but flow doesn't find her again: it is somebody else."""
    film, ann = Film(), Body.of(ANN, RED, 40)
    for _ in range(3):
        film.show([ann])
    ben = Body(BEN, textured((60, 225, 60), WIDTH, HEIGHT, seed=6), ann.x + 30)
    hidden = ann.part(left=32)
    settled = film.show([ann, ben], [ann.seen()], [contact(ann, ben)])
    assert pixels(settled, BEN, Origin.SHARED, hidden) > 0.8 * hidden.area
    assert pixels(settled, BEN, Origin.SHARED, ann.part(right=26)) == 0


def test_pixels_held_for_one_frame_are_shared_only_if_they_speak_loudly_for_the_other() -> None:
    shares = []
    for colour in (ROSE, GREEN):
        film, ann, ben, strip = beside(colour)
        elsewhere = contact(ann, ben, (0.0, 0.0, float(ann.x), 180.0))
        film.show([ann, ben], [reaching(ann, strip)], [elsewhere])
        settled = film.show([ann, ben], [reaching(ann, strip)], [contact(ann, ben)])
        shares.append(pixels(settled, BEN, Origin.SHARED, strip) / strip.area)
    assert shares[0] < 0.1
    assert shares[1] > 0.75


def test_shared_pixels_do_not_become_firmly_the_persons_own() -> None:
    film, ann, ben, strip = beside(GREEN)
    for _ in range(2):
        film.show([ann, ben], [reaching(ann, strip)], [contact(ann, ben)])
    firm = film.ownership.firm()[ANN].on_grid(*GRID)
    assert (firm & strip.on_grid(*GRID)).sum() < 0.3 * strip.area
    assert (firm & ann.mask.on_grid(*GRID)).sum() > 0.9 * ann.mask.area


def test_shared_pixels_away_from_the_person_stay_shared() -> None:
    film, ann, ben, strip = beside(GREEN)
    far = ben.part(left=12, right=20)
    for _ in range(5):
        settled = film.show([ann, ben], [reaching(ann, strip)], [contact(ann, ben)])
        assert pixels(settled, BEN, Origin.SHARED, far) > 0.9 * far.area


def side_by_side() -> tuple[Film, Body, Body]:
    """Ann and Ben stand apart for some frames, 26 pixels between them."""
    film, ann, ben = Film(), Body.of(ANN, RED, 40), Body.of(BEN, GREEN, 130)
    for _ in range(4):
        film.show([ann, ben])
    return film, ann, ben


def test_what_a_silhouette_takes_of_anothers_territory_is_given_back() -> None:
    film, ann, ben = side_by_side()
    for step in range(1, 9):  # Ben comes nearer, seen all the time
        ben = ben.at(130 - 3 * step)
        film.show([ann, ben])
    strip = ben.part(right=20)
    seen = [reaching(ann, strip), ben.seen()]
    contacts = [contact(ann, ben), contact(ben, ann)]
    hers, his, *_ = film.show([ann, ben], seen, contacts)
    taken = hers.mask.on_grid(*GRID) & ben.part(left=2).on_grid(*GRID)
    assert taken.sum() < 0.1 * strip.area
    assert (hers.mask.on_grid(*GRID) & ann.mask.on_grid(*GRID)).sum() > 0.97 * ann.mask.area
    assert his.mask.area > 0.97 * ben.mask.area


def test_pixels_are_given_back_even_to_somebody_who_is_not_seen_any_more() -> None:
    film, ann, ben = side_by_side()
    for x in (127, 124, 121, 118, 115, 112):
        ben = ben.at(x)
        film.show([ann, ben])
    ben = ben.at(109)
    film.show([ann, ben], [ann.seen()])
    ben = ben.at(106)
    strip = ben.part(right=20)
    hers = film.show([ann, ben], [reaching(ann, strip)], [contact(ann, ben)])[0]
    taken = hers.mask.on_grid(*GRID) & strip.on_grid(*GRID)
    assert taken.sum() < 0.15 * strip.area


def test_what_was_not_the_others_a_moment_ago_is_shared_and_not_given_back() -> None:
    film, ann, ben = side_by_side()
    arm = Body(0, textured(GREEN, 24, 40, seed=8), ann.x - 24, 60)  # far from where he was
    bits = np.zeros((HEIGHT, WIDTH + 24), dtype=bool)
    bits[:, 24:] = True
    bits[20:60] = True
    hers = ann.seen(Mask(ann.x - 24, ann.y, bits))
    anywhere = contact(ann, ben, (0.0, 0.0, 320.0, 180.0))
    settled = film.show([ann, ben, arm], [hers, ben.seen()], [anywhere])
    assert settled[0].mask.area == hers.mask.area
    assert pixels(settled, BEN, Origin.SHARED, arm.mask) > 0.75 * arm.mask.area


def test_what_looks_like_its_owner_is_not_given_back() -> None:
    """An arm that reaches over him is hers, though it is where he was."""
    film, ann, ben = side_by_side()
    arm = Body(0, textured(RED, 70, 30, seed=8), ann.x + WIDTH, 60)
    bits = np.zeros((HEIGHT, WIDTH + 70), dtype=bool)
    bits[:, :WIDTH] = True
    bits[20:50] = True
    seen = [ann.seen(Mask(ann.x, ann.y, bits)), ben.seen()]
    hers = film.show([ann, ben, arm], seen, [contact(ann, ben)])[0]
    assert (hers.mask.on_grid(*GRID) & arm.mask.on_grid(*GRID)).sum() > 0.9 * arm.mask.area


def test_a_silhouette_that_is_all_somebody_elses_is_left_as_it_is() -> None:
    """Nobody is lost: who was taken for whom is not decided here."""
    film, ann, ben = side_by_side()
    jumped = replace(ann.seen(ben.part(left=5, top=5, right=60, bottom=115)), tracklet=ANN)
    hers = film.show([ann, ben], [jumped, ben.seen()], [contact(ann, ben)])[0]
    assert hers.mask is jumped.mask


def test_who_is_out_of_the_picture_stays_in_the_list() -> None:
    film, ann = Film(), Body.of(ANN, RED, 20)
    gone = Sighting(BEN, (330.0, 40.0, 394.0, 160.0), 0.9, Mask(330, 40, ann.mask.bits))
    settled = film.show([ann], [gone, ann.seen()])
    assert [s.tracklet for s in settled] == [BEN, ANN]
    settled = film.show([ann], [gone, ann.seen()])
    assert [s.tracklet for s in settled] == [BEN, ANN]


def test_shared_pixels_stay_shared_as_long_as_the_other_may_be_there() -> None:
    film, ann, ben, strip = beside(GREEN)
    for _ in range(6):
        settled = film.show([ann, ben], [reaching(ann, strip)], [contact(ann, ben)])
        assert pixels(settled, BEN, Origin.SHARED, strip) > 0.75 * strip.area
    firm = film.ownership.firm()[ANN].on_grid(*GRID)
    assert (firm & strip.on_grid(*GRID)).sum() < 0.15 * strip.area, "nor do they become hers"
