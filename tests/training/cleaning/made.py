"""Made pictures: each a pattern of its own, so that no two are alike."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.pictures import Annotation, Picture, Split

WIDTH, HEIGHT = 160, 120


def scene(seed: int) -> NDArray[np.uint8]:
    """uint8 [120, 160, 3]: soft blobs, of which a perceptual hash has something to see."""
    noise = np.random.default_rng(seed).uniform(0, 255, (9, 12, 3)).astype(np.uint8)
    return cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def person(
    key: str, x: float = 60, y: float = 40, width: float = 30, height: float = 60
) -> Annotation:
    box = (x, y, x + width, y + height)
    corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)])
    return Annotation(key, (corners,), box)


def picture(
    folder: Path,
    name: str,
    people: tuple[Annotation, ...] = (),
    split: Split = "train",
    rgb: NDArray[np.uint8] | None = None,
    seed: int = 0,
) -> Picture:
    path = folder / name
    Image.fromarray(scene(seed) if rgb is None else rgb).save(path)
    return Picture(f"made/{name}", path, WIDTH, HEIGHT, people, "made", "CC0", split)
