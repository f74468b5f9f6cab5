"""What is true of a clip or a made scene: whose pixels, boxes and regions, and who is kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.quality.stage import SeenFace

Ids = NDArray[np.uint8]
"""uint8 [H, W]: whose pixel it is, from 1; 0 is nobody's."""
PixelBox = tuple[int, int, int, int]
"""x0, y0, x1, y1 in source pixels, end-exclusive."""

LARGE_SHARE = 0.5
"""Of the most that is ever seen of somebody: from here on they are large enough to click on."""


@dataclass(frozen=True)
class Region:
    """A box, wholly inside somebody, that must stay clear or be masked."""

    frame: int
    box: PixelBox
    expect: Literal["keep", "mask"]
    who: str


@dataclass(frozen=True)
class Truth:
    """What is known about a video.

    Attributes:
        persons: folder of id maps, `%05d.png` a frame; None where nobody drew them.
        kept: ids of people who must be clear.
        either: ids of people who may be clear or masked.
        faces: those that the camera sees, by frame; None where nobody knows.
        regions: boxes to look at.
        boxes: by frame, everybody's box by id, also where they are hidden; None where unknown.
        complete: the maps hold everybody, so that what has no id is nobody.
        people: how many there are; None where nobody counted.
    """

    persons: Path | None
    kept: frozenset[int] = frozenset()
    either: frozenset[int] = frozenset()
    faces: Mapping[int, Sequence[SeenFace]] | None = None
    regions: tuple[Region, ...] = ()
    boxes: Sequence[Mapping[int, tuple[float, float, float, float]]] | None = None
    complete: bool = True
    people: int | None = None

    def ids(self, index: int) -> Ids | None:
        """Whose pixels are whose in frame `index`; None without maps."""
        return None if self.persons is None else person_ids(self.persons, index)

    @cached_property
    def map_count(self) -> int:
        """Frames that have a map."""
        return 0 if self.persons is None else len(list(self.persons.glob("*.png")))

    def visible_boxes(self, index: int) -> dict[int, tuple[float, float, float, float]]:
        """Everybody's box by id, source pixels: of the pixels that are seen, where maps are."""
        if self.boxes is not None:
            return dict(self.boxes[index])
        ids = self.ids(index)
        return {} if ids is None else boxes_of(ids)


def person_ids(folder: Path, index: int) -> Ids:
    """The truth of frame `index`: uint8 [H, W], a person's id or 0 for nobody."""
    with Image.open(folder / f"{index:05d}.png") as image:
        return np.asarray(image, dtype=np.uint8)


def people_in(folder: Path) -> set[int]:
    """Everybody in a folder of id maps."""
    found: set[int] = set()
    for index in range(len(list(folder.glob("*.png")))):
        found.update(int(person) for person in np.unique(person_ids(folder, index)))
    return found - {0}


def boxes_of(ids: Ids) -> dict[int, tuple[float, float, float, float]]:
    """x0, y0, x1, y1, end-exclusive, of each id's pixels."""
    found = {}
    for person in np.unique(ids[ids > 0]):
        x, y, width, height = cv2.boundingRect((ids == person).astype(np.uint8))
        found[int(person)] = (float(x), float(y), float(x + width), float(y + height))
    return found


def point_inside(folder: Path, person: int) -> tuple[int, int, int]:
    """Frame, x, y of the innermost pixel of `person` in the first frame that shows them large.

    Raises:
        ValueError: they are in no frame.
    """
    areas = [
        np.count_nonzero(person_ids(folder, index) == person)
        for index in range(len(list(folder.glob("*.png"))))
    ]
    if not any(areas):
        raise ValueError(f"person {person} is in no frame of {folder}")
    index = next(n for n, area in enumerate(areas) if area >= LARGE_SHARE * max(areas))
    inside = np.pad((person_ids(folder, index) == person).astype(np.uint8), 1)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return index, int(x), int(y)


def regions_of(entries: Iterable[Mapping[str, object]]) -> tuple[Region, ...]:
    """The regions of a `truth.json`."""
    return tuple(Region(e["frame"], tuple(e["box"]), e["expect"], e["who"]) for e in entries)  # type: ignore[arg-type]


def read_boxes(path: Path) -> list[dict[int, tuple[float, float, float, float]]]:
    """By frame, boxes by id, of a `boxes.json`."""
    frames = json.loads(path.read_text())["frames"]
    return [{entry["id"]: tuple(entry["box"]) for entry in frame} for frame in frames]
