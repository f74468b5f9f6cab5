"""Following a job while it runs: server-sent events, until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from bystander.server.http.deps import CurrentContext, CurrentJob, job_url
from bystander.server.http.job_watcher import POLL_SECONDS, EventPosition, events_since
from bystander.server.http.stopping import server_stops

router = APIRouter(tags=["jobs"])


@router.get(
    "/projects/{project}/jobs/{job}/events",
    response_class=EventSourceResponse,
    summary="Follow a job",
)
async def events(
    request: Request,
    context: CurrentContext,
    here: CurrentJob,  # looked for before the answer begins: it may be 404
    last_event_id: Annotated[str | None, Header()] = None,
) -> AsyncIterator[ServerSentEvent]:
    """`state`, `progress` (stage, done, total, fps, share, eta) and `preview` (number, url)
    as they change, all of them in the beginning; comments every 15 seconds. Ends with the
    `state` in which the job ends. After a lost connection, Last-Event-ID tells what was
    seen already."""
    seen, now = EventPosition.parse(last_event_id), here
    while True:
        for event in events_since(now, seen, job_url(request, here)):
            yield event
        seen = EventPosition.of(now)
        if now.state.ended or server_stops():
            return
        await asyncio.sleep(POLL_SECONDS)
        latest = await context.watch.job(here.project, here.id)
        if latest is None:
            return
        now = latest
