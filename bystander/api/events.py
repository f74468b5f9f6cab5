"""Following a job while it runs: server-sent events, until it has ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from bystander.api.access import job_url
from bystander.api.changes import INTERVAL, Seen, news
from bystander.api.deps import CurrentContext, CurrentJob

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
    seen, now = Seen.parse(last_event_id), here
    while True:
        for event in news(now, seen, job_url(request, here)):
            yield event
        seen = Seen.of(now)
        if now.state.ended or server_stops():
            return
        await asyncio.sleep(INTERVAL)
        latest = await context.watch.job(here.project, here.id)
        if latest is None:
            return
        now = latest


def server_stops() -> bool:
    """Whether uvicorn was told to stop. It waits for open connections, and tells nobody."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
