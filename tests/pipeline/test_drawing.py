"""Parts of a video drawn by themselves make the very video that one go makes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bystander.choices import ShapeName
from bystander.errors import InvalidTimeline
from bystander.media.resuming import RenderCheckpoints
from bystander.pipeline import render as rendering
from bystander.pipeline.render import render
from bystander.pipeline.tasks import FolderWorkspace, InProcess, Parallel, Step, Task
from bystander.redaction.effects import EffectSettings
from tests.support.drawn import (
    BLUE,
    LOSSLESS,
    MAGENTA,
    RED,
    Figure,
    Masked,
    Scene,
    mask_scene,
    pictures,
    walking,
)

SEGMENT = 16


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    people = [Figure(RED, walking(-30, 4)), Figure(BLUE, walking(330, -4))]
    return mask_scene(Scene(people, frames=60), tmp_path_factory.mktemp("street"))


class Noting(InProcess):
    """Does tasks in this process, the last ones first, and remembers their names."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        self.done += [task.name for task in tasks]
        super().run(tasks[::-1], step)


def draw(
    street: Masked,
    folder: Path,
    executor: Noting,
    segments: Path | None = None,
    effect: EffectSettings = MAGENTA,
) -> Path:
    output = folder / "masked.mp4"
    folder.mkdir(exist_ok=True)
    checkpoints = RenderCheckpoints(segments, SEGMENT, keep=True) if segments else None
    render(
        street.source,
        street.timeline,
        output,
        effect=effect,
        encoder=LOSSLESS,
        overwrite=True,
        checkpoints=checkpoints,
        parallel=Parallel(executor, FolderWorkspace(street.source, folder)),
    )
    return output


def assert_same_pictures(one: Path, other: Path) -> None:
    for here, there in zip(pictures(one), pictures(other), strict=True):
        assert (here == there).all()


def test_the_pictures_are_those_of_one_go(
    street: Masked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "SEGMENT_FRAMES", SEGMENT)
    executor = Noting()
    output = draw(street, tmp_path, executor)
    assert len(executor.done) == 4
    assert_same_pictures(output, street.output)


@pytest.mark.parametrize("shape", [ShapeName.BLOB, ShapeName.BOX])
def test_shapes_smoothed_in_time_are_the_same_in_parts(
    street: Masked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: ShapeName
) -> None:
    monkeypatch.setattr(rendering, "SEGMENT_FRAMES", SEGMENT)
    effect = MAGENTA.model_copy(update={"shape": shape})
    whole = tmp_path / "whole.mp4"
    render(street.source, street.timeline, whole, effect=effect, encoder=LOSSLESS)
    output = draw(street, tmp_path, Noting(), effect=effect)
    assert_same_pictures(output, whole)
    pairs = zip(pictures(whole), pictures(street.output), strict=True)
    assert any((here != there).any() for here, there in pairs)


def test_segments_that_are_there_are_not_drawn_again(street: Masked, tmp_path: Path) -> None:
    segments = tmp_path / "segments"
    segments.mkdir()
    first, second = Noting(), Noting()
    output = draw(street, tmp_path / "one", first, segments)
    assert_same_pictures(output, street.output)
    lost = sorted(segments.glob("*.segment"))[1]
    lost.unlink()
    output = draw(street, tmp_path / "two", second, segments)
    assert second.done == [lost.name]
    assert_same_pictures(output, street.output)


def test_without_its_timeline_a_task_says_so(street: Masked, tmp_path: Path) -> None:
    class Losing(Noting):
        def run(self, tasks: Sequence[Task], step: Step) -> None:
            for path in tmp_path.glob("timeline-*"):
                path.unlink()
            super().run(tasks, step)

    with pytest.raises(InvalidTimeline, match="gone"):
        draw(street, tmp_path, Losing())
    assert not (tmp_path / "masked.mp4").exists()
