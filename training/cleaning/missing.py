"""People whom the current network sees and nobody annotated."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.instances import Instance
from bystander.geometry.masks import Bits
from bystander.models import Segmenter
from bystander.models.segmenter import analysis_size
from training.cleaning.findings import Finding, Sighting
from training.cleaning.settings import CleaningSettings
from training.cleaning.shapes import usable
from training.pictures import Annotation, Picture


def unlabelled(
    picture: Picture, rgb: NDArray[np.uint8], segmenter: Segmenter, settings: CleaningSettings
) -> list[Finding]:
    """People of whom annotations, crowds among them, cover little; for a person to look at.

    Args:
        rgb: uint8 [height, width, 3] of the picture, as displayed.
    """
    size = analysis_size(picture.width, picture.height)
    frame = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    covered = _covered(picture, *size)
    found = []
    for instance in segmenter.segment([frame])[0]:
        if instance.score < settings.missing_score or not instance.mask.area:
            continue
        silhouette = instance.mask.on_grid(*size)
        share = float(covered[silhouette].mean()) if silhouette.any() else 1.0
        if share <= settings.missing_overlap:
            found.append(_finding(picture, instance, silhouette, share))
    return found


def _covered(picture: Picture, width: int, height: int) -> Bits:
    """Where somebody is annotated, as bool [height, width]."""
    scale = np.array((width / picture.width, height / picture.height))
    covered = np.zeros((height, width), dtype=bool)
    for person in picture.people:
        parts = usable(person, picture.width, picture.height)
        scaled = tuple(part * scale for part in parts)
        covered |= Annotation(person.key, scaled).bits(width, height)
    return covered


def _finding(picture: Picture, instance: Instance, silhouette: Bits, share: float) -> Finding:
    height, width = silhouette.shape
    across, down = picture.width / width, picture.height / height
    contours, _ = cv2.findContours(
        silhouette.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    corners = cv2.approxPolyDP(max(contours, key=cv2.contourArea), 1.0, True).reshape(-1, 2)
    outline = tuple((round(x * across, 1), round(y * down, 1)) for x, y in (corners + 0.5).tolist())
    x0, y0, x1, y1 = instance.box
    box = (x0 * across, y0 * down, x1 * across, y1 * down)
    return Finding(
        "unlabelled person",
        "look",
        picture.key,
        f"The network sees a person, certain by {instance.score:.2f}, of whom annotations cover "
        f"{share:.0%}.",
        sighting=Sighting(box, instance.score, outline),
    )
