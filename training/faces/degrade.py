"""Ways in which a video spoils a face: pure functions uint8 [H, W, 3] RGB -> the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from training.faces.settings import FaceExperimentSettings
from training.pages import Rgb


@dataclass(frozen=True, slots=True)
class Level:
    """One way and degree of spoiling.

    Attributes:
        kind: what is varied.
        value: how much, as tables show it.
        apply: takes the picture and the width of its face in pixels.
    """

    kind: str
    value: str
    apply: Callable[[Rgb, float], Rgb]


def levels(settings: FaceExperimentSettings) -> list[Level]:
    """All levels that the settings name, the untouched picture first."""
    small = settings.video_width
    return [
        Level("as it is", "", lambda image, _: image),
        *(Level("width", f"{w} px", partial(to_width, target=w)) for w in settings.widths),
        *(Level("blur", f"sigma {s:g}", partial(_blurred, sigma=s)) for s in settings.blurs),
        *(Level("motion", f"{n} px", partial(_smeared, length=n)) for n in settings.motions),
        *(Level("JPEG", f"quality {q}", partial(_coded, quality=q)) for q in settings.jpegs),
        *(
            Level(f"JPEG at {small} px", f"quality {q}", partial(_small, target=small, quality=q))
            for q in settings.jpegs
        ),
    ]


def to_width(image: Rgb, face_width: float, target: float) -> Rgb:
    """Scaled so that a face of `face_width` pixels has `target`."""
    scale = target / face_width
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=how), dtype=np.uint8)


def blur(image: Rgb, sigma: float) -> Rgb:
    """Out of focus: a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


def motion(image: Rgb, length: int) -> Rgb:
    """Smeared sideways over `length` pixels, as by a pan."""
    return np.asarray(cv2.blur(image, (length, 1)), dtype=np.uint8)


def jpeg(image: Rgb, quality: int) -> Rgb:
    """Through JPEG and back."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR_RGB)
    return np.asarray(decoded, dtype=np.uint8)


def _blurred(image: Rgb, _: float, sigma: float) -> Rgb:
    return blur(image, sigma)


def _smeared(image: Rgb, _: float, length: int) -> Rgb:
    return motion(image, length)


def _coded(image: Rgb, _: float, quality: int) -> Rgb:
    return jpeg(image, quality)


def _small(image: Rgb, face_width: float, target: float, quality: int) -> Rgb:
    return jpeg(to_width(image, face_width, target), quality)
