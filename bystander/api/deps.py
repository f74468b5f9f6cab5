"""What the routes depend on: the context of their application, and what their path names.

    @router.get("/projects/{project}/jobs/{job}")
    def get_job(here: CurrentJob) -> JobView: ...

Whoever asks for somebody else's project, or for one that there isn't, gets a 404 before the route
is called. What looks into the store runs in a thread, never on the event loop.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from bystander.api.access import job_of, project_of
from bystander.api.context import Context
from bystander.jobs.vocabulary import Job, Project


async def current_context(request: Request) -> Context:
    """What the application was made with (`create_app`)."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


CurrentContext = Annotated[Context, Depends(current_context)]


def current_project(project: str, request: Request, context: CurrentContext) -> Project:
    """Raises Refusal (404): there is none, or it is of another token."""
    return project_of(context, request, project)


CurrentProject = Annotated[Project, Depends(current_project)]


def current_job(project: str, job: str, request: Request, context: CurrentContext) -> Job:
    """Raises Refusal (404): there is none, or it is of another token or project."""
    return job_of(context, request, project, job)


CurrentJob = Annotated[Job, Depends(current_job)]
