"""What every route of a project begins with: whose it is, and whether it is there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from anyio.to_thread import run_sync
from fastapi import Request

from bystander.api.context import Context
from bystander.api.refusal import Refusal
from bystander.errors import BystanderError
from bystander.jobs.vocabulary import Job, Project, Video, VideoState


def project_of(context: Context, request: Request, project: str) -> Project:
    """Raises Refusal: there is none, or it is of another token."""
    found = context.store.projects.get(project, request.state.owner)
    if found is None:
        raise Refusal.missing("There is no such project")
    return found


def job_of(context: Context, request: Request, project: str, job: str) -> Job:
    """Raises Refusal: there is none, or it is of another token or project."""
    here = project_of(context, request, project)
    found = context.store.jobs.get(here.id, job)
    if found is None:
        raise Refusal.missing("There is no such job")
    return found


@contextmanager
def while_it_is_there(context: Context, project: Project) -> Iterator[None]:
    """What fails because the project is deleted meanwhile: as if it had never been.

    Raises:
        Refusal: it was deleted. What failed otherwise stays as it is.
    """
    try:
        yield
    except (BystanderError, OSError) as error:
        if context.store.projects.find(project.id) is None:
            raise Refusal.missing("There is no such project") from error
        raise


@asynccontextmanager
async def while_project_is_there(context: Context, project: Project) -> AsyncIterator[None]:
    """The same on the event loop: the store is asked in a thread."""
    try:
        yield
    except (BystanderError, OSError) as error:
        if await run_sync(context.store.projects.find, project.id) is None:
            raise Refusal.missing("There is no such project") from error
        raise


def ready_video(project: Project) -> Video:
    """Raises Refusal: it was not uploaded yet, is being looked at, or was refused."""
    if project.video.state is not VideoState.READY:
        raise Refusal(
            409, f"The project's video is {project.video.state}", "Upload one that can be masked."
        )
    return project.video


def project_url(request: Request, project: str) -> str:
    """Where a project is found, from the server's root: the API may be mounted anywhere."""
    return f"{request.scope.get('root_path', '')}/projects/{project}"


def job_url(request: Request, job: Job) -> str:
    """Where a job is found."""
    return f"{project_url(request, job.project)}/jobs/{job.id}"
