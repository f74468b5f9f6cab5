"""What is new about a job since somebody last looked, as server-sent events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from fastapi.sse import ServerSentEvent

from bystander.jobs.vocabulary import Job, JobState

_TOKEN: Final = re.compile(r"([a-z]+)\.([a-z]*)\.(\d{1,12})\.(\d{1,12})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Seen:
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


def news(job: Job, seen: Seen | None, address: str) -> list[ServerSentEvent]:
    """The events that bring a listener from `seen` to `job`; all for one who saw nothing.

    Args:
        address: of the job, "/v1/projects/3f2a/jobs/77"; its preview is found under it.
    """
    now, progress = Seen.of(job), job.progress
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
