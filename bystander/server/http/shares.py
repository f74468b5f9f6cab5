"""A link to look at a result, for somebody who may do nothing else.

Its secret is a token of its own: of it the store has a digest alone, and it is in no log, which
name requests by the templates of their routes. It ends with the project, or when it is taken back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field

from bystander.errors import NotStored
from bystander.server.http.deps import Context, CurrentContext, CurrentProject
from bystander.server.http.downloads import StoredFile, send
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.filenames import result_name, video_name
from bystander.server.http.results import file_of, state_of
from bystander.server.http.views import ApiView
from bystander.server.jobs.spec import RESULT_FILE, key_of
from bystander.server.models import Project

TOKEN_BYTES: Final = 32
MAX_TOKEN_CHARS: Final = 128


class ShareView(ApiView):
    """A link to a result, told this once."""

    token: str = Field(examples=["nT5o2kq0mJtF4mUuM0hXlO5S6m3q9Yp1t0bq3k8rZ2E"])
    url: str = Field(
        description="where it is, from the server's root",
        examples=["/v1/shared/nT5o2kq0mJtF4mUuM0hXlO5S6m3q9Yp1t0bq3k8rZ2E"],
    )
    expires: float = Field(
        description="when the project goes, unless it is used before", examples=[1795466400.0]
    )


class SharedView(ApiView):
    """What whoever has the link gets to know."""

    name: str = Field(description="under which it is saved", examples=["holiday-masked.mp4"])
    video: str = Field(
        description="where the masked video is, from the server's root",
        examples=["/v1/shared/nT5o2kq0mJtF4mUuM0hXlO5S6m3q9Yp1t0bq3k8rZ2E/video"],
    )
    made_at: float = Field(examples=[1795380000.0])
    expires: float = Field(examples=[1795466400.0])


def current_share(
    token: Annotated[str, Path(max_length=MAX_TOKEN_CHARS)],
    request: Request,
    context: CurrentContext,
) -> Project:
    """The project whose result a token shows.

    Raises:
        ApiError: there is none, or it is of another token of the service (404).
    """
    digest = _digest(token)
    found = context.store.projects.shared(digest, request.state.owner)
    # The database finds digests by an index, not in constant time: it tells a guesser something
    # of digests, and nothing of tokens. What decides is this.
    if found is None or not hmac.compare_digest(found.share, digest):
        raise ApiError.missing("There is nothing at this link any more")
    return found


CurrentShare = Annotated[Project, Depends(current_share)]

router = APIRouter(tags=["sharing"])


@router.post(
    "/projects/{project}/share",
    status_code=201,
    summary="Make a link that only shows the result",
    responses=responses(409),
)
def share(here: CurrentProject, request: Request, context: CurrentContext) -> ShareView:
    """Whoever has its token sees and downloads the result, as long as that is what the verdicts
    ask for, and nothing else: not the source, the photos, or who was found. The token is told
    this once; a link from before ends."""
    if here.result is None:
        raise ApiError(409, "There is no result to be shown", "Run a job that makes one.")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    if not context.store.projects.set_share(here.id, _digest(token)):
        raise ApiError.missing("There is no such project")
    return ShareView(token=token, url=_url(request, token), expires=here.expires)


@router.delete("/projects/{project}/share", status_code=204, summary="Take the link back")
def unshare(here: CurrentProject, context: CurrentContext) -> None:
    """From now on it shows nothing. Nothing happens where there is none."""
    context.store.projects.set_share(here.id, "")


@router.get("/shared/{token}", summary="What a link shows", responses=responses(409))
def get_shared(
    here: CurrentShare, token: str, request: Request, context: CurrentContext
) -> SharedView:
    """Its name, and where the video is. 409 while the result isn't what the verdicts ask for."""
    _, made_at = _shown(here, context)
    return SharedView(
        name=result_name(video_name(here.video.metadata)),
        video=f"{_url(request, token)}/video",
        made_at=made_at,
        expires=here.expires,
    )


@router.head("/shared/{token}/video", include_in_schema=False)
@router.get(
    "/shared/{token}/video",
    summary="The masked video of a link",
    response_class=Response,
    responses=file_of("video/mp4") | responses(409),
)
async def get_shared_video(
    here: CurrentShare, token: str, request: Request, context: CurrentContext
) -> Response:
    """Whole or in part."""
    job, _ = await run_sync(_shown, here, context)
    # Never by the bucket itself: its addresses hold the project's id, which is all that one needs
    # to change or delete the project.
    download = StoredFile(
        key_of(here.id, RESULT_FILE),
        result_name(video_name(here.video.metadata)),
        "video/mp4",
        direct=False,
    )
    try:
        sent = await send(request, context.storage, download)
    except NotStored as error:
        raise ApiError.missing("There is nothing at this link any more") from error
    latest = await run_sync(current_share, token, request, context)
    if latest.result is None or latest.result.job != job:
        raise _pending()
    return sent


def _shown(project: Project, context: Context) -> tuple[str, float]:
    """Of the result: its job, and when it was made.

    Raises:
        ApiError: it isn't what the verdicts ask for: somebody may be visible in it (409).
    """
    state = state_of(project, context)
    if state.result is None or state.staleness is not None:
        raise _pending()
    return state.result.job, state.result.made_at


def _pending() -> ApiError:
    return ApiError(
        409, "The result is being changed", "Come back when it is made.", code="result-pending"
    )


def _digest(token: str) -> str:
    """What the store has of a token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _url(request: Request, token: str) -> str:
    return f"{request.scope.get('root_path', '')}/shared/{token}"
