"""A weak effect is told from the promised one by the file alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.auditing.promise import WEAK, finer_than_promised, strength_of
from bystander.redaction.effects import blur, mosaic, solid

CELL = 48
SIZE = 480
BOX = (40, 30, 440, 460)


def scene(seed: int) -> NDArray[np.uint8]:
    """Detail of every size, as people have."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.normal(size=(n, n)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        for n in (6, 12, 24, 48, 96)
    ]
    return np.asarray(np.clip(128 + 30 * np.sum(layers, axis=0), 0, 255), dtype=np.uint8)


def region() -> NDArray[np.bool_]:
    bits = np.zeros((SIZE, SIZE), dtype=np.uint8)
    cv2.ellipse(bits, (240, 245), (180, 210), 0, 0, 360, 1, -1)
    return bits.astype(bool)


def measured(effect: str, cell: int) -> float:
    shares = []
    for seed in range(5):
        source = scene(seed)
        output = source.copy()
        part = np.s_[BOX[1] : BOX[3], BOX[0] : BOX[2]]
        match effect:
            case "solid":
                output[part] = solid(source, BOX, 40)
            case _:
                output[part] = {"blur": blur, "mosaic": mosaic}[effect](source, BOX, cell)
        shares.append(finer_than_promised(source, output, region(), BOX, CELL))
    found = strength_of(shares)
    assert found is not None
    return found


@pytest.mark.parametrize("effect", ["blur", "mosaic"])
@pytest.mark.parametrize("cell", [12, 24])
def test_cells_of_half_the_promised_side_are_found(effect: str, cell: int) -> None:
    assert measured(effect, cell) > WEAK


@pytest.mark.parametrize(
    ("effect", "cell"), [("blur", 48), ("blur", 96), ("mosaic", 48), ("mosaic", 96), ("solid", 0)]
)
def test_promised_and_stronger_effects_are_not_called_weak(effect: str, cell: int) -> None:
    assert measured(effect, cell) < WEAK / 2


def test_a_plain_source_says_nothing() -> None:
    plain = np.full((SIZE, SIZE), 90, dtype=np.uint8)
    assert finer_than_promised(plain, plain, region(), BOX, CELL) is None
    assert finer_than_promised(plain, plain, np.zeros_like(region()), BOX, CELL) is None
    assert strength_of([None, None]) is None
