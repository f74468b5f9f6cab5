"""Who was found in the video, in a client's words, and decisions about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bystander.pipeline.people_report import describe_people
from bystander.server.http.analysis import (
    CurrentSummary,
    analysis_of,
    current_summary,
    digest_of,
    edited,
    edits_of,
    refuse_while_analysing,
)
from bystander.server.http.clips import ClipCache, span_of
from bystander.server.http.deps import (
    Context,
    CurrentContext,
    CurrentProject,
    project_url,
    while_it_is_there,
)
from bystander.server.http.downloads import JPEG_ANSWER, StoredFile, send
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.pages import LINKED, Pagination, unknown_cursor
from bystander.server.http.results import FILE
from bystander.server.http.timelines import TimelineSummary
from bystander.server.http.views import ApiView
from bystander.server.models import Project
from bystander.timeline.header import Header
from bystander.timeline.types import Decision, EvidenceKind, Person, Tracklet

MAX_DECISIONS = 10_000
SMALL_SHARE: Final = 0.125
"""Of the picture's height ..."""
SMALL_SECONDS: Final = 1.0
"""... and seconds in the picture below which somebody is a figure in the background."""


class SpanView(ApiView):
    """A stretch of time with one verdict, and why."""

    tracklet: str = Field(description="the appearance that it is a part of", examples=["t17"])
    start: float = Field(description="seconds, as a player shows them")
    end: float = Field(description="seconds, as a player shows them")
    verdict: Decision
    kind: EvidenceKind = Field(description="what the verdict rests on")
    reason: str = Field(description="in plain words", examples=["6 faces agree"])
    similarity: float = Field(description="of the deciding faces, cosine, -1 to 1; 0 without any")
    samples: int = Field(description="how many faces agree")
    doubtful: bool = Field(description="something spoke for keeping, but not clearly enough")


class TrackletView(ApiView):
    """One appearance of a person, within one shot."""

    id: str = Field(examples=["t17"])
    start: float = Field(description="seconds, as a player shows them")
    end: float = Field(description="seconds, as a player shows them")
    height: float = Field(description="where they are tallest, display pixels")
    picture: str | None = Field(description="where a small picture is")


class PointView(ApiView):
    """A click of the analysis that meant this person."""

    seconds: float = Field(description="from the video's first frame, as the click gave them")
    x: float = Field(description="display pixels")
    y: float = Field(description="display pixels")


class PersonView(ApiView):
    """Somebody in the video."""

    id: str = Field(examples=["p2"])
    name: str | None = Field(description="of whom the photos show; null for a bystander")
    verdict: Literal["keep", "mask", "mixed"]
    analysis: Literal["keep", "mask", "mixed"] = Field(
        description="the verdict of the analysis, without decisions by hand"
    )
    kind: EvidenceKind = Field(description="what the leading verdict rests on")
    reason: str = Field(description="in plain words", examples=["nothing speaks for keeping"])
    similarity: float = Field(description="of the deciding faces, cosine, -1 to 1; 0 without any")
    samples: int = Field(description="how many faces agree")
    seconds: float = Field(description="time in the picture")
    first: float = Field(description="when they are first there: seconds, as a player shows them")
    doubtful: bool = Field(description="a part of their time should be looked at by a person")
    review: int = Field(description="in which order to look at people, from 1", ge=1)
    figure: Literal["large", "small"] = Field(
        description="small: never taller than an eighth of the picture, or there for less than "
        "a second"
    )
    picture: str | None = Field(description="where a small picture is")
    clip: str = Field(description="where a short video of them is")
    pointed_at: tuple[PointView, ...] = Field(description="clicks that meant them")
    spans: tuple[SpanView, ...]
    tracklets: tuple[TrackletView, ...]


def describe(
    header: Header,
    pictured: Mapping[int, object],
    address: str,
    analysed: Header | None = None,
    times: NDArray[np.float64] | None = None,
) -> list[PersonView]:
    """Everyone in the timeline, in its order: who is longest in the picture first.

    Args:
        header: of the timeline, with the verdicts to be told.
        pictured: has the ids of the tracklets of which there is a picture.
        address: of the project, "/v1/projects/3f2a"; pictures and clips are found under it.
        analysed: the same timeline with the verdicts of the analysis, where these are others.
        times: when a player shows each frame, and the end of the last one: seconds, [F + 1];
            by default frames are evenly spaced from 0 on.
    """
    times = header.even_times() if times is None else times
    owned = {tracklet.id: tracklet for tracklet in header.tracklets}
    summaries = {summary.id: summary for summary in describe_people(header)}
    spans = {p.id: _spans(header, p, times) for p in header.persons}
    found = replace(header, tracklets=(analysed or header).tracklets)
    order = sorted(header.persons, key=lambda p: _urgency(p, spans[p.id]))
    turn = {person.id: number for number, person in enumerate(order, 1)}
    people = []
    for person in header.persons:
        summary, here = summaries[person.id], spans[person.id]
        shown = any(tracklet in pictured for tracklet in person.tracklets)
        people.append(
            PersonView.model_validate(
                {
                    "id": person.id,
                    "name": person.name,
                    "kind": summary.evidence.kind,
                    "reason": summary.evidence.reason,
                    "similarity": summary.evidence.similarity,
                    "samples": summary.evidence.samples,
                    "seconds": person.seconds,
                    "pointed_at": [
                        PointView(seconds=at.seconds, x=at.x, y=at.y) for at in summary.pointed_at
                    ],
                    "verdict": _verdict(here),
                    "analysis": _verdict(_spans(found, person, times)),
                    "first": min(span.start for span in here),
                    "doubtful": any(span.doubtful for span in here),
                    "review": turn[person.id],
                    "figure": _figure(person, owned, header),
                    "picture": f"{address}/people/{person.id}/picture" if shown else None,
                    "clip": f"{address}/people/{person.id}/clip",
                    "spans": here,
                    "tracklets": [
                        _appearance(owned[t], times, t in pictured, address)
                        for t in person.tracklets
                    ],
                }
            )
        )
    return people


def picture_of(header: Header, person: str, pictures: Mapping[int, bytes]) -> bytes | None:
    """The picture of a person's largest appearance that has one; JPEG."""
    owned = {tracklet.id: tracklet for tracklet in header.tracklets}
    for candidate in header.persons:
        if candidate.id == person:
            largest_first = sorted(candidate.tracklets, key=lambda t: -owned[t].height)
            return next((pictures[t] for t in largest_first if t in pictures), None)
    return None


def _spans(header: Header, person: Person, times: NDArray[np.float64]) -> list[SpanView]:
    """All verdicts on somebody, in the order of time."""
    spans = [
        SpanView(
            tracklet=f"t{tracklet.id}",
            start=_seconds(verdict.start, times),
            end=_seconds(verdict.end, times),
            verdict=verdict.decision,
            kind=verdict.evidence.kind,
            reason=verdict.evidence.reason,
            similarity=round(verdict.evidence.similarity, 3),
            samples=verdict.evidence.samples,
            doubtful=verdict.evidence.kind is EvidenceKind.DOUBT,
        )
        for tracklet, verdict in header.verdicts_of(person)
    ]
    return sorted(spans, key=lambda span: (span.start, span.tracklet))


def _figure(person: Person, owned: Mapping[int, Tracklet], header: Header) -> str:
    tallest = max(owned[tracklet].height for tracklet in person.tracklets)
    tall = tallest >= SMALL_SHARE * header.video.height
    return "large" if tall and person.seconds >= SMALL_SECONDS else "small"


def _verdict(spans: Sequence[SpanView]) -> str:
    decisions = {span.verdict for span in spans}
    return "mixed" if len(decisions) > 1 else decisions.pop().value


def _urgency(person: Person, spans: Sequence[SpanView]) -> tuple[int, float]:
    """Doubtful people first, then those who are shown for a part, for all, for none of the
    time: a mistake with the first ones is likelier, one with the next ones shows somebody."""
    if any(span.doubtful for span in spans):
        rank = 0
    else:
        rank = ("mixed", "keep", "mask").index(_verdict(spans)) + 1
    return rank, -person.seconds


def _appearance(
    tracklet: Tracklet, times: NDArray[np.float64], pictured: bool, address: str
) -> TrackletView:
    name = f"t{tracklet.id}"
    return TrackletView(
        id=name,
        start=_seconds(tracklet.start, times),
        end=_seconds(tracklet.end, times),
        height=tracklet.height,
        picture=f"{address}/tracklets/{name}/picture" if pictured else None,
    )


def _seconds(frame: int, times: NDArray[np.float64]) -> float:
    """When a frame is shown; of the one past the last, when that ends."""
    return round(float(times[frame]), 3)


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
        (), max_length=MAX_DECISIONS, description="persons (p2) and appearances (t17) to show"
    )
    mask: tuple[str, ...] = Field(
        (), max_length=MAX_DECISIONS, description="persons (p2) and appearances (t17) to mask"
    )


class PeopleView(ApiView):
    """Everyone in the video, as they would be rendered now: who is longest there first."""

    people: tuple[PersonView, ...]


router = APIRouter(tags=["people"])


@router.get("/projects/{project}/people", summary="Everyone in the video", responses=LINKED)
def list_people(
    here: CurrentProject,
    summary: CurrentSummary,
    request: Request,
    response: Response,
    page: Annotated[Pagination, Depends()],
) -> PeopleView:
    """404 before the first analysis."""
    everyone = _view(request, here, summary, Verdicts(keep=here.keep, mask=here.mask)).people
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
    refuse_while_analysing(context, here)
    summary = current_summary(here, context)
    digest = digest_of(summary, verdicts.keep, verdicts.mask, edits_of(here))
    view = _view(request, here, summary, verdicts)
    with context.store.adding():
        now = context.store.projects.find(here.id)
        if now is None:
            raise ApiError.missing("There is no such project")
        if now.edits_revision != here.edits_revision:
            raise ApiError(409, "The edits are being changed", "Ask again.", code="busy")
        context.store.projects.set_decisions(here.id, verdicts.keep, verdicts.mask, digest)
    return view


@router.get(
    "/projects/{project}/people/{person}/picture",
    summary="A small picture of a person",
    response_class=Response,
    responses=JPEG_ANSWER,
)
def person_picture(person: str, here: CurrentProject, summary: CurrentSummary) -> Response:
    """From the moment in which they show best, unmasked."""
    return _jpeg(picture_of(_now(here, summary), person, summary.pictures))


def _clip_of(
    context: Context, here: Project, person: str, start: float | None, end: float | None
) -> str:
    """Where storage has the clip, made now if need be."""
    summary = current_summary(here, context)
    header = summary.header
    wanted = next((p for p in _now(here, summary).persons if p.id == person), None)
    if wanted is None:
        raise ApiError.missing("There is no such person in this video")
    span = span_of(header, wanted, start, end, summary.times)
    with while_it_is_there(context, here):
        analysis = analysis_of(context, here) or "unknown"
        return ClipCache(context).ensure(here, analysis, header, wanted, span)


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
    clip = StoredFile(key, "clip.mp4", "video/mp4", disposition="inline", direct=False)
    return await send(request, context.storage, clip)


@router.get(
    "/projects/{project}/tracklets/{tracklet}/picture",
    summary="A small picture of one appearance",
    response_class=Response,
    responses=JPEG_ANSWER,
)
def tracklet_picture(tracklet: str, summary: CurrentSummary) -> Response:
    """From the moment in which they show best, unmasked."""
    named = {f"t{number}": jpeg for number, jpeg in summary.pictures.items()}
    return _jpeg(named.get(tracklet))


def _now(project: Project, summary: TimelineSummary, verdicts: Verdicts | None = None) -> Header:
    """The people as they would be rendered; by other decisions than the project's, if given."""
    decisions = verdicts or Verdicts(keep=project.keep, mask=project.mask)
    return edited(summary, decisions.keep, decisions.mask, edits_of(project)).header


def _view(
    request: Request, project: Project, summary: TimelineSummary, verdicts: Verdicts
) -> PeopleView:
    header = _now(project, summary, verdicts)
    address = project_url(request, project.id)
    return PeopleView(
        people=tuple(describe(header, summary.pictures, address, summary.header, summary.times))
    )


def _jpeg(picture: bytes | None) -> Response:
    if picture is None:
        raise ApiError.missing("There is no such picture")
    return Response(picture, media_type="image/jpeg")
