"""Regions of which nothing is to be learned: crowds, and people with a useless silhouette.

A crowd has no silhouettes to learn, but leaving it in the picture without labels teaches
that the people in it are background. So whoever builds the data set paints it grey
(`greyed`) in a copy of the picture. Where too much would be grey, the picture is removed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bystander.geometry.masks import Bits
from training.cleaning.findings import Finding
from training.cleaning.settings import CleaningSettings
from training.cleaning.shapes import silhouette
from training.pictures import Picture

_GREY = 114  # the padding that YOLO is trained with: known not to be anybody


def crowds(picture: Picture) -> list[Finding]:
    """The crowds of `picture`, each with its share of it."""
    return [
        Finding(
            "crowd",
            "grey out",
            picture.key,
            f"A crowd covers {silhouette(region, picture).mean():.1%} of the picture.",
            region.key,
        )
        for region in picture.people
        if region.crowd
    ]


def overcrowded(picture: Picture, settings: CleaningSettings) -> Finding | None:
    """Whether too much of `picture` would be grey."""
    share = float(grey_region(picture).mean())
    if share <= settings.crowd_share:
        return None
    reason = (
        f"{share:.1%} of the picture would be grey, more than {settings.crowd_share:.0%}: crowds, "
        "and people whose silhouette can't be used."
    )
    return Finding("crowd", "remove picture", picture.key, reason)


def grey_region(picture: Picture) -> Bits:
    """What is painted grey: crowds, but nobody who has a label. Bool [height, width]."""
    region = np.zeros((picture.height, picture.width), dtype=bool)
    for annotation in picture.people:
        if annotation.crowd:
            region |= silhouette(annotation, picture)
    if region.any():
        for annotation in picture.people:
            if not annotation.crowd:
                region &= ~silhouette(annotation, picture)
    return region


def greyed(rgb: NDArray[np.uint8], picture: Picture) -> NDArray[np.uint8]:
    """A copy of a picture with its crowds painted grey.

    Args:
        rgb: uint8 [height, width, 3] of the picture, as displayed.
        picture: as `apply` returns it.
    """
    painted = rgb.copy()
    painted[grey_region(picture)] = _GREY
    return painted
