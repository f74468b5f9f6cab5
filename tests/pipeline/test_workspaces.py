"""The bucket of several machines, and the copies of one of them."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bystander.errors import (
    ConfigError,
    ExecutorError,
    NotAVideo,
    NotFetched,
    NotStored,
    OutputUnwritable,
    StorageError,
    TimelineMismatch,
)
from bystander.media.byte_spans import bytes_of_frames
from bystander.media.demux import END_BYTES, fingerprint
from bystander.media.partial_files import list_of
from bystander.media.probe import probe
from bystander.media.reader import VideoReader, frames_after
from bystander.pipeline import workspaces
from bystander.pipeline.tasks import FolderWorkspace
from bystander.pipeline.workspaces import (
    BucketWorkspace,
    sweep_jobs,
    with_video,
    working_in,
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
    store,
    upload,
    workspace_in,
)

__all__ = ["address", "bucket", "copies", "emulator", "large"]

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


def test_what_one_machine_stores_another_finds(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = workspace_in(address)
    assert here.find("look-1") is None
    assert not here.has("look-1")
    store(here, "look-1", b"seen")

    there: BucketWorkspace = pickle.loads(pickle.dumps(here))
    assert there == here
    workspaces._cache().remove()
    monkeypatch.setattr(workspaces, "_opened", workspaces._Here())
    assert there.has("look-1")
    assert read(there, "look-1") == b"seen"
    assert replace(there, folder="3f2a/other").find("look-1") is None


def test_only_names_are_pickled(bucket: str) -> None:
    workspace = workspace_in(bucket)
    store(workspace, "look-1", b"seen")

    content = pickle.dumps(workspace)
    assert len(content) < 400
    assert b"credential" not in content
    assert b"127.0.0.1" not in content


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()], ids=type)
def test_what_fails_midway_stores_nothing(error: BaseException, address: str, copies: Path) -> None:
    workspace = workspace_in(address)

    def half() -> None:
        with workspace.storing("look-1") as path:
            path.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        half()

    assert not workspace.has("look-1")
    assert [p for p in copies.rglob("*") if p.suffix == ".part"] == []


def test_a_full_disk_is_told_and_leaves_nothing(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    workspace = workspace_in(bucket)
    with pytest.raises(OutputUnwritable, match=r"look-1.*No space"), workspace.storing("look-1"):
        raise full
    upload(workspace, b"0123456789", tmp_path)

    def chunks(*_: object) -> Iterator[bytes]:
        yield b"01234"
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(workspace._storage, "_chunks", chunks)
        for spans in [], [(2, 6)]:
            with pytest.raises(StorageError, match="disk was full"):
                workspace.video(spans)
    folder = workspaces._cache().folder_of(workspace)
    assert list(folder.iterdir()) == [], "neither a part nor a list of bytes"
    assert workspace.video().read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../other/look",
        "a/b",
        "/etc/passwd",
        ".hidden",
        "a..b",
        "a\n",
        "v_1",
        "a" * 200,
    ],
)
def test_a_hostile_name_is_refused(name: str, address: str) -> None:
    workspace = workspace_in(address)
    for attempt in (
        workspace.find,
        workspace.has,
        lambda name: workspace.storing(name).__enter__(),
    ):
        with pytest.raises(StorageError, match="can't be the name"):
            attempt(name)


def test_many_may_store_the_same(address: str) -> None:
    workspace = workspace_in(address)
    content = os.urandom(2**20)
    together = threading.Barrier(4)

    def write(_: int) -> None:
        with workspace.storing("look-1") as path:
            path.write_bytes(content)
            together.wait()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
        found = list(pool.map(lambda _: read(workspace, "look-1"), range(4)))
    assert found == [content] * 4


def test_of_a_video_only_the_bytes_that_are_read_are_fetched(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = workspace_in(bucket)
    content = os.urandom(3 * 2**20)
    upload(workspace, content, tmp_path)
    asked: list[tuple[int, int]] = []
    storage: Any = workspace._storage
    whole = storage._fs.cat_file

    def listening(path: str, *, start: int, end: int, **more: Any) -> Any:
        asked.append((start, end))
        return whole(path, start=start, end=end, **more)

    monkeypatch.setattr(storage._fs, "cat_file", listening)
    spans = [(0, 10), (2**20, 2**20 + 70_000), (len(content) - 1, len(content))]
    path = workspace.video(spans)

    found = path.read_bytes()
    assert len(found) == len(content)
    for start, end in spans:
        assert found[start:end] == content[start:end]
    assert not any(found[10 : 2**20])
    assert asked == spans
    assert workspace.video(spans) == path
    assert asked == spans, "it is here"
    assert workspace.video() != path
    assert workspace.video().read_bytes() == content
    assert not list_of(workspace.video()).exists()


@pytest.mark.parametrize("spans", [[(-1, 3)], [(0, 3), (5, 11)], [(10, 11)]])
def test_bytes_beside_the_object_are_an_error(
    spans: list[tuple[int, int]], address: str, tmp_path: Path
) -> None:
    workspace = workspace_in(address)
    upload(workspace, b"0123456789", tmp_path)

    with pytest.raises(StorageError, match="10 bytes"):
        workspace.video(spans)
    assert workspace.video().read_bytes() == b"0123456789"


@pytest.mark.parametrize("spans", [[], [(2, 6)]])
@pytest.mark.parametrize("change", [lambda data: data + b"x", lambda data: data[:-1]])
def test_an_object_of_another_length_than_it_says_is_damaged(
    spans: list[tuple[int, int]],
    change: Any,
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workspace = workspace_in(bucket)
    upload(workspace, b"0123456789", tmp_path)
    storage: Any = workspace._storage
    whole = storage._fs.cat_file
    monkeypatch.setattr(storage._fs, "cat_file", lambda *a, **b: change(whole(*a, **b)))

    with pytest.raises(StorageError, match="arrived damaged"):
        workspace.video(spans)


def test_a_video_that_is_gone_is_told(address: str, tmp_path: Path) -> None:
    workspace = workspace_in(address)
    for spans in [], [(0, 1)]:
        with pytest.raises(NotStored, match="3f2a/video"):
            workspace.video(spans)


def test_a_chunk_is_read_from_its_bytes_and_from_all_where_they_do_not_do(
    bucket: str, large: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video, info = large, probe(large)
    size, key = video.stat().st_size, fingerprint(video)
    workspace = workspace_in(bucket)
    upload(workspace, video.read_bytes(), tmp_path)
    whole = [(f.pts, f.rgb().tobytes()) for f in VideoReader(video, info)]
    spans = bytes_of_frames(video, info, whole[114][0] + 1, whole[120][0])
    assert sum(end - start for start, end in spans) < 0.8 * size

    def chunk(path: Path) -> list[tuple[int, bytes]]:
        frames = islice(frames_after(path, info, 115, whole[114][0]), 5)
        return [(f.pts, f.rgb().tobytes()) for f in frames]

    assert with_video(workspace, key, spans, chunk) == whole[115:120]
    assert caplog.messages == []
    # A plan that is wrong costs time, and no frame.
    wrong = ((0, END_BYTES), (size - END_BYTES, size))
    with pytest.raises(NotFetched):
        chunk(workspace.video(wrong))
    assert with_video(workspace, key, wrong, chunk) == whole[115:120]
    assert "the whole video is fetched" in caplog.text


def test_an_error_that_is_not_for_want_of_bytes_is_not_tried_again(address: str) -> None:
    workspace = workspace_in(address)
    with pytest.raises(NotStored):
        with_video(workspace, "", ((0, 1),), Path.read_bytes)


def test_copies_are_for_their_owner_alone(bucket: str, tmp_path: Path) -> None:
    workspace = workspace_in(bucket)
    upload(workspace, b"0123456789", tmp_path)
    store(workspace, "look-1", b"seen")
    found = workspace.find("look-1")
    assert found is not None

    (readable,) = workspace.readable()
    for path in (found, workspace.video([(0, 5)])):
        assert path.parent == readable
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(readable.stat().st_mode) == 0o700
    assert stat.S_IMODE(readable.parent.stat().st_mode) == 0o700
    other = replace(workspace, folder="77/work")
    assert other.readable() != workspace.readable()


def test_copies_take_no_more_than_allowed_beside_those_in_use(bucket: str, tmp_path: Path) -> None:
    content = os.urandom(2**18)
    first, second = (
        BucketWorkspace(bucket, f"{name}/video", f"{name}/work", cache_bytes=2**19)
        for name in ("a", "b")
    )
    for workspace in (first, second):
        upload(workspace, content, tmp_path)
        store(workspace, "look-1", content)
    found = first.find("look-1")
    one, two = first.video([(0, 2**18)]), first.video([(0, 2**17)])
    assert found is not None
    assert not one.exists(), "this thread reads another one now"
    assert not list_of(one).exists()
    assert two.exists()
    assert found.exists(), "whoever joins results may be at any of them"

    second.video()
    assert second.find("look-1") is not None
    assert not found.exists()
    assert not two.exists()
    assert second.video().read_bytes() == content


def test_another_threads_video_is_left(bucket: str, tmp_path: Path) -> None:
    workspace = workspace_in(bucket, cache_bytes=1)
    upload(workspace, os.urandom(2**16), tmp_path)
    fetched, done = threading.Event(), threading.Event()
    path: list[Path] = []

    def read() -> None:
        path.append(workspace.video([(0, 2**15)]))
        fetched.set()
        done.wait()

    thread = threading.Thread(target=read)
    thread.start()
    fetched.wait()
    try:
        mine = workspace.video([(0, 2**14)])
        assert workspace.video() != mine
        assert path[0].exists()
        assert not mine.exists()
    finally:
        done.set()
        thread.join()
    workspace.video([(0, 2**13)])
    assert not path[0].exists()


def test_clearing_leaves_nothing_biometric_and_the_neighbours(address: str, tmp_path: Path) -> None:
    workspace = workspace_in(address)
    neighbour = replace(workspace, folder="3f2a/work2")
    upload(workspace, b"video", tmp_path)
    for one in (workspace, neighbour):
        store(one, "look-1", b"faces")
    found = workspace.find("look-1")
    assert found is not None

    workspace.clear()
    workspace.clear()
    assert not found.exists()
    assert workspace.find("look-1") is None
    assert neighbour.has("look-1")
    assert workspace.video().read_bytes() == b"video"


SCRIPT = """
import os, signal, sys
from pathlib import Path
from bystander.pipeline.workspaces import BucketWorkspace
replace = Path.replace
def killed(path, target):
    if target.name == "look-1":
        print(path.exists(), target.exists(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)
Path.replace = killed
BucketWorkspace(sys.argv[1], "3f2a/video", "3f2a/work").find("look-1")
"""


def test_who_is_killed_over_a_download_leaves_it_for_the_next_to_remove(
    bucket: str, copies: Path
) -> None:
    workspace = workspace_in(bucket)
    store(workspace, "look-1", b"faces")
    mine = set(copies.iterdir())
    child = subprocess.run(
        [sys.executable, "-c", SCRIPT, bucket],
        env={**os.environ, "TMPDIR": str(copies)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert child.stdout == "True False\n"
    (left,) = set(copies.iterdir()) - mine
    assert any(path.suffix == ".part" for path in left.rglob("*"))

    workspaces._Cache().remove()
    assert set(copies.iterdir()) == mine, "what lives is left alone"
    assert read(workspace, "look-1") == b"faces"


def test_a_folder_is_for_machines_that_share_it(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    workspace = workspace_of(str(tmp_path / "work"), tmp_path / "video.mp4", "ab" * 32)

    assert isinstance(workspace, FolderWorkspace)
    assert workspace.video([(0, 1)]) == tmp_path / "video.mp4"
    assert workspace.folder == tmp_path / "work" / ("ab" * 16)
    assert stat.S_IMODE(workspace.folder.stat().st_mode) == 0o700


def test_a_bucket_gets_the_video_once(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(b"video")
    workspace = workspace_of(f"{bucket}/", video, "ab" * 32)

    assert workspace.video().read_bytes() == b"video"
    assert video.read_bytes() == b"video"
    video.unlink()
    again = workspace_of(bucket, video, "ab" * 32)
    assert again == workspace
    assert isinstance(again, BucketWorkspace)
    again.clear()
    with pytest.raises(NotStored):
        again.video()


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (None, False),
        (KeyboardInterrupt(), False),
        (NotAVideo("no"), False),
        (ExecutorError("the cluster failed"), True),
        (StorageError("out of reach"), True),
    ],
    ids=repr,
)
@pytest.mark.parametrize("shared", [True, False], ids=["folder", "bucket"])
def test_nothing_is_left_but_what_is_gone_on_with(
    error: BaseException | None, stays: bool, shared: bool, bucket: str, tmp_path: Path
) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(b"video")
    (tmp_path / "work").mkdir()
    place = str(tmp_path / "work") if shared else bucket

    def work() -> None:
        with working_in(place, video, "ab" * 32) as workspace:
            with workspace.storing("look-1") as path:
                path.write_bytes(b"faces")
            if error is not None:
                raise error

    with nullcontext() if error is None else pytest.raises(type(error)):
        work()
    assert video.exists()
    assert workspace_of(place, video, "ab" * 32).has("look-1") == stays


@pytest.mark.parametrize(
    "place", ["s3://bucket", "https://host/x", "file://host/x", "gs://", "gs:///x"]
)
def test_other_addresses_are_refused(place: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither"):
        workspace_of(place, tmp_path / "video.mp4", "ab" * 32)


def test_another_video_in_its_place_is_refused(tmp_path: Path) -> None:
    """As where two machines have two files of one name."""
    video = tmp_path / "video.mp4"
    video.write_bytes(b"another")
    workspace = FolderWorkspace(video, tmp_path)

    with pytest.raises(TimelineMismatch, match="planned for"):
        with_video(workspace, "f" * 64, (), Path.read_bytes)
    assert with_video(workspace, fingerprint(video), (), Path.read_bytes) == b"another"


def test_what_a_crash_left_of_a_job_is_swept(address: str) -> None:
    ended, other, begun = (BucketWorkspace(address, f"{j}/video", j) for j in ("1", "10", "2"))
    for workspace in (ended, other):
        store(workspace, "look-1", b"faces")

    def active() -> set[str]:
        store(begun, "look-1", b"faces")  # by another machine, just now
        return {"10", "2"}

    sweep_jobs(ended._storage, active)
    assert [one.has("look-1") for one in (ended, other, begun)] == [False, True, True]
