"""Clicks all over the people of runs with id maps -> how often they mean whom they hit.

Every few frames everybody who is plainly there is clicked on at random places: in the middle of
what is seen of them, and anywhere inside. A click is right if the track that it chose mostly
shows the one who was hit, within a second of the click: that is who is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.quality.clips import Run
from benchmarks.quality.harness import Harness
from benchmarks.quality.truth import Truth
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.models.segmenter import analysis_size
from bystander.pipeline.looking import begin, observe
from bystander.timeline.types import FrameRecord, Origin
from bystander.tracking.clicks import Click

Place = Literal["middle", "inside"]
PLACES: Final[tuple[Place, ...]] = get_args(Place)
EVERY: Final = 5
"""Frames from one clicked on to the next."""
CLICKS: Final = 5
"""On each person, and place, in each of these frames."""
LEAST_SHARE: Final = 0.001
"""Of the picture: who shows less isn't clicked on."""
DEPTH: Final = {"middle": 0.5, "inside": 0.0}
"""How far inside a place is, of the deepest pixel's distance from the outline."""
INSIDE_PX: Final = 2.0
"""Nobody aims at the very outline."""
NEAR_SECONDS: Final = 1.0
LEAST_OF_ONE: Final = 0.3
"""Of a track's pixels: enough to be the one person whom the maps hold, if they hold but one."""
IDS: Final = 256


@dataclass(slots=True)
class Tally:
    """Clicks that meant whom they hit, somebody else, and nobody (they were refused)."""

    right: int = 0
    wrong: int = 0
    refused: int = 0

    @property
    def total(self) -> int:
        return self.right + self.wrong + self.refused


def pointing(harness: Harness, run: Run, seed: int = 0) -> dict[Place, Tally]:
    """Click on everybody in a run whose truth has id maps; nobody is kept otherwise."""
    info = probe(run.video)
    rate = float(info.average_rate)
    hit = dict(_clicks(run.truth, rate, np.random.default_rng(seed)))
    analyzer = begin(info, harness.models, harness.settings, list(hit), forgiving=True)
    shown = _Shown(run.truth, analysis_size(*info.display_size, harness.settings.long_side))
    for seen, _ in observe(VideoReader(run.video, info), info, harness.models, harness.settings):
        for record in analyzer.take(seen):
            shown.note(record)
    for record in analyzer.finish():
        shown.note(record)
    meant = {Click(at.seconds, at.x, at.y): at for at, _ in analyzer.pointed}
    tallies = {place: Tally() for place in PLACES}
    for click, (person, place) in hit.items():
        if (at := meant.get(click)) is None:
            tallies[place].refused += 1
        elif shown.mostly(at.tracklet, person, at.frame, round(NEAR_SECONDS * rate)):
            tallies[place].right += 1
        else:
            tallies[place].wrong += 1
    return tallies


def pointing_table(tallies: Mapping[str, Mapping[Place, Tally]]) -> Table:
    """A row a run, and the mean over runs; percent."""
    table = Table("run", *(f"{place}: right, wrong, refused %" for place in PLACES))
    rows = [
        (name, [_shares(by_place[place]) for place in PLACES]) for name, by_place in tallies.items()
    ]
    rows.append(("mean", list(np.mean([shares for _, shares in rows], axis=0))))
    for name, shares in rows:
        table.add_row(name, *(", ".join(f"{100 * share:.1f}" for share in of) for of in shares))
    return table


def _shares(tally: Tally) -> list[float]:
    return [part / max(1, tally.total) for part in (tally.right, tally.wrong, tally.refused)]


def _clicks(
    truth: Truth, rate: float, rng: np.random.Generator
) -> Iterator[tuple[Click, tuple[int, Place]]]:
    """Clicks, display pixels of square ones, each with whom it hits."""
    for index in range(0, truth.map_count, EVERY):
        ids = truth.ids(index)
        assert ids is not None
        for person in np.unique(ids[ids > 0]):
            bits = (ids == person).astype(np.uint8)
            if np.count_nonzero(bits) < LEAST_SHARE * bits.size:
                continue
            depth = cv2.distanceTransform(np.pad(bits, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
            for place in PLACES:
                rows, columns = np.nonzero(depth >= max(INSIDE_PX, DEPTH[place] * depth.max()))
                for chosen in rng.choice(len(rows), min(CLICKS, len(rows)), replace=False):
                    x, y = float(columns[chosen]) + 0.5, float(rows[chosen]) + 0.5
                    yield Click(index / rate, x, y), (int(person), place)


class _Shown:
    """Whose pixels each track showed in each frame in which it was seen.

    Args:
        grid: width, height of the analysis grid.
    """

    def __init__(self, truth: Truth, grid: tuple[int, int]) -> None:
        self._truth, self._grid = truth, grid
        self._pixels: dict[int, dict[int, NDArray[np.int64]]] = {}
        """By track and frame: int64 [256], by id, 0 nobody's."""

    def note(self, record: FrameRecord) -> None:
        """Count, by id, the pixels of everybody who is seen in a frame."""
        if record.index >= self._truth.map_count:
            return
        ids = self._truth.ids(record.index)
        assert ids is not None
        small = cv2.resize(ids, self._grid, interpolation=cv2.INTER_NEAREST)
        for sighting in record.sightings:
            if sighting.origin in (Origin.SEEN, Origin.FACE):
                counts = np.bincount(small[sighting.mask.on_grid(*self._grid)], minlength=IDS)
                self._pixels.setdefault(sighting.tracklet, {})[record.index] = counts

    def mostly(self, track: int, person: int, frame: int, reach: int) -> bool:
        """Whether a track shows a person, within `reach` frames of one."""
        near = [
            counts
            for index, counts in self._pixels.get(track, {}).items()
            if abs(index - frame) <= reach
        ]
        counts = np.sum(near, axis=0) if near else np.zeros(IDS)
        if not self._truth.complete:  # what the maps don't tell isn't nobody's
            return bool(counts[person] > LEAST_OF_ONE * counts.sum())
        return bool(counts[1:].any() and counts[1:].argmax() + 1 == person)
