"""Label files of Ultralytics' segmentation format: a line per person, one ring of corners.

The format has one ring per person, so the parts of somebody seen left and right of a
post are joined: the pen goes from one part to the next and back on the same line,
which encloses nothing. Ultralytics converts COCO in the same way.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import KDTree

from bystander.geometry.types import Box
from training.pictures import Annotation, Polygon

PERSON_CLASS = 0


def ring(person: Annotation, width: int, height: int) -> Polygon | None:
    """The silhouette as one closed ring inside the picture, in pixels.

    Args:
        width, height: of the picture.

    Returns:
        None if nothing of `person` has an area inside the picture. A box, if that is all
        that the source states.
    """
    parts = person.polygons
    if not parts and person.box is not None:
        parts = (_rectangle(person.box),)
    limit = np.array((width, height), dtype=np.float64)
    inside = [np.clip(part, 0, limit) for part in parts if np.isfinite(part).all()]
    visible = [part for part in inside if area(part) > 0]
    return joined(visible) if visible else None


def line(corners: Polygon, width: int, height: int) -> str:
    """The line of a label file: the class, then x and y from 0 to 1 of each corner."""
    scaled = corners / np.array((width, height), dtype=np.float64)
    return f"{PERSON_CLASS} " + " ".join(f"{number:.6g}" for number in scaled.ravel()) + "\n"


def area(polygon: Polygon) -> float:
    """Area that a polygon encloses, in square pixels (shoelace formula)."""
    x, y = (polygon - polygon.mean(axis=0)).T if len(polygon) else polygon.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def joined(parts: list[Polygon]) -> Polygon:
    """One ring through all `parts`, with bridges between their nearest corners.

    The part nearest to what is joined already comes next, so bridges are short.

    Args:
        parts: at least one; left as they are.
    """
    ring, *rest = parts
    while rest:
        corners = KDTree(ring)
        steps = [_nearest(corners, part) for part in rest]
        index = min(range(len(rest)), key=lambda i: steps[i][0])
        _, here, there = steps[index]
        part = np.roll(rest.pop(index), -there, axis=0)
        ring = np.concatenate([ring[: here + 1], part, part[:1], ring[here:]])
    return ring


def _nearest(corners: KDTree, part: Polygon) -> tuple[float, int, int]:
    """The nearest pair: its distance, the index among `corners`, and that in `part`."""
    distances, indices = corners.query(part)
    there = int(np.argmin(distances))
    return float(distances[there]), int(indices[there]), there


def _rectangle(box: Box) -> Polygon:
    x0, y0, x1, y1 = box
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)
