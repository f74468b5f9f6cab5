"""Runs -> rows of the table: analyse, draw, measure. The page to read first, and to call.

    from pathlib import Path
    from benchmarks.quality.harness import Harness, runs_of
    harness = Harness(Path("/somewhere/cache"))
    for run in runs_of(["schoolgirls", "composed-field"]):
        print(harness.measure(run))

The networks' answers are kept in the cache, so that only the first analysis of a clip takes long.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.cache import cached_models
from benchmarks.quality.clips import CLIPS, Run, clip_runs
from benchmarks.quality.drawing import (
    SOLID,
    Bits,
    grid_pictures,
    masked_in_timeline,
    masked_in_video,
)
from benchmarks.quality.pictures import painted, picked, save_worst
from benchmarks.quality.score import score_masks
from benchmarks.quality.table import Row, row_of
from benchmarks.quality.tracking import people_found, timeline_boxes, tracking_score
from bystander.choices import EffectName, ProfileName
from bystander.errors import SelectionError
from bystander.identity.cast import load_cast
from bystander.media.probe import probe
from bystander.models import Models, load_models
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.pipeline.tasks import FolderWorkspace, InProcess, Parallel
from bystander.redaction.effects import EffectSettings
from bystander.settings import AnalysisSettings, load_profile
from bystander.timeline.archive import Timeline
from bystander.timeline.types import Decision

Size = Literal["grid", "source", "video"]

WORST_FRAMES = 3


def runs_of(clips: Iterable[str] = CLIPS) -> list[Run]:
    """Every run over these clips."""
    return [run for clip in clips for run in clip_runs(clip)]


def default_settings() -> AnalysisSettings:
    return load_profile(ProfileName.BALANCED).analysis


class Harness:
    """Measures runs.

    Args:
        cache: where the networks' answers are kept; None runs the networks every time.
        settings: of the analysis; by default the product's.
        size: what is measured: drawn at "grid" size, quickly; at "source" size; or the "video"
            that is encoded, as users get it.
        keep: a folder in which each run leaves its timeline, its worst frames (bystanders
            outlined red, the kept green, what is masked tinted), and its video if one is made.
        brief: measure only what leaks and what is masked of the kept, which is all a sweep asks.
        chunks: analyse in chunks of so many seconds, with so many seconds of overlap.
    """

    def __init__(
        self,
        cache: Path | None,
        settings: AnalysisSettings | None = None,
        size: Size = "grid",
        keep: Path | None = None,
        brief: bool = False,
        chunks: tuple[float, float] | None = None,
    ) -> None:
        self._chunks = chunks
        self.settings = settings or default_settings()
        self._size = size
        self._keep, self._brief = keep, brief
        self.models: Models
        if cache is None:
            self.models = load_models(self.settings.model_settings())
        else:
            self.models = cached_models(cache, self.settings.segmenter)

    def measure(self, run: Run) -> Row:
        """Analyse, draw and measure one run."""
        if self._keep is not None:
            folder = self._keep / run.name
            folder.mkdir(parents=True, exist_ok=True)
            return self._measure(run, folder)
        with tempfile.TemporaryDirectory(prefix="bystander-quality-") as scratch:
            return self._measure(run, Path(scratch))

    def _measure(self, run: Run, folder: Path) -> Row:
        refused = ""
        try:
            timeline = self.analyse(run, folder / "timeline")
        except SelectionError as error:  # the user is told, and nobody is kept
            refused = str(error)
            timeline = self.analyse(run, folder / "timeline", clicked=False)
        score = score_masks(
            self.masks(run, timeline, folder), run.truth, _size(run.video), _rate(run.video)
        )
        if self._keep is not None:
            self._picture(run, timeline, folder, score.worst_frames(WORST_FRAMES))
        if self._brief:
            return row_of(run.name, score, refused=refused)
        frames = timeline_boxes(timeline)
        return row_of(
            run.name,
            score,
            tracking_score(frames, run.truth),
            people_found(frames),
            run.truth.people,
            edge_stability(run.video, timeline),
            refused,
        )

    def analyse(self, run: Run, output: Path, clicked: bool = True) -> Timeline:
        """The timeline of one run.

        Raises:
            SelectionError: a click hits nobody, or it isn't clear whom.
        """
        with tempfile.TemporaryDirectory(prefix="bystander-quality-") as folder:
            parallel = None
            if self._chunks is not None:
                workspace = FolderWorkspace(run.video, Path(folder))
                parallel = Parallel(InProcess(), workspace, *self._chunks)
            return analyze(
                run.video,
                output,
                models=self.models,
                settings=self.settings,
                cast=load_cast(run.cast, self.models.faces) if run.cast else (),
                clicks=run.clicks if clicked else (),
                parallel=parallel,
            )

    def masks(self, run: Run, timeline: Timeline, folder: Path) -> Iterator[Bits]:
        """What a timeline masks in every frame: bool [h, w]."""
        if self._size != "video":
            return masked_in_timeline(run.video, timeline, self._size)
        colour = "#{:02x}{:02x}{:02x}".format(*SOLID)
        effect = EffectSettings(name=EffectName.SOLID, color=colour)
        output = folder / "masked.mp4"
        render(run.video, timeline, output, effect=effect, overwrite=True)
        return masked_in_video(output)

    def _picture(self, run: Run, timeline: Timeline, folder: Path, worst: Sequence[int]) -> None:
        before = picked(run.video, set(worst))
        masks = masked_in_timeline(run.video, timeline, "source")
        pairs = {
            index: (before[index], painted(before[index], masked))
            for index, masked in enumerate(masks)
            if index in before
        }
        save_worst(folder, pairs, run.truth)


def _size(video: Path) -> tuple[int, int]:
    info = probe(video)
    return info.width, info.height


def _rate(video: Path) -> float:
    return float(probe(video).average_rate)


def edge_stability(video: Path, timeline: Timeline) -> float | None:
    """How steady the kept people's silhouettes are as drawn: None where nobody is kept.

    The mean overlap (IoU) of what is clear of them with what was clear in the frame before,
    moved by optical flow, at grid size.
    """
    header = timeline.header
    tracklets = {tracklet.id: tracklet for tracklet in header.tracklets}
    if all(v.decision is Decision.MASK for t in header.tracklets for v in t.verdicts):
        return None
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    overlaps: list[float] = []
    before: tuple[NDArray[np.uint8], Bits] | None = None
    pictures = grid_pictures(video, header.grid)
    cuts = {shot.start for shot in header.shots}
    frames = zip(pictures, timeline.frames(), masked_in_timeline(video, timeline), strict=False)
    for picture, record, masked in frames:
        kept = np.zeros(masked.shape, dtype=bool)
        for sighting in record.sightings:
            if tracklets[sighting.tracklet].decision_at(record.index) is Decision.KEEP:
                sighting.mask.paste(kept)
        clear = kept & ~masked
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if before is not None and record.index not in cuts and before[1].any() and clear.any():
            moved = _moved(before[1], flow.calc(grey, before[0], None))
            either = np.count_nonzero(moved | clear)
            overlaps.append(np.count_nonzero(moved & clear) / either)
        before = np.asarray(grey, dtype=np.uint8), clear
    return float(np.mean(overlaps)) if overlaps else None


def _moved(bits: Bits, flow: NDArray[np.float32]) -> Bits:
    """`bits` of the frame before, fetched along `flow` (float32 [h, w, 2], back in time)."""
    rows, columns = np.indices(bits.shape, dtype=np.float32)
    moved = cv2.remap(
        bits.astype(np.uint8), columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_NEAREST
    )
    return moved.astype(bool)


def measure_all(harness: Harness, runs: Sequence[Run]) -> list[Row]:
    """Measure runs one after the other, telling each."""
    rows = []
    for run in runs:
        rows.append(harness.measure(run))
        print(f"{run.name}: {rows[-1].summary()}", flush=True)
    return rows
