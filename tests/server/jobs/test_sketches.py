"""Of parts that others do there are previews, too, and nobody who isn't kept shows in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from bystander.errors import InvalidTimeline
from bystander.media.resuming import RenderCheckpoints
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.pipeline.tasks import Executor, FolderWorkspace, InProcess, Parallel, Step, Task
from bystander.server.jobs.previews import INTERVAL_SECONDS, PreviewWriter
from bystander.server.jobs.sketches import Sketching
from tests.support.drawn import MAGENTA, RED, SETTINGS, Figure, Scene, drawn_models, walking
from tests.support.drawn_tasks import Drawn

pytestmark = pytest.mark.long

SCENE = Scene([Figure(RED, walking(60, 2))], frames=96)


class Shown:
    """A video done in parts, and what is shown of it meanwhile: as often as there is something."""

    def __init__(self, video: Path, folder: Path, executor: Executor) -> None:
        self.pictures: list[NDArray[np.int16]] = []
        self._now, self._path = 0.0, folder / "preview.jpg"
        work = folder / "work"
        work.mkdir()
        previews = PreviewWriter(self._path, self._keep, self._clock)
        sketching = Sketching(executor, previews, video)
        self.parallel = Parallel(sketching, FolderWorkspace(video, work), 1.0, 0.8)

    def _clock(self) -> float:
        self._now += INTERVAL_SECONDS
        return self._now

    def _keep(self) -> None:
        with Image.open(self._path) as picture:
            self.pictures.append(np.asarray(picture.convert("RGB")).astype(np.int16))


def red(picture: NDArray[np.int16]) -> bool:
    """Whether it shows her clothes: not magenta, which is red as well."""
    return bool((picture[..., 0] - picture[..., 1:].max(axis=2) > 50).any())


def magenta(picture: NDArray[np.int16]) -> bool:
    return bool((picture[..., [0, 2]].min(axis=2) - picture[..., 1] > 100).any())


def test_what_was_done_elsewhere_is_shown_masked(tmp_path: Path) -> None:
    video = SCENE.video(tmp_path / "video.mp4")
    assert red(SCENE.picture(10).astype(np.int16))
    shown = Shown(video, tmp_path, Drawn(InProcess()))
    timeline = analyze(
        video,
        tmp_path / "timeline",
        models=drawn_models(),
        settings=SETTINGS,
        parallel=shown.parallel,
    )
    looks = len(shown.pictures)
    (tmp_path / "segments").mkdir()
    render(
        video,
        timeline,
        tmp_path / "masked.mp4",
        effect=MAGENTA,
        parallel=shown.parallel,
        checkpoints=RenderCheckpoints(tmp_path / "segments", 24),
    )

    assert looks >= 2
    assert len(shown.pictures) - looks >= 2
    for number, picture in enumerate(shown.pictures):
        height, width = picture.shape[:2]
        assert width * SCENE.size[1] == height * SCENE.size[0]
        assert not red(picture)
        assert magenta(picture) == (number >= looks)


class Damaging(InProcess):
    """Leaves what is no part."""

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        for task in tasks:
            with task.workspace.storing(task.name) as path:
                path.write_bytes(b"no look")
            step(task.frames)


def test_a_part_that_is_damaged_is_not_shown_and_told_by_who_needs_it(tmp_path: Path) -> None:
    video = SCENE.video(tmp_path / "video.mp4")
    shown = Shown(video, tmp_path, Damaging())
    with pytest.raises(InvalidTimeline):
        analyze(
            video,
            tmp_path / "timeline",
            models=drawn_models(),
            settings=SETTINGS,
            parallel=shown.parallel,
        )
    assert not shown.pictures
