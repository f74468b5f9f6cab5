"""A stand-in for the service that can be told to fail: routes under /service, and /fake to
steer it. It keeps what arrives only as a count."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.frontend.components import fake_edits


@dataclass
class Video:
    """Of a project: how much has come, and of how much."""

    state: str = "absent"
    size: int | None = None
    received: int = 0

    def view(self) -> JSONResponse:
        return JSONResponse(vars(self))


@dataclass
class Fake:
    """What is there, what was asked, and what is to go wrong.

    Attributes:
        begun: the sizes of uploads.
        failures: by "METHOD what", answers that are given instead, one a request:
            [status, type of the problem].
        metadata: what uploads said of their files.
        projects: what those that can be asked for say.
        cut: bytes after which the next part's connection is cut.
        hold: bytes after which parts wait, until it is None again.
        checking: examining a video never ends.
    """

    videos: defaultdict[str, Video] = field(default_factory=lambda: defaultdict(Video))
    asked: list[str] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)
    failures: defaultdict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    cut: int | None = None
    hold: int | None = None
    checking: bool = False
    media: dict[str, str] = field(default_factory=dict)
    projects: dict[str, Any] = field(default_factory=dict)
    metadata: list[str | None] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def failure(self, request: Request, what: str) -> Response | None:
        self.asked.append(f"{request.method} {what}")
        queue = self.failures[f"{request.method} {what}"]
        if not queue:
            return None
        status, kind = queue.popleft()
        return JSONResponse({"type": kind, "status": status}, status)


fake = Fake()


async def projects(request: Request) -> Response:
    await asyncio.sleep(0.2)  # long enough for a second uploader to ask, too
    failed = fake.failure(request, "projects")
    return failed or JSONResponse({"id": secrets.token_hex(16)}, 201)


async def project(request: Request) -> Response:
    """As `projects` has it, by its id; others are gone."""
    found = fake.projects.get(request.path_params["project"])
    return JSONResponse(found) if found else JSONResponse({"status": 404}, 404)


async def video(request: Request) -> Response:
    return fake.failure(request, "video") or fake.videos[request.path_params["project"]].view()


async def uploads(request: Request) -> Response:
    """Begins one, in place of the one before."""
    if failed := fake.failure(request, "uploads"):
        return failed
    size = int(request.headers["Upload-Length"])
    fake.begun.append(size)
    fake.metadata.append(request.headers.get("Upload-Metadata"))
    fake.videos[request.path_params["project"]] = Video("uploading", size)
    url = f"{request.url.path}/{len(fake.begun):02x}"
    return Response(status_code=201, headers={"Location": url})


async def upload(request: Request) -> Response:
    """How much of it has arrived, or more of it."""
    assert request.headers["Tus-Resumable"] == "1.0.0"
    here = fake.videos[request.path_params["project"]]
    if failed := fake.failure(request, "upload"):
        return failed
    if request.method == "PATCH":
        return await patch(request, here)
    return Response(headers={"Upload-Offset": str(here.received)})


async def patch(request: Request, here: Video) -> Response:
    offset = {"Upload-Offset": str(here.received)}
    if int(request.headers["Upload-Offset"]) != here.received:
        return JSONResponse({"type": "about:blank"}, 409, offset)
    try:
        async for chunk in request.stream():
            here.received += len(chunk)
            if fake.cut is not None and here.received >= fake.cut:
                fake.cut = None
                return StreamingResponse(broken(), headers={"Content-Length": "10"})
            while fake.hold is not None and here.received >= fake.hold:
                await asyncio.sleep(0.05)
    except ClientDisconnect:
        return Response(status_code=499)
    if here.received < (here.size or 0):
        return Response(status_code=204, headers={"Upload-Offset": str(here.received)})
    here.state = "checking"
    while fake.checking:
        await asyncio.sleep(0.05)
    here.state = "ready"
    return Response(status_code=204, headers={"Upload-Offset": str(here.received)})


async def broken() -> AsyncIterator[bytes]:
    """An answer that never comes: the server closes the connection."""
    yield b""
    raise ConnectionResetError


async def photos(request: Request) -> Response:
    fake.at_once += 1
    fake.most_at_once = max(fake.most_at_once, fake.at_once)
    try:
        await request.body()
        await asyncio.sleep(0.1)
        failed = fake.failure(request, f"photos {request.query_params['person']}")
        return failed or JSONResponse({"id": secrets.token_hex(16)}, 201)
    finally:
        fake.at_once -= 1


async def media(request: Request) -> Response:
    path = fake.media.get(request.path_params["name"])
    return FileResponse(Path(path)) if path else Response(status_code=404)


async def copy(request: Request) -> Response:
    crowd = fake_edits.crowd
    if crowd.copying is None:
        return Response(status_code=422)
    if crowd.copying:
        crowd.copying -= 1
        return JSONResponse({"share": 0.5}, 202, {"Retry-After": "0"})
    return FileResponse(Path(fake.media["video"]))


async def steer(request: Request) -> Response:
    """GET: all of the state. POST: begin anew with the attributes of the body. PATCH: set them."""
    global fake
    if request.method == "GET":
        videos = {project: vars(video) for project, video in fake.videos.items()}
        told = {**vars(fake), "videos": videos, "failures": None, "crowd": vars(fake_edits.crowd)}
        return JSONResponse(told)
    if request.method == "POST":
        fake.hold, fake.checking = None, False
        fake = Fake(media=fake.media)
        fake_edits.anew({})
    for name, value in (await request.json()).items():
        match name:
            case "failures":
                fake.failures.update((what, deque(each)) for what, each in value.items())
            case "videos":
                fake.videos.update((project, Video(**each)) for project, each in value.items())
            case "crowd":
                fake_edits.change(value)
            case _:
                setattr(fake, name, value)
    return Response(status_code=204)


ROUTES = [
    *fake_edits.ROUTES,
    Route("/fake", steer, methods=["GET", "POST", "PATCH"]),
    Route("/service/media/{name}", media),
    Route("/service/projects", projects, methods=["POST"]),
    Route("/service/projects/{project}", project),
    Route("/service/projects/{project}/photos", photos, methods=["POST"]),
    Route("/service/projects/{project}/video", video),
    Route("/service/projects/{project}/video/proxy", copy),
    Route("/service/projects/{project}/uploads", uploads, methods=["POST"]),
    Route("/service/projects/{project}/uploads/{upload}", upload, methods=["HEAD", "PATCH"]),
]
