"""A frame of the video as a picture, nobody masked: for whoever looks closely and draws on it."""

from __future__ import annotations

from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Request, Response

from bystander.sandbox import CountedFrames, FrameOrder, take_frame
from bystander.server.http.analysis import CurrentSummary
from bystander.server.http.deps import (
    Context,
    CurrentContext,
    CurrentProject,
    ready_video,
    while_it_is_there,
)
from bystander.server.http.downloads import JPEG_ANSWER
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.timelines import TimelineSummary
from bystander.server.jobs.spec import VIDEO_FILE
from bystander.server.models import Project

LONG_SIDE_PX: Final = 1280
MAX_WAITING: Final = 32
"""Requests that wait for others; further ones are told to come again."""
GONE_STATUS: Final = 499
"""Of an answer that nobody waits for; as nginx has it."""

router = APIRouter(tags=["edits"])


def picture_of_frame(
    context: Context, project: Project, summary: TimelineSummary, frame: int
) -> bytes:
    """A frame as a JPEG, its longer side at most `LONG_SIDE_PX`."""
    pts = summary.pts
    order = FrameOrder(
        frame=frame,
        before=int(pts[frame - 1]) if frame else None,
        counted=CountedFrames(start_pts=int(pts[0]), last_pts=int(pts[-1]), frames=len(pts)),
        longest=LONG_SIDE_PX,
    )
    scratch = context.data / "work"
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        while_it_is_there(context, project),
        TemporaryDirectory(dir=scratch, prefix="frame-") as name,
    ):
        folder = FilePath(name)
        context.storage.fetch(f"{project.id}/{VIDEO_FILE}", folder / VIDEO_FILE)
        made = folder / "frame.jpg"
        take_frame(folder / VIDEO_FILE, context.settings.limits, order, made)
        return made.read_bytes()


@router.get(
    "/projects/{project}/frames/{frame}/picture",
    summary="One frame as a picture",
    response_class=Response,
    responses=JPEG_ANSWER | responses(409),
)
async def frame_picture(
    here: CurrentProject,
    summary: CurrentSummary,
    context: CurrentContext,
    frame: Annotated[int, Path(ge=0, le=2**31, description="from 0")],
    request: Request,
) -> Response:
    """Exactly this frame, nobody masked in it: a JPEG whose longer side has 1280 pixels at most.
    404 before the first analysis and after the last frame."""
    ready_video(here)
    if frame >= summary.header.video.frames:
        raise ApiError.missing("There is no such frame in this video")
    if context.frame_limiter.statistics().tasks_waiting >= MAX_WAITING:
        raise ApiError(
            429,
            "Too many frames are being looked at",
            "Try again in a moment.",
            {"Retry-After": "1"},
            "rate-limited",
        )
    async with context.frame_limiter:
        await request.body()  # what comes first, before word of whoever left
        if await request.is_disconnected():  # who scrubs through the video doesn't wait for each
            return Response(status_code=GONE_STATUS)
        jpeg = await run_sync(picture_of_frame, context, here, summary, frame)
    return Response(jpeg, media_type="image/jpeg")
