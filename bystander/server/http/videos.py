"""The video of a project: what it is, and pictures of it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from bystander.errors import NotStored
from bystander.sandbox import VideoFacts
from bystander.server.http.deps import CurrentContext, CurrentProject, project_url
from bystander.server.http.downloads import JPEG_ANSWER
from bystander.server.http.errors import ApiError
from bystander.server.http.filenames import video_name
from bystander.server.http.views import ApiView
from bystander.server.models import Problem, Project, VideoState

MAX_POSTERS: Final = 1000


class VideoView(ApiView):
    """The video of a project."""

    state: VideoState = Field(examples=["ready"])
    name: str | None = Field(
        description="of its file, where the upload said it (`filename` of tus); to be shown, and "
        "what downloads are named after",
        examples=["holiday.mp4"],
    )
    size: int | None = Field(description="bytes", examples=[1048576])
    received: int = Field(description="bytes that have arrived", examples=[1048576])
    facts: VideoFacts | None = Field(description="what it holds, once it is ready")
    posters: tuple[str, ...] = Field(
        description="where pictures of it are",
        examples=[["/v1/projects/3cce35c33bb1217160aef28929d22215/video/posters/0"]],
    )
    problem: Problem | None = Field(description="why it was refused")
    upload: str | None = Field(
        description="where tus asks how far it is, and goes on",
        examples=["/v1/projects/3cce35c33bb1217160aef28929d22215/uploads/9f3c"],
    )


def view_of(request: Request, project: Project) -> VideoView:
    """The project's video as its owner sees it."""
    video = project.video
    address = project_url(request, project.id)
    return VideoView(
        state=video.state,
        name=video_name(video.metadata) or None,
        size=video.size,
        received=video.received,
        facts=video.facts,
        posters=tuple(f"{address}/video/posters/{number}" for number in range(video.posters)),
        problem=video.problem,
        upload=f"{address}/uploads/{video.upload}" if video.upload else None,
    )


def poster_key(project: str, number: int) -> str:
    """Where storage has a poster."""
    return f"{project}/posters/{number}.jpg"


router = APIRouter(tags=["video"])


@router.get("/projects/{project}/video", summary="What the video is")
def get_video(here: CurrentProject, request: Request) -> VideoView:
    """Its state, what was found in it, or why it was refused."""
    return view_of(request, here)


@router.get(
    "/projects/{project}/video/posters/{number}",
    summary="A picture of the video",
    response_class=Response,
    responses=JPEG_ANSWER,
)
def get_poster(
    here: CurrentProject, context: CurrentContext, number: int = Path(ge=0, lt=MAX_POSTERS)
) -> Response:
    """One of `posters` of the video: nobody is masked in it."""
    try:
        jpeg = b"".join(context.storage.read(poster_key(here.id, number)))
    except NotStored as error:
        raise ApiError.missing("There is no such picture") from error
    return Response(jpeg, media_type="image/jpeg")
