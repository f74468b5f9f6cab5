"""Does the entry service stream? A huge video goes in, is masked, and comes out.

The video is a real one with an empty box behind it, so that it is cheap to make and to mask.
What is counted is the entry service with its children, but for the workers of jobs: those need
as much as `bystander mask` does.
"""

from __future__ import annotations

import shutil
import struct
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from benchmarks.service.clips import Clip
from benchmarks.service.server import ENTRY, JOB_WORKER, Server
from bystander.client import Client, RemoteProject
from bystander.client_answers import CHUNK_BYTES

SIZE = 1_500_000_000
INTERVAL = 0.05
MIB = 2**20


def table(clips: Path, folder: Path) -> str:
    """The table, as Markdown."""
    clip = Clip.find(clips / "hamilton")
    large = padded(clip.video, folder / "large.mp4", SIZE)
    gigabytes = f"{SIZE / 1e9:.1f} GB"
    with Server(folder) as server, Client(server.url, server.tokens[0]) as client:
        entry = server.service(ENTRY)
        clip.send(client).delete()  # the first use of anything takes memory
        project = client.create_project()
        watched: dict[str, Watch] = {}
        with Watch(entry) as watched[f"{gigabytes} sent"]:
            project.send_video(large)
        large.unlink()
        with Watch(entry) as watched["its job"]:
            project.start("mask").wait()
        with Watch(entry) as watched[f"{gigabytes} fetched"]:
            assert fetch(client, project) == SIZE
        with Watch(entry) as watched["its result fetched"]:
            project.download("result", folder / "result.mp4")
        project.delete()
    rows = [
        f"| {name} | {watch.seconds:.1f} | {watch.growth / MIB:.0f} |"
        for name, watch in watched.items()
    ]
    return "\n".join(["| | seconds | growth, MiB |", "|---|---:|---:|", *rows])


def fetch(client: Client, project: RemoteProject) -> int:
    """Download the video that was sent, to nowhere; gives its size."""
    address = f"/projects/{project.id}/video/file"
    with client.request("GET", address, stream=True) as answer:
        return sum(len(chunk) for chunk in answer.iter_content(CHUNK_BYTES))


def padded(video: Path, target: Path, size: int) -> Path:
    """An MP4 of `size` bytes: `video`, and a free box with a 64-bit size behind it."""
    shutil.copyfile(video, target)
    with target.open("r+b") as file:
        end = file.seek(0, 2)
        file.write(struct.pack(">I4sQ", 1, b"free", size - end))
        block = bytes(16 * MIB)
        while (left := size - file.tell()) > 0:
            file.write(block[: min(left, len(block))])
    return target


class Watch:
    """How much more memory a server uses while this context is open.

    Args:
        entry: its process.

    Attributes:
        growth: bytes, at the worst moment, of it and its children but for workers; what
            processes share is counted once.
        seconds: that the context was open.
    """

    def __init__(self, entry: psutil.Process) -> None:
        self.growth, self.seconds = 0, 0.0
        self._entry, self._ended = entry, threading.Event()

    def __enter__(self) -> Self:
        self._before, self._begun = _used(self._entry), time.monotonic()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._watcher.join()
        self.seconds = time.monotonic() - self._begun

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL):
            self.growth = max(self.growth, _used(self._entry) - self._before)


def _used(entry: psutil.Process) -> int:
    total = 0
    for process in [entry, *entry.children(recursive=True)]:
        try:
            if JOB_WORKER not in process.cmdline():
                total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue  # ended between being listed and being asked
    return total
