"""How long a job will take, before it begins."""

from __future__ import annotations

from typing import Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from bystander.api.access import project_of, ready_video
from bystander.api.context import Context
from bystander.api.problems import responses
from bystander.jobs.forecast import Entry, place_of
from bystander.jobs.vocabulary import JobKind
from bystander.settings import ProfileName

ESTIMATES_AT_ONCE: Final = 16
"""Requests that may wait for a sample; further ones wait for these."""


class EstimateView(BaseModel):
    """Seconds that a job will take once it runs."""

    kind: JobKind
    audit: bool
    profile: ProfileName
    seconds: float = Field(examples=[42.0])
    low: float = Field(description="it will probably not be faster", examples=[33.0])
    high: float = Field(description="... nor slower", examples=[54.0])
    sampled: bool = Field(description="a few frames of this very video were measured")
    queue_position: int = Field(description="how many jobs would probably begin before it")
    starts_in: float = Field(description="seconds until it would probably begin", examples=[0.0])
    people: float | None = Field(description="in a frame, on average; null where not measured")


def router(context: Context) -> APIRouter:
    """The route /projects/{project}/estimate."""
    routes = APIRouter(tags=["jobs"])
    # Waiting for a sample takes no thread from other requests.
    limiter = anyio.CapacityLimiter(ESTIMATES_AT_ONCE)

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
        earlier jobs went. `sampled` is false where that couldn't be done, or not yet: ask again
        after a few minutes. Waiting in the queue is told apart, in `starts_in`."""
        here = await anyio.to_thread.run_sync(project_of, context, request, project)
        ready_video(here)
        chosen = profile or context.settings.profile
        found = await anyio.to_thread.run_sync(context.pace.estimate, here, chosen, limiter=limiter)
        low, high = found.range_of(kind, audit)
        job = Entry("", here.owner, found.of(kind, audit))
        lineup = await anyio.to_thread.run_sync(context.store.jobs.lineup)
        place = place_of(job, lineup, context.settings.jobs.at_once)
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

    return routes
