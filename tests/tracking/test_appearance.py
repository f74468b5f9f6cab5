"""Clothes' colours: what tells two people apart, and what doesn't."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.geometry.masks import Mask
from bystander.tracking.appearance import (
    Lab,
    PixelMemory,
    colour_histogram,
    halved,
    likelihood_ratio,
    similarity,
    smoothed,
    to_lab,
)

from .bodies import GREEN as GREEN_CLOTH
from .bodies import RED as RED_CLOTH
from .bodies import Body, picture

RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 200, 30), (30, 30, 200), (110, 110, 110)
WIDTH, HEIGHT = 24, 60
FULL = 0.0, float(HEIGHT)
WHOLE = Mask(0, 0, np.ones((HEIGHT, WIDTH), dtype=bool))
BOX = (0.0, 0.0, float(WIDTH), float(HEIGHT))


def dressed(*colours: tuple[int, int, int], scale: int = 1) -> Lab:
    """A picture that one person fills: bands of equal height, from head to feet."""
    height, width = scale * HEIGHT, scale * WIDTH
    bands = np.array(colours, dtype=np.uint8)[np.arange(height) * len(colours) // height]
    return to_lab(np.repeat(bands[:, np.newaxis], width, axis=1))


def left_and_right(left: tuple[int, int, int], right: tuple[int, int, int]) -> Lab:
    both = np.empty((HEIGHT, WIDTH, 3), dtype=np.uint8)
    both[:, : WIDTH // 2], both[:, WIDTH // 2 :] = left, right
    return to_lab(both)


def test_the_same_colours_in_other_places_are_other_clothes() -> None:
    one = colour_histogram(dressed(GREY, RED, BLUE), WHOLE)
    assert similarity(one, colour_histogram(dressed(GREY, RED, BLUE), WHOLE)) == pytest.approx(1)
    assert similarity(one, colour_histogram(dressed(GREY, BLUE, RED), WHOLE)) < 0.5


def test_somebody_looks_like_themselves_elsewhere_and_unlike_others_in_other_clothes() -> None:
    ann, ben = Body.of(RED_CLOTH, 40), Body.of(GREEN_CLOTH, 200, seed=2)
    frame, later = picture(ann, ben), picture(ann.at(90, 30), ben.at(180))
    hers = colour_histogram(to_lab(frame), ann.mask)
    again = colour_histogram(to_lab(later), ann.at(90, 30).mask)
    his = colour_histogram(to_lab(frame), ben.mask)
    assert similarity(hers, again) > 0.95
    assert similarity(hers, his) < 0.7


def test_only_the_silhouette_counts() -> None:
    clothes = dressed(RED, GREEN, BLUE)
    behind = np.zeros((HEIGHT, 3 * WIDTH, 3), dtype=np.uint8)
    behind[:, WIDTH : 2 * WIDTH] = clothes
    found = colour_histogram(behind, Mask(WIDTH, 0, WHOLE.bits))
    np.testing.assert_allclose(found, colour_histogram(clothes, WHOLE))


@pytest.mark.parametrize("scale", [1, 3])
def test_a_histogram_sums_to_1_at_any_size(scale: int) -> None:
    large = Mask(0, 0, np.ones((scale * HEIGHT, scale * WIDTH), dtype=bool))
    found = colour_histogram(dressed(RED, GREEN, BLUE, scale=scale), large)
    assert found.sum() == pytest.approx(1)
    assert similarity(found, colour_histogram(dressed(RED, GREEN, BLUE), WHOLE)) > 0.95


def test_a_silhouette_beyond_the_edge_counts_as_far_as_it_is_seen() -> None:
    clothes = dressed(RED, RED, RED)
    beyond = colour_histogram(clothes, Mask(-WIDTH // 2, 0, WHOLE.bits))
    np.testing.assert_allclose(beyond, colour_histogram(clothes, WHOLE))


def test_nobody_in_the_picture_looks_like_anybody() -> None:
    found = colour_histogram(dressed(RED), Mask(-100, 0, WHOLE.bits))
    assert found.sum() == pytest.approx(1, abs=1e-3)
    assert np.ptp(found) == 0


def remembered(lab: Lab, mask: Mask = WHOLE, times: int = 1) -> PixelMemory:
    memory = PixelMemory()
    for _ in range(times):
        memory.add(lab, mask, BOX)
    return memory


def distances(memory: PixelMemory, lab: Lab) -> NDArray[np.float32]:
    """Of every pixel of a body that fills the picture: float32 [HEIGHT, WIDTH]."""
    return memory.distance(halved(lab), WHOLE.bits, (0, 0), BOX)


def test_own_pixels_are_near_to_the_memory_and_anybody_elses_far_from_it() -> None:
    memory = remembered(dressed(GREY, RED, RED))
    own, others = distances(memory, dressed(GREY, RED, RED)), distances(memory, dressed(GREEN))
    assert np.median(own) < 0.3
    assert others.min() > 4 * np.median(own)


def test_pixels_in_a_slightly_other_light_are_still_nearer_than_others() -> None:
    memory = remembered(dressed(RED))
    shaded = distances(memory, dressed((170, 30, 30)))
    assert shaded.max() < distances(memory, dressed(BLUE)).min()


def test_where_on_the_body_a_colour_was_counts() -> None:
    """Red above and blue below is not blue above and red below."""
    memory = remembered(dressed(RED, BLUE))
    own, swapped = (distances(memory, dressed(*bands)) for bands in ((RED, BLUE), (BLUE, RED)))
    assert swapped[:15].min() > own[:15].max()
    assert swapped[-15:].min() > own[-15:].max()


def test_somebody_may_have_looks_of_several_frames() -> None:
    memory = remembered(dressed(RED))
    memory.add(dressed(GREEN), WHOLE, BOX)
    assert distances(memory, dressed(RED)).max() < 1
    assert distances(memory, dressed(GREEN)).max() < 1


def test_what_was_seen_long_ago_is_forgotten() -> None:
    memory = remembered(dressed(RED))
    for _ in range(100):
        memory.add(dressed(GREEN), WHOLE, BOX)
    assert distances(memory, dressed(RED)).min() > 1


def test_the_edge_of_a_silhouette_is_not_remembered() -> None:
    """There the network may be wrong, and the blur mixes."""
    inside = np.zeros((HEIGHT, WIDTH), dtype=bool)
    inside[4:-4, 4:-4] = True
    framed = dressed(GREEN)
    framed[5:-5, 5:-5] = dressed(RED)[5:-5, 5:-5]
    assert distances(remembered(framed, Mask(0, 0, inside)), dressed(GREEN)).min() > 1


def test_of_hardly_anything_nothing_is_remembered() -> None:
    few = Mask(3, 3, np.ones((4, 4), dtype=bool))
    assert not remembered(dressed(RED), few)
    assert not remembered(dressed(RED), Mask(0, 0, np.zeros((0, 0), dtype=bool)))
    assert remembered(dressed(RED))


def test_values_are_averaged_among_those_that_count_and_no_others() -> None:
    values = np.full((20, 20), 100, dtype=np.float32)
    where = np.zeros((20, 20), dtype=bool)
    where[5:15, 5:15] = True
    values[where] = 2
    values[10, 10] = 9
    found = smoothed(values, where, 5)
    assert found[5, 5] == pytest.approx(2)
    assert found[10, 10] == pytest.approx(2 + 7 / 25)


def ratio(lab: Lab, own: Lab, other: Lab) -> NDArray[np.float32]:
    """How much rather the pixels of `lab` are `other`'s, who is as tall."""
    looks = colour_histogram(own, WHOLE), colour_histogram(other, WHOLE)
    return likelihood_ratio(lab, WHOLE, *looks, (FULL, FULL))


def test_pixels_speak_for_whoever_wears_their_colour() -> None:
    found = ratio(left_and_right(RED, GREEN), dressed(RED), dressed(GREEN))
    assert (found[:, : WIDTH // 3] < -1).all()
    assert (found[:, -WIDTH // 3 :] > 1).all()


def test_colours_that_both_wear_or_nobody_say_nothing() -> None:
    one, other = dressed(RED, GREY, GREEN), dressed(BLUE, GREY, BLUE)
    found = ratio(dressed((10, 250, 250), GREY, (10, 250, 250)), one, other)
    middles = found[[8, HEIGHT // 2, HEIGHT - 8]]  # between the bands blur mixes the colours
    np.testing.assert_allclose(middles, 0, atol=0.1)


def test_where_on_the_body_a_colour_is_speaks_too() -> None:
    """Both wear red and blue: a red shirt is the one's, red trousers are the other's."""
    mine, theirs = dressed(GREY, RED, BLUE), dressed(GREY, BLUE, RED)
    found = ratio(mine, mine, theirs)
    assert found[HEIGHT // 2].max() < -0.3
    looks = colour_histogram(mine, WHOLE), colour_histogram(theirs, WHOLE)
    # Whoever reaches this high up has their trousers where the silhouette's shirt is.
    high = likelihood_ratio(mine, WHOLE, *looks, (FULL, (-HEIGHT, 2 * HEIGHT / 3)))
    assert high[HEIGHT // 2].min() > found[HEIGHT // 2].max() + 0.3


def test_one_pixel_among_others_does_not_change_its_owner() -> None:
    clothes = dressed(RED)
    clothes[HEIGHT // 2, WIDTH // 2] = dressed(GREEN)[0, 0]
    assert ratio(clothes, dressed(RED), dressed(GREEN)).max() < -1


def test_what_is_beside_the_silhouette_does_not_speak_for_its_edge() -> None:
    lab = dressed(RED)
    lab[:, WIDTH // 2 :] = dressed(GREEN)[0, 0]
    left = Mask(0, 0, WHOLE.bits.copy())
    left.bits[:, WIDTH // 2 :] = False
    looks = colour_histogram(dressed(RED), WHOLE), colour_histogram(dressed(GREEN), WHOLE)
    found = likelihood_ratio(lab, left, *looks, (FULL, FULL))
    np.testing.assert_allclose(found[:, WIDTH // 2 - 1], found[:, 0], atol=1e-4)


def test_clothes_in_a_slightly_other_light_are_still_the_persons_own() -> None:
    found = ratio(dressed((160, 30, 30)), dressed(RED), dressed(GREEN))
    assert found.max() < -1


def test_a_colour_worn_elsewhere_on_the_body_speaks_for_the_person_still() -> None:
    """Who crouches has the shirt where the legs were."""
    found = ratio(dressed(GREY, GREY, RED), dressed(GREY, RED, GREY), dressed(GREY, GREEN, GREY))
    assert found[-5:].max() < -0.2


def test_a_piece_of_a_silhouette_is_judged_by_where_on_the_body_it_is() -> None:
    mine, theirs = dressed(GREY, RED, BLUE), dressed(GREY, BLUE, RED)
    looks = colour_histogram(mine, WHOLE), colour_histogram(theirs, WHOLE)
    legs = Mask(0, 2 * HEIGHT // 3, WHOLE.bits[2 * HEIGHT // 3 :])
    found = likelihood_ratio(mine, legs, *looks, (FULL, FULL))
    whole = likelihood_ratio(mine, WHOLE, *looks, (FULL, FULL))
    assert found[10:].max() < -0.3
    np.testing.assert_allclose(found[10:], whole[2 * HEIGHT // 3 + 10 :], atol=1e-4)
