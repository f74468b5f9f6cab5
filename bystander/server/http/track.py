"""A mask that somebody has drawn -> where it goes, told while it is followed. Nothing is stored.

The video is decoded by a confined child, and followed as it is when it is rendered
(`bystander.editing.paths`). A thread listens to the child, the request waits for the thread; when
the client goes away, both end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Annotated, Final, Self

import numpy as np
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from bystander.editing.apply import EditedTimeline
from bystander.editing.document import DrawnEdit, Edits, MaskEdit, OwnEdit
from bystander.editing.paths import Leg, legs_of
from bystander.editing.shapes import Motion, moved
from bystander.errors import BystanderError, Cancelled
from bystander.sandbox import (
    CountedFrames,
    FollowedKey,
    FollowedStep,
    FollowFacts,
    FollowOrder,
    follow_mask,
)
from bystander.server.http.analysis import CurrentSummary
from bystander.server.http.deps import (
    Context,
    CurrentContext,
    CurrentProject,
    ready_video,
    while_it_is_there,
)
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.stopping import server_stops
from bystander.server.http.timelines import TimelineSummary
from bystander.server.jobs.spec import VIDEO_FILE
from bystander.server.models import Problem, Project
from bystander.server.sanitize import Sanitizer

MAX_FRAMES_EACH_WAY: Final = 3000
"""From a key."""
MAX_STEPS: Final = 12_000
"""Of all keys together; further keys aren't followed."""
MAX_SECONDS: Final = 60.0
"""On the clock, after which following is given up; rendering goes on to the end."""
MAX_WAITING: Final = 8
"""Requests that wait for others; further ones are told to come again."""
LOOK_SECONDS: Final = 1.0
"""After which is looked whether the project is still there."""
BATCH_STEPS: Final = 500
"""Of a mask that stands still."""
WHERE: Final = "the drawn mask"

log = logging.getLogger(__name__)


class TrackRequest(BaseModel):
    """Something drawn, as the project's edits have it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "edit": {
                        "kind": "mask",
                        "keys": [
                            {
                                "seconds": 12.4,
                                "shape": {
                                    "kind": "box",
                                    "x": 300,
                                    "y": 80,
                                    "width": 90,
                                    "height": 120,
                                },
                            }
                        ],
                    }
                }
            ]
        },
    )

    edit: MaskEdit | OwnEdit = Field(discriminator="kind")


@dataclass(frozen=True, slots=True, eq=False)
class TrackPlan:
    """What is followed.

    Attributes:
        legs: from each key; with nothing to follow, frames through which it stands still.
        follow: whether it is followed at all.
        complete: whether this is as far as it goes.
    """

    legs: tuple[Leg, ...]
    follow: bool
    complete: bool


def plan_track(summary: TimelineSummary, edit: DrawnEdit) -> TrackPlan:
    """How far a drawn mask is followed for somebody who waits.

    Raises:
        InvalidEdits: it doesn't fit the video.
    """
    timeline = EditedTimeline(summary.header, summary.times, Edits())
    every = legs_of(timeline, WHERE, edit) if edit.follow else _standing(timeline, edit)
    legs, left = [], MAX_STEPS
    for leg in every:
        before = max(leg.before, leg.at - MAX_FRAMES_EACH_WAY)
        after = max(before, min(leg.after, leg.at + 1 + MAX_FRAMES_EACH_WAY))
        if (shorter := replace(leg, before=before, after=after)).steps > left:
            break
        legs.append(shorter)
        left -= shorter.steps
    complete = sum(leg.steps for leg in legs) == sum(leg.steps for leg in every)
    return TrackPlan(tuple(legs), edit.follow, complete)


def _standing(timeline: EditedTimeline, edit: DrawnEdit) -> list[Leg]:
    """Where a mask that isn't followed stands: at each key until the next one."""
    first, last = timeline.frames(WHERE, edit)
    keys, corners = timeline.key_frames(WHERE, edit), timeline.corners(WHERE, edit)
    starts = [first, *(max(first, at) for at in keys[1:])]
    ends = [*(min(last, start) for start in starts[1:]), last]
    return [Leg(*leg) for leg in zip(keys, starts, ends, corners, strict=True)]


def order_for(summary: TimelineSummary, legs: Sequence[Leg], seconds: float) -> FollowOrder:
    """What the sandbox is to follow."""
    pts = summary.pts
    first = max(0, min(leg.before for leg in legs) - 1)
    return FollowOrder(
        keys=tuple(
            FollowedKey(at=leg.at, before=leg.before, after=leg.after, corners=leg.corners.tolist())
            for leg in legs
        ),
        grid=summary.header.grid,
        counted=CountedFrames(start_pts=int(pts[0]), last_pts=int(pts[-1]), frames=len(pts)),
        first=first,
        pts=pts[first : max(leg.after for leg in legs)].tolist(),
        seconds=seconds,
    )


class MaskTracker:
    """Follows one mask in a thread, while it is entered; afterwards nothing is left of it.

    Args:
        summary: of the project's timeline.
    """

    def __init__(
        self, context: Context, project: Project, summary: TimelineSummary, plan: TrackPlan
    ) -> None:
        self._context, self._project = context, project
        self._summary, self._plan = summary, plan
        display, grid = summary.header.video.display_size, summary.header.grid
        self._scale = np.array(display) / np.array(grid)
        self._frames = set[int]()
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._cancelled = threading.Event()
        self._begun = False
        self._told: asyncio.Queue[str | None] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        limiter = self._context.track_limiter
        self._work = asyncio.create_task(run_sync(self._follow, limiter=limiter))
        self._work.add_done_callback(lambda _: self._told.put_nowait(None))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cancelled.set()
        if not self._begun:  # it still waits for others
            self._work.cancel()
        await asyncio.wait({self._work})
        if not self._work.cancelled():
            self._work.exception()  # whoever it was for has gone, if it wasn't told

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """What a client is told; the last one is `done` or `failed`."""
        while (told := await self._told.get()) is not None:
            yield ServerSentEvent(event="positions", raw_data=told)
        error = self._work.exception()
        if error is None:
            yield ServerSentEvent(event="done", raw_data=json.dumps(self._done()))
        else:
            problem = self._problem(error)
            told = json.dumps(
                {"type": problem.type, "what": problem.what, "advice": problem.advice}
            )
            yield ServerSentEvent(event="failed", raw_data=told)

    def _done(self) -> dict[str, int | bool]:
        complete = self._plan.complete and self._work.result().complete
        frames = self._frames
        return {
            "frames": len(frames),
            "start": min(frames, default=0),
            "end": max(frames, default=-1) + 1,
            "complete": complete,
        }

    def _problem(self, error: BaseException) -> Problem:
        wording = Sanitizer(self._context.data / "work", self._context.data)
        if isinstance(error, BystanderError):
            return wording.problem_of(error)
        if isinstance(error, ApiError):
            return wording.problem(error.code or "ApiError", str(error.detail), error.advice)
        log.error("a mask can't be followed", exc_info=error)
        return Problem("ServiceError", "Something is wrong in the service", "Tell its operator.")

    # In the thread.

    def _follow(self) -> FollowFacts:
        self._begun = True
        if self._cancelled.is_set():
            raise Cancelled("nobody waits for it any more")
        if not self._plan.follow:
            self._stand()
            return FollowFacts(complete=True)
        context, project = self._context, self._project
        scratch = context.data / "work"
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        order = order_for(self._summary, self._plan.legs, MAX_SECONDS)
        with (
            while_it_is_there(context, project),
            TemporaryDirectory(dir=scratch, prefix="track-") as folder,
        ):
            video = Path(folder) / VIDEO_FILE
            context.storage.fetch(f"{project.id}/{VIDEO_FILE}", video)
            limits = context.settings.limits
            return follow_mask(video, limits, order, self._hear, self._cancelled.is_set)

    def _stand(self) -> None:
        """Tell of a mask that stands still, at each of its keys until the next one."""
        steps = [
            FollowedStep(frame, key, 0.0, 0.0, 1.0)
            for key, leg in enumerate(self._plan.legs)
            for frame in range(leg.before, leg.after)
        ]
        for begin in range(0, len(steps), BATCH_STEPS):
            self._hear(steps[begin : begin + BATCH_STEPS])

    def _hear(self, steps: list[FollowedStep]) -> None:
        """Tell what was found; ends the work where nobody wants it any more."""
        if server_stops():
            raise Cancelled("the service is being stopped", "Try again in a moment.")
        if time.monotonic() > self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            if self._context.store.projects.find(self._project.id) is None:
                raise ApiError.missing("There is no such project")
        positions = []
        for step in steps:
            self._frames.add(step.frame)
            motion = Motion(step.dx, step.dy, step.scale)
            corners = moved(self._plan.legs[step.key].corners, motion) * self._scale
            places = corners.round(2).ravel().tolist()
            positions.append({"frame": step.frame, "corners": places})
        told = json.dumps({"positions": positions}, separators=(",", ":"))
        self._loop.call_soon_threadsafe(self._told.put_nowait, told)


async def current_tracker(
    here: CurrentProject, summary: CurrentSummary, asked: TrackRequest, context: CurrentContext
) -> AsyncIterator[MaskTracker]:
    """Ends with the request, also where the client goes away.

    Raises:
        ApiError: the project's video isn't ready, or too many wait already.
        InvalidEdits: the mask doesn't fit the video.
    """
    ready_video(here)
    plan = await run_sync(plan_track, summary, asked.edit)
    if context.track_limiter.statistics().tasks_waiting >= MAX_WAITING:
        raise ApiError(
            429,
            "Too many masks are being followed",
            "Try again in a moment.",
            {"Retry-After": "5"},
            "rate-limited",
        )
    async with MaskTracker(context, here, summary, plan) as tracker:
        yield tracker


router = APIRouter(tags=["edits"])


@router.post(
    "/projects/{project}/track",
    response_class=EventSourceResponse,
    summary="Follow a drawn mask",
    responses=responses(409),
)
async def track(
    tracker: Annotated[MaskTracker, Depends(current_tracker)],
) -> AsyncIterator[ServerSentEvent]:
    """Where a mask goes that is drawn in one frame or several, as rendering would draw it;
    nothing is stored. `positions` come while it is followed, ahead from each key and then back,
    `corners` in display pixels; where a frame comes twice, the later one counts. The last event
    is `done` (`frames`: how many it is in, from `start` to before `end`; `complete`: false where
    there was no time to follow it further, which rendering takes) or `failed` (`type`, `what`,
    `advice`). 404 before the first analysis, 422 where the mask doesn't fit the video."""
    async for event in tracker.events():
        yield event
