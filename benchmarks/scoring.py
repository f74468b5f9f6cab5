"""How much of whom can be seen in a masked video, counted against ground truth.

The video must have been masked with a solid colour that the scene doesn't contain:
a pixel is *masked* when it shows that colour, as far as the encoder preserved it.
Frames are matched by index, so an output with other frames than the truth is refused.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.material import frames

SOLID = (255, 0, 255)
TOLERANCE = 60
"""Largest difference in any RGB channel: room for 4:2:0 chroma and the encoder's loss."""

MASKED_SHARE = 0.90
KEPT_SHARE = 0.10
VISIBLE_SHARE = 0.05
"""Someone of whom more than this share shows counts as visible in that frame."""


class FramesDiffer(Exception):
    """The output has other frames, or other sizes, than the truth was drawn on."""


def masked_pixels(frame: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """bool [H, W], True where `frame` (uint8 [H, W, 3] RGB) shows the solid colour."""
    difference = np.abs(frame.astype(np.int16) - np.array(SOLID, dtype=np.int16))
    return np.asarray(difference.max(axis=2) <= TOLERANCE)


@dataclass(frozen=True)
class Region:
    """One box of `truth.json` and how much of it is masked.

    Attributes:
        box: x0, y0, x1, y1 in source pixels, end-exclusive.
        masked: share of the box's pixels, 0 to 1.
    """

    frame: int
    box: tuple[int, int, int, int]
    expect: Literal["keep", "mask"]
    who: str
    masked: float

    @property
    def satisfied(self) -> bool:
        if self.expect == "mask":
            return self.masked >= MASKED_SHARE
        return self.masked <= KEPT_SHARE


def score_regions(output: Path, truth: Path) -> list[Region]:
    """Every region of the `truth.json` given, measured in the masked video.

    Raises:
        FramesDiffer: the output ends before the last region's frame.
    """
    waiting: dict[int, list[Any]] = defaultdict(list)
    for entry in json.loads(truth.read_text())["regions"]:
        waiting[entry["frame"]].append(entry)
    scored = []
    for index, (_, frame) in enumerate(frames(output)):
        for entry in waiting.pop(index, []):
            x0, y0, x1, y1 = entry["box"]
            masked = float(masked_pixels(frame[y0:y1, x0:x1]).mean())
            scored.append(Region(index, (x0, y0, x1, y1), entry["expect"], entry["who"], masked))
    if waiting:
        raise FramesDiffer(f"{output} has no frame {min(waiting)}")
    return scored


@dataclass(frozen=True)
class PersonInFrame:
    """One person of the truth in one frame, in source pixels.

    Attributes:
        area: pixels of the person that the camera sees.
        masked: how many of them are masked.
    """

    frame: int
    person: int
    area: int
    masked: int

    @property
    def visible(self) -> float:
        """Share of the person that shows, 0 to 1."""
        return 1 - self.masked / self.area


@dataclass(frozen=True)
class InstanceScore:
    """A masked video measured against the silhouette of everyone in every frame.

    Attributes:
        kept: the person who should be clear, None when everyone should be masked.
        people: everyone in every frame, in order of frames.
        nobody_masked: pixels masked where nobody is, over the clip.
    """

    kept: int | None
    people: list[PersonInFrame]
    nobody_masked: int

    @property
    def bystanders(self) -> list[PersonInFrame]:
        return [person for person in self.people if person.person != self.kept]

    @property
    def leak(self) -> float:
        """Share of the bystanders' pixels that show, over the clip."""
        area = sum(person.area for person in self.bystanders)
        return 1 - sum(person.masked for person in self.bystanders) / area if area else 0.0

    @property
    def leaks(self) -> list[PersonInFrame]:
        """The bystanders of whom more than 5 % shows, the most visible first."""
        visible = [person for person in self.bystanders if person.visible > VISIBLE_SHARE]
        return sorted(visible, key=lambda person: person.visible, reverse=True)

    @property
    def kept_masked(self) -> float:
        """Share of the kept person's pixels that are masked, over the clip."""
        kept = [person for person in self.people if person.person == self.kept]
        area = sum(person.area for person in kept)
        return sum(person.masked for person in kept) / area if area else 0.0

    @property
    def excess(self) -> float:
        """Area masked where nobody is, as a share of the bystanders' area."""
        area = sum(person.area for person in self.bystanders)
        return self.nobody_masked / area if area else 0.0

    def worst_frames(self, count: int) -> list[int]:
        """Frames in which most pixels are wrong (bystander shown, kept masked), worst first."""
        wrong: dict[int, int] = defaultdict(int)
        for person in self.people:
            kept = person.person == self.kept
            wrong[person.frame] += person.masked if kept else person.area - person.masked
        ranked = sorted(wrong, key=lambda frame: wrong[frame], reverse=True)
        return [frame for frame in ranked[:count] if wrong[frame]]


def person_ids(folder: Path, index: int) -> NDArray[np.uint8]:
    """The truth of frame `index`: uint8 [H, W], a person's id or 0 for nobody."""
    with Image.open(folder / f"{index:05d}.png") as image:
        return np.asarray(image, dtype=np.uint8)


def score_instances(output: Path, folder: Path, kept: int | None = None) -> InstanceScore:
    """Everyone in `folder` (one `%05d.png` of person ids a frame), measured in the masked video.

    Args:
        kept: id of the person who should be clear; without it all should be masked.

    Raises:
        FramesDiffer: the number of frames, or their size, isn't the truth's.
    """
    people: list[PersonInFrame] = []
    nobody_masked = 0
    count = 0
    expected = len(list(folder.glob("*.png")))
    for index, (_, frame) in enumerate(frames(output)):
        count += 1
        if index >= expected:
            continue
        ids = person_ids(folder, index)
        if ids.shape != frame.shape[:2]:
            raise FramesDiffer(f"{output} is {frame.shape[:2]}, the truth is {ids.shape} (h, w)")
        masked = masked_pixels(frame)
        areas = np.bincount(ids.ravel(), minlength=1)
        hidden = np.bincount(ids[masked], minlength=areas.size)
        nobody_masked += int(hidden[0])
        people += [
            PersonInFrame(index, person, int(areas[person]), int(hidden[person]))
            for person in range(1, areas.size)
            if areas[person]
        ]
    if count != expected:
        raise FramesDiffer(f"{output} has {count} frames, the truth has {expected}")
    return InstanceScore(kept, people, nobody_masked)
