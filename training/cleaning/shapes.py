"""Annotations that can't be right: no area, outside the picture, twice, not in their box."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from bystander.geometry.masks import Bits, Mask, iou
from bystander.geometry.types import Box
from training.cleaning.findings import Action, Check, Finding
from training.cleaning.settings import CleaningSettings
from training.labels import area
from training.pictures import Annotation, Picture, Polygon


def judged(picture: Picture, settings: CleaningSettings) -> list[Finding]:
    """What is wrong with the silhouettes of `picture`, of each person at most one thing."""
    people = [person for person in picture.people if not person.crowd]
    # Boxes first: a speck of a silhouette in a large box is somebody, not nobody.
    found = [
        finding
        for person in people
        if (finding := wrong_box(picture, person, settings) or useless(picture, person, settings))
    ]
    doubted = {finding.annotation for finding in found if finding.action != "clip annotation"}
    sound = [person for person in people if person.key not in doubted]
    return found + twins(picture, sound, settings)


def useless(picture: Picture, person: Annotation, settings: CleaningSettings) -> Finding | None:
    """Whether nothing, or only a part, of the silhouette can be learned from."""
    stated = outlines(person)
    sound = [part for part in stated if _is_sound(part)]
    if not sound:
        return _without_shape(picture, person, settings)
    inside = usable(person, picture.width, picture.height)
    if not inside:
        return _finding(
            "outside",
            "remove annotation",
            picture,
            person,
            f"It lies outside the picture of {picture.width}x{picture.height}.",
        )
    covered = sum(area(part) for part in inside)
    if covered < settings.min_area:
        reason = f"Its area is {covered:.1f} square pixels; {settings.min_area:g} are the least."
        return _finding("degenerate", "remove annotation", picture, person, reason)
    thickness = 2 * covered / sum(_circumference(part) for part in inside)
    if thickness < settings.min_thickness:
        reason = f"It is a sliver, {thickness:.1f} pixels thick on average."
        return _finding("degenerate", "remove annotation", picture, person, reason)
    if (overhang := _overhang(sound, picture.width, picture.height)) > settings.overhang:
        reason = f"It reaches {overhang:.1f} pixels out of the picture."
        return _finding("outside", "clip annotation", picture, person, reason)
    if len(sound) < len(stated):
        reason = f"{len(stated) - len(sound)} of its {len(stated)} parts have no area, or no number"
        return _finding("degenerate", "clip annotation", picture, person, f"{reason} for a corner.")
    return None


def wrong_box(picture: Picture, person: Annotation, settings: CleaningSettings) -> Finding | None:
    """Whether the silhouette doesn't fit the box, or fills next to nothing of its own.

    Which of the two is right isn't known, so nothing is learned from either.
    """
    inside = usable(person, picture.width, picture.height)
    if not person.polygons or not inside:
        return None
    around = outer_box(inside)
    if person.box is not None and np.isfinite(person.box).all():
        overlap = box_iou(around, clipped_box(person.box, picture.width, picture.height))
        if overlap < settings.box_iou:
            reason = f"The stated box and the one around the silhouette overlap by {overlap:.2f}."
            return _finding("box", "grey out", picture, person, reason)
    fill = sum(area(part) for part in inside) / box_area(around)
    if fill < settings.min_fill:
        reason = f"The silhouette covers {fill:.1%} of the box around it."
        return _finding("box", "grey out", picture, person, reason)
    return None


def twins(picture: Picture, people: list[Annotation], settings: CleaningSettings) -> list[Finding]:
    """Annotations of somebody who is annotated already; the earlier one stays."""
    masks = [(person, Mask.from_frame(silhouette(person, picture))) for person in people]
    found: dict[str, Finding] = {}
    for (first, mask), (second, other) in combinations(masks, 2):
        overlap = iou(mask, other)
        if overlap > settings.twin_iou and first.key not in found and second.key not in found:
            reason = f"It overlaps the annotation {first.key} by {overlap:.2f}: one person, twice."
            found[second.key] = Finding(
                "twin", "remove annotation", picture.key, reason, second.key, first.key
            )
    return list(found.values())


def silhouette(annotation: Annotation, picture: Picture) -> Bits:
    """What can be used of `annotation`, as bool [height, width] of the picture."""
    parts = usable(annotation, picture.width, picture.height)
    return Annotation(annotation.key, parts).bits(picture.width, picture.height)


def usable(annotation: Annotation, width: int, height: int) -> tuple[Polygon, ...]:
    """The parts of an annotation that have an area in the picture, cut at its border."""
    parts = (clip(part, width, height) for part in outlines(annotation) if _is_sound(part))
    return tuple(part for part in parts if len(part) >= 3 and area(part) > 0)


def outlines(annotation: Annotation) -> tuple[Polygon, ...]:
    """Its polygons; its box where the source gives nothing else."""
    if annotation.polygons or annotation.box is None:
        return annotation.polygons
    return (rectangle(annotation.box),)


def clip(polygon: Polygon, width: int, height: int) -> Polygon:
    """The part of `polygon` inside a picture (Sutherland and Hodgman 1974).

    Returns:
        float64 [K, 2]; K is 0 if it lies outside.
    """
    if (polygon >= 0).all() and (polygon <= (width, height)).all():
        return polygon
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        polygon = _cut(polygon, sign * (polygon[:, axis] - limit))
    return polygon


def rectangle(box: Box) -> Polygon:
    x0, y0, x1, y1 = box
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


def outer_box(parts: tuple[Polygon, ...]) -> Box:
    corners = np.concatenate(parts)
    (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return x0, y0, x1, y1


def clipped_box(box: Box, width: int, height: int) -> Box:
    x0, y0, x1, y1 = np.clip(box, 0, (width, height, width, height)).tolist()
    return x0, y0, x1, y1


def box_area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, at least one of which has an area; 0 to 1."""
    both = box_area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    return both / (box_area(a) + box_area(b) - both)


def _without_shape(picture: Picture, person: Annotation, settings: CleaningSettings) -> Finding:
    reason = "It has no part with three corners that are numbers."
    if person.box is not None and np.isfinite(person.box).all():
        inside = box_area(clipped_box(person.box, picture.width, picture.height))
        if inside >= settings.min_area:
            reason += " Its box shows where somebody is."
            return _finding("degenerate", "grey out", picture, person, reason)
    return _finding("degenerate", "remove annotation", picture, person, reason)


def _is_sound(part: Polygon) -> bool:
    return len(part) >= 3 and bool(np.isfinite(part).all())


def _cut(polygon: Polygon, depth: Polygon) -> Polygon:
    """The part where `depth` (float64 [K], of each corner) isn't negative."""
    kept = []
    for index in range(len(polygon)):
        here, before = depth[index], depth[index - 1]
        if (here < 0) != (before < 0):
            share = before / (before - here)
            kept.append(polygon[index - 1] + share * (polygon[index] - polygon[index - 1]))
        if here >= 0:
            kept.append(polygon[index])
    return np.array(kept, dtype=np.float64).reshape(-1, 2)


def _circumference(part: Polygon) -> float:
    return float(np.linalg.norm(part - np.roll(part, 1, axis=0), axis=1).sum())


def _overhang(parts: list[Polygon], width: int, height: int) -> float:
    corners = np.concatenate(parts)
    return float(max((-corners).max(), (corners - (width, height)).max()))


def _finding(
    check: Check, action: Action, picture: Picture, person: Annotation, reason: str
) -> Finding:
    return Finding(check, action, picture.key, reason, person.key)
