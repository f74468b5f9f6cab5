"""What a lens, a sensor and an encoder do to a picture."""

from __future__ import annotations

import cv2
import numpy as np

from training.crowds.cutouts import Floats, Rgb


def photograph(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    """The scene as a camera of some quality would deliver it. Nothing moves by a pixel.

    Args:
        rgb: uint8 [H, W, 3] RGB.
    """
    picture: Floats = rgb.astype(np.float32)
    if rng.random() < 0.25:  # evening, shade, a restaurant
        picture *= rng.uniform(0.25, 0.8)
    picture *= rng.uniform(0.92, 1.08, size=3).astype(np.float32)  # white balance
    gamma = np.float32(rng.uniform(0.8, 1.25))
    picture = np.float32(255) * (np.clip(picture, 0, 255) / np.float32(255)) ** gamma
    if rng.random() < 0.05:
        picture[:] = picture.mean(axis=2, keepdims=True)
    if rng.random() < 0.3:
        cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.8), dst=picture)
    if rng.random() < 0.15:
        picture = np.asarray(cv2.filter2D(picture, -1, _motion(rng)), dtype=np.float32)
    if rng.random() < 0.3:
        picture += rng.normal(0, rng.uniform(1, 9), picture.shape[:2])[..., None]
    sharp = np.clip(picture, 0, 255).astype(np.uint8)
    quality = int(rng.integers(35, 96))
    _, coded = cv2.imencode(".jpg", sharp, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)


def _motion(rng: np.random.Generator) -> Floats:
    """A line of 3 to 11 pixels through the kernel's centre."""
    length = int(rng.integers(1, 6))
    size = 2 * length + 1
    kernel = np.zeros((size, size), dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length
    start, end = np.round(length - reach).astype(int), np.round(length + reach).astype(int)
    cv2.line(kernel, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), (1.0,))
    kernel /= kernel.sum()
    return kernel
