"""A service without its API: store, storage and runners over a temporary data folder."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bystander.server.jobs.execution import Command
from bystander.server.jobs.runner import Runner
from bystander.server.jobs.spec import key_of
from bystander.server.models import (
    Job,
    JobKind,
    JobState,
    Photo,
    PhotoFace,
    Project,
    Video,
    VideoState,
    new_id,
)
from bystander.server.settings import JobSettings, RetentionSettings, ServiceSettings
from bystander.server.store import ServiceStore
from bystander.storage import LocalStorage
from tests.support.databases import database_at
from tests.support.facts import FACTS
from tests.support.waiting import until

WORKER = Path(__file__).with_name("worker_script.py")
VIDEO = b"moving pictures"
NAME = "Annabel Quartermain"
PICTURE = b"a picture of Annabel"

Steps = Sequence[tuple[str, Any]]


def progress(done: int, stage: str = "render", **more: Any) -> tuple[str, Any]:
    return (
        "say",
        {"event": "progress", "stage": stage, "done": done, "total": 100, "fps": 20.0, **more},
    )


def say(event: str, **facts: Any) -> tuple[str, Any]:
    return ("say", {"event": event, **facts})


DONE = say("done", summary={"people": 3})
RESULT = ("write", ["result.mp4", "masked"])
AT_ONCE: list[Steps] = [[RESULT, DONE]]
LONG = ("sleep", 3600)
"""Longer than any test; a worker ends with its parent."""
FOR_EVER: list[Steps] = [[progress(1), LONG]]


def scripted(script: Sequence[Steps]) -> Command:
    """The command of a worker that does this."""
    return lambda folder: [sys.executable, "-ISs", str(WORKER), str(folder), json.dumps(script)]


class House:
    """Everything below `data`."""

    def __init__(
        self,
        data: Path,
        jobs: Mapping[str, Any] | None = None,
        retention: Mapping[str, Any] | None = None,
    ) -> None:
        self.data = data
        data.mkdir(mode=0o700, exist_ok=True)
        self.store = ServiceStore(database_at(data / "bystander.sqlite"))
        self.storage = LocalStorage(data / "objects")
        self.settings = ServiceSettings(
            data=data,
            jobs=JobSettings(**(jobs or {})),
            retention=RetentionSettings(free_bytes=0, **(retention or {})),
        )

    def runner(self, script: Sequence[Steps]) -> Runner:
        return Runner(
            self.store,
            self.storage,
            self.settings,
            scripted(script),
            {"PATH": os.defpath},
            pause=0.05,
        )

    @contextmanager
    def running(self, script: Sequence[Steps]) -> Iterator[Runner]:
        runner = self.runner(script)
        runner.start()
        try:
            yield runner
        finally:
            runner.stop()

    def project(self, owner: str = "ann", lifetime: float = 3600) -> Project:
        """With a video, and a photo."""
        project = self.store.projects.create(owner, lifetime)
        self.put(project, "video", VIDEO)
        ready = Video(VideoState.READY, len(VIDEO), len(VIDEO), FACTS)
        self.store.projects.set_video(project.id, ready)
        self.photo(project)
        return project

    def put(self, project: Project, name: str, content: bytes) -> None:
        part = self.data / "part"
        part.write_bytes(content)
        self.storage.put(part, f"{project.id}/{name}")

    def photo(self, project: Project, chosen: int | None = 0, person: str = NAME) -> Photo:
        photo = Photo(
            new_id(), project.id, person, 40, 30, (PhotoFace((1, 2, 11, 14), 0.8),), chosen
        )
        folder = self.data / "photos" / project.id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{photo.id}.jpg").write_bytes(PICTURE)
        assert self.store.photos.add(photo)
        return photo

    def job(
        self, project: Project | None = None, kind: JobKind = JobKind.MASK, **order: Any
    ) -> Job:
        job = self.store.jobs.add((project or self.project()).id, kind, {"kind": kind, **order})
        assert job is not None
        return job

    def now(self, job: Job) -> Job:
        found = self.store.jobs.find(job.id)
        assert found is not None
        return found

    def ended(self, job: Job) -> Job:
        """The job once it has ended, and what it needed has been swept."""
        until(lambda: self.now(job).state.ended and not self.work(job).exists())
        until(lambda: not self.store.litter())
        return self.now(job)

    def started(self, job: Job) -> None:
        """Wait until a worker is at it."""
        counted = self.work(job) / "checkpoints" / "attempts"
        until(lambda: counted.exists() and counted.read_text())

    def at_work(self, job: Job) -> Job:
        """The job once its worker has said something."""
        until(lambda: self.now(job).state is JobState.RUNNING and bool(self.now(job).progress))
        return self.now(job)

    def work(self, job: Job) -> Path:
        return self.data / "work" / job.id

    def pids(self, job: Job) -> list[int]:
        """Of the workers that there were, the newest last."""
        counted = self.work(job) / "checkpoints" / "attempts"
        return [int(line) for line in counted.read_text().split()]

    def result(self, project: str, name: str = "result.mp4") -> bytes:
        return b"".join(self.storage.read(key_of(project, name)))

    def close(self) -> None:
        self.store.close()


class Clock:
    """Stands for the module `time`: it goes `late` seconds ahead, and stands still if told to."""

    def __init__(self) -> None:
        self.late = 0.0
        self.stands_at: float | None = None

    def monotonic(self) -> float:
        return self.late + (time.monotonic() if self.stands_at is None else self.stands_at)

    sleep = staticmethod(time.sleep)


def nothing_left_of(house: House, project: Project) -> bool:
    """Whether working folders and photos are gone."""
    return _pictures(house, project) == 0 and not list((house.data / "work").iterdir())


def only_photos_left_of(house: House, project: Project) -> bool:
    """Whether working folders are gone, and every photo is there for the next try."""
    known = len(house.store.photos.list(project.id))
    gone = not list((house.data / "work").iterdir())
    return gone and _pictures(house, project) == known > 0


def _pictures(house: House, project: Project) -> int:
    return len(list((house.data / "photos" / project.id).glob("*.jpg")))
