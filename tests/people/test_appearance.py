"""Clothes' colours: what tells two people apart, and what doesn't."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.masks import Mask
from bystander.people.appearance import colour_histogram, known_colours, likelihood_ratio

Picture = NDArray[np.uint8]

RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 200, 30), (30, 30, 200), (110, 110, 110)
WIDTH, HEIGHT = 24, 60
FULL = 0.0, float(HEIGHT)
WHOLE = Mask(0, 0, np.ones((HEIGHT, WIDTH), dtype=bool))


def dressed(*colours: tuple[int, int, int], scale: int = 1) -> Picture:
    """A picture that one person fills: bands of equal height, from head to feet."""
    height, width = scale * HEIGHT, scale * WIDTH
    bands = np.array(colours, dtype=np.uint8)[np.arange(height) * len(colours) // height]
    return np.repeat(bands[:, np.newaxis], width, axis=1)


def likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.sqrt(a * b).sum())


def test_the_same_colours_in_other_places_are_other_clothes() -> None:
    one = colour_histogram(dressed(GREY, RED, BLUE), WHOLE)
    assert likeness(one, colour_histogram(dressed(GREY, RED, BLUE), WHOLE)) == pytest.approx(1)
    assert likeness(one, colour_histogram(dressed(GREY, BLUE, RED), WHOLE)) < 0.5


def test_only_the_silhouette_counts() -> None:
    picture = dressed(RED, GREEN, BLUE)
    behind = np.zeros((HEIGHT, 3 * WIDTH, 3), dtype=np.uint8)
    behind[:, WIDTH : 2 * WIDTH] = picture
    found = colour_histogram(behind, Mask(WIDTH, 0, WHOLE.bits))
    np.testing.assert_allclose(found, colour_histogram(picture, WHOLE))


@pytest.mark.parametrize("scale", [1, 3])
def test_a_histogram_sums_to_1_at_any_size(scale: int) -> None:
    large = Mask(0, 0, np.ones((scale * HEIGHT, scale * WIDTH), dtype=bool))
    found = colour_histogram(dressed(RED, GREEN, BLUE, scale=scale), large)
    assert found.sum() == pytest.approx(1)
    assert likeness(found, colour_histogram(dressed(RED, GREEN, BLUE), WHOLE)) > 0.98


def test_a_silhouette_beyond_the_edge_counts_as_far_as_it_is_seen() -> None:
    picture = dressed(RED, RED, RED)
    beyond = colour_histogram(picture, Mask(-WIDTH // 2, 0, WHOLE.bits))
    np.testing.assert_allclose(beyond, colour_histogram(picture, WHOLE))


def test_nobody_in_the_picture_looks_like_anybody() -> None:
    found = colour_histogram(dressed(RED), Mask(-100, 0, WHOLE.bits))
    assert found.sum() == pytest.approx(1, abs=1e-3)
    assert np.ptp(found) == 0


def ratio(picture: Picture, own: Picture, other: Picture) -> NDArray[np.float32]:
    """How much rather the pixels of `picture` are `other`'s, who is as tall."""
    looks = colour_histogram(own, WHOLE), colour_histogram(other, WHOLE)
    return likelihood_ratio(picture, WHOLE, *looks, (FULL, FULL))


def test_pixels_speak_for_whoever_wears_their_colour() -> None:
    picture = dressed(RED, RED, RED)
    picture[:, WIDTH // 2 :] = GREEN
    found = ratio(picture, dressed(RED, RED, RED), dressed(GREEN, GREEN, GREEN))
    assert (found[:, : WIDTH // 3] < -1).all()
    assert (found[:, -WIDTH // 3 :] > 1).all()


def test_colours_that_both_wear_or_nobody_say_nothing() -> None:
    one, other = dressed(RED, GREY, GREEN), dressed(BLUE, GREY, BLUE)
    found = ratio(dressed((10, 250, 250), GREY, (10, 250, 250)), one, other)
    np.testing.assert_allclose(found, 0, atol=0.1)


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
    picture = dressed(RED, RED, RED)
    picture[HEIGHT // 2, WIDTH // 2] = GREEN
    found = ratio(picture, dressed(RED, RED, RED), dressed(GREEN, GREEN, GREEN))
    assert found.max() < -1


def test_what_is_beside_the_silhouette_does_not_speak_for_its_edge() -> None:
    picture = dressed(RED, RED, RED)
    picture[:, WIDTH // 2 :] = GREEN
    left = Mask(0, 0, WHOLE.bits.copy())
    left.bits[:, WIDTH // 2 :] = False
    red, green = dressed(RED, RED, RED), dressed(GREEN, GREEN, GREEN)
    looks = colour_histogram(red, WHOLE), colour_histogram(green, WHOLE)
    found = likelihood_ratio(picture, left, *looks, (FULL, FULL))
    np.testing.assert_allclose(found[:, WIDTH // 2 - 1], found[:, 0], atol=1e-4)


def test_clothes_in_a_slightly_other_light_are_still_the_persons_own() -> None:
    shaded = dressed((160, 30, 30), (160, 30, 30), (160, 30, 30))
    found = ratio(shaded, dressed(RED, RED, RED), dressed(GREEN, GREEN, GREEN))
    assert found.max() < -1


def test_known_colours_are_those_somebody_was_seen_in_wherever_on_the_body() -> None:
    looks = colour_histogram(dressed(RED, GREEN, GREEN), WHOLE)
    assert known_colours(dressed(GREEN, GREEN, RED), WHOLE, looks) == 1
    assert known_colours(dressed(GREEN, BLUE, BLUE), WHOLE, looks) == pytest.approx(1 / 3)


def test_a_colour_hardly_ever_seen_on_somebody_is_not_theirs() -> None:
    picture = dressed(RED, RED, RED)
    picture[0, :3] = BLUE  # 3 of 1440 pixels
    looks = colour_histogram(picture, WHOLE)
    assert known_colours(dressed(BLUE, BLUE, BLUE), WHOLE, looks) == 0


def test_a_colour_worn_elsewhere_on_the_body_speaks_for_the_person_still() -> None:
    """Who crouches has the shirt where the legs were."""
    found = ratio(dressed(GREY, GREY, RED), dressed(GREY, RED, GREY), dressed(GREY, GREEN, GREY))
    assert found[-5:].max() < -1


def test_a_piece_of_a_silhouette_is_judged_by_where_on_the_body_it_is() -> None:
    mine, theirs = dressed(GREY, RED, BLUE), dressed(GREY, BLUE, RED)
    looks = colour_histogram(mine, WHOLE), colour_histogram(theirs, WHOLE)
    legs = Mask(0, 2 * HEIGHT // 3, WHOLE.bits[2 * HEIGHT // 3 :])
    found = likelihood_ratio(mine, legs, *looks, (FULL, FULL))
    whole = likelihood_ratio(mine, WHOLE, *looks, (FULL, FULL))
    assert found.max() < -0.3
    np.testing.assert_allclose(found[10:], whole[2 * HEIGHT // 3 + 10 :], atol=1e-4)
