"""Findings as pictures that show what is meant."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from bystander.geometry.types import Box
from training.cleaning.crowds import grey_region
from training.cleaning.files import load
from training.cleaning.findings import Finding
from training.cleaning.shapes import outer_box, outlines
from training.pages import Rgb
from training.pictures import Annotation, Picture, Polygon

LONG_SIDE = 480
_RED, _GREEN, _WHITE = (255, 40, 40), (70, 220, 90), (255, 255, 255)
_GAP = 8
_SMALL = 1 / 3  # of the picture's long side: what is smaller is shown enlarged beside it
_SURROUNDINGS = 0.75  # of an enlarged box's long side, on each of its sides
_LEAST = 32  # pixels of the picture that are enlarged
_FAR = 10_000  # pixels; OpenCV draws nothing sensible with larger coordinates


def drawn(finding: Finding, picture: Picture, other: Picture | None, after: Picture) -> Rgb | None:
    """What `finding` is about, red, among the picture's other annotations, green.

    Args:
        other: the picture that is kept instead; shown on the left.
        after: `picture` as it is after cleaning; its crowds are painted grey.

    Returns:
        uint8 [H, W, 3] RGB; None if the file can't be shown.
    """
    if finding.check == "broken file" and finding.action == "remove picture":
        return None
    rgb = load(picture.path)
    if other is not None:
        pair = Canvas(load(other.path)), Canvas(rgb)
        for canvas, shown in zip(pair, (other, picture), strict=True):
            canvas.outline(shown.people, _GREEN)
        return beside([canvas.pixels for canvas in pair])
    if finding.check in ("crowd", "box"):
        region = grey_region(after)
        rgb = rgb.copy()
        rgb[region] = rgb[region] // 4 + 86  # greyed, but still to be made out
    meant = [each for each in picture.people if each.key == finding.annotation]
    box = _box(finding, meant)
    views = [Canvas(rgb)]
    if box is not None and (close := _around(box, picture)) is not None:
        views.append(Canvas(rgb, close))
    for view in views:
        view.outline([each for each in picture.people if each not in meant], _GREEN)
        view.outline(meant, _RED)
        if finding.sighting is not None:
            view.polygon(np.array(finding.sighting.outline), _RED)
        if box is not None:
            view.rectangle(box)
    return beside([view.pixels for view in views])


class Canvas:
    """A picture, or a window of it, scaled to be looked at.

    Coordinates are pixels of the original.

    Args:
        rgb: uint8 [H, W, 3].
        window: x0, y0, x1, y1 of what is shown; all of it by default.

    Attributes:
        pixels: uint8 [H, W, 3] RGB, its long side `LONG_SIDE` pixels.
    """

    def __init__(
        self, rgb: NDArray[np.uint8], window: tuple[int, int, int, int] | None = None
    ) -> None:
        x0, y0, x1, y1 = window or (0, 0, rgb.shape[1], rgb.shape[0])
        self._corner = np.array((x0, y0))
        self._scale = LONG_SIDE / max(x1 - x0, y1 - y0)
        size = max(1, round((x1 - x0) * self._scale)), max(1, round((y1 - y0) * self._scale))
        way = cv2.INTER_AREA if self._scale < 1 else cv2.INTER_CUBIC
        self.pixels = cv2.resize(rgb[y0:y1, x0:x1], size, interpolation=way).astype(np.uint8)

    def outline(self, annotations: Sequence[Annotation], colour: tuple[int, int, int]) -> None:
        for annotation in annotations:
            for part in outlines(annotation):
                self.polygon(part, colour)

    def polygon(self, corners: Polygon, colour: tuple[int, int, int]) -> None:
        if len(corners) and np.isfinite(corners).all():
            cv2.polylines(self.pixels, [self._points(corners)], True, colour, 1, cv2.LINE_AA)

    def rectangle(self, box: Box) -> None:
        (x0, y0), (x1, y1) = self._points(np.array(box).reshape(2, 2)).tolist()
        cv2.rectangle(self.pixels, (x0 - 2, y0 - 2), (x1 + 2, y1 + 2), _RED, 2)

    def _points(self, corners: Polygon) -> NDArray[np.int32]:
        points = ((corners - self._corner) * self._scale).round()
        near: NDArray[np.float64] = np.clip(points, -_FAR, _FAR)
        return near.astype(np.int32)


def beside(pictures: Sequence[Rgb]) -> Rgb:
    """Pictures from left to right on white, from the top."""
    height = max(len(picture) for picture in pictures)
    width = sum(picture.shape[1] for picture in pictures) + _GAP * (len(pictures) - 1)
    page = np.full((height, width, 3), _WHITE, dtype=np.uint8)
    x = 0
    for picture in pictures:
        page[: len(picture), x : x + picture.shape[1]] = picture
        x += picture.shape[1] + _GAP
    return page


def _box(finding: Finding, meant: Sequence[Annotation]) -> Box | None:
    """Where to look: the person found, the stated box, or else what is around the outline."""
    if finding.sighting is not None:
        return finding.sighting.box
    for annotation in meant:
        parts = tuple(part for part in outlines(annotation) if np.isfinite(part).all())
        if annotation.box is not None and np.isfinite(annotation.box).all():
            return annotation.box
        if parts and all(len(part) for part in parts):
            return outer_box(parts)
    return None


def _around(box: Box, picture: Picture) -> tuple[int, int, int, int] | None:
    """The window in which a small `box` is shown enlarged; None for a large one."""
    side = max(box[2] - box[0], box[3] - box[1])
    if side > _SMALL * max(picture.width, picture.height):
        return None
    reach = max(side * (0.5 + _SURROUNDINGS), _LEAST / 2)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    x0, x1 = (min(max(0, round(v)), picture.width) for v in (x - reach, x + reach))
    y0, y1 = (min(max(0, round(v)), picture.height) for v in (y - reach, y + reach))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
