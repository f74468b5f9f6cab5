"""Following a job while it runs: server-sent events, until it has ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from bystander.api.access import job_of, job_url
from bystander.api.changes import Seen, news
from bystander.api.context import Context
from bystander.jobs.vocabulary import Job

INTERVAL: Final = 0.4
"""Seconds between looks at a job; the runner writes its progress twice a second."""


class Watch:
    """Looks into the store, however many listen: once an interval for each job.

    Belongs to one event loop.

    Args:
        look: the job as it is now, by project and id; called in a thread.
    """

    def __init__(
        self,
        look: Callable[[str, str], Job | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._clock = look, clock
        self._looks: dict[str, _Look] = {}

    async def job(self, project: str, job: str) -> Job | None:
        """The job, at most `INTERVAL` old. None: it was deleted."""
        look, now = self._looks.get(job), self._clock()
        if look is None or now - look.at >= INTERVAL:
            fresh = {k: v for k, v in self._looks.items() if now - v.at < INTERVAL}
            look = _Look(now, asyncio.create_task(run_in_threadpool(self._look, project, job)))
            self._looks = {**fresh, job: look}
        # A listener that goes away must not cancel the look that others wait for.
        return await asyncio.shield(look.task)


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    task: asyncio.Task[Job | None]


def router(context: Context) -> APIRouter:
    """The route /projects/{project}/jobs/{job}/events."""
    routes = APIRouter(tags=["jobs"])
    watch = Watch(context.store.jobs.get)

    def find(project: str, job: str, request: Request) -> Job:
        return job_of(context, request, project, job)

    @routes.get(
        "/projects/{project}/jobs/{job}/events",
        response_class=EventSourceResponse,
        summary="Follow a job",
    )
    async def events(
        request: Request,
        last_event_id: Annotated[str | None, Header()] = None,
        here: Job = Depends(find),  # noqa: B008  # before the answer begins: it may be 404
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
            latest = await watch.job(here.project, here.id)
            if latest is None:
                return
            now = latest

    return routes


def server_stops() -> bool:
    """Whether uvicorn was told to stop. It waits for open connections, and tells nobody."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return bool(getattr(server, "should_exit", False))
