"""Getting files: the video, its masked copy, the timeline and the audit's report."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from bystander.api.access import project_of
from bystander.api.context import Context
from bystander.api.downloads import Download, send
from bystander.api.problems import responses
from bystander.api.refusal import Refusal
from bystander.errors import NotStored
from bystander.jobs.order import AUDIT, AUDIT_PAGE, RENDERED, RESULT, TIMELINE, VIDEO, key_of
from bystander.jobs.vocabulary import Project

REPORT_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
)
"""Of the audit's page: nothing but its own style and the pictures in it."""

CONTAINERS: Final = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("video.mp4", "video/mp4"),
    "matroska,webm": ("video.mkv", "video/x-matroska"),
}
"""File name and media type by FFmpeg's name of the container."""
OTHER_CONTAINER: Final = ("video.bin", "application/octet-stream")

FILE: Final = {"schema": {"type": "string", "format": "binary"}}


def file_of(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of a download, whole or in part."""
    content = {media_type: FILE for media_type in media_types}
    return {
        200: {"content": content},
        206: {"description": "The part that the Range header asks for.", "content": content},
        304: {"description": "The file is still the one that If-None-Match names."},
        307: {"description": "The file is in a bucket, and may be got there for a while."},
        **responses(416),
    }


def router(context: Context) -> APIRouter:
    """The routes under which files are downloaded."""
    routes = APIRouter(tags=["results"])

    async def answer(request: Request, *downloads: Download) -> Response:
        """The first of `downloads` that there is."""
        for download in downloads:
            try:
                return await send(request, context.storage, download)
            except NotStored:
                continue
        raise Refusal.missing("There is no such file yet")

    async def find(request: Request, project: str) -> Project:
        return await run_in_threadpool(project_of, context, request, project)

    @routes.head("/projects/{project}/video/file", include_in_schema=False)
    @routes.get(
        "/projects/{project}/video/file",
        summary="The video itself",
        response_class=Response,
        responses=file_of(*(kind for _, kind in (*CONTAINERS.values(), OTHER_CONTAINER))),
    )
    async def video(project: str, request: Request) -> Response:
        """As it was sent, nobody masked."""
        here = await find(request, project)
        container = str((here.video.facts or {}).get("container"))
        filename, media_type = CONTAINERS.get(container, OTHER_CONTAINER)
        return await answer(request, Download(f"{here.id}/{VIDEO}", filename, media_type))

    @routes.head("/projects/{project}/result", include_in_schema=False)
    @routes.get(
        "/projects/{project}/result",
        summary="The masked video",
        response_class=Response,
        responses=file_of("video/mp4"),
    )
    async def result(project: str, request: Request) -> Response:
        """404 before a mask or render job is done."""
        here = await find(request, project)
        download = Download(key_of(here.id, RESULT), "masked.mp4", "video/mp4")
        return await answer(request, download)

    @routes.head("/projects/{project}/timeline", include_in_schema=False)
    @routes.get(
        "/projects/{project}/timeline",
        summary="The analysis",
        response_class=Response,
        responses=file_of("application/zip"),
    )
    async def timeline(project: str, request: Request) -> Response:
        """With the verdicts of the last result, or those of the analysis before there is one."""
        here = await find(request, project)
        keys = (key_of(here.id, RENDERED), key_of(here.id, TIMELINE))
        downloads = [Download(key, "timeline.zip", "application/zip") for key in keys]
        return await answer(request, *downloads)

    @routes.head("/projects/{project}/audit", include_in_schema=False)
    @routes.get(
        "/projects/{project}/audit",
        summary="The audit's report to read",
        response_class=Response,
        responses=file_of("text/html"),
    )
    async def audit_page(project: str, request: Request) -> Response:
        """A page by itself, without scripts. 404 without an audited result."""
        here = await find(request, project)
        download = Download(
            key_of(here.id, AUDIT_PAGE),
            "audit.html",
            "text/html; charset=utf-8",
            {"Content-Security-Policy": REPORT_POLICY},
            disposition="inline",
            direct=False,
        )
        return await answer(request, download)

    @routes.head("/projects/{project}/audit.json", include_in_schema=False)
    @routes.get(
        "/projects/{project}/audit.json",
        summary="The audit's findings as data",
        response_class=Response,
        responses=file_of("application/json"),
    )
    async def audit(project: str, request: Request) -> Response:
        """The same as the page. 404 without an audited result."""
        here = await find(request, project)
        download = Download(key_of(here.id, AUDIT), "audit.json", "application/json", direct=False)
        return await answer(request, download)

    return routes
