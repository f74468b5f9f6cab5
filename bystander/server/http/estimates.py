"""How long a job will take, before it begins."""

from __future__ import annotations

from anyio.to_thread import run_sync
from fastapi import APIRouter
from pydantic import Field

from bystander.choices import ProfileName
from bystander.server.http.deps import CurrentContext, CurrentProject, ready_video
from bystander.server.http.errors import responses
from bystander.server.http.views import ApiView
from bystander.server.jobs.queue_position import QueueEntry, position_of
from bystander.server.models import JobKind


class EstimateView(ApiView):
    """Seconds that a job will take once it runs."""

    kind: JobKind
    audit: bool
    profile: ProfileName
    seconds: float = Field(examples=[42.0])
    low: float = Field(description="it will probably not be faster", examples=[33.0])
    high: float = Field(description="it will probably not be slower", examples=[54.0])
    sampled: bool = Field(description="a few frames of this very video were measured")
    queue_position: int = Field(description="how many jobs would probably begin before it")
    starts_in: float = Field(description="seconds until it would probably begin", examples=[0.0])
    people: float | None = Field(description="in a frame, on average; null where not measured")


router = APIRouter(tags=["jobs"])


@router.get(
    "/projects/{project}/estimate", summary="How long it will take", responses=responses(409)
)
async def estimate(
    here: CurrentProject,
    context: CurrentContext,
    profile: ProfileName | None = None,
    kind: JobKind = JobKind.MASK,
    audit: bool = False,
) -> EstimateView:
    """From a few frames of the video, the first time measured on the spot, and from how
    earlier jobs went. `sampled` is false where that couldn't be done, or not yet: ask again
    after a few minutes. Waiting in the queue is told apart, in `starts_in`."""
    ready_video(here)
    chosen = profile or context.settings.profile
    found = await run_sync(
        context.durations.estimate, here, chosen, limiter=context.estimate_limiter
    )
    low, high = found.range_of(kind, audit)
    job = QueueEntry("", here.owner, found.of(kind, audit))
    lineup = await run_sync(context.store.jobs.lineup)
    place = position_of(job, lineup, context.settings.jobs.at_once)
    return EstimateView(
        kind=kind,
        audit=audit,
        profile=chosen,
        seconds=found.of(kind, audit),
        low=low,
        high=high,
        sampled=found.sampled,
        queue_position=place.position,
        starts_in=place.starts_in,
        people=found.people,
    )
