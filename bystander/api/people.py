"""Who was found in the video, and deciding about them by hand."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from bystander.api.access import project_url, while_it_is_there
from bystander.api.clips import Clips, span_of
from bystander.api.context import Context
from bystander.api.deps import CurrentContext, CurrentProject
from bystander.api.descriptions import PersonView, describe, picture_of
from bystander.api.downloads import Download, send
from bystander.api.pages import LINKED, Page, unknown_cursor
from bystander.api.problems import responses
from bystander.api.refusal import Refusal
from bystander.api.results import FILE
from bystander.api.timelines import Album
from bystander.errors import NotStored, SelectionError
from bystander.jobs.vocabulary import JobKind, JobState, Project
from bystander.people.edits import verdicts_digest, with_decisions
from bystander.people.timeline import Header

MOST_DECISIONS = 10_000

Seconds = Annotated[
    float | None, Query(ge=0, allow_inf_nan=False, description="as a player shows them")
]


class Verdicts(BaseModel):
    """Decisions by hand. Who isn't named keeps the verdict of the analysis; an appearance
    that is named outweighs its person."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={"examples": [{"keep": ["p2"], "mask": ["t17"]}]},
    )

    keep: tuple[str, ...] = Field(
        (), max_length=MOST_DECISIONS, description="persons (p2) and appearances (t17) to show"
    )
    mask: tuple[str, ...] = Field((), max_length=MOST_DECISIONS, description="... and to mask")


class PeopleView(BaseModel):
    """Everyone in the video, as they would be rendered now: who is longest there first."""

    people: tuple[PersonView, ...]


router = APIRouter(tags=["people"])


def current_album(here: CurrentProject, context: CurrentContext) -> Album:
    """Raises Refusal (404): the video wasn't analysed."""
    try:
        return context.timelines.album(here.id, _analysis(context, here))
    except NotStored as error:
        raise Refusal.missing("Nobody was looked for in this video yet") from error


CurrentAlbum = Annotated[Album, Depends(current_album)]


@router.get("/projects/{project}/people", summary="Everyone in the video", responses=LINKED)
def list_people(
    here: CurrentProject,
    album: CurrentAlbum,
    request: Request,
    response: Response,
    page: Annotated[Page, Depends()],
) -> PeopleView:
    """404 before the first analysis."""
    everyone = _view(request, here, album, Verdicts(keep=here.keep, mask=here.mask)).people
    ids = [person.id for person in everyone]
    if page.after is not None and page.after not in ids:  # analysed anew, say
        raise unknown_cursor()
    found = everyone if page.after is None else everyone[ids.index(page.after) + 1 :]
    return PeopleView(people=tuple(page.cut(found, lambda one: one.id, request, response)))


@router.get("/projects/{project}/verdicts", summary="The decisions by hand")
async def get_verdicts(here: CurrentProject) -> Verdicts:
    """They go when the video is analysed again: the ids in them are of one analysis."""
    return Verdicts(keep=here.keep, mask=here.mask)


@router.put(
    "/projects/{project}/verdicts",
    summary="Decide who is shown and who isn't",
    responses=responses(409),
)
def put_verdicts(
    here: CurrentProject, verdicts: Verdicts, request: Request, context: CurrentContext
) -> PeopleView:
    """Replaces all earlier decisions; the next render job goes by them. Answers with the
    people as they would be rendered then."""
    _refuse_while_analysing(context, here)
    album = current_album(here, context)
    view = _view(request, here, album, verdicts)
    digest = verdicts_digest(_decided(album.header, verdicts))
    projects = context.store.projects
    if not projects.set_decisions(here.id, verdicts.keep, verdicts.mask, digest):
        raise Refusal.missing("There is no such project")
    return view


@router.get(
    "/projects/{project}/people/{person}/picture",
    summary="A small picture of a person",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def person_picture(person: str, album: CurrentAlbum) -> Response:
    """From the moment in which they show best, unmasked."""
    return _jpeg(picture_of(album.header, person, album.pictures))


def _clip_of(
    context: Context, here: Project, person: str, start: float | None, end: float | None
) -> str:
    """Where storage has the clip, made now if need be."""
    album = current_album(here, context)
    header = album.header
    wanted = next((p for p in header.persons if p.id == person), None)
    if wanted is None:
        raise Refusal.missing("There is no such person in this video")
    span = span_of(header, wanted, start, end, album.times)
    with while_it_is_there(context, here):
        analysis = _analysis(context, here) or "unknown"
        return Clips(context).ensure(here, analysis, header, wanted, span)


@router.head("/projects/{project}/people/{person}/clip", include_in_schema=False)
@router.get(
    "/projects/{project}/people/{person}/clip",
    summary="A short video that shows who a person is",
    response_class=Response,
    responses={
        200: {"content": {"video/mp4": FILE}},
        206: {"content": {"video/mp4": FILE}},
        **responses(409, 416, 507),
    },
)
async def person_clip(
    here: CurrentProject,
    person: str,
    request: Request,
    context: CurrentContext,
    start: Seconds = None,
    end: Seconds = None,
) -> Response:
    """At most six seconds, small, without sound; nobody is masked, and a frame is drawn
    around the person. Without `start` and `end` it is where the verdict is most doubtful,
    or the middle of their longest appearance."""
    key = await run_sync(_clip_of, context, here, person, start, end, limiter=context.clip_limiter)
    clip = Download(key, "clip.mp4", "video/mp4", disposition="inline", direct=False)
    return await send(request, context.storage, clip)


@router.get(
    "/projects/{project}/tracklets/{tracklet}/picture",
    summary="A small picture of one appearance",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def tracklet_picture(tracklet: str, album: CurrentAlbum) -> Response:
    """From the moment in which they show best, unmasked."""
    named = {f"t{number}": jpeg for number, jpeg in album.pictures.items()}
    return _jpeg(named.get(tracklet))


def _analysis(context: Context, project: Project) -> str | None:
    """Id of the job that made the project's timeline."""
    jobs = context.store.jobs.list(project.id)
    made = [j.id for j in jobs if j.state is JobState.DONE and j.kind is not JobKind.RENDER]
    return made[-1] if made else None


def _view(request: Request, project: Project, album: Album, verdicts: Verdicts) -> PeopleView:
    header = _decided(album.header, verdicts)
    address = project_url(request, project.id)
    return PeopleView(
        people=tuple(describe(header, album.pictures, address, album.header, album.times))
    )


def _decided(header: Header, verdicts: Verdicts) -> Header:
    try:
        return with_decisions(header, verdicts.keep, verdicts.mask)
    except SelectionError as error:
        raise Refusal(422, error.what, "Take ids from the list of people, each once.") from error


def _refuse_while_analysing(context: Context, project: Project) -> None:
    active = (JobState.QUEUED, JobState.RUNNING)
    jobs = context.store.jobs.list(project.id)
    if any(job.state in active and job.kind is not JobKind.RENDER for job in jobs):
        raise Refusal(
            409,
            "The video is being analysed, with new ids",
            "Decide when that job has ended.",
            code="busy",
        )


def _jpeg(picture: bytes | None) -> Response:
    if picture is None:
        raise Refusal.missing("There is no such picture")
    return Response(picture, media_type="image/jpeg")
