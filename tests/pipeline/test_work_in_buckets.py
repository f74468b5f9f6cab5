"""Work on a video whose files lie in a bucket, or only in part on this machine."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bystander.executors.child import RemoteWorkspace
from bystander.executors.processes import Processes
from bystander.executors.settings import WorkerSettings
from bystander.media.byte_spans import bytes_of_frames
from bystander.media.demux import END_BYTES, fingerprint
from bystander.media.facts import VideoInfo
from bystander.media.partial_files import Spans
from bystander.media.probe import probe
from bystander.media.reader import frames_after
from bystander.pipeline.analyze import analyze
from bystander.pipeline.render import render
from bystander.pipeline.tasks import FolderWorkspace, InProcess, Parallel, Step, Task, Workspace
from bystander.pipeline.workspaces import (
    BucketWorkspace,
    spans_of,
    with_video,
    workspace_of,
)
from tests.conftest import REPOSITORY
from tests.support.buckets import (
    address,
    bucket,
    copies,
    emulator,
    large,
    read,
    upload,
    workspace_in,
)
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
from tests.support.fake_tasks import FakeTask

__all__ = ["address", "bucket", "copies", "emulator", "large"]

CONFINED = WorkerSettings(read=(REPOSITORY / "tests",))
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing confines them")
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


class Noting(InProcess):
    """Does tasks in this process, as they come by pickle, and remembers which bytes they take."""

    def __init__(self) -> None:
        self.spans: list[Spans] = []

    def run(self, tasks: Sequence[Task], step: Step) -> None:
        copies: list[Any] = [pickle.loads(pickle.dumps(task)) for task in tasks]
        self.spans += [task.spans for task in copies]
        super().run(copies, step)


@pytest.mark.long
def test_what_is_made_from_a_bucket_is_what_is_made_from_a_folder(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bystander.media.demux.END_BYTES", 2**10)
    monkeypatch.setattr("bystander.media.byte_spans.END_BYTES", 2**10)
    monkeypatch.setattr("bystander.media.byte_spans._GAP_BYTES", 0)
    monkeypatch.setattr("bystander.pipeline.render.SEGMENT_FRAMES", 40)
    people = [Figure(RED, walking(-30, 4)), Figure(BLUE, walking(330, -4))]
    video = Scene(people, frames=160).video(tmp_path / "video.mp4")

    def masked(workspace: Workspace) -> tuple[bytes, bytes, list[Spans]]:
        folder = tmp_path / type(workspace).__name__
        folder.mkdir()
        parallel = Parallel(executor := Noting(), workspace, 2.0, 1.0)
        timeline = analyze(
            video,
            folder / "timeline",
            models=drawn_models(),
            settings=SETTINGS,
            cast=cast_of(folder, anna=BLUE),
            parallel=parallel,
        )
        render(video, timeline, folder / "masked.mp4", parallel=parallel)
        return (
            (folder / "timeline").read_bytes(),
            (folder / "masked.mp4").read_bytes(),
            executor.spans,
        )

    (tmp_path / "work").mkdir()
    *expected, _ = masked(FolderWorkspace(video, tmp_path / "work"))
    workspace = workspace_of(bucket, video, fingerprint(video))
    *found, spans = masked(workspace)
    assert found == expected
    assert sum(bool(of) for of in spans) > 1, "of a part not all bytes are needed"
    assert "the whole video" not in caplog.text


@dataclass(frozen=True)
class ChunkTask:
    """Reads some frames, and stores a digest of them and how often it began."""

    workspace: BucketWorkspace
    video: str
    info: VideoInfo
    spans: Spans
    name: str
    frames: int = 5
    runs_networks: bool = False

    def run(self, step: Step) -> None:
        begun = 0

        def digest(path: Path) -> str:
            nonlocal begun
            begun += 1
            return digest_of(path, self.info, self.frames)

        found = with_video(self.workspace, self.video, self.spans, digest)
        with self.workspace.storing(self.name) as path:
            path.write_text(f"{found} {begun}")


def digest_of(video: Path, info: VideoInfo, count: int) -> str:
    digest = hashlib.sha256()
    for frame in islice(frames_after(video, info, 115, 114 * 512), count):
        digest.update(frame.rgb().tobytes())
    return digest.hexdigest()


@pytest.mark.long
@linux
def test_a_confined_process_reads_no_more_than_its_bytes(
    bucket: str, large: Path, tmp_path: Path
) -> None:
    info, size, workspace = probe(large), large.stat().st_size, workspace_in(bucket)
    upload(workspace, large.read_bytes(), tmp_path)
    right = bytes_of_frames(large, info, 114 * 512 + 1, 120 * 512)
    wrong = ((0, END_BYTES), (size - END_BYTES, size))
    key = fingerprint(large)
    tasks = [ChunkTask(workspace, key, info, right, "right")]
    tasks += [ChunkTask(workspace, key, info, wrong, "wrong")]
    Processes(1, CONFINED).run(tasks, lambda frames: None)

    digest = digest_of(large, info, 5)
    assert read(workspace, "right").decode() == f"{digest} 1"
    assert read(workspace, "wrong").decode() == f"{digest} 2"


@linux
def test_confined_processes_get_their_files_from_who_started_them(
    bucket: str, tmp_path: Path
) -> None:
    """They have no network, and see nothing of other jobs."""
    workspace = workspace_in(bucket)
    content = os.urandom(2**16)
    upload(workspace, content, tmp_path)
    tasks = [FakeTask(workspace, number) for number in range(3)]
    Processes(2, CONFINED).run(tasks, lambda frames: None)

    digest = hashlib.sha256(content).hexdigest()
    assert [read(workspace, task.name).decode() for task in tasks] == [
        f"{digest} {number}" for number in range(3)
    ]


def test_bytes_are_planned_for_whoever_has_not_the_whole_video(large: Path) -> None:
    """A service's worker doesn't know where its driver has the files."""
    folder = FolderWorkspace(large, large.parent)
    remote: Any = RemoteWorkspace.__new__(RemoteWorkspace)
    part = large, probe(large), 114 * 512 + 1, 120 * 512

    assert spans_of(folder, *part) == ()
    assert len(spans_of(remote, *part)) > 1
    assert spans_of(remote, large, part[1], None, None) == (), "all of it"
