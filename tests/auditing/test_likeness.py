"""What counts as seen: detail that is still there."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.auditing.likeness import compare, compare_softly, detail_kept, luma
from bystander.redaction.effects import blur, mosaic

CELL = 32
WHOLE = np.ones((240, 320), dtype=bool)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    """Detail at every scale: uint8 [240, 320, 3]."""
    chance = np.random.default_rng(4)
    layers = [
        cv2.resize(chance.uniform(0, 255, (240 // n, 320 // n)), (320, 240)) for n in (4, 16, 40)
    ]
    grey = np.mean(layers, axis=0).astype(np.uint8)
    return np.dstack([grey] * 3)


def effect(picture: NDArray[np.uint8], name: str, cell: int) -> NDArray[np.uint8]:
    draw = {"blur": blur, "mosaic": mosaic}[name]
    plane = draw(picture[:, :, 0], (0, 0, 320, 240), cell)
    return np.dstack([plane] * 3).astype(np.uint8)


@pytest.mark.parametrize("name", ["blur", "mosaic"])
def test_nothing_is_clear_behind_an_effect(picture: NDArray[np.uint8], name: str) -> None:
    detailed, clear = compare(luma(picture), luma(effect(picture, name, CELL))).counts(WHOLE)
    assert detailed > 0.9 * WHOLE.size
    assert clear < 0.02 * detailed


def test_what_encoding_does_leaves_pixels_clear(picture: NDArray[np.uint8]) -> None:
    _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 70])
    encoded = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), dtype=np.uint8)
    detailed, clear = compare(luma(picture), luma(encoded)).counts(WHOLE)
    assert clear > 0.9 * detailed


def test_faint_and_soft_detail_is_compared_too(picture: NDArray[np.uint8]) -> None:
    """Somebody in the dark, out of focus."""
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), 2) // 3, dtype=np.uint8)
    dark, hidden = luma(soft), luma(effect(soft, "mosaic", CELL))
    assert compare(dark, dark).counts(WHOLE)[1] < 0.02 * WHOLE.size
    half = WHOLE[::2, ::2]
    assert compare_softly(dark, dark).counts(half)[1] > 0.3 * half.size
    detailed, clear = compare_softly(dark, hidden).counts(half)
    assert clear < 0.05 * detailed


def test_a_plain_region_gives_nothing_away() -> None:
    plain = np.full((240, 320, 3), 120, dtype=np.uint8)
    assert compare(luma(plain), luma(plain)).counts(WHOLE) == (0, 0)
    assert detail_kept(luma(plain), luma(plain), WHOLE, CELL) is None


def test_only_the_unmasked_part_is_clear(picture: NDArray[np.uint8]) -> None:
    masked = effect(picture, "blur", CELL)
    masked[:, 160:] = picture[:, 160:]
    likeness = compare(luma(picture), luma(masked))
    left, right = WHOLE[:, :150], WHOLE[:, 170:]
    assert likeness.counts(left)[1] < 0.02 * left.size
    assert likeness.counts(right, x=170)[1] > 0.9 * right.size


@pytest.mark.parametrize("name", ["blur", "mosaic"])
def test_an_effect_keeps_less_than_a_weak_blur(picture: NDArray[np.uint8], name: str) -> None:
    blurred = cv2.GaussianBlur(picture, (0, 0), 0.06 * CELL).astype(np.uint8)
    right, weak = (
        detail_kept(luma(picture), luma(drawn), WHOLE, CELL)
        for drawn in (effect(picture, name, CELL), blurred)
    )
    assert right is not None
    assert weak is not None
    assert right < 0.4 < 0.5 < weak
