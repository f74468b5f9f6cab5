"""Names of made scenes -> runs over them, made where they aren't yet."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.material import SHARED
from benchmarks.quality import motion
from benchmarks.quality.actors import SOURCES, cast_of
from benchmarks.quality.clips import Run
from benchmarks.quality.people import read_photos
from benchmarks.quality.pictures import save_sheet
from benchmarks.quality.places import build_place, empty_strips
from benchmarks.quality.reel import STRIPS, Studio, scene_run, write_scene
from benchmarks.quality.scenes import SCENES, name_of
from benchmarks.quality.stage import film
from bystander.models import Models, load_models

CUTOUTS = SHARED / "images" / "cutouts"
"""images/NAME.jpg and masks/NAME.png."""
PHOTOS = {name_of(make): make for make in SCENES}
"""Scenes of people cut out of photos ..."""
REAL = {name_of(make): make for make in motion.SCENES}
"""... and of people in real motion."""
MADE: tuple[str, ...] = (*REAL, *PHOTOS)
STREETS = 2


def made_runs(names: Sequence[str], folder: Path, seed: int) -> list[Run]:
    """A run over each scene; one that `folder` has from the same code and seed is used again.

    Raises:
        BystanderError: the material isn't here.
    """
    home = folder / "scenes" / f"{_code()}-{seed}"
    missing = [name for name in names if not (home / name / "truth.json").is_file()]
    _make(missing, home, seed)
    return [scene_run(name, home / name) for name in names]


def save_sheets(runs: Sequence[Run], folder: Path) -> None:
    """The scenes at a glance, as `folder`/NAME.png."""
    for run in runs:
        save_sheet(run.video.parent, run.truth)
        (run.video.parent / "sheet.png").replace(folder / f"{run.name}.png")


def _make(names: Sequence[str], home: Path, seed: int) -> None:
    if not names:
        return
    models = load_models()
    studio = None
    for name in names:
        if name in PHOTOS:
            studio = studio or Studio.open(CUTOUTS, models, seed)
            studio.produce(PHOTOS[name], home / name)
    _film_real([name for name in names if name in REAL], home, models, seed)


def _film_real(names: Sequence[str], home: Path, models: Models, seed: int) -> None:
    if not names:
        return
    actors = cast_of(list(SOURCES))
    photos = read_photos(CUTOUTS, np.random.default_rng(seed))
    strips = empty_strips(photos, models.segmenter, STRIPS)
    for name in names:
        rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
        streets = [build_place(strips, motion.STREET_SIZE, rng) for _ in range(STREETS)]
        scene = REAL[name](actors, streets)
        write_scene(home / name, scene, chain.from_iterable(film(s, rng) for s in scene.shots))


def _code() -> str:
    """Digest of the code that makes scenes."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    makers = ("actors", "motion", "people", "places", "reel", "scenes", "stage")
    content = b"".join(file.read_bytes() for file in files if file.stem in makers)
    return hashlib.sha256(content).hexdigest()[:12]
