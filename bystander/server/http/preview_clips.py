"""What to show of a video before it is masked: which moment, and a few seconds as they will be."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from functools import partial
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from bystander.errors import NotStored, PhotoError
from bystander.identity.cast import member_of
from bystander.redaction.effects import EffectSettings
from bystander.server.http.analysis import analysis_of, edited, edits_of
from bystander.server.http.deps import (
    Context,
    CurrentContext,
    CurrentProject,
    ready_video,
    while_it_is_there,
)
from bystander.server.http.downloads import StoredFile, send
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.glances import MomentView, best_moment, best_moment_of
from bystander.server.http.previews import AskedEffect, frame_at
from bystander.server.http.results import FILE
from bystander.server.http.stopping import tell_when_gone
from bystander.server.jobs.spec import cast_of
from bystander.server.models import Project
from bystander.server.retention import PHOTOS

MAX_WAITING: Final = 8
"""Requests for clips that wait for others; further ones are told to come again."""

router = APIRouter(tags=["results"])


def _moment(context: Context, project: Project) -> MomentView:
    with suppress(NotStored):
        summary = context.timelines.summary(project.id, analysis_of(context, project))
        now = edited(summary, project.keep, project.mask, edits_of(project))
        return best_moment_of(now.header, summary.times)
    members, faces = [], context.models().faces
    pictures = context.data / PHOTOS / project.id
    for person in cast_of(context.store.photos.list(project.id)):
        # A photo may be deleted at any moment: then it says nothing any more.
        with suppress(PhotoError):
            photos = [(pictures / photo.file, photo.box) for photo in person.photos]
            members.append(member_of(person.name, photos, faces))
    glances = context.glances.of(project, partial(frame_at, context, project), context.models())
    return best_moment(glances, members, faces.thresholds.same)


@router.get(
    "/projects/{project}/preview/moment",
    summary="A moment of the video that shows people",
    responses=responses(409),
)
async def preview_moment(here: CurrentProject, context: CurrentContext) -> MomentView:
    """For a preview: one of several moments, in which most of the people to keep are seen, and
    others, too. Before the video is analysed, faces are compared with the photos' in single
    pictures only."""
    ready_video(here)
    return await run_sync(_moment, context, here, limiter=context.preview_limiter)


def _clip(
    context: Context, project: Project, at: float, effect: EffectSettings, gone: threading.Event
) -> str:
    photos = context.store.photos.list(project.id)
    with while_it_is_there(context, project):
        key = context.preview_clips.ensure(project, photos, at, effect, gone.is_set)
    if context.store.projects.find(project.id) is None:
        context.storage.delete(f"{project.id}/")
        raise ApiError.missing("There is no such project")
    return key


def _may_begin(context: Context, project: Project) -> None:
    """Raises ApiError: the result is there, or being made."""
    ready_video(project)
    if context.store.jobs.active(project.id):
        raise ApiError(409, "A job is at work already", "Look at its previews.", code="busy")
    if analysis_of(context, project) is not None:
        raise ApiError(
            409, "The video was analysed already", "Look at single pictures, or render it."
        )


@router.head("/projects/{project}/preview/clip", include_in_schema=False)
@router.get(
    "/projects/{project}/preview/clip",
    summary="A few seconds as they will be",
    response_class=Response,
    responses={
        200: {"content": {"video/mp4": FILE}},
        206: {"content": {"video/mp4": FILE}},
        **responses(409, 416, 507),
    },
)
async def preview_clip(
    here: CurrentProject,
    request: Request,
    context: CurrentContext,
    effect: AskedEffect,
    at: Annotated[
        float, Query(ge=0, allow_inf_nan=False, description="seconds into the video")
    ] = 0.0,
) -> Response:
    """Three seconds from `at` on, small and without sound: people are looked for in them,
    those on the photos kept, all others masked. It takes some seconds the first time, fewer with
    another effect. The whole video tells more of somebody than these seconds: its result may
    keep more of them. 409 while a job is at work, and once the video was analysed."""
    await run_sync(_may_begin, context, here)
    if context.preview_clip_limiter.statistics().tasks_waiting >= MAX_WAITING:
        raise ApiError(
            429,
            "Too many previews are being made",
            "Try again in a moment.",
            {"Retry-After": "5"},
            "rate-limited",
        )
    gone = threading.Event()
    watch = asyncio.create_task(tell_when_gone(request, gone))
    try:
        key = await run_sync(
            _clip, context, here, at, effect, gone, limiter=context.preview_clip_limiter
        )
    finally:
        watch.cancel()
    clip = StoredFile(key, "preview.mp4", "video/mp4", disposition="inline", direct=False)
    return await send(request, context.storage, clip)
