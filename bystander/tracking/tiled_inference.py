"""Small people in a crowd, looked at again at twice the scale.

On the analysis grid a person far away is a few dozen pixels high, and half of them stand
behind others. Where the first look suggests a crowd with such people in it, a window around
the most doubtful of them is cut out of the detailed picture, enlarged to the grid's own
size, and shown to the same network (slicing aided inference, Akyon et al. 2022, but only
where it pays). The input keeps its shape, so no runtime has to plan anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bystander.config import Settings
from bystander.geometry.instances import Instance
from bystander.geometry.masks import Mask, intersection, iou
from bystander.geometry.types import Box, Rgb
from bystander.models import Segmenter

MAGNIFICATION: Final = 2
"""Of 20 sightings of small people in a 1080p crowd 18 were covered at 2 and 16 at 3: what stands
around somebody helps to recognise them. A source without that many pixels has little more to
show: enlarging a 768-pixel one covered 1 more of 142."""
TILE_EDGE_MARGIN_PX: Final = 2.0
"""Grid pixels: who reaches this close to a window's edge may be cut off by it."""
GOLDEN_RATIO_STEP: Final = (5**0.5 - 1) / 2
"""Multiples of the golden ratio, modulo 1, leave no part of a range out for long."""


class TiledInferenceSettings(Settings):
    """When part of a frame is looked at again, enlarged."""

    windows: int = Field(
        default=1,
        ge=0,
        le=8,
        description="Windows a frame, in frames where faces are looked for; each takes as long "
        "as a whole frame. 0 never looks again",
    )
    crowd: float = Field(
        default=3.0,
        ge=0,
        description="A frame is a crowd from this sum of scores on, that is from so many people",
    )
    few: float = Field(
        default=1.0,
        ge=0,
        description="... or from this sum over small people on: where some are, more may be",
    )
    small: int = Field(
        default=90,
        ge=8,
        description="Grid pixels: people less high than this may have been seen badly",
    )
    doubt: float = Field(
        default=0.3,
        ge=0,
        description="What a window must promise: the sum over the small people in it of what "
        "their scores lack to 1",
    )
    same_iou: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="Silhouettes of both looks that overlap by more are one person's. Higher "
        "splits a person whom the first look saw coarsely, and the tracker loses them",
    )
    containment: float = Field(
        default=0.85,
        gt=0,
        le=1,
        description="A silhouette that lies in another by this share may be a part of it",
    )
    part_confidence: float = Field(
        default=0.5, ge=0, le=1, description="From this score on it is a person anyway"
    )


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the grid: its left column, top row, width and height in grid pixels."""

    x: int
    y: int
    width: int
    height: int

    def cut_from(self, detail: Rgb, grid: tuple[int, int]) -> Rgb:
        """What is in the window, in the size of the whole grid: uint8 [h, w, 3] RGB."""
        across, down = detail.shape[1] / grid[0], detail.shape[0] / grid[1]
        columns = slice(round(self.x * across), round((self.x + self.width) * across))
        rows = slice(round(self.y * down), round((self.y + self.height) * down))
        enlarged = cv2.resize(detail[rows, columns], grid, interpolation=cv2.INTER_AREA)
        return np.asarray(enlarged, dtype=np.uint8)

    def to_grid(self, instance: Instance, grid: tuple[int, int]) -> Instance:
        """Someone found in the window's picture, in grid pixels."""
        across, down = self.width / grid[0], self.height / grid[1]
        x0, y0, x1, y1 = instance.box
        box = (
            self.x + x0 * across,
            self.y + y0 * down,
            self.x + x1 * across,
            self.y + y1 * down,
        )
        whole = (self.x, self.y, self.x + self.width, self.y + self.height)
        return Instance(box, instance.score, instance.mask.carried((0, 0, *grid), whole))

    def cuts_off(self, box: Box, grid: tuple[int, int]) -> bool:
        """Whether someone (grid pixels) ends at an edge that isn't the frame's own."""
        x0, y0, x1, y1 = box
        right, bottom = self.x + self.width, self.y + self.height
        return (
            (self.x > 0 and x0 < self.x + TILE_EDGE_MARGIN_PX)
            or (self.y > 0 and y0 < self.y + TILE_EDGE_MARGIN_PX)
            or (right < grid[0] and x1 > right - TILE_EDGE_MARGIN_PX)
            or (bottom < grid[1] and y1 > bottom - TILE_EDGE_MARGIN_PX)
        )


def detect_tiled(
    first: Sequence[Instance],
    detail: Rgb,
    grid: tuple[int, int],
    frame: int,
    segmenter: Segmenter,
    settings: TiledInferenceSettings,
) -> list[Instance]:
    """Everyone that the first and, where there is reason for one, a second look found.

    Args:
        first: what was found on the grid.
        detail: uint8 [H, W, 3] RGB, the same frame, larger.
        grid: width, height of the analysis grid.
        frame: its index; windows swing from frame to frame.
        segmenter: the network of the first look.
    """
    if max(detail.shape[:2]) < MAGNIFICATION * max(grid):
        return list(first)
    windows = choose_tiles(first, grid, frame, settings)
    if not windows:
        return list(first)
    found = segmenter.segment([window.cut_from(detail, grid) for window in windows])
    people = list(first)
    for window, instances in zip(windows, found, strict=True):
        placed = (window.to_grid(instance, grid) for instance in instances)
        whole = [someone for someone in placed if not window.cuts_off(someone.box, grid)]
        people = merge(people, whole, settings)
    return people


def choose_tiles(
    instances: Sequence[Instance],
    grid: tuple[int, int],
    frame: int,
    settings: TiledInferenceSettings,
) -> list[Tile]:
    """Where a second look promises most: the windows that hold the most doubt about small
    people, the most promising first; none where there is no crowd.
    """
    small = [i for i in instances if i.box[3] - i.box[1] < settings.small]
    if sum(i.score for i in instances) < settings.crowd and (
        sum(i.score for i in small) < settings.few
    ):
        return []
    boxes = np.array([i.box for i in small], dtype=np.float64).reshape(-1, 4)
    doubts = np.array([1 - i.score for i in small], dtype=np.float64)
    size = grid[0] // MAGNIFICATION, grid[1] // MAGNIFICATION
    windows: list[Tile] = []
    while len(boxes) and len(windows) < settings.windows:
        inside = _fullest(boxes, doubts, size)
        if doubts[inside].sum() < max(settings.doubt, 1e-6):
            break
        windows.append(_around(boxes[inside], size, grid, frame * GOLDEN_RATIO_STEP % 1))
        boxes, doubts = boxes[~inside], doubts[~inside]
    return windows


def _fullest(
    boxes: NDArray[np.float64], doubts: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which boxes lie in the window of `size` that holds the most doubt: bool [N].

    Such a window can be pushed right and down until its left edge is one box's and its top
    edge another's, so those are all that have to be tried.
    """
    room = np.array(size) - 2 * TILE_EDGE_MARGIN_PX
    begins, ends = boxes[:, None, :2], boxes[:, None, 2:]
    starts = boxes[None, :, :2]
    fits = (begins >= starts) & (ends <= starts + room)  # [box, window, axis]
    across, down = fits[..., 0], fits[..., 1]
    held = (across * doubts[:, None]).T @ down  # [left edge, top edge]
    left, top = np.unravel_index(int(held.argmax()), held.shape)
    return np.asarray(across[:, left] & down[:, top], dtype=bool)


def _around(
    boxes: NDArray[np.float64], size: tuple[int, int], grid: tuple[int, int], swing: float
) -> Tile:
    """A window of `size` with all the boxes in it, inside the grid.

    Upright it is centred on them. Sideways it shows by turns what is left and right of
    them, 0 <= `swing` < 1: people whom the first look missed altogether stand in the same
    row as those whom it found.
    """
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    leftmost, rightmost = high[0] + TILE_EDGE_MARGIN_PX - size[0], low[0] - TILE_EDGE_MARGIN_PX
    corner = leftmost + swing * (rightmost - leftmost), (low[1] + high[1] - size[1]) / 2
    x, y = np.clip(np.round(corner), 0, np.array(grid) - size).astype(int)
    return Tile(int(x), int(y), *size)


def merge(
    first: Sequence[Instance], second: Sequence[Instance], settings: TiledInferenceSettings
) -> list[Instance]:
    """The people of both looks, each once; nobody of the first look is lost.

    Someone seen twice keeps the first look's silhouette, at the surer one's score: sharper
    outlines every few frames would look to the tracker like somebody who shrinks and grows.
    A faint second silhouette within somebody is a part of them, and a faint first one
    within a surer second one was.
    """
    people = list(first)
    for seen in sorted(second, key=lambda instance: -instance.score):
        if not seen.mask.area:
            continue
        overlaps = [iou(person.mask, seen.mask) for person in people]
        twin = int(np.argmax(overlaps)) if overlaps else 0
        if overlaps and overlaps[twin] >= settings.same_iou:
            sure = max(people[twin].score, seen.score)
            people[twin] = replace(people[twin], score=sure)
        elif seen.score >= settings.part_confidence or not any(
            _lies_in(seen.mask, person.mask, settings) for person in people
        ):
            people = [p for p in people if not _was_part_of(p, seen, settings)]
            people.append(seen)
    return people


def _was_part_of(person: Instance, whole: Instance, settings: TiledInferenceSettings) -> bool:
    faint = person.score < min(settings.part_confidence, whole.score)
    return faint and _lies_in(person.mask, whole.mask, settings)


def _lies_in(part: Mask, whole: Mask, settings: TiledInferenceSettings) -> bool:
    return intersection(part, whole) >= settings.containment * part.area > 0
