"""People of earlier videos, kept by the browser: used here, or kept from here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from frontend.api_types import PhotoView
from frontend.components.face_picker import Box
from frontend.components.people import Keepable, PeopleTexts, Used, keep_people, use_people
from frontend.page import Page, from_service, turn
from frontend.service import Service

SAME_FACE: Final = 0.5
"""Intersection over union of two boxes from which on they are of one face."""


def use(page: Page, known: Sequence[str]) -> str | None:
    """Those whom this browser keeps; gives the project where somebody has just been used."""
    project = page.project["id"] if page.project else None
    used = use_people(f"people-{turn()}", project=project, known=known, texts=_texts(page))
    if used is None or project not in (None, used.project):
        return None
    mean_the_same(page.service, used)
    return used.project


def keep(page: Page, people: Sequence[tuple[str, list[PhotoView]]]) -> None:
    """Those of this project who can be kept for the next one."""
    usable: list[Keepable] = []
    for name, photos in people:
        chosen = [
            {"picture": from_service(photo["picture"]), "box": photo["faces"][n]["box"]}
            for photo in photos
            if (n := photo["chosen"]) is not None
        ]
        if chosen:
            usable.append({"name": name, "photos": chosen})
    if usable:
        keep_people(f"keep-people-{turn()}", people=usable, texts=_texts(page))


def mean_the_same(service: Service, used: Used) -> None:
    """In each photo choose the face that was meant before. One in which it isn't found goes: it
    would keep somebody else."""
    for photo in service.photos(used.project):
        box = used.photos.get(photo["id"])
        if box is None or not photo["faces"]:
            continue
        overlaps = [_overlap(box, face["box"]) for face in photo["faces"]]
        best = max(range(len(overlaps)), key=overlaps.__getitem__)
        if overlaps[best] < SAME_FACE:
            service.delete_photo(used.project, photo["id"])
        elif best != photo["chosen"]:
            service.choose_face(used.project, photo["id"], best)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _texts(page: Page) -> PeopleTexts:
    wanted = PeopleTexts.__dataclass_fields__
    found = page.texts.group("uploader") | page.texts.group("photo_uploader")
    found |= page.texts.group("people")
    return PeopleTexts(**{name: text for name, text in found.items() if name in wanted})
