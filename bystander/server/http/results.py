"""Getting files: the video, its masked copy, the timeline and the audit's report."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from bystander.auditing.report import with_accepts
from bystander.editing.document import AcceptEdit, Edits
from bystander.errors import NotStored
from bystander.server.http.analysis import current_summary, edits_of
from bystander.server.http.deps import Context, CurrentContext, CurrentProject, job_url, project_of
from bystander.server.http.downloads import StoredFile, send
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.filenames import result_name, video_name
from bystander.server.http.views import AuditView
from bystander.server.jobs.spec import (
    AUDIT_FILE,
    AUDIT_PAGE_FILE,
    RENDERED_FILE,
    RESULT_FILE,
    TIMELINE_FILE,
    VIDEO_FILE,
    key_of,
)
from bystander.server.models import Project, Result, Staleness, staleness_of

JOB_HEADER: Final = "Bystander-Job"
VERDICTS_HEADER: Final = "Bystander-Verdicts"
STALE_HEADER: Final = "Bystander-Stale"
PROVENANCE: Final[dict[str, Any]] = {
    JOB_HEADER: {"description": "id of the job that made it", "schema": {"type": "string"}},
    VERDICTS_HEADER: {
        "description": "digest of the verdicts that it was made by, as in the project's `result`",
        "schema": {"type": "string"},
    },
    STALE_HEADER: {
        "description": "why it isn't what the project's verdicts ask for; absent if it is",
        "schema": {"type": "string"},
    },
}
"""Headers that say where a download comes from."""

REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
)
"""Of the audit's page: nothing but its own style and the pictures in it."""

CONTAINERS: Final = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("video.mp4", "video/mp4"),
    "matroska,webm": ("video.mkv", "video/x-matroska"),
    "gif": ("video.gif", "image/gif"),
    "apng": ("video.png", "image/apng"),
    "webp": ("video.webp", "image/webp"),
}
"""File name and media type by FFmpeg's name of the container."""
OTHER_CONTAINER: Final = ("video.bin", "application/octet-stream")

FILE: Final = {"schema": {"type": "string", "format": "binary"}}
AllowStale = Annotated[
    bool, Query(description="send it even if it isn't what the verdicts ask for any more")
]


@dataclass(frozen=True, slots=True)
class ResultState:
    """A project's result, and whether it may be taken for what is wanted now.

    Attributes:
        name: of the source's file; "" where nobody told it.
    """

    project: str
    name: str
    result: Result | None
    staleness: Staleness | None

    @property
    def headers(self) -> dict[str, str]:
        """What every download that belongs to it says."""
        if self.result is None:
            return {}
        named = {JOB_HEADER: self.result.job, VERDICTS_HEADER: self.result.verdicts_digest}
        if self.staleness is not None:
            named[STALE_HEADER] = self.staleness.reason.value
        return named


def current_rendering(here: CurrentProject, context: CurrentContext) -> ResultState:
    """What the project's newest job has made."""
    return state_of(here, context)


def state_of(project: Project, context: Context) -> ResultState:
    """Of the result of a project, whoever asks."""
    staleness = staleness_of(project, context.store.jobs.list(project.id))
    name = video_name(project.video.metadata)
    return ResultState(project.id, name, project.result, staleness)


CurrentRendering = Annotated[ResultState, Depends(current_rendering)]


def file_of(
    *media_types: str, headers: dict[str, Any] | None = None
) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of a download, whole or in part."""
    content = {media_type: FILE for media_type in media_types}
    told: dict[str, Any] = {"headers": headers} if headers else {}
    return {
        200: {"content": content, **told},
        206: {
            "description": "The part that the Range header asks for.",
            "content": content,
            **told,
        },
        304: {"description": "The file is still the one that If-None-Match names.", **told},
        307: {"description": "The file is in a bucket, and may be got there for a while.", **told},
        **responses(416),
    }


AUDIT_ANSWER: Final = file_of("application/json", headers=PROVENANCE) | {
    200: {"model": AuditView, "headers": PROVENANCE}
}

router = APIRouter(tags=["results"])


@router.head("/projects/{project}/video/file", include_in_schema=False)
@router.get(
    "/projects/{project}/video/file",
    summary="The video itself",
    response_class=Response,
    responses=file_of(*(kind for _, kind in (*CONTAINERS.values(), OTHER_CONTAINER))),
)
async def video(here: CurrentProject, request: Request, context: CurrentContext) -> Response:
    """As it was sent, nobody masked."""
    facts = here.video.facts
    filename, media_type = CONTAINERS.get(facts.container if facts else "", OTHER_CONTAINER)
    return await _send(
        request, context, StoredFile(f"{here.id}/{VIDEO_FILE}", filename, media_type)
    )


@router.head("/projects/{project}/result", include_in_schema=False)
@router.get(
    "/projects/{project}/result",
    summary="The masked video",
    response_class=Response,
    responses=file_of("video/mp4", headers=PROVENANCE) | responses(409),
)
async def result(
    here: CurrentRendering,
    request: Request,
    context: CurrentContext,
    allow_stale: AllowStale = False,
) -> Response:
    """Only as long as it is what the project's verdicts ask for. 404 before a mask or render
    job is done. 409 with `reason` while a newer job is queued or running (with its address
    in `job`), after one that failed or was cancelled, and after the verdicts have changed:
    render again, decide as before, or ask with `allow_stale`. It names the job that made it
    and the digest of the verdicts that it was made by."""
    if here.staleness is not None and (here.result is None or not allow_stale):
        raise _refused(request, here, here.staleness)
    if here.result is None:
        raise ApiError.missing("There is no such file yet")
    name = result_name(here.name, stale=here.staleness is not None)
    download = StoredFile(
        key_of(here.project, RESULT_FILE), name, "video/mp4", headers=here.headers
    )
    sent = await _send(request, context, download)
    latest = await run_sync(project_of, context, request, here.project)
    if latest.result != here.result:
        # Another one took its place between the two looks: what is sent isn't what is said.
        raise ApiError(409, "The result is being replaced", "Ask again.", code="result-pending")
    return sent


@router.head("/projects/{project}/timeline", include_in_schema=False)
@router.get(
    "/projects/{project}/timeline",
    summary="The analysis",
    response_class=Response,
    responses=file_of("application/zip", headers=PROVENANCE),
)
async def timeline(here: CurrentRendering, request: Request, context: CurrentContext) -> Response:
    """With the verdicts of the last result, or those of the analysis before there is one."""
    keys: list[tuple[str, dict[str, str]]] = [(key_of(here.project, TIMELINE_FILE), {})]
    if here.result is not None:
        keys.insert(0, (key_of(here.project, RENDERED_FILE), here.headers))
    downloads = [
        StoredFile(key, "timeline.zip", "application/zip", headers) for key, headers in keys
    ]
    return await _send(request, context, *downloads)


@router.head("/projects/{project}/audit", include_in_schema=False)
@router.get(
    "/projects/{project}/audit",
    summary="The audit's report to read",
    response_class=Response,
    responses=file_of("text/html", headers=PROVENANCE),
)
async def audit_page(here: CurrentRendering, request: Request, context: CurrentContext) -> Response:
    """A page by itself, without scripts. 404 without an audited result."""
    download = StoredFile(
        key_of(here.project, AUDIT_PAGE_FILE),
        "audit.html",
        "text/html; charset=utf-8",
        {"Content-Security-Policy": REPORT_POLICY},
        disposition="inline",
        direct=False,
    )
    return await _send_rendered(request, context, here, download)


@router.head("/projects/{project}/audit.json", include_in_schema=False)
@router.get(
    "/projects/{project}/audit.json",
    summary="The audit's findings as data",
    response_class=Response,
    responses=AUDIT_ANSWER,
)
async def audit(
    here: CurrentRendering, project: CurrentProject, request: Request, context: CurrentContext
) -> Response:
    """The same as the page; but what somebody has accepted since (an edit) is marked at once,
    and `passed` doesn't count it. 404 without an audited result."""
    edits = edits_of(project)
    if here.result is not None and any(isinstance(edit, AcceptEdit) for edit in edits.edits):
        report = await run_sync(_accepted_report, context, project, edits)
        return JSONResponse(report, headers=here.headers)
    download = StoredFile(
        key_of(here.project, AUDIT_FILE), "audit.json", "application/json", direct=False
    )
    return await _send_rendered(request, context, here, download)


def _accepted_report(context: Context, project: Project, edits: Edits) -> dict[str, object]:
    try:
        raw = b"".join(context.storage.read(key_of(project.id, AUDIT_FILE)))
    except NotStored as error:
        raise ApiError.missing("There is no such file yet") from error
    first = float(current_summary(project, context).times[0])
    return with_accepts(json.loads(raw), edits, first)


async def _send(request: Request, context: Context, *downloads: StoredFile) -> Response:
    """The first of `downloads` that there is."""
    for download in downloads:
        try:
            return await send(request, context.storage, download)
        except NotStored:
            continue
    raise ApiError.missing("There is no such file yet")


async def _send_rendered(
    request: Request, context: Context, here: ResultState, download: StoredFile
) -> Response:
    """What belongs to a result that there is."""
    if here.result is None:
        raise ApiError.missing("There is no such file yet")
    headers = {**(download.headers or {}), **here.headers}
    return await _send(request, context, replace(download, headers=headers))


def _refused(request: Request, here: ResultState, staleness: Staleness) -> ApiError:
    """The reason why a result isn't sent, with what there is of it."""
    told: dict[str, object] = {"reason": staleness.reason.value}
    if staleness.job is not None:
        told["job"] = job_url(request, staleness.job)
    headers = {STALE_HEADER: staleness.reason.value}
    if here.result is None:
        what, advice = "The result is being made", "Wait for the end of the job."
        return ApiError(409, what, advice, headers, "result-pending", told)
    told["result"] = asdict(here.result)
    return ApiError(
        409,
        f"The result isn't what is wanted now. {staleness.sentence}",
        "Render again, decide as before, or ask for it with allow_stale=1.",
        {**here.headers, **headers},
        "result-stale",
        told,
    )
