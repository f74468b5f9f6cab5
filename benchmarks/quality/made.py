"""Names of made scenes -> runs over them, made where they aren't yet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.material import SHARED
from benchmarks.quality.clips import Run
from benchmarks.quality.pictures import save_sheet
from benchmarks.quality.reel import Studio, scene_run
from benchmarks.quality.scenes import SCENES, name_of
from bystander.models import load_models

CUTOUTS = SHARED / "images" / "cutouts"
"""images/NAME.jpg and masks/NAME.png."""
PHOTOS = {name_of(make): make for make in SCENES}
MADE: tuple[str, ...] = (*PHOTOS,)


def made_runs(names: Sequence[str], folder: Path, seed: int) -> list[Run]:
    """A run over each scene; one that `folder` has from the same code and seed is used again.

    Raises:
        BystanderError: the material isn't here.
    """
    home = folder / "scenes" / f"{_code()}-{seed}"
    missing = [name for name in names if not (home / name / "truth.json").is_file()]
    _make(missing, home, seed)
    return [scene_run(name, home / name) for name in names]


def make_sheets(names: Sequence[str], folder: Path, seed: int) -> None:
    """The scenes at a glance, as `folder`/NAME.png."""
    for run in made_runs(names, folder, seed):
        save_sheet(run.video.parent, run.truth)
        (run.video.parent / "sheet.png").replace(folder / f"{run.name}.png")


def _make(names: Sequence[str], home: Path, seed: int) -> None:
    photos: dict[str, Callable[..., object]] = {n: PHOTOS[n] for n in names if n in PHOTOS}
    if photos:
        models = load_models()
        studio = Studio.open(CUTOUTS, models, seed)
        for name in photos:
            studio.produce(PHOTOS[name], home / name)


def _code() -> str:
    """Digest of the code that makes scenes."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    makers = ("people", "places", "reel", "scenes", "stage", "moving", "motion")
    content = b"".join(file.read_bytes() for file in files if file.stem in makers)
    return hashlib.sha256(content).hexdigest()[:12]
