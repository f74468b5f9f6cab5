"""Projects: one video and the people to keep in it, and everything of it deleted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from bystander.server.http.analysis import edits_of
from bystander.server.http.callers import LimitedParty, caller_of
from bystander.server.http.deps import Context, CurrentContext, CurrentProject, project_url
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.idempotency import key_described
from bystander.server.http.pages import LINKED, Pagination, unknown_cursor
from bystander.server.http.videos import VideoView, view_of
from bystander.server.http.views import ApiView
from bystander.server.models import Job, JobState, Project, StaleReason, VideoState, staleness_of

MINUTE_SECONDS: Final = 60.0
HOUR_SECONDS: Final = 3600.0


class ResultView(ApiView):
    """The masked video of a project, and whether it is what the verdicts ask for."""

    job: str = Field(description="that made it", examples=["70d1f4a1c2a2459d8f6b2b0e4c8a9d13"])
    verdicts_digest: str = Field(
        description="SHA-256 of the verdicts that it was made by: who is shown, and when; "
        "compare it with the project's"
    )
    made_at: float = Field(examples=[1795380000.0])
    current: bool = Field(description="whether GET `result` sends it")
    stale: StaleReason | None = Field(description="why it doesn't")


class ProjectView(ApiView):
    """A project as its owner sees it. Times are seconds since the epoch."""

    id: str = Field(examples=["3cce35c33bb1217160aef28929d22215"])
    url: str = Field(
        description="where it is, from the server's root",
        examples=["/v1/projects/3cce35c33bb1217160aef28929d22215"],
    )
    created: float = Field(examples=[1795380000.0])
    expires: float = Field(
        description="when all of it is deleted, unless it is used before",
        examples=[1795466400.0],
    )
    video: VideoView
    photos: int = Field(
        description="of people to keep; they are deleted when a job is done, and with the project"
    )
    keep: tuple[str, ...] = Field(description="people to keep by hand, after an analysis")
    mask: tuple[str, ...] = Field(description="people to mask by hand, after an analysis")
    edits: int = Field(description="how many edits by hand there are, see /edits")
    verdicts_digest: str | None = Field(
        description="of the verdicts and edits that a render job would go by now; null before "
        "an analysis"
    )
    result: ResultView | None = Field(description="null before a mask or render job is done")
    job: JobState | None = Field(description="of the newest job; null before the first")
    shared: bool = Field(description="whether there is a link that shows the result")


class ProjectsView(ApiView):
    """All projects of a token, the oldest first."""

    projects: tuple[ProjectView, ...]


router = APIRouter(tags=["projects"])


@router.post(
    "/projects",
    status_code=201,
    summary="Begin",
    dependencies=[Depends(key_described)],
    responses=responses(409),
)
def create(request: Request, response: Response, context: CurrentContext) -> ProjectView:
    """A new, empty project: it is deleted after some minutes, see `expires`, unless a video
    or a photo is sent. 429 says whose limit is reached, in `limit` (visitor, network or
    token), and in Retry-After when the first project goes by itself."""
    caller = caller_of(request)
    with context.store.adding():
        for party in caller.parties(context.settings.limits):
            _refuse_crowd(context, party)
        created = context.store.projects.create(
            caller.owner,
            context.settings.retention.hours * HOUR_SECONDS,
            caller.visitor,
            caller.network,
        )
    response.headers["Location"] = project_url(request, created.id)
    return _view(context, request, created)


@router.get("/projects", summary="All projects", responses=LINKED)
def list_projects(
    request: Request,
    response: Response,
    context: CurrentContext,
    page: Annotated[Pagination, Depends()],
) -> ProjectsView:
    """Those that were made with this token."""
    after = _position(page.after) if page.after is not None else None
    mine = context.store.projects.list(request.state.owner, after, page.fetched)
    part = page.cut(mine, _cursor, request, response)
    return ProjectsView(projects=tuple(_view(context, request, project) for project in part))


@router.get("/projects/{project}", summary="One project")
def get_project(here: CurrentProject, request: Request, context: CurrentContext) -> ProjectView:
    """Its video, how many photos it has, the decisions by hand, and when it goes."""
    return _view(context, request, here)


@router.delete("/projects/{project}", status_code=204, summary="Delete everything, now")
def delete_project(here: CurrentProject, context: CurrentContext) -> None:
    """The video, the photos, what was found, the result. A job at work is cancelled."""
    context.janitor.purge(here.id)


def _view(context: Context, request: Request, project: Project) -> ProjectView:
    retention = context.settings.retention
    photos = len(context.store.photos.list(project.id))
    jobs = context.store.jobs.list(project.id)
    empty = photos == 0 and project.video.state is VideoState.ABSENT
    return ProjectView(
        id=project.id,
        url=project_url(request, project.id),
        created=project.created,
        expires=project.expires
        - (HOUR_SECONDS * retention.hours - _empty_seconds(context)) * empty,
        video=view_of(request, project),
        photos=photos,
        keep=project.keep,
        mask=project.mask,
        edits=len(edits_of(project).edits),
        verdicts_digest=project.verdicts_digest or None,
        result=_result_of(project, jobs),
        job=jobs[-1].state if jobs else None,
        shared=bool(project.share),
    )


def _result_of(project: Project, jobs: Sequence[Job]) -> ResultView | None:
    if project.result is None:
        return None
    stale = staleness_of(project, jobs)
    return ResultView(
        job=project.result.job,
        verdicts_digest=project.result.verdicts_digest,
        made_at=project.result.made_at,
        current=stale is None,
        stale=stale.reason if stale else None,
    )


def _empty_seconds(context: Context) -> float:
    """How long a project is kept that nothing was sent for."""
    retention = context.settings.retention
    return min(MINUTE_SECONDS * retention.empty_minutes, HOUR_SECONDS * retention.hours)


def _refuse_crowd(context: Context, party: LimitedParty) -> None:
    limits, now = context.settings.limits, context.clock()
    ages = context.store.projects.ages(*party.key)
    for free_at, most, kind in (
        (ages.expiring, party.of(limits.projects), "projects"),
        (
            [used + _empty_seconds(context) for used in ages.empty],
            party.of(limits.empty_projects),
            "empty projects",
        ),
    ):
        if len(free_at) >= most:
            wait = max(1, math.ceil(free_at[0] - now))
            raise ApiError(
                429,
                f"There are {most} {kind} of {party.words} already",
                "Delete those that are done with, or wait until the first one expires.",
                {"Retry-After": str(wait)},
                "too-many-projects",
                {"limit": party.scope},
            )


def _cursor(project: Project) -> str:
    """Where a project stands in the list, also when it is gone."""
    return f"{project.created!r}-{project.id}"


def _position(cursor: str) -> tuple[float, str]:
    created, _, project = cursor.partition("-")
    try:
        position = float(created)
    except ValueError as error:
        raise unknown_cursor() from error
    if not math.isfinite(position):
        raise unknown_cursor()
    return position, project
