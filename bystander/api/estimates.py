"""How long a job will take, before it begins."""

from __future__ import annotations

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from bystander.api.access import project_of, ready_video
from bystander.api.context import Context
from bystander.api.problems import responses
from bystander.jobs.vocabulary import JobKind
from bystander.settings import ProfileName


class EstimateView(BaseModel):
    """Seconds that a job will take once it runs."""

    kind: JobKind
    audit: bool
    profile: ProfileName
    seconds: float = Field(examples=[42.0])
    low: float = Field(description="it will probably not be faster", examples=[33.0])
    high: float = Field(description="... nor slower", examples=[54.0])
    sampled: bool = Field(description="a few frames of this very video were measured")
    people: float | None = Field(description="in a frame, on average; null where not measured")


def router(context: Context) -> APIRouter:
    """The route /projects/{project}/estimate."""
    routes = APIRouter(tags=["jobs"])
    # Videos are measured one after another; waiting here takes no thread from other requests.
    limiter = anyio.CapacityLimiter(1)

    @routes.get(
        "/projects/{project}/estimate", summary="How long it will take", responses=responses(409)
    )
    async def estimate(
        project: str,
        request: Request,
        profile: ProfileName | None = None,
        kind: JobKind = JobKind.MASK,
        audit: bool = False,
    ) -> EstimateView:
        """From a few frames of the video, the first time measured on the spot, and from how
        earlier jobs went. Waiting in the queue isn't counted."""
        here = await anyio.to_thread.run_sync(project_of, context, request, project)
        ready_video(here)
        chosen = profile or context.settings.profile
        found = await anyio.to_thread.run_sync(context.pace.estimate, here, chosen, limiter=limiter)
        low, high = found.range_of(kind, audit)
        return EstimateView(
            kind=kind,
            audit=audit,
            profile=chosen,
            seconds=found.of(kind, audit),
            low=low,
            high=high,
            sampled=found.sampled,
            people=found.people,
        )

    return routes
