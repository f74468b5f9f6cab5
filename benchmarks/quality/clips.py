"""The clips with truth -> runs: a video, whom to keep and how they were pointed out, the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.material import SHARED, frames
from benchmarks.quality.truth import (
    Truth,
    people_in,
    person_ids,
    point_inside,
    read_boxes,
    regions_of,
)
from bystander.tracking.clicks import Click

OPERA_CLICK = Click(0.4, 980, 890)
"""On the boy's jacket in frame 10; its truth.json only has a photo."""
WHOLE_MAPS = ("schoolgirls", "composed-field")
CLIPS = (
    "hamilton", "opera", *WHOLE_MAPS, "dance-twirl", "plaza", "highstreet", "bedroom", "busking",
    "office", "armwrestle",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One analysis to measure.

    Attributes:
        name: of the run: the clip's, and whom it keeps and how.
        clip: what is left out together when settings are chosen without it.
        cast: a folder of photos of whom to keep, or the photos.
    """

    name: str
    clip: str
    video: Path
    truth: Truth
    cast: tuple[Path, ...] = ()
    clicks: tuple[Click, ...] = ()


def clip_runs(name: str) -> list[Run]:
    """Every run over a clip of the shared test data; none where it isn't here."""
    folder = SHARED / "clips" / name
    video = next((f for f in (folder / "video.mp4", folder / "video.avi") if f.is_file()), None)
    if video is None:
        return []
    if name in WHOLE_MAPS:
        return _one_after_the_other(name, video, folder / "persons")
    if name == "plaza":
        boxes = read_boxes(folder / "boxes.json")
        people = len({person for frame in boxes for person in frame})
        return [Run(name, name, video, Truth(None, boxes=boxes, people=people))]
    document = json.loads((folder / "truth.json").read_text())
    if isinstance(document.get("cast"), str):  # the first two clips
        truth = Truth(None, regions=regions_of(document["regions"]))
        run = Run(name, name, video, truth, (folder / document["cast"],))
        if name != "opera":
            return [run]
        return [run, replace(run, name=f"{name}-click", cast=(), clicks=(OPERA_CLICK,))]
    first = {**document["keep"], "regions": document.get("regions", [])}
    runs = []
    for number, choice in enumerate((first, *document.get("also", ())), start=1):
        runs += _of_choice(f"{name}-{number}", name, video, folder, choice)
    if (folder / "keep").is_dir():
        (value,) = np.unique(person_ids(folder / "keep", 0))[1:]
        drawn = replace(
            runs[0].truth,
            persons=folder / "keep",
            kept=frozenset({int(value)}),
            complete=False,
        )
        runs[0] = replace(runs[0], truth=drawn)
    return runs


def _one_after_the_other(name: str, video: Path, persons: Path) -> list[Run]:
    """Nobody kept, and each of the people in the id maps, by a click."""
    ids = people_in(persons)
    truth = Truth(persons, people=len(ids))
    seconds = [at for at, _ in frames(video)]
    runs = [Run(f"{name}-0", name, video, truth)]
    for person in sorted(ids):
        index, x, y = point_inside(persons, person)
        click = Click(seconds[index] - seconds[0], x, y)
        kept = replace(truth, kept=frozenset({person}))
        runs.append(Run(f"{name}-{person}", name, video, kept, clicks=(click,)))
    return runs


def _of_choice(
    name: str, clip: str, video: Path, folder: Path, choice: dict[str, Any]
) -> list[Run]:
    """One choice of a `truth.json`: by its click, and by its photos where it has any."""
    seconds, _, place = choice["click"].partition(":")
    x, y = (float(value) for value in place.split(","))
    truth = Truth(None, regions=regions_of(choice["regions"]))
    run = Run(name, clip, video, truth, clicks=(Click(float(seconds), x, y),))
    if not choice["cast"]:
        return [run]
    cast = (folder / choice["cast"],)
    return [run, replace(run, name=f"{name}-photo", cast=cast, clicks=())]
