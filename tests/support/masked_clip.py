"""The beginning of a real clip, masked in parts by an executor.

As a module, VIDEO PHOTOS FOLDER ADDRESS SETTINGS, it is a driver that a test may kill; its executor
is a Ray cluster.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from bystander.choices import EffectName, ProfileName
from bystander.files import made_folder
from bystander.identity.cast import load_cast
from bystander.media.resuming import RenderCheckpoints
from bystander.models import load_models
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.pipeline.tasks import Executor, FolderWorkspace, Parallel
from bystander.redaction.effects import EffectSettings
from bystander.settings import load_profile

CHUNK_SECONDS, OVERLAP_SECONDS = 0.6, 0.8
SEGMENT_FRAMES: Final = 14
FRAMES: Final = 7 * SEGMENT_FRAMES
PARTS: Final = 14
"""That such a clip at 25 frames a second comes to: seven looks, then seven segments."""
TIMELINE, MASKED = "timeline", "masked.mp4"


def mask_clip(video: Path, photos: Path, folder: Path, executor: Executor) -> None:
    """Both passes, with the real networks: parts go to `folder`/work, results beside it."""
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    parallel = Parallel(executor, FolderWorkspace(video, work), CHUNK_SECONDS, OVERLAP_SECONDS)
    settings = load_profile(ProfileName.FAST).analysis
    models = load_models(settings.model_settings())
    timeline = analyze(
        video,
        folder / TIMELINE,
        models=models,
        settings=settings,
        cast=load_cast((photos,), models.faces),
        parallel=parallel,
    )
    effect = EffectSettings(name=EffectName.SOLID, color="#ff00ff")
    render(
        video,
        timeline,
        folder / MASKED,
        effect=effect,
        encoder=load_profile(ProfileName.THOROUGH).encoder,  # slow enough to be disturbed
        parallel=parallel,
        checkpoints=RenderCheckpoints(made_folder(folder / "segments"), SEGMENT_FRAMES),
    )


def finished_parts(folder: Path) -> dict[str, tuple[int, int]]:
    """Of each part that is done: its file, and when that was written."""
    found = [path for kind in ("look-*", "*.segment") for path in (folder / "work").glob(kind)]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def main(video: str, photos: str, folder: str, address: str, settings: str) -> None:
    from bystander.executors.ray_executor import RayExecutor
    from bystander.executors.settings import ClusterSettings

    executor = RayExecutor(address, ClusterSettings.model_validate_json(settings))
    mask_clip(Path(video), Path(photos), Path(folder), executor)


if __name__ == "__main__":
    main(*sys.argv[1:])
