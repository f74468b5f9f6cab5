"""A job -> what is new about it since somebody last looked, as server-sent events."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent

from bystander.server.models import Job, JobState

POLL_SECONDS: Final = 0.4
"""Seconds between looks at a job; the runner writes its progress twice a second."""
_TOKEN: Final = re.compile(r"([a-z]+)\.([a-z]*)\.(\d{1,12})\.(\d{1,12})", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventPosition:
    """What a listener knows of a job; its `token` is the id of every event.

    Attributes:
        stage: empty before the first progress.
        done: frames of this stage.
        preview: number of the newest preview picture.
    """

    state: JobState
    stage: str
    done: int
    preview: int

    @classmethod
    def of(cls, job: Job) -> Self:
        progress = job.progress
        stage, done = (progress.stage, progress.done) if progress else ("", 0)
        return cls(job.state, stage, done, job.preview)

    @classmethod
    def parse(cls, token: str | None) -> Self | None:
        """What a Last-Event-ID stands for; None for one that isn't ours."""
        found = _TOKEN.fullmatch(token or "")
        if found is None or found[1] not in set(JobState):
            return None
        return cls(JobState(found[1]), found[2], int(found[3]), int(found[4]))

    @property
    def token(self) -> str:
        return f"{self.state}.{self.stage}.{self.done}.{self.preview}"


def events_since(job: Job, seen: EventPosition | None, address: str) -> list[ServerSentEvent]:
    """The events that bring a listener from `seen` to `job`; all for one who saw nothing.

    Args:
        address: of the job, "/v1/projects/3f2a/jobs/77"; its preview is found under it.
    """
    now, progress = EventPosition.of(job), job.progress
    events: list[tuple[str, object]] = []
    if progress and (not seen or (seen.stage, seen.done) != (now.stage, now.done)):
        events.append(("progress", progress))
    url = preview_url(job, address)
    if url and (not seen or seen.preview != job.preview):
        events.append(("preview", {"number": job.preview, "url": url}))
    if not seen or seen.state is not job.state:
        state = {"state": job.state, "problem": job.problem, "summary": job.summary}
        # Clients stop listening at a final state, so it comes last.
        events.insert(len(events) if job.state.ended else 0, ("state", state))
    # Only the last one has the id: who is cut off before it gets the others once more.
    return [
        ServerSentEvent(event=name, data=data, id=now.token if rest == 0 else None)
        for rest, (name, data) in zip(range(len(events) - 1, -1, -1), events, strict=True)
    ]


def preview_url(job: Job, address: str) -> str | None:
    """Where the newest preview of a job is; its number makes browsers load the new one.

    None before there is one, and when the job has ended: then it is gone.
    """
    there = job.preview and not job.state.ended
    return f"{address}/preview?number={job.preview}" if there else None


class JobWatcher:
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
        self._looks: dict[str, _LastLook] = {}

    async def job(self, project: str, job: str) -> Job | None:
        """The job, at most `POLL_SECONDS` old. None: it was deleted."""
        look, now = self._looks.get(job), self._clock()
        if look is None or now - look.at >= POLL_SECONDS:
            fresh = {k: v for k, v in self._looks.items() if now - v.at < POLL_SECONDS}
            look = _LastLook(now, asyncio.create_task(run_in_threadpool(self._look, project, job)))
            self._looks = {**fresh, job: look}
        # A listener that goes away must not cancel the look that others wait for.
        return await asyncio.shield(look.task)


@dataclass(frozen=True, slots=True)
class _LastLook:
    at: float
    task: asyncio.Task[Job | None]
