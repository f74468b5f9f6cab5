"""What routes share: the context, and a request's project and job.

    @router.get("/projects/{project}/jobs/{job}")
    def get_job(here: CurrentJob) -> JobView: ...

Whoever asks for somebody else's project, or for one that there isn't, gets a 404 before the route
is called. What looks into the store runs in a thread, never on the event loop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

from anyio import CancelScope, CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Depends, Request

from bystander.errors import BystanderError
from bystander.models import Models
from bystander.server.http.errors import ApiError
from bystander.server.http.glances import Glances
from bystander.server.http.job_watcher import JobWatcher
from bystander.server.http.limits import RateLimiter, UploadSlots
from bystander.server.http.proxy_maker import ProxyMaker
from bystander.server.http.timelines import TimelineCache
from bystander.server.jobs.estimates import DurationEstimator
from bystander.server.jobs.preview_clips import PreviewClips
from bystander.server.jobs.runner import Runner
from bystander.server.models import Job, Project, Video, VideoState
from bystander.server.retention import Janitor
from bystander.server.settings import ServiceSettings
from bystander.server.store import ServiceStore
from bystander.storage.base import Storage

MAX_WAITING_ESTIMATES: Final = 16
"""Requests that may wait for a sample; further ones wait for these."""
MAX_CONCURRENT_CLIPS: Final = 2
MAX_CONCURRENT_TRACKS: Final = 2
MAX_CONCURRENT_FRAMES: Final = 2
MAX_CONCURRENT_MASKS: Final = 1
MAX_CONCURRENT_PREVIEWS: Final = 1
"""Being made at the same time; jobs need the processors more."""


@dataclass(frozen=True)
class Context:
    """Everything that outlives a request.

    Attributes:
        models: gives the networks; the first call may wait for the model services.
        durations: how long jobs will take.
        preview_clips: a few seconds of a video, masked.
        clock: seconds since the epoch.
        uploads: how many uploads of one party are under way.
        rates: how many requests of one party are let in.
    """

    settings: ServiceSettings
    store: ServiceStore
    storage: Storage
    runner: Runner
    janitor: Janitor
    models: Callable[[], Models]
    durations: DurationEstimator
    preview_clips: PreviewClips
    uploads: UploadSlots
    rates: RateLimiter
    clock: Callable[[], float] = time.time

    @property
    def data(self) -> Path:
        """The folder of everything that is stored on this machine."""
        return self.settings.data

    @cached_property
    def timelines(self) -> TimelineCache:
        """Those that were looked at last."""
        return TimelineCache(self.storage, self.data / "work")

    @cached_property
    def proxies(self) -> ProxyMaker:
        """Of videos that browsers don't play."""
        return ProxyMaker(self.settings, self.store, self.storage, self.janitor)

    @cached_property
    def glances(self) -> Glances:
        """At the videos that previews were asked for last."""
        return Glances()

    @cached_property
    def watch(self) -> JobWatcher:
        """Of the jobs that are followed."""
        return JobWatcher(self.store.jobs.get)

    # What takes long waits in queues of its own, so that other requests find a thread.

    @cached_property
    def photo_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(self.settings.limits.examined_at_once)

    @cached_property
    def estimate_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(MAX_WAITING_ESTIMATES)

    @cached_property
    def preview_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(MAX_CONCURRENT_PREVIEWS)

    @cached_property
    def preview_clip_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(MAX_CONCURRENT_PREVIEWS)

    @cached_property
    def clip_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(MAX_CONCURRENT_CLIPS)

    @cached_property
    def track_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(MAX_CONCURRENT_TRACKS)

    @cached_property
    def masks_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(MAX_CONCURRENT_MASKS)

    @cached_property
    def frame_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(MAX_CONCURRENT_FRAMES)


def project_of(context: Context, request: Request, project: str) -> Project:
    """Raises ApiError: there is none, or it is of another token."""
    found = context.store.projects.get(project, request.state.owner)
    if found is None:
        raise ApiError.missing("There is no such project")
    return found


def job_of(context: Context, request: Request, project: str, job: str) -> Job:
    """Raises ApiError: there is none, or it is of another token or project."""
    here = project_of(context, request, project)
    found = context.store.jobs.get(here.id, job)
    if found is None:
        raise ApiError.missing("There is no such job")
    return found


@contextmanager
def while_it_is_there(context: Context, project: Project) -> Iterator[None]:
    """What fails because the project is deleted meanwhile: as if it had never been.

    Raises:
        ApiError: it was deleted. What failed otherwise stays as it is.
    """
    try:
        yield
    except (BystanderError, OSError) as error:
        if context.store.projects.find(project.id) is None:
            raise ApiError.missing("There is no such project") from error
        raise


@asynccontextmanager
async def while_project_is_there(context: Context, project: Project) -> AsyncIterator[None]:
    """The same on the event loop: the store is asked in a thread."""
    try:
        yield
    except (BystanderError, OSError) as error:
        if await run_sync(context.store.projects.find, project.id) is None:
            raise ApiError.missing("There is no such project") from error
        raise


@asynccontextmanager
async def held(lock: AbstractContextManager[bool]) -> AsyncIterator[bool]:
    """A lock of the store, taken and let go of in threads; gives whether nobody else has it."""
    taken = await run_sync(lock.__enter__)
    try:
        yield taken
    finally:
        with CancelScope(shield=True):
            await run_sync(lock.__exit__, None, None, None)


def ready_video(project: Project) -> Video:
    """Raises ApiError: it was not uploaded yet, is being looked at, or was refused."""
    if project.video.state is not VideoState.READY:
        raise ApiError(
            409, f"The project's video is {project.video.state}", "Upload one that can be masked."
        )
    return project.video


def project_url(request: Request, project: str) -> str:
    """Where a project is found, from the server's root: the API may be mounted anywhere."""
    return f"{request.scope.get('root_path', '')}/projects/{project}"


def job_url(request: Request, job: Job) -> str:
    """Where a job is found."""
    return f"{project_url(request, job.project)}/jobs/{job.id}"


async def current_context(request: Request) -> Context:
    """What the application was made with (`create_app`)."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


CurrentContext = Annotated[Context, Depends(current_context)]


def current_project(project: str, request: Request, context: CurrentContext) -> Project:
    """Raises ApiError (404): there is none, or it is of another token."""
    return project_of(context, request, project)


CurrentProject = Annotated[Project, Depends(current_project)]


def current_job(project: str, job: str, request: Request, context: CurrentContext) -> Job:
    """Raises ApiError (404): there is none, or it is of another token or project."""
    return job_of(context, request, project, job)


CurrentJob = Annotated[Job, Depends(current_job)]
