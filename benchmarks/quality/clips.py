"""The clips with truth, as rows of the same table."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.material import Clip, frames
from benchmarks.quality.pictures import save_worst
from benchmarks.quality.reel import Truth
from benchmarks.quality.score import score_scene
from benchmarks.quality.table import Row, row_of
from benchmarks.regions import (
    INSTANCE_CLIP,
    REGION_CLIPS,
    WORST_FRAMES,
    click_on,
    mask,
    report_regions,
    save_regions,
)
from benchmarks.scoring import score_regions

CLIPS = (*REGION_CLIPS, INSTANCE_CLIP)


def run_clip(name: str, output: Path) -> list[Row]:
    """Mask and measure a clip; where clicks are tried, once a person. None if it isn't here."""
    clip, folder = Clip(name), output / name
    if not clip.truth.exists():
        print(f"{name}: no {clip.truth}. Set BYSTANDER_SHARED to the shared test data.")
        return []
    folder.mkdir(parents=True, exist_ok=True)
    truth = json.loads(clip.truth.read_text())
    if "cast" in truth:
        return [_regions(clip, folder, truth["cast"])]
    return [_keeping(clip, folder, person) for person in (None, *truth["keep_one_of"])]


def _regions(clip: Clip, folder: Path, cast: str) -> Row:
    masked = folder / "masked.mp4"
    mask(clip.video, masked, "--cast", str(clip.folder / cast))
    regions = score_regions(masked, clip.truth)
    report_regions(clip.name, regions)
    save_regions(folder, clip, masked, regions)
    right = sum(region.satisfied for region in regions)
    return Row(clip.name, None, f"{right} of {len(regions)} regions")


def _keeping(clip: Clip, folder: Path, person: int | None) -> Row:
    """One run over the clip with id maps; nobody is kept, or whom a click points at."""
    name = clip.name if person is None else f"{clip.name}-keep{person}"
    scratch = folder / name
    scratch.mkdir(exist_ok=True)
    video = scratch / "video.mp4"
    if not video.exists():
        video.symlink_to(clip.video.resolve())
    options: tuple[str, ...] = ()
    if person is not None:
        index, x, y = click_on(clip.persons, person)
        seconds = [at for at, _ in frames(clip.video)]
        options = ("--keep-at", f"{seconds[index]:.6f}:{x},{y}")
    masked = scratch / "masked.mp4"
    mask(clip.video, masked, *options)
    truth = Truth(clip.persons, frozenset(() if person is None else (person,)), frozenset(), None)
    score = score_scene(masked, truth)
    save_worst(scratch, masked, truth, score.worst_frames(WORST_FRAMES))
    return row_of(name, score)
