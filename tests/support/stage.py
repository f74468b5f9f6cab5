"""A service to send requests to: real store and storage in a folder, drawn people, two tokens."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from bystander.choices import ProfileName
from bystander.models import Models
from bystander.sandbox.protocol import VideoFacts
from bystander.server.http.app import create_app
from bystander.server.http.deps import Context
from bystander.server.http.limits import RateLimiter, UploadSlots
from bystander.server.jobs.estimates import DurationEstimator
from bystander.server.jobs.preview_clips import PreviewClips
from bystander.server.jobs.runner import Runner
from bystander.server.jobs.spec import key_of
from bystander.server.models import Job, JobKind, JobState, Project, Video, VideoState
from bystander.server.retention import PHOTOS, Janitor
from bystander.server.settings import SecuritySettings, ServiceSettings
from bystander.server.store import ServiceStore
from bystander.storage import LocalStorage, Storage
from tests.support.databases import database_at
from tests.support.drawn import drawn_models
from tests.support.facts import FACTS
from tests.support.waiting import HANGS_AFTER_SECONDS, until

TOKENS = ("a" * 20, "b" * 20)


@dataclass
class Stage:
    """The service and what is behind it."""

    folder: Path
    context: Context
    app: Any
    url: str

    def client(self, token: int = 0) -> httpx.Client:
        """A client with one of `TOKENS`."""
        headers = {"Authorization": f"Bearer {TOKENS[token]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=HANGS_AFTER_SECONDS)

    def project(self, video: Path | None = None, facts: VideoFacts | None = None) -> Project:
        """A project of the first token, with a video if one is given."""
        with self.client() as client:
            made = client.post("/projects")
            assert made.status_code == 201, made.text
        projects = self.context.store.projects
        project = projects.find(made.json()["id"])
        assert project is not None
        if video is not None:
            self.put(video, f"{project.id}/video")
            ready = Video(VideoState.READY, 1, 1, facts or FACTS, posters=0)
            projects.set_video(project.id, ready)
        return project

    def analysed(
        self, timeline: Path, video: Path | None = None, verdicts_digest: str = ""
    ) -> Project:
        """A project of the first token with an analysis, and a video if one is given."""
        made = self.project(video)
        self.put(timeline, f"{made.id}/timeline")
        self.job(made, JobKind.ANALYZE, JobState.DONE, verdicts_digest)
        return made

    def put(self, file: Path, key: str) -> None:
        """Store a copy of a file."""
        copy = self.folder / "copy"
        shutil.copyfile(file, copy)
        self.context.storage.put(copy, key)

    def result(self, project: Project, content: bytes, name: str = "result.mp4") -> Job:
        """A job that is done, and what it has made."""
        job = self.job(project, JobKind.MASK)
        self.made(project, content, name)
        return job

    def made(self, project: Project, content: bytes, name: str = "result.mp4") -> None:
        """Put a file where jobs put what they make."""
        file = self.folder / "made"
        file.write_bytes(content)
        self.context.storage.put(file, key_of(project.id, name))

    def job(
        self,
        project: Project,
        kind: JobKind = JobKind.ANALYZE,
        state: JobState = JobState.DONE,
        verdicts_digest: str = "",
    ) -> Job:
        """A job that came as far as `state`, by the ways of the store alone."""
        jobs = self.context.store.jobs
        job = jobs.add(project.id, kind, {"kind": kind})
        assert job is not None
        if state is not JobState.QUEUED:
            assert jobs.claim() is not None
        if state.ended:
            if state is JobState.DONE:
                assert jobs.commit(job.id, {"verdicts_digest": verdicts_digest})
            assert jobs.finish(job.id, state)
        found = jobs.find(job.id)
        assert found is not None
        return found


@contextmanager
def staged(
    folder: Path,
    settings: ServiceSettings | None = None,
    models: Callable[[], Models] = drawn_models,
    storage: Storage | None = None,
) -> Iterator[Stage]:
    """The service, listening on a free port of the loopback; its storage is a folder unless
    another one is given."""
    settings = (settings or ServiceSettings()).model_copy(
        update={"data": folder / "data", "security": SecuritySettings(tokens=TOKENS)}
    )
    settings.data.mkdir(mode=0o700)
    store = ServiceStore(database_at(settings.data / "bystander.sqlite"))
    storage = storage or LocalStorage(settings.data / "objects")
    context = make_context(settings, store, storage, models)
    app = create_app(context)
    try:
        with serving(app) as url:
            yield Stage(folder, context, app, url)
    finally:
        store.close()


@contextmanager
def beside(stage: Stage) -> Iterator[Stage]:
    """Another service over the same store and the same folder."""
    settings = stage.context.settings
    store = ServiceStore(database_at(settings.data / "bystander.sqlite"))
    storage = LocalStorage(settings.data / "objects")
    context = make_context(settings, store, storage, drawn_models)
    app = create_app(context)
    try:
        with serving(app) as url:
            yield replace(stage, context=context, app=app, url=url)
    finally:
        store.close()


@contextmanager
def impatient(stage: Stage) -> Iterator[Stage]:
    """The same service with hardly any patience for bodies that don't come."""
    settings = stage.context.settings
    limits = settings.limits.model_copy(update={"body_seconds": 0.3})
    context = replace(stage.context, settings=settings.model_copy(update={"limits": limits}))
    app = create_app(context)
    with serving(app) as url:
        yield replace(stage, context=context, app=app, url=url)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a uvicorn that serves `app`."""
    # It is the tests', not the service's: no level or handler that another test has set for it, or
    # for the root, makes it write names into what is looked through for them.
    logging.getLogger("uvicorn.access").disabled = True
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


def make_context(
    settings: ServiceSettings, store: ServiceStore, storage: Storage, models: Callable[[], Models]
) -> Context:
    """A context whose runner and janitor aren't started: tests move jobs on themselves."""
    janitor = Janitor(store, storage, settings)
    return Context(
        settings=settings,
        store=store,
        storage=storage,
        runner=Runner(store, storage, settings, worker_command, dict(os.environ)),
        janitor=janitor,
        models=models,
        durations=DurationEstimator(store, storage, no_sample, {}, settings.data / "work"),
        preview_clips=PreviewClips(
            storage,
            settings,
            drawn_worker_command,
            dict(os.environ),
            janitor.room_for,
            settings.data / PHOTOS,
        ),
        uploads=UploadSlots(settings.limits.uploads_at_once),
        rates=RateLimiter(1000, 1000),
    )


def no_sample(video: Path, profile: ProfileName) -> list[str]:
    """Measuring that fails at once: what is left is a guess."""
    return ["false"]


def drawn_worker_command(folder: Path) -> list[str]:
    """A worker with drawn networks."""
    return [sys.executable, "-m", "tests.support.drawn_worker", str(folder), "nowhere"]


def worker_command(folder: Path) -> list[str]:
    """What a worker does that nobody waits for."""
    return [sys.executable, "-c", "pass", str(folder)]
