"""The attacks bring back what a weak blur leaves, and the figures tell good attackers from bad."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.strength.attacks import (
    ATTACKS,
    Picture,
    averaged_body,
    averaged_face,
    richardson_lucy,
    upsampled,
    wiener,
)
from benchmarks.strength.reidentification import (
    Discriminant,
    face_probes,
    interval,
    judge,
    likeness_of,
    pooled,
    roc,
)
from bystander.geometry.instances import Face
from bystander.geometry.types import Rgb
from bystander.models.face_model import Embeddings, normalised

LANDMARKS = np.array([[40, 40], [80, 40], [60, 60], [45, 80], [75, 80]], dtype=np.float32)


def scene(height: int = 120, width: int = 100, seed: int = 0) -> Picture:
    """Soft shapes, as a face has."""
    values = np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(values, (0, 0), 6))
    return np.asarray((soft - soft.min()) / np.ptp(soft) * 255, dtype=np.uint8)


def tiles(picture: Picture, cell: int) -> Picture:
    """A plain mosaic, each tile the mean of its pixels."""
    height, width = picture.shape[:2]
    means = cv2.resize(
        picture[: height // cell * cell, : width // cell * cell],
        (width // cell, height // cell),
        interpolation=cv2.INTER_AREA,
    )
    tiled = np.asarray(means).repeat(cell, axis=0).repeat(cell, axis=1)
    rest = ((0, height - tiled.shape[0]), (0, width - tiled.shape[1]), (0, 0))
    return np.asarray(np.pad(tiled, rest, mode="edge"), dtype=np.uint8)


def face_at(dx: float = 0, dy: float = 0, scale: float = 1.0) -> Face:
    points = np.add(LANDMARKS * scale, (dx, dy), dtype=np.float32)
    return Face((20 + dx, 20 + dy, 20 + dx + 80 * scale, 20 + dy + 80 * scale), 0.9, points)


def apart(one: Picture, other: Picture) -> float:
    """Root mean square difference away from the edges, grey levels."""
    inside = np.s_[20:-20, 20:-20]
    return float(np.sqrt(np.mean((one[inside].astype(float) - other[inside]) ** 2)))


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("size", [(97, 61), (5, 40)])
def test_an_attack_gives_a_picture_of_the_same_size(name: str, size: tuple[int, int]) -> None:
    picture = scene(*size)
    found = ATTACKS[name](picture, 12)
    assert found.shape == picture.shape
    assert found.dtype == np.uint8


@pytest.mark.parametrize("attack", [wiener, richardson_lucy])
def test_deconvolution_brings_back_some_of_a_weak_blur(attack: object) -> None:
    assert callable(attack)
    picture, cell = scene(), 12
    blurred = cv2.GaussianBlur(picture, (0, 0), cell / np.sqrt(12)).astype(np.uint8)
    assert apart(attack(blurred, cell), picture) < 0.8 * apart(blurred, picture)


def test_a_surface_through_the_cells_is_nearer_than_their_tiles() -> None:
    picture, cell = scene(), 8
    tiled = tiles(picture, cell)
    assert apart(upsampled(tiled, cell), picture) < 0.8 * apart(tiled, picture)


def test_frames_of_a_moving_face_laid_over_each_other_show_more_than_one() -> None:
    picture, cell = scene(), 12
    faces, masked = [], []
    for dx, dy in np.random.default_rng(1).integers(0, cell, (24, 2)):
        frame = np.full((160, 140, 3), 128, dtype=np.uint8)
        frame[dy : dy + 120, dx : dx + 100] = picture
        masked.append(tiles(frame, cell))
        faces.append(face_at(float(dx), float(dy)))
    together, face = averaged_face(masked, faces)

    def cut(frame: Picture, found: Face) -> Picture:
        x, y = (round(float(v)) for v in found.landmarks[0] - LANDMARKS[0])
        return frame[y : y + 120, x : x + 100]

    one = apart(cut(masked[0], faces[0]), picture)
    assert apart(cut(together, face), picture) < 0.8 * one


def test_faces_of_different_sizes_are_laid_over_the_largest() -> None:
    large = cv2.resize(scene(), None, fx=2, fy=2).astype(np.uint8)
    together, face = averaged_face([scene(), large], [face_at(), face_at(scale=2.0)])
    assert together.shape == large.shape
    assert face.box == face_at(scale=2.0).box
    assert apart(together, large) < 5


def test_bodies_are_averaged_at_the_size_of_the_first() -> None:
    dark, light = np.zeros((40, 20, 3), np.uint8), np.full((60, 30, 3), 100, np.uint8)
    assert (averaged_body([dark, light]) == 50).all()
    assert averaged_body([dark, light]).shape == dark.shape


class MeanColour:
    """A face model that knows people by the colour around their nose."""

    def embed(self, image: Rgb, faces: list[Face]) -> Embeddings:
        noses = [face.landmarks[2].astype(int) for face in faces]
        return normalised(np.stack([image[y, x].astype(np.float32) for x, y in noses]))


def test_a_track_is_alike_to_its_own_person_under_every_attack() -> None:
    red, blue = (np.full((120, 100, 3), c, np.uint8) for c in ([200, 30, 30], [30, 30, 200]))
    model = MeanColour()
    known = [model.embed(picture, [face_at()]) for picture in (red, blue)]
    probes = face_probes([red, red], [face_at(), face_at(3, 2)], [12, 12], model)  # type: ignore[arg-type]
    right, wrong = (likeness_of(probes, one) for one in known)
    assert set(right) == {*ATTACKS, "pooled", "averaged"}
    assert all(right[name] > 0.99 > wrong[name] for name in right)


def test_pooled_embeddings_have_length_one() -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    assert np.linalg.norm(pooled(vectors)) == pytest.approx(1)


def scores(
    right: float, probes: int = 60, people: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    random = np.random.default_rng(0)
    truth = random.integers(0, people, probes)
    values = random.normal(size=(probes, people))
    values[np.arange(probes), truth] += right
    return values, truth


def test_an_attacker_who_knows_is_told_from_one_who_guesses() -> None:
    guess, knows = judge([scores(0.0)]), judge([scores(5.0)])
    assert not guess.above_chance
    assert guess.auc == pytest.approx(0.5, abs=0.1)
    assert knows.above_chance
    assert knows.rank_one > 0.9
    assert knows.auc > 0.95
    assert knows.more_than(guess) < 0.001 < guess.more_than(knows)
    assert guess.more_than(guess) == 1.0


def test_who_sees_nothing_hits_as_often_as_chance() -> None:
    nothing = np.zeros((2000, 5)), np.random.default_rng(1).integers(0, 5, 2000)
    blind = judge([nothing])
    assert blind.low < 0.2 < blind.high
    assert blind.auc == 0.5
    assert blind.accepted == 0.0


def test_chance_is_that_of_each_probes_own_candidates() -> None:
    groups = [(np.eye(2), np.arange(2)), (np.eye(4), np.arange(4))]
    assert judge(groups).chance == pytest.approx((2 / 2 + 4 / 4) / 6)


def test_the_interval_is_exact() -> None:
    assert interval(0, 10) == pytest.approx((0.0, 1 - 0.025**0.1))
    assert interval(10, 10) == pytest.approx((0.025**0.1, 1.0))


def test_a_tenth_of_the_wrong_pairs_is_accepted_at_most() -> None:
    wrong = np.arange(100.0)
    area, accepted = roc(np.array([50.0, 95.0]), wrong)
    assert area == pytest.approx((50.5 + 95.5) / 200)
    assert accepted == 0.5


def test_a_discriminant_learns_what_tells_people_apart_and_ignores_the_rest() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)

    def photos() -> NDArray[np.float64]:
        values = random.normal(size=(200, 10))
        values[:, 7] = 3.0 * labels + random.normal(size=200) * 0.1
        return values

    found = Discriminant.fitted(photos(), labels).scores(photos())
    assert (found.argmax(axis=1) == labels).mean() > 0.8
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-9)
