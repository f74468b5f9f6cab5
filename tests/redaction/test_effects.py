from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from bystander.choices import EffectName
from bystander.errors import ConfigError
from bystander.redaction.effects import EffectSettings, blur, cell_size, mosaic, solid
from tests.conftest import shared

DEFAULT = EffectSettings()
EFFECTS = pytest.mark.parametrize("effect", [blur, mosaic])


def shuffled_in_cells(plane: NDArray[Any], cell: int, seed: int) -> NDArray[Any]:
    """The same means of all cells, everything finer destroyed."""
    random = np.random.default_rng(seed)
    height, width = plane.shape
    cells = plane.reshape(height // cell, cell, width // cell, cell).swapaxes(1, 2)
    flat = cells.reshape(height // cell, width // cell, cell * cell)
    mixed = random.permuted(flat, axis=2).reshape(cells.shape)
    return mixed.swapaxes(1, 2).reshape(height, width)


def face_photo() -> NDArray[np.uint8]:
    """A close face, uint8 [480, 480] grey."""
    picture = cv2.imread(str(shared("clips", "opera", "cast", "boy", "boy.jpg")), 0)
    assert picture is not None
    side = min(picture.shape)
    return np.asarray(cv2.resize(picture[:side, :side], (480, 480)), dtype=np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@EFFECTS
def test_nothing_but_the_means_of_cells_survives(effect: Any, dtype: type) -> None:
    plane: NDArray[Any] = np.random.default_rng(0).integers(0, 255, (192, 288)).astype(dtype)
    other = shuffled_in_cells(plane, 24, seed=1)
    box = (31, 17, 251, 170)
    assert not np.array_equal(plane, other)
    np.testing.assert_array_equal(effect(plane, box, 24), effect(other, box, 24))


def test_a_mosaic_tile_is_the_mean_of_its_pixels_mixed_with_the_tiles_around_it() -> None:
    plane = np.zeros((120, 120), dtype=np.uint8)
    plane[48:72, 48:72] = np.random.default_rng(0).integers(100, 255, (24, 24))
    drawn = mosaic(plane, (0, 0, 120, 120), 24)
    tiles = drawn.reshape(5, 24, 5, 24).swapaxes(1, 2).reshape(5, 5, -1)
    assert (np.ptp(tiles, axis=2) == 0).all()
    own, beside, corner = tiles[2, 2, 0], tiles[2, 1, 0], tiles[1, 1, 0]
    assert own + 4 * int(beside) + 4 * int(corner) == pytest.approx(
        plane[48:72, 48:72].mean(), abs=5
    )
    assert own > beside > corner > tiles[0, 0, 0] == 0


@pytest.mark.parametrize("offset", [0, 5, 12])
def test_blur_carries_no_more_than_the_mosaic(offset: int) -> None:
    plane = np.random.default_rng(0).integers(0, 255, (240, 240)).astype(np.uint8)
    tiles = mosaic(plane, (offset, offset, 240, 240), 24).astype(int)
    soft = blur(plane, (offset, offset, 240, 240), 24).astype(int)
    assert np.ptp(soft) <= np.ptp(tiles)


@EFFECTS
def test_the_grid_is_fixed_in_the_frame_so_a_trembling_box_samples_nothing_new(
    effect: Any,
) -> None:
    plane = np.random.default_rng(0).integers(0, 255, (240, 240)).astype(np.uint8)
    # Blur may differ by half a cell along the edge of its box, where the matte fades out.
    one = effect(plane, (70, 70, 170, 170), 16)
    two = effect(plane, (67, 72, 173, 168), 16)
    np.testing.assert_array_equal(one[8:-8, 8:-8], two[6:-6, 11:-11])


@pytest.mark.parametrize(("height", "width"), [(100, 98), (50, 30), (10, 7)])
@EFFECTS
def test_the_rest_of_a_cell_at_the_frames_edge_is_still_a_mean_over_many_pixels(
    effect: Any, height: int, width: int
) -> None:
    plane = np.random.default_rng(0).integers(0, 255, (height, width)).astype(np.uint8)
    drawn = effect(plane, (0, 0, width, height), 48)
    assert drawn.shape == plane.shape
    # Of 255-wide noise, a mean over a two pixels wide strip would differ by dozens.
    if height > 48:
        assert int(np.ptp(drawn.astype(int))) < 30


def test_ten_bit_samples_stay_in_their_range() -> None:
    plane = np.zeros((96, 192), dtype=np.uint16)
    plane[:, 96:] = 1023
    drawn = blur(plane, (0, 0, 192, 96), 12)
    assert drawn.dtype == np.uint16
    assert drawn.max() == 1023


def test_solid_has_the_sample_type_of_the_plane() -> None:
    drawn = solid(np.zeros((20, 30), dtype=np.uint16), (2, 3, 12, 9), 600)
    assert drawn.dtype == np.uint16
    assert drawn.shape == (6, 10)
    assert (drawn == 600).all()


@EFFECTS
def test_a_faces_detail_is_gone(effect: Any) -> None:
    face = face_photo()
    drawn = effect(face, (0, 0, 480, 480), cell_size(DEFAULT, 480, 480, face=480))
    # All that makes a face someone's: detail finer than a sixth of it.
    detail, left = (
        picture.astype(np.float32) - cv2.GaussianBlur(picture, (0, 0), 40)
        for picture in (face, drawn)
    )
    correlation = np.corrcoef(detail.ravel(), left.ravel())[0, 1]
    assert abs(correlation) < 0.4
    fine = face.astype(np.float32) - cv2.GaussianBlur(face, (0, 0), 10)
    assert abs(np.corrcoef(fine.ravel(), left.ravel())[0, 1]) < 0.1


@EFFECTS
def test_averaging_many_frames_of_a_moving_face_brings_no_detail_back(effect: Any) -> None:
    face = face_photo()
    cell = cell_size(DEFAULT, 480, 480, face=480)
    random = np.random.default_rng(0)
    # The attacker's best case: a face that only shifts, and shifts known exactly.
    total = np.zeros((480, 480))
    for dx, dy in random.integers(0, cell, (60, 2)):
        frame = np.full((480 + 2 * cell, 480 + 2 * cell), 128, dtype=np.uint8)
        frame[dy : dy + 480, dx : dx + 480] = face
        drawn = effect(frame, (0, 0, *frame.shape), cell)
        total += drawn[dy : dy + 480, dx : dx + 480]
    average = (total / 60).astype(np.float32)
    fine = average - cv2.GaussianBlur(average, (0, 0), 10)
    original = face.astype(np.float32) - cv2.GaussianBlur(face.astype(np.float32), (0, 0), 10)
    inside = np.s_[100:-100, 100:-100]
    assert fine[inside].std() < 0.25 * original[inside].std()
    correlation = np.corrcoef(fine[inside].ravel(), original[inside].ravel())[0, 1]
    assert abs(correlation) < 0.2


@pytest.mark.parametrize("height", [60, 200, 500, 1000, 2000])
def test_a_known_face_gets_at_most_two_by_two_cells(height: int) -> None:
    face = height * 0.8
    assert cell_size(DEFAULT, height, height, face=face) >= face / 2


@pytest.mark.parametrize("height", [60, 200, 500, 1000, 2000])
def test_a_standing_body_gets_at_most_thirteen_cells(height: int) -> None:
    assert cell_size(DEFAULT, height, height / 3) >= height / 13


@pytest.mark.parametrize(
    ("aspect", "face_share"), [(1.35, 0.75), (1.1, 0.45), (2.0, 0.22), (3.0, 0.12)]
)
def test_an_unseen_face_gets_about_two_cells_whatever_part_of_someone_is_seen(
    aspect: float, face_share: float
) -> None:
    # A head alone, head and shoulders, from the waist up, standing.
    assert 900 * face_share / cell_size(DEFAULT, 900, 900 / aspect) <= 2.7


def test_half_a_face_at_the_frames_edge_is_not_taken_for_a_slim_standing_person() -> None:
    assert cell_size(DEFAULT, 900, 280, cut_off=True) > 2 * cell_size(DEFAULT, 900, 280)


def test_cells_never_get_too_small_and_serve_halved_chroma() -> None:
    sizes = [cell_size(DEFAULT, height, height / 3) for height in range(1, 3000, 7)]
    assert min(sizes) == 12
    assert sizes == sorted(sizes)
    assert all(size % 4 == 0 for size in sizes)


def test_strength_enlarges_cells() -> None:
    strong = EffectSettings(strength=3)
    assert cell_size(strong, 600, 200) >= 3 * 600 / 20


@pytest.mark.parametrize(
    "wrong",
    [
        {"strength": 0.2, "allow_weak": True},
        {"strength": float("nan")},
        {"color": "red"},
        {"color": "#ff00f"},
        {"name": "none"},
        {"growht": 1},
    ],
)
def test_settings_that_would_not_protect_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EffectSettings(**wrong)


@pytest.mark.parametrize("name", [EffectName.BLUR, EffectName.MOSAIC])
def test_a_weak_effect_is_refused_unless_one_insists(name: EffectName) -> None:
    with pytest.raises(ConfigError, match=r"4x4 cells of each face.*--allow-weak"):
        EffectSettings(name=name, strength=0.5)
    insisted = EffectSettings(name=name, strength=0.5, allow_weak=True)
    assert cell_size(insisted, 900, 300) < cell_size(DEFAULT, 900, 300)


def test_settings_from_a_file_or_a_request_are_refused_likewise() -> None:
    with pytest.raises(ConfigError, match="too weak"):
        EffectSettings.model_validate_json('{"strength": 0.99}')


def test_solid_leaves_nothing_however_weak() -> None:
    assert not EffectSettings(name=EffectName.SOLID, strength=0.5).weak
