from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bystander.tracking.shots import detect_cuts, thumbnail

Picture = NDArray[np.uint8]


def scene(seed: int) -> Picture:
    """A still picture with blocks of random brightness."""
    blocks = np.random.default_rng(seed).integers(0, 200, (6, 8, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((20, 20, 1), dtype=np.uint8))


def cuts(frames: list[Picture]) -> list[int]:
    marked = detect_cuts(enumerate(frames), lambda item: thumbnail(item[1]))
    return [index for (index, _), cut in marked if cut]


def test_a_change_of_scene_is_a_cut() -> None:
    assert cuts([scene(1)] * 10 + [scene(2)] * 10) == [0, 10]


def test_a_flash_is_not_a_cut() -> None:
    flash = np.full_like(scene(1), 255)
    assert cuts([scene(1)] * 10 + [flash] * 2 + [scene(1)] * 10) == [0]


def test_a_cut_is_found_although_a_flash_hides_it() -> None:
    flash = np.full_like(scene(1), 255)
    assert cuts([scene(1)] * 10 + [flash] + [scene(2)] * 10)[1] in (10, 11)


def test_slow_movement_is_not_a_cut() -> None:
    wide = np.hstack([scene(1), scene(2)])
    assert cuts([wide[:, 2 * i : 2 * i + 160] for i in range(40)]) == [0]


def test_a_change_of_brightness_is_not_a_cut() -> None:
    assert cuts([(scene(1) * share).astype(np.uint8) for share in np.linspace(1, 0.4, 12)]) == [0]


def test_every_frame_is_passed_on_in_order() -> None:
    assert [item for item, _ in detect_cuts(range(7), lambda _: thumbnail(scene(1)))] == list(
        range(7)
    )
