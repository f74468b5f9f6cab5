"""The video for players in browsers: itself where they play it, else a copy that they do."""

from __future__ import annotations

from typing import Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from bystander.sandbox import VideoFacts
from bystander.server.http.deps import CurrentContext, CurrentProject, ready_video
from bystander.server.http.downloads import StoredFile, send
from bystander.server.http.errors import responses
from bystander.server.http.proxy_maker import proxy_key
from bystander.server.http.results import CONTAINERS, OTHER_CONTAINER, file_of
from bystander.server.http.views import ApiView
from bystander.server.jobs.spec import VIDEO_FILE

RETRY_SECONDS: Final = 2

MP4, WEBM = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
PLAYED: Final = {
    (MP4, "h264"): "video/mp4",
    (MP4, "av1"): "video/mp4",
    (MP4, "vp9"): "video/mp4",
    (WEBM, "vp8"): "video/webm",
    (WEBM, "vp9"): "video/webm",
    (WEBM, "av1"): "video/webm",
}
"""Media type by FFmpeg's names of container and codec. What else is Matroska isn't WebM."""
PLAYED_FORMATS: Final = frozenset({"yuv420p", "yuvj420p", ""})

_DECODERS: Final = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9", "libvpx": "vp8"}
"""Facts name the decoder that was chosen."""


def played_as(facts: VideoFacts) -> str | None:
    """The media type under which browsers play a video as it is; None where some don't."""
    if facts.bit_depth != 8 or facts.pixel_format not in PLAYED_FORMATS:
        return None
    return PLAYED.get((facts.container, _DECODERS.get(facts.codec, facts.codec)))


class ProxyView(ApiView):
    """A copy that is being made."""

    share: float = Field(description="that is done, 0 to 1; 0 while it waits for others")


router = APIRouter(tags=["video"])


@router.head("/projects/{project}/video/proxy", include_in_schema=False)
@router.get(
    "/projects/{project}/video/proxy",
    summary="The video for a player in a browser",
    response_class=Response,
    responses={
        **file_of("video/mp4", "video/webm"),
        202: {"model": ProxyView, "description": "It is being made: ask again."},
        **responses(409, 507),
    },
)
async def video_proxy(here: CurrentProject, request: Request, context: CurrentContext) -> Response:
    """Nobody is masked. It is the video itself where every browser plays it: H.264, VP8, VP9 or
    AV1 of 8 bits in MP4 or WebM. Else it is a copy as H.264 in MP4 without sound, its longer side
    1280 pixels at most, with all frames at the same times. That is made when it is first asked
    for: 202 with `share` and Retry-After until it is done; it is given up where nobody asks for
    a minute."""
    facts = ready_video(here).ready_facts
    if (media_type := played_as(facts)) is not None:
        filename, _ = CONTAINERS.get(facts.container, OTHER_CONTAINER)
        key = f"{here.id}/{VIDEO_FILE}"
    else:
        share = await run_sync(context.proxies.share, here)
        if share is not None:
            view = ProxyView(share=share)
            return JSONResponse(view.model_dump(), 202, {"Retry-After": str(RETRY_SECONDS)})
        key, filename, media_type = proxy_key(here), "video.mp4", "video/mp4"
    shown = StoredFile(key, filename, media_type, disposition="inline", direct=False)
    return await send(request, context.storage, shown)
