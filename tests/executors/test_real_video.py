"""Machines, processes and drivers are killed while they mask a real clip by the real networks.

At 30 and at 80 % of the parts: while it is looked at, and while it is drawn.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import imageio_ffmpeg
import pytest

from bystander.executors.settings import ClusterSettings
from bystander.pipeline.tasks import Executor, InProcess, Step, Task
from tests.conftest import REPOSITORY, shared
from tests.support.masked_clip import FRAMES, MASKED, PARTS, TIMELINE, finished_parts, mask_clip
from tests.support.ray_cluster import Nodes, ray_cluster
from tests.support.waiting import HANGS_AFTER_SECONDS, until

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray leaves its logs open
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

from bystander.executors.ray_executor import RayExecutor  # noqa: E402

MARKS = [round(0.3 * PARTS), round(0.8 * PARTS)]
SETTINGS = ClusterSettings()


@pytest.fixture(scope="module", autouse=True)
def _networks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYSTANDER_MODELS", str(shared("models")))
        yield


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of a stage with a dozen people, one of whom is kept."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i"]
    command += [str(shared("clips", "hamilton", "video.mp4")), "-r", "25", "-frames:v", str(FRAMES)]
    subprocess.run([*command, "-preset", "ultrafast", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def photos() -> Path:
    return shared("clips", "hamilton", "cast")


def files(folder: Path) -> dict[str, bytes]:
    """What the driver leaves: who is where with which verdict, and the masked video."""
    return {name: (folder / name).read_bytes() for name in (TIMELINE, MASKED)}


@pytest.fixture(scope="module")
def alone(clip: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of it."""
    folder = tmp_path_factory.mktemp("alone")
    mask_clip(clip, photos, folder, InProcess())
    assert len(finished_parts(folder)) == PARTS
    return files(folder)


@pytest.fixture(scope="module")
def cluster(_networks: None) -> Iterator[Nodes]:
    with ray_cluster() as nodes:
        yield nodes


@pytest.fixture
def nodes(cluster: Nodes) -> Nodes:
    cluster.be(2)
    return cluster


def busy(nodes: Nodes) -> list[int]:
    """Confined processes that are at a part: each has begun to write its result."""
    return [pid for pid in nodes.at_work() if any(Path(f"/proc/{pid}/cwd").glob("*.part"))]


class Disturbed:
    """An executor whose step does something where so many parts are done, once for each mark.

    Attributes:
        finished: parts that were done by then.
        nodes_used: that were seen at work.
    """

    def __init__(
        self, executor: Executor, nodes: Nodes, folder: Path, disturb: Callable[[int], None]
    ) -> None:
        self._executor, self._nodes, self._folder = executor, nodes, folder
        self._disturb = disturb
        self._ahead = list(MARKS)
        self.finished: dict[str, tuple[int, int]] = {}
        self.nodes_used: set[int] = set()

    @property
    def times(self) -> int:
        return len(MARKS) - len(self._ahead)

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        def watched(frames: int) -> None:
            step(frames)
            self._watch()

        self._executor.run(tasks, watched)

    def _watch(self) -> None:
        at = busy(self._nodes)
        self.nodes_used |= {id(self._nodes.of(pid)) for pid in at}
        done = finished_parts(self._folder)
        if self._ahead and at and len(done) >= self._ahead[0]:
            self._ahead.pop(0)
            self.finished |= done
            self._disturb(at[0])


def check(folder: Path, finished: dict[str, tuple[int, int]], alone: dict[str, bytes]) -> None:
    assert files(folder) == alone
    after = finished_parts(folder)
    assert len(after) == PARTS
    assert finished.items() <= after.items(), "what was finished was done again"


def test_processes_that_are_killed_change_nothing(
    nodes: Nodes, clip: Path, photos: Path, tmp_path: Path, alone: dict[str, bytes]
) -> None:
    executor = Disturbed(
        RayExecutor(nodes.address, SETTINGS),
        nodes,
        tmp_path,
        lambda pid: os.kill(pid, signal.SIGKILL),
    )
    mask_clip(clip, photos, tmp_path, executor)

    assert executor.times == 2
    check(tmp_path, executor.finished, alone)


def test_machines_that_are_killed_change_nothing_and_one_that_comes_is_used(
    nodes: Nodes, clip: Path, photos: Path, tmp_path: Path, alone: dict[str, bytes]
) -> None:
    came: list[int] = []

    def replace(pid: int) -> None:
        nodes.kill(nodes.of(pid))
        came.extend(map(id, nodes.add()))

    executor = Disturbed(RayExecutor(nodes.address, SETTINGS), nodes, tmp_path, replace)
    mask_clip(clip, photos, tmp_path, executor)

    assert executor.times == 2
    assert came[0] in executor.nodes_used
    check(tmp_path, executor.finished, alone)


def test_a_driver_that_is_killed_goes_on_where_it_was(
    nodes: Nodes, clip: Path, photos: Path, tmp_path: Path, alone: dict[str, bytes]
) -> None:
    command = [sys.executable, "-m", "tests.support.masked_clip"]
    command += [str(clip), str(photos), str(tmp_path), nodes.address, SETTINGS.model_dump_json()]
    finished: dict[str, tuple[int, int]] = {}
    for mark in MARKS:
        with subprocess.Popen(command, cwd=REPOSITORY) as driver:
            try:
                until(lambda mark=mark: len(finished_parts(tmp_path)) >= mark)  # type: ignore[misc]
                assert driver.poll() is None
            finally:
                driver.kill()
        until(lambda: not busy(nodes))
        finished |= finished_parts(tmp_path)
        assert not (tmp_path / MASKED).exists()
    done = subprocess.run(command, cwd=REPOSITORY, timeout=HANGS_AFTER_SECONDS, check=False)

    assert done.returncode == 0
    check(tmp_path, finished, alone)
