"""A video's bytes as a request brings them -> a file that grows on disk -> examined, in storage.

A file grows in the folder of uploads; its length is how far the upload has come, whatever
happened to the process. Whole, it is examined in the sandbox and moved into storage.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync
from fastapi import Request

from bystander.errors import VideoError
from bystander.sandbox import examine_video
from bystander.server.http.callers import caller_of
from bystander.server.http.deps import Context, held, project_of, while_it_is_there
from bystander.server.http.errors import ApiError
from bystander.server.http.limits import read_chunks, too_large
from bystander.server.http.videos import poster_key
from bystander.server.jobs.spec import VIDEO_FILE
from bystander.server.models import Problem, Project, Video, VideoState, new_id
from bystander.server.retention import UPLOADS, remove
from bystander.storage.base import translating_disk_errors

BUFFER: Final = 2**20
WAITING: Final = 16
"""Videos that may wait to be examined."""
INCOMING: Final = "incoming"
"""Folder in storage of what a client has sent to the bucket itself."""
LOST: Final = "What had arrived of the upload is lost"
UNDER_WAY: Final = (VideoState.UPLOADING, VideoState.CHECKING)


class Uploads:
    """The uploads under way: of one project one at a time, over all services of the store."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._folder = context.data / UPLOADS
        self._limiter = anyio.CapacityLimiter(context.settings.limits.examined_at_once)

    def path(self, project: str) -> Path:
        """The file of a project's upload."""
        return self._folder / project

    @asynccontextmanager
    async def of(
        self, request: Request, project: str, upload: str | None = None
    ) -> AsyncIterator[tuple[Project, Path]]:
        """The project and the file of its upload, while nobody else touches either.

        Args:
            upload: that must be the project's; None where any is as good.

        Raises:
            ApiError: there is no such project or upload (404), another request is at it or a job
                (409), or too many uploads are under way (429).
        """
        here = await run_sync(self.project_with, request, project, upload)
        parties = caller_of(request).parties(self._context.settings.limits)
        lock = self._context.store.hold(_lock_of(here.id))
        async with self._context.uploads.place(*parties), held(lock) as mine:
            if not mine:
                raise ApiError(409, "Another request sends this video", "Wait until it ends.")
            if await run_sync(self._context.store.jobs.active, here.id):
                raise ApiError(409, "A job is using the video", "Wait until it ends.", code="busy")
            # Once more: it may have changed while its lock was another request's.
            here = await run_sync(self.project_with, request, project, upload)
            path = self.path(here.id)
            if upload and here.video.state in UNDER_WAY and not path.exists():
                raise ApiError(410, LOST, "Begin another one.")
            yield here, path

    def project_with(self, request: Request, project: str, upload: str | None) -> Project:
        """The project that an upload is of, if one is given.

        Raises:
            ApiError: there is no such project or upload (404).
        """
        here = project_of(self._context, request, project)
        if upload is not None and here.video.upload != upload:
            raise ApiError.missing("There is no such upload")
        return here

    def standing(self, request: Request, project: str, upload: str) -> tuple[Video, int]:
        """A video on its way, and the bytes of it that have arrived.

        Raises:
            ApiError: there is no such project or upload (404), or its file is lost (410).
        """
        here = self.project_with(request, project, upload)
        if here.video.state not in UNDER_WAY:
            return here.video, here.video.received
        with suppress(FileNotFoundError):
            return here.video, self.path(here.id).stat().st_size
        # It went into storage just now, unless it is lost. Whoever moves it says so afterwards.
        busy = self._context.store.held(_lock_of(here.id))
        here = self.project_with(request, project, upload)
        if here.video.state in UNDER_WAY and not busy:
            raise ApiError(410, LOST, "Begin another one.")
        return here.video, here.video.received

    async def examine_what_is_left(self, request: Request, project: str, upload: str) -> None:
        """Examine a video that is whole and nobody looks at: its server ended, or had no time.

        Raises:
            ApiError: there is no time again (423: clients of tus ask once more then).
        """
        try:
            async with self.of(request, project, upload) as (here, path):
                if here.video.state in UNDER_WAY and path.stat().st_size == here.video.size:
                    await self.examine(request, here, path)
        except ApiError as refusal:
            if refusal.status_code in (429, 503):
                raise ApiError(
                    423, str(refusal.detail), "Ask again in a while.", {"Retry-After": "10"}
                ) from refusal
            if refusal.status_code != 409:  # somebody is at it
                raise

    async def begin(self, project: Project, path: Path, size: int, metadata: str = "") -> Video:
        """An empty file for a new video. What there is of an earlier one is deleted.

        Args:
            size: bytes.
            metadata: as the client says it, see `tus.decode_metadata`.

        Raises:
            ApiError: it is too large. OutputUnwritable: there is no room for it; the earlier
                one has made what room it could.
        """
        limit = self._context.settings.limits.video_bytes
        if size > limit:
            raise too_large(limit)
        video = Video(VideoState.UPLOADING, size, upload=new_id(), metadata=metadata)
        await run_sync(self._begin, project, path, size, video)
        return video

    def _begin(self, project: Project, path: Path, size: int, video: Video) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.end(project, path)
        self._context.janitor.room_for(size)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._note(project, path, video)

    def end(self, project: Project, path: Path) -> None:
        """Delete the video, and what was made of it."""
        remove(path)
        self._context.store.projects.forget_video(project.id)
        self._context.storage.delete(f"{project.id}/")

    async def receive(
        self, request: Request, project: Project, path: Path, at: int, video: Video
    ) -> int:
        """Append the body; gives the file's length. What arrived stays, whatever happens.

        Args:
            at: the file's length.
            video: as it was begun, with its size.

        Raises:
            ApiError: there is more (413), it comes too slowly (408), or the project has been
                deleted (404).
            StorageError: the disk is full.
        """
        assert video.size is not None
        idle = self._context.settings.limits.body_seconds
        with (
            translating_disk_errors("receiving the video"),
            path.open("ab", buffering=BUFFER) as file,
        ):
            room = BUFFER
            try:
                async for chunk in read_chunks(request, video.size - at, idle):
                    if os.fstat(file.fileno()).st_nlink == 0:
                        break  # deleted with its project: it would only fill the disk
                    if len(chunk) < room:
                        file.write(chunk)  # into memory
                        room -= len(chunk)
                    else:  # to the disk, which may be slow: other requests go on meanwhile
                        await run_sync(file.write, chunk)
                        room = BUFFER - len(chunk)
            finally:
                with anyio.CancelScope(shield=True):
                    await run_sync(_settle, file.fileno(), file.flush)
                    at = file.tell()
                    arrived = replace(video, state=VideoState.UPLOADING, received=at)
                    await run_sync(self._note, project, path, arrived)
        return at

    async def examine(self, request: Request, project: Project, path: Path) -> Project:
        """Find out what the file is, and keep or refuse it: the project's video says which.

        Raises:
            ApiError: too many are waiting (503); the same request may be made again.
        """
        if self._limiter.statistics().tasks_waiting >= WAITING:
            raise ApiError(
                503,
                "Too many videos are waiting to be examined",
                "Ask how far the upload is in a while: that examines it.",
                {"Retry-After": "10"},
            )
        with anyio.CancelScope(shield=True):  # a client that goes away comes back to a result
            await run_sync(self._examine_what_stays, request, project, path, limiter=self._limiter)
        return await run_sync(project_of, self._context, request, project.id)

    def _examine_what_stays(self, request: Request, project: Project, path: Path) -> None:
        try:
            with while_it_is_there(self._context, project):
                current = project_of(self._context, request, project.id)
                self._examine(current, path)
        except ApiError:  # the project was deleted; some of this may have been stored since
            self._forget(project, path)
            raise

    def _examine(self, project: Project, path: Path) -> None:
        size = path.stat().st_size
        video = replace(project.video, state=VideoState.CHECKING, size=size, received=size)
        self._note(project, path, video)
        posters = path.with_name(f"{path.name}.posters")
        storage = self._context.storage
        try:
            facts = examine_video(path, self._context.settings.limits, posters)
            for number in range(facts.posters):
                storage.put(posters / f"{number}.jpg", poster_key(project.id, number))
            storage.put(path, f"{project.id}/{VIDEO_FILE}")
        except VideoError as error:
            problem = Problem(type(error).__name__, error.what, error.advice)
            self._note(project, path, replace(video, state=VideoState.REFUSED, problem=problem))
            remove(path)
        else:
            ready = replace(video, state=VideoState.READY, facts=facts, posters=facts.posters)
            self._note(project, path, ready)
        finally:
            remove(posters)
            storage.delete(f"{project.id}/{INCOMING}/")

    def _note(self, project: Project, path: Path, video: Video) -> None:
        """Raises ApiError: the project was deleted meanwhile; nothing of it stays."""
        if not self._context.store.projects.set_video(project.id, video):
            self._forget(project, path)
            raise ApiError.missing("There is no such project")

    def _forget(self, project: Project, path: Path) -> None:
        remove(path)
        self._context.storage.delete(f"{project.id}/")


def _lock_of(project: str) -> str:
    return f"upload/{project}"


def _settle(descriptor: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(descriptor)
