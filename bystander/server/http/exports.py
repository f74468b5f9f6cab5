"""What other programs take of an analysis: masks, boxes, markers for an editor."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, BinaryIO, Final, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from bystander.choices import ExportFormat, ShapeName
from bystander.errors import NotStored
from bystander.pipeline.export import SUFFIXES, export
from bystander.sandbox import Limits, MasksOrder, draw_masks
from bystander.server.http.deps import (
    Context,
    CurrentContext,
    CurrentProject,
    ready_video,
    while_it_is_there,
)
from bystander.server.http.downloads import send_made
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.results import FILE, PROVENANCE, CurrentRendering
from bystander.server.http.stopping import server_stops, tell_when_gone
from bystander.server.jobs.spec import (
    AUDIT_FILE,
    RENDERED_FILE,
    TIMELINE_FILE,
    VIDEO_FILE,
    JobSpec,
    key_of,
)
from bystander.server.models import Project, Result
from bystander.timeline.archive import Timeline

MAX_MASKS_SECONDS: Final = 600.0
"""On the clock, in which all masks are drawn for whoever waits."""
MAX_MASKS_BYTES: Final = 512 * 2**20
MASKS_BYTES_PER_FRAME: Final = 64 * 1024
"""... at most: of about fifty people."""
MAX_WAITING: Final = 4
"""Requests for masks that wait for others; further ones are told to come again."""
LOOK_SECONDS: Final = 1.0
"""After which is looked whether the project is still there."""
JSON: Final = "application/json"
MEDIA_TYPES: Final = {
    ExportFormat.COCO: JSON,
    ExportFormat.MOT: "text/plain; charset=utf-8",
    ExportFormat.MOT_JSON: JSON,
    ExportFormat.EDL: "text/plain; charset=utf-8",
    ExportFormat.FCPXML: "application/xml",
    ExportFormat.CSV: "text/csv; charset=utf-8",
}
NAMES: Final = {
    ExportFormat.COCO: "masks",
    ExportFormat.MOT: "boxes",
    ExportFormat.MOT_JSON: "boxes",
}
"""Of the downloaded files; others are markers."""
CONTENT: Final = {kind.partition(";")[0]: FILE for kind in MEDIA_TYPES.values()} | {
    JSON: {"schema": {"type": "object"}}
}
ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": CONTENT, "headers": PROVENANCE},
    **responses(409, 429, 507),
}

router: Final = APIRouter(tags=["results"])


@router.get(
    "/projects/{project}/export",
    summary="Masks, boxes or markers for other programs",
    response_class=Response,
    responses=ANSWERS,
)
async def export_analysis(
    here: CurrentRendering,
    project: CurrentProject,
    context: CurrentContext,
    request: Request,
    format: Annotated[
        Literal["coco", "mot", "mot-json", "csv", "edl", "fcpxml"],
        Query(
            description="coco: the pixels that are drawn over, by person and frame; mot, mot-json: "
            "everyone's boxes; csv, edl, fcpxml: markers, as a table, CMX 3600 or Final Cut Pro's "
            "XML"
        ),
    ],
) -> Response:
    """By the timeline of the last result, or by the analysis before there is one. Markers are
    spans in which a verdict is doubtful, and what the audit of the result has found, if there was
    one. For `coco` every frame is drawn again: that takes about as long as rendering does, ten
    minutes at most, and ends when the client goes away."""
    wanted = ExportFormat(format)
    if wanted is not ExportFormat.COCO:
        made = await run_sync(_from_timeline, context, project, here.result, wanted)
    else:
        made = await _masks(context, project, here.result, request)
    name = f"{NAMES.get(wanted, 'markers')}{SUFFIXES[wanted]}"
    return send_made(made, name, MEDIA_TYPES[wanted], here.headers)


def _from_timeline(
    context: Context, project: Project, result: Result | None, wanted: ExportFormat
) -> BinaryIO:
    """A file without a name: it goes with whoever holds it."""
    with _timeline(context, project, result) as timeline, _scratch(context) as folder:
        audit = None
        if result is not None and wanted not in NAMES:
            with suppress(NotStored):  # it wasn't audited
                context.storage.fetch(key_of(project.id, AUDIT_FILE), folder / AUDIT_FILE)
                audit = folder / AUDIT_FILE
        made = folder / f"markers{SUFFIXES[wanted]}"
        export(timeline, made, wanted, audit=audit)
        return made.open("rb")


async def _masks(
    context: Context, project: Project, result: Result | None, request: Request
) -> BinaryIO:
    """The same of masks, while the client is there."""
    ready_video(project)
    if context.masks_limiter.statistics().tasks_waiting >= MAX_WAITING:
        raise ApiError(
            429,
            "Too many masks are being drawn",
            "Try again in a few minutes.",
            {"Retry-After": "60"},
            "rate-limited",
        )
    gone = threading.Event()
    watch = asyncio.create_task(tell_when_gone(request, gone))
    try:
        return await run_sync(_drawn, context, project, result, gone, limiter=context.masks_limiter)
    finally:
        gone.set()
        watch.cancel()


def _drawn(
    context: Context, project: Project, result: Result | None, gone: threading.Event
) -> BinaryIO:
    limits = _limits(context.settings.limits, project.video.ready_facts.frame_count)
    context.janitor.room_for(limits.output)
    look_at = time.monotonic() + LOOK_SECONDS

    def unwanted() -> bool:
        nonlocal look_at
        if gone.is_set() or server_stops():
            return True
        if time.monotonic() < look_at:
            return False
        look_at = time.monotonic() + LOOK_SECONDS
        return context.store.projects.find(project.id) is None

    with (
        while_it_is_there(context, project),
        _timeline(context, project, result) as timeline,
        _scratch(context) as folder,
    ):
        video, made = folder / VIDEO_FILE, folder / "made.json"
        context.storage.fetch(f"{project.id}/{VIDEO_FILE}", video)
        order = MasksOrder(shape=_shape(context, project, result))
        draw_masks(video, limits, order, timeline.path, made, unwanted)
        return made.open("rb")


@contextmanager
def _timeline(context: Context, project: Project, result: Result | None) -> Iterator[Timeline]:
    """Of the result, or the analysis.

    Raises:
        ApiError: the video wasn't analysed.
    """
    with ExitStack() as resources:
        timeline = None
        for name in (RENDERED_FILE, TIMELINE_FILE) if result else (TIMELINE_FILE,):
            with suppress(NotStored):
                opened = context.timelines.opened(key_of(project.id, name))
                timeline = resources.enter_context(opened)
                break
        if timeline is None:
            raise ApiError.missing("Nobody was looked for in this video yet")
        yield timeline


@contextmanager
def _scratch(context: Context) -> Iterator[Path]:
    folder = context.data / "work"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix="export-") as name:
        yield Path(name)


def _limits(limits: Limits, frames: int) -> Limits:
    """Of the child that draws masks; its memory is what examining may take."""
    return limits.model_copy(
        update={
            "cpu": MAX_MASKS_SECONDS * (os.cpu_count() or 1),
            "wall": MAX_MASKS_SECONDS,
            "output": min(MAX_MASKS_BYTES, limits.output + frames * MASKS_BYTES_PER_FRAME),
        }
    )


def _shape(context: Context, project: Project, result: Result | None) -> ShapeName:
    """What of people was drawn over in the result."""
    job = context.store.jobs.get(project.id, result.job) if result else None
    return JobSpec.model_validate(job.order).effect.shape if job else ShapeName.SILHOUETTE
