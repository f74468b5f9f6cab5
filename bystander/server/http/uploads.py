"""A video into a project: by tus, in one PUT, or past the service into its bucket.

Whichever way it came, it is examined before anything else looks at it: see `receiving.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from bystander.errors import NotAVideo, NotStored
from bystander.server.http import tus
from bystander.server.http.deps import CurrentContext, CurrentProject, project_of, project_url
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.limits import MIN_PROGRESS_BYTES, read_chunks, too_large
from bystander.server.http.receiving import INCOMING, UNDER_WAY, Uploads
from bystander.server.http.videos import VideoView, view_of
from bystander.server.http.views import ApiView
from bystander.server.jobs.spec import VIDEO_FILE
from bystander.server.models import Project
from bystander.storage import upload_headers

LINK_LIFETIME: Final = timedelta(hours=6)
MAX_LENGTH_DIGITS: Final = 18
"""Digits of a length in bytes."""
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
OFFSET: Final = "bytes that have arrived"
EXPIRES: Final = "when the upload is deleted, unless more of it arrives"


class UploadRequest(BaseModel):
    """A video that is about to be sent to the bucket."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"size": 1048576}]}
    )

    size: int = Field(ge=1, strict=True, description="bytes of the video")


class UploadLink(ApiView):
    """Where to send the video with one PUT, and the headers that must go with it."""

    url: str = Field(examples=["https://storage.googleapis.com/bucket/object?X-Goog-Signature=..."])
    headers: dict[str, str] = Field(examples=[upload_headers(1048576)])


router = APIRouter(tags=["video"])
tus_router = APIRouter(dependencies=[Depends(tus.require_version)], responses=responses(409, 412))
"""The routes of tus whose requests say which version they are of."""


async def current_uploads(request: Request, context: CurrentContext) -> Uploads:
    """Those under way in this application. Called on its event loop alone."""
    state = request.app.state
    if not hasattr(state, "uploads"):
        state.uploads = Uploads(context)
    found = state.uploads
    assert isinstance(found, Uploads)
    return found


CurrentUploads = Annotated[Uploads, Depends(current_uploads)]


@router.put(
    "/projects/{project}/video",
    summary="Send the whole video",
    openapi_extra=BODY,
    responses=responses(408, 409, 411, 413, 507),
)
async def put_video(project: str, request: Request, uploads: CurrentUploads) -> VideoView:
    """In one request, its bytes as the body. Answers when the video has been examined:
    see `state` and `problem`. A video that was there before is replaced. Where the
    connection breaks, tus goes on at the `upload` of `GET /projects/{project}/video`."""
    async with uploads.of(request, project) as (here, path):
        video = await uploads.begin(here, path, _announced(request))
        await uploads.receive(request, here, path, 0, video)
        return view_of(request, await uploads.examine(request, here, path))


@router.post(
    "/projects/{project}/video/upload-url",
    summary="Send the video to the bucket itself",
    responses=responses(409, 413, 501, 507),
)
async def link(
    project: str,
    wanted: UploadRequest,
    request: Request,
    context: CurrentContext,
    uploads: CurrentUploads,
) -> UploadLink:
    """An address for one PUT, where the service stores in a bucket (501 elsewhere). Then
    call `uploaded`."""
    async with uploads.of(request, project) as (here, path):
        url = await run_sync(
            context.storage.upload_url, _incoming(here), wanted.size, LINK_LIFETIME
        )
        if url is None:
            raise ApiError(501, "The service takes uploads itself", "Use PUT, or tus.")
        await uploads.begin(here, path, wanted.size)
        return UploadLink(url=url, headers=upload_headers(wanted.size))


@router.post(
    "/projects/{project}/video/uploaded",
    summary="The video is in the bucket",
    responses=responses(409),
)
async def uploaded(
    project: str, request: Request, context: CurrentContext, uploads: CurrentUploads
) -> VideoView:
    """Fetches and examines it."""
    async with uploads.of(request, project) as (here, path):
        if here.video.state not in UNDER_WAY:
            raise ApiError(409, "No upload was begun", "Ask for an address first.")
        key = _incoming(here)
        try:
            if await run_sync(context.storage.size, key) > context.settings.limits.video_bytes:
                raise too_large(context.settings.limits.video_bytes)
            await run_sync(context.storage.fetch, key, path)
        except NotStored as error:
            raise ApiError(409, "Nothing has arrived yet", "Send the video first.") from error
        return view_of(request, await uploads.examine(request, here, path))


@router.options(
    "/projects/{project}/uploads",
    status_code=204,
    summary="What of tus is spoken",
    response_class=Response,
    responses={
        204: {
            "headers": tus.response_headers(
                Tus_Version=tus.VERSION,
                Tus_Extension=", ".join(tus.EXTENSIONS),
                Tus_Max_Size="bytes that a video may have",
            )
        }
    },
)
async def describe_uploads(here: CurrentProject, context: CurrentContext) -> Response:
    """Its version, its extensions, and how large a video may be."""
    return Response(
        status_code=204,
        headers={
            "Tus-Version": tus.VERSION,
            "Tus-Extension": ",".join(tus.EXTENSIONS),
            "Tus-Max-Size": str(context.settings.limits.video_bytes),
        },
    )


@tus_router.post(
    "/projects/{project}/uploads",
    status_code=201,
    summary="Begin to send the video by tus",
    openapi_extra=tus.BODY,
    response_class=Response,
    responses={
        201: {
            "headers": tus.response_headers(
                Location="where the upload is",
                Upload_Offset=OFFSET,
                Upload_Expires=EXPIRES,
            )
        },
        **responses(408, 413, 507),
    },
)
async def create_upload(
    project: str,
    request: Request,
    context: CurrentContext,
    uploads: CurrentUploads,
    upload_length: Annotated[int, Header(ge=0, description="bytes of the video")],
    upload_metadata: Annotated[
        str,
        Header(
            max_length=tus.MAX_METADATA_CHARS,
            description="keys with values in base64; kept, and told by HEAD",
        ),
    ] = "",
) -> Response:
    """By any client of tus 1.0.0: this is its endpoint. A project has one video: what there
    was before is deleted, and its upload with it. The body may be the first part."""
    async with uploads.of(request, project) as (here, path):
        tus.decode_metadata(upload_metadata)
        if not tus.sends_bytes(request.headers):
            async for _ in read_chunks(
                request, MIN_PROGRESS_BYTES, context.settings.limits.body_seconds
            ):
                tus.require_bytes(request)  # there is a body, and it is something else
        video = await uploads.begin(here, path, upload_length, upload_metadata)
        at = 0
        if tus.sends_bytes(request.headers):
            at = await uploads.receive(request, here, path, at, video)
        if at == video.size:
            await uploads.examine(request, here, path)
    now = await run_sync(project_of, context, request, project)
    headers = {
        "Location": f"{project_url(request, project)}/uploads/{video.upload}",
        "Upload-Offset": str(at),
        "Upload-Expires": tus.http_date(now.expires),
    }
    return Response(status_code=201, headers=headers)


@tus_router.head(
    "/projects/{project}/uploads/{upload}",
    summary="How far the upload is",
    response_class=Response,
    responses={
        200: {
            "headers": tus.response_headers(
                Upload_Offset=OFFSET,
                Upload_Length="bytes of all of it",
                Upload_Metadata="as it was begun with",
                Upload_Expires=EXPIRES,
            )
        },
        **responses(410, 423),
    },
)
async def get_upload_offset(
    project: str, upload: str, request: Request, context: CurrentContext, uploads: CurrentUploads
) -> Response:
    """Go on from Upload-Offset. Where all has arrived and was never examined, because the
    service ended or was busy, it is now."""
    video, at = await run_sync(uploads.standing, request, project, upload)
    if video.state in UNDER_WAY and at == video.size:
        await uploads.examine_what_is_left(request, project, upload)
    headers = {"Upload-Offset": str(at), "Upload-Length": str(video.size)}
    if video.metadata:
        headers["Upload-Metadata"] = video.metadata
    if at != video.size:
        now = await run_sync(project_of, context, request, project)
        headers["Upload-Expires"] = tus.http_date(now.expires)
    return Response(headers=headers)


@tus_router.patch(
    "/projects/{project}/uploads/{upload}",
    status_code=204,
    summary="Send the next part",
    openapi_extra=tus.BODY,
    response_class=Response,
    responses={
        204: {"headers": tus.response_headers(Upload_Offset=OFFSET, Upload_Expires=EXPIRES)},
        **responses(408, 410, 413, 415, 503),
    },
)
async def append_to_upload(
    project: str,
    upload: str,
    request: Request,
    context: CurrentContext,
    uploads: CurrentUploads,
    upload_offset: Annotated[int, Header(ge=0, description="where the part begins")],
) -> Response:
    """Its bytes as the body. The last part is answered when the video has been examined:
    `GET /projects/{project}/video` tells what was found, or why it was refused."""
    async with uploads.of(request, project, upload) as (here, path):
        tus.require_bytes(request)
        video, at = await run_sync(uploads.standing, request, project, upload)
        if upload_offset != at:
            raise ApiError(
                409,
                f"{at} bytes have arrived, the part begins at {upload_offset}",
                "Go on from Upload-Offset.",
                {"Upload-Offset": str(at)},
            )
        if video.state not in UNDER_WAY:
            async for _ in read_chunks(request, 0, context.settings.limits.body_seconds):
                pass  # nothing more belongs to it
        else:
            at = await uploads.receive(request, here, path, at, video)
            if at == video.size:
                await uploads.examine(request, here, path)
    headers = {"Upload-Offset": str(at)}
    if at != video.size:
        now = await run_sync(project_of, context, request, project)
        headers["Upload-Expires"] = tus.http_date(now.expires)
    return Response(status_code=204, headers=headers)


@tus_router.delete(
    "/projects/{project}/uploads/{upload}",
    status_code=204,
    summary="Give the upload up",
    response_class=Response,
    responses=responses(410),
)
async def terminate_upload(
    project: str, upload: str, request: Request, uploads: CurrentUploads
) -> Response:
    """What has arrived is deleted; of a video that is ready also what was made of it."""
    async with uploads.of(request, project, upload) as (here, path):
        await run_sync(uploads.end, here, path)
    return Response(status_code=204)


router.include_router(tus_router)


def _incoming(project: Project) -> str:
    return f"{project.id}/{INCOMING}/{VIDEO_FILE}"


def _announced(request: Request) -> int:
    """The length of a body. Without it no room can be kept for it, nor could it be gone on with.

    Raises:
        ApiError: the client doesn't tell it.
        NotAVideo: there is nothing.
    """
    length = request.headers.get("content-length", "")
    # Where both are sent, the length is a lie (RFC 9112, section 6.3).
    if (
        "transfer-encoding" in request.headers
        or not length.isdecimal()
        or len(length) > MAX_LENGTH_DIGITS
    ):
        raise ApiError(
            411,
            "The request doesn't say how long the video is",
            "Send Content-Length, or use tus.",
            {"Connection": "close"},
        )
    if int(length) == 0:
        raise NotAVideo("the video is empty", "Copy it again from where it was recorded.")
    return int(length)
