"""Uploading a video: streamed to disk, gone on with where a connection broke, then examined.

A file grows in the folder of uploads; its length is how far the upload has come, whatever
happened to the process. Whole, it is examined in the sandbox and moved into storage.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from bystander.api.access import project_of, while_it_is_there
from bystander.api.callers import caller_of
from bystander.api.context import Context
from bystander.api.limits import chunks, too_large
from bystander.api.problems import responses
from bystander.api.refusal import Refusal
from bystander.api.videos import VideoView, poster_key, view_of
from bystander.errors import NotStored, VideoError
from bystander.jobs.disk import UPLOADS, remove
from bystander.jobs.order import VIDEO
from bystander.jobs.storage import upload_headers
from bystander.jobs.storage.troubles import telling_disk
from bystander.jobs.vocabulary import Problem, Project, Video, VideoState
from bystander.sandbox import examine_video

BUFFER: Final = 2**20
WAITING: Final = 16
"""Videos that may wait to be examined."""
INCOMING: Final = "incoming"
"""Folder in storage of what a client has sent to the bucket itself."""
LINK_LIFETIME: Final = timedelta(hours=6)
LONGEST: Final = 18
"""Digits of a length in bytes."""
BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
OFFSET_HEADERS: Final = {
    "Upload-Offset": {"description": "bytes that have arrived", "schema": {"type": "integer"}},
    "Upload-Length": {"description": "bytes of all of it", "schema": {"type": "integer"}},
}
UNDER_WAY: Final = (VideoState.UPLOADING, VideoState.CHECKING)


class UploadRequest(BaseModel):
    """An upload that is about to begin."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"size": 1048576}]}
    )

    size: int = Field(ge=1, strict=True, description="bytes of the video")
    fresh: bool = Field(
        False,
        strict=True,
        description="it is another file than the one that was begun before, even if as large",
    )


class UploadLink(BaseModel):
    """Where to send the video with one PUT, and the headers that must go with it."""

    url: str = Field(examples=["https://storage.googleapis.com/bucket/object?X-Goog-Signature=..."])
    headers: dict[str, str] = Field(examples=[upload_headers(1048576)])


def router(context: Context) -> APIRouter:
    """The routes under /projects/{project}/video that take a video."""
    routes = APIRouter(tags=["video"])
    uploads = Uploads(context)

    @routes.put(
        "/projects/{project}/video",
        summary="Send the whole video",
        openapi_extra=BODY,
        responses=responses(408, 409, 411, 413, 507),
    )
    async def put_video(project: str, request: Request) -> VideoView:
        """In one request, its bytes as the body. Answers when the video has been examined:
        see `state` and `problem`. A video that was there before is replaced. Where the
        connection breaks, PATCH goes on."""
        async with uploads.of(request, project) as (here, path):
            size = _announced(request)
            await uploads.begin(here, path, size)
            await uploads.receive(request, here, path, 0, size)
            return await uploads.examine(request, here, path)

    @routes.post(
        "/projects/{project}/video",
        status_code=201,
        summary="Begin to send the video in parts",
        responses=responses(409, 413, 507),
    )
    async def begin_video(project: str, wanted: UploadRequest, request: Request) -> VideoView:
        """Then send the parts with PATCH. An upload of the same size that was begun before
        goes on: HEAD tells from where."""
        async with uploads.of(request, project) as (here, path):
            video = here.video
            begun = video.state in UNDER_WAY and video.size == wanted.size and path.exists()
            if wanted.fresh or not begun:
                await uploads.begin(here, path, wanted.size)
        return view_of(request, await run_sync(project_of, context, request, project))

    @routes.head(
        "/projects/{project}/video",
        summary="How far the upload is",
        response_class=Response,
        responses={200: {"headers": OFFSET_HEADERS}},
    )
    async def head_video(project: str, request: Request) -> Response:
        """Bytes that have arrived, in Upload-Offset; all of them, in Upload-Length."""
        here = await run_sync(project_of, context, request, project)
        received = here.video.received
        if here.video.state in UNDER_WAY:
            received = await run_sync(_length, uploads.path(here.id))
        headers = {"Upload-Offset": str(received)}
        if here.video.size is not None:
            headers["Upload-Length"] = str(here.video.size)
        return Response(status_code=200, headers=headers)

    @routes.patch(
        "/projects/{project}/video",
        summary="Send the next part",
        openapi_extra=BODY,
        responses={
            204: {"description": "It has arrived; Upload-Offset tells where the next one begins"},
            **responses(408, 409, 413, 503),
        },
    )
    async def patch_video(
        project: str,
        request: Request,
        response: Response,
        upload_offset: Annotated[int, Header(ge=0, description="where the part begins")],
    ) -> VideoView:
        """204 while more is missing. The last part is answered with the video, examined: see
        `state` and `problem`."""
        async with uploads.of(request, project) as (here, path):
            size = here.video.size
            if here.video.state not in UNDER_WAY or size is None or not path.exists():
                raise Refusal(409, "No upload was begun", "Begin one with POST.")
            at = await run_sync(_length, path)
            if upload_offset != at:
                raise Refusal(
                    409,
                    f"{at} bytes have arrived, the part begins at {upload_offset}",
                    "Go on from Upload-Offset.",
                    {"Upload-Offset": str(at)},
                )
            at = await uploads.receive(request, here, path, at, size)
            if at < size:
                return Response(  # type: ignore[return-value]  # FastAPI passes it on
                    status_code=204, headers={"Upload-Offset": str(at)}
                )
            response.headers["Upload-Offset"] = str(at)
            return await uploads.examine(request, here, path)

    @routes.post(
        "/projects/{project}/video/upload-url",
        summary="Send the video to the bucket itself",
        responses=responses(409, 413, 501, 507),
    )
    async def link(project: str, wanted: UploadRequest, request: Request) -> UploadLink:
        """An address for one PUT, where the service stores in a bucket (501 elsewhere). Then
        call `uploaded`."""
        async with uploads.of(request, project) as (here, path):
            url = await run_sync(
                context.storage.upload_url, _incoming(here), wanted.size, LINK_LIFETIME
            )
            if url is None:
                raise Refusal(
                    501, "The service takes uploads itself", "Use PUT, or POST and PATCH."
                )
            await uploads.begin(here, path, wanted.size)
            return UploadLink(url=url, headers=upload_headers(wanted.size))

    @routes.post(
        "/projects/{project}/video/uploaded",
        summary="The video is in the bucket",
        responses=responses(409),
    )
    async def uploaded(project: str, request: Request) -> VideoView:
        """Fetches and examines it."""
        async with uploads.of(request, project) as (here, path):
            if here.video.state not in UNDER_WAY:
                raise Refusal(409, "No upload was begun", "Ask for an address first.")
            key = _incoming(here)
            try:
                if await run_sync(context.storage.size, key) > context.settings.limits.video_bytes:
                    raise too_large(context.settings.limits.video_bytes)
                await run_sync(context.storage.fetch, key, path)
            except NotStored as error:
                raise Refusal(409, "Nothing has arrived yet", "Send the video first.") from error
            return await uploads.examine(request, here, path)

    return routes


class Uploads:
    """The uploads under way in this process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._folder = context.data / UPLOADS
        self._busy: set[str] = set()
        self._limiter = anyio.CapacityLimiter(context.settings.limits.examined_at_once)

    def path(self, project: str) -> Path:
        """The file of a project's upload."""
        return self._folder / project

    @asynccontextmanager
    async def of(self, request: Request, project: str) -> AsyncIterator[tuple[Project, Path]]:
        """The project and the file of its upload, while nobody else touches either.

        Raises:
            Refusal: there is no such project (404), another request is at it or a job (409),
                or too many uploads are under way (429).
        """
        here = await run_sync(project_of, self._context, request, project)
        parties = caller_of(request).parties(self._context.settings.limits)
        async with self._context.uploads.place(*parties):
            if here.id in self._busy:
                raise Refusal(409, "Another request sends this video", "Wait until it ends.")
            self._busy.add(here.id)
            try:
                if await run_sync(self._context.store.jobs.active, here.id):
                    raise Refusal(
                        409, "A job is using the video", "Wait until it ends.", code="busy"
                    )
                # Once more: it may have changed while its lock was another request's.
                yield (
                    await run_sync(project_of, self._context, request, project),
                    self.path(here.id),
                )
            finally:
                self._busy.discard(here.id)

    async def begin(self, project: Project, path: Path, size: int) -> None:
        """An empty file for a new video. What there is of an earlier one is deleted.

        Raises:
            Refusal: it is too large. OutputUnwritable: there is no room for it; the earlier
                one has made what room it could.
        """
        limit = self._context.settings.limits.video_bytes
        if size > limit:
            raise too_large(limit)
        await run_sync(self._begin, project, path, size)

    def _begin(self, project: Project, path: Path, size: int) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove(path)
        self._context.store.projects.forget_video(project.id)
        self._context.storage.delete(f"{project.id}/")
        self._context.janitor.room_for(size)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._note(project, path, Video(VideoState.UPLOADING, size))

    async def receive(
        self, request: Request, project: Project, path: Path, at: int, size: int
    ) -> int:
        """Append the body; gives the file's length. What arrived stays, whatever happens.

        Args:
            at: the file's length.
            size: that it will have.

        Raises:
            Refusal: there is more (413), it comes too slowly (408), or the project has been
                deleted (404).
            StorageError: the disk is full.
        """
        idle = self._context.settings.limits.body_seconds
        with telling_disk("receiving the video"), path.open("ab", buffering=BUFFER) as file:
            try:
                async for chunk in chunks(request, size - at, idle):
                    if os.fstat(file.fileno()).st_nlink == 0:
                        break  # deleted with its project: it would only fill the disk
                    file.write(chunk)
            finally:
                with anyio.CancelScope(shield=True):
                    await run_sync(_settle, file.fileno(), file.flush)
                    at = file.tell()
                    video = Video(VideoState.UPLOADING, size, at)
                    await run_sync(self._note, project, path, video)
        return at

    async def examine(self, request: Request, project: Project, path: Path) -> VideoView:
        """Find out what the file is, and keep or refuse it.

        Raises:
            Refusal: too many are waiting (503); the same request may be made again.
        """
        if self._limiter.statistics().tasks_waiting >= WAITING:
            raise Refusal(
                503,
                "Too many videos are waiting to be examined",
                "Send an empty last part in a while.",
                {"Retry-After": "10"},
            )
        with anyio.CancelScope(shield=True):  # a client that goes away comes back to a result
            await run_sync(self._examine_what_stays, project, path, limiter=self._limiter)
        return view_of(request, await run_sync(project_of, self._context, request, project.id))

    def _examine_what_stays(self, project: Project, path: Path) -> None:
        try:
            with while_it_is_there(self._context, project):
                self._examine(project, path)
        except Refusal:  # the project was deleted; some of this may have been stored since
            self._forget(project, path)
            raise

    def _examine(self, project: Project, path: Path) -> None:
        size = path.stat().st_size
        video = Video(VideoState.CHECKING, size, size)
        self._note(project, path, video)
        posters = path.with_name(f"{path.name}.posters")
        storage = self._context.storage
        try:
            facts = examine_video(path, self._context.settings.limits, posters)
            for number in range(facts.posters):
                storage.put(posters / f"{number}.jpg", poster_key(project.id, number))
            storage.put(path, f"{project.id}/{VIDEO}")
        except VideoError as error:
            problem = Problem(type(error).__name__, error.what, error.advice)
            self._note(project, path, replace(video, state=VideoState.REFUSED, problem=problem))
            remove(path)
        else:
            found = facts.model_dump(mode="json")
            ready = replace(video, state=VideoState.READY, facts=found, posters=facts.posters)
            self._note(project, path, ready)
        finally:
            remove(posters)
            storage.delete(f"{project.id}/{INCOMING}/")

    def _note(self, project: Project, path: Path, video: Video) -> None:
        """Raises Refusal: the project was deleted meanwhile; nothing of it stays."""
        if not self._context.store.projects.set_video(project.id, video):
            self._forget(project, path)
            raise Refusal.missing("There is no such project")

    def _forget(self, project: Project, path: Path) -> None:
        remove(path)
        self._context.storage.delete(f"{project.id}/")


def _incoming(project: Project) -> str:
    return f"{project.id}/{INCOMING}/{VIDEO}"


def _announced(request: Request) -> int:
    """The length of a body. Without it no room can be kept for it, nor could it be gone on with.

    Raises:
        Refusal: the client doesn't tell it.
    """
    length = request.headers.get("content-length", "")
    # Where both are sent, the length is a lie (RFC 9112, section 6.3).
    if "transfer-encoding" in request.headers or not length.isdecimal() or len(length) > LONGEST:
        raise Refusal(
            411,
            "The request doesn't say how long the video is",
            "Send Content-Length, or use POST and PATCH.",
            {"Connection": "close"},
        )
    return int(length)


def _settle(descriptor: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(descriptor)


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
