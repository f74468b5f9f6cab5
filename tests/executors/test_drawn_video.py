"""A video of drawn people comes out the same, whoever does its parts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bystander.executors.processes import Processes
from bystander.executors.settings import ClusterSettings, WorkerSettings
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.pipeline.tasks import Executor, FolderWorkspace, InProcess, Parallel
from tests.support.drawn import (
    BLUE,
    RED,
    SETTINGS,
    Figure,
    Scene,
    cast_of,
    drawn_models,
    walking,
)
from tests.support.drawn_tasks import Drawn
from tests.support.ray_cluster import ray_cluster

CHUNK_SECONDS, OVERLAP_SECONDS = 1.6, 1.2


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    people = [Figure(RED, walking(-30, 2)), Figure(BLUE, walking(330, -2))]
    folder = tmp_path_factory.mktemp("crossing")
    return Scene(people, frames=160, cuts=[100]).video(folder / "video.mp4")


def masked(video: Path, folder: Path, executor: Executor) -> dict[str, bytes]:
    """Everything that comes of it: the parts' files, the timeline, the masked video."""
    folder.mkdir()
    work = folder / "work"
    work.mkdir()
    parallel = Parallel(
        Drawn(executor), FolderWorkspace(video, work), CHUNK_SECONDS, OVERLAP_SECONDS
    )
    told: dict[str, list[int]] = {}
    timeline = analyze(
        video,
        folder / "timeline",
        models=drawn_models(),
        settings=SETTINGS,
        cast=cast_of(folder, anna=BLUE),
        parallel=parallel,
        report=lambda progress: told.setdefault(progress.stage, []).append(progress.done),
    )
    render(video, timeline, folder / "masked.mp4", parallel=parallel)
    assert list(told) == ["analyze", "decide"]
    assert all(done[-1] == max(done) for done in told.values())
    files = [*work.iterdir(), folder / "timeline", folder / "masked.mp4"]
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def expected(video: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    files = masked(video, tmp_path_factory.mktemp("alone") / "files", InProcess())
    assert len(files) > 5
    return files


@pytest.mark.long
def test_processes_make_the_same_files(
    video: Path, tmp_path: Path, expected: dict[str, bytes], settings: WorkerSettings
) -> None:
    assert masked(video, tmp_path / "files", Processes(2, settings)) == expected


@pytest.fixture
def cluster() -> Iterator[str]:
    with ray_cluster() as nodes:
        nodes.be(2)
        yield nodes.address


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.skipif(sys.platform != "linux", reason="starts a cluster")
def test_a_cluster_makes_the_same_files(
    video: Path, tmp_path: Path, expected: dict[str, bytes], settings: WorkerSettings, cluster: str
) -> None:
    pytest.importorskip("ray")
    from bystander.executors.ray_executor import RayExecutor

    executor = RayExecutor(cluster, ClusterSettings(worker=settings))
    assert masked(video, tmp_path / "files", executor) == expected
