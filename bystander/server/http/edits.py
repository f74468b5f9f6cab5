"""What was mended by hand, one document a project; who comes too late doesn't overwrite it."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Response
from pydantic import Field

from bystander.editing.document import Edits
from bystander.server.http.analysis import (
    current_summary,
    digest_of,
    edited,
    edits_of,
    refuse_while_analysing,
)
from bystander.server.http.deps import CurrentContext, CurrentProject
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.views import ApiView
from bystander.server.models import Project

TAGGED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            "ETag": {
                "description": "names this state of the edits; to be sent back in If-Match",
                "schema": {"type": "string"},
            }
        }
    }
}


class EditsView(ApiView):
    """What was mended by hand."""

    document: Edits
    loosened: tuple[str, ...] = Field(
        description="what may be seen by it that the analysis masks, a sentence each"
    )


router = APIRouter(tags=["edits"])


@router.get("/projects/{project}/edits", summary="What was mended by hand", responses=TAGGED)
def get_edits(here: CurrentProject, response: Response, context: CurrentContext) -> EditsView:
    """Empty before anything was. The edits go when the video is analysed again: the ids in
    them are of one analysis."""
    response.headers["ETag"] = _tag(here)
    document = edits_of(here)
    if not document.edits:
        return EditsView(document=document, loosened=())
    summary = current_summary(here, context)
    loosened = edited(summary, here.keep, here.mask, document).loosened
    return EditsView(document=document, loosened=tuple(loosened))


@router.put(
    "/projects/{project}/edits",
    summary="Mend by hand",
    responses=TAGGED | responses(409, 412, 428),
)
def put_edits(
    here: CurrentProject,
    document: Edits,
    response: Response,
    context: CurrentContext,
    if_match: Annotated[
        str | None, Header(description="the ETag of the edits that these replace")
    ] = None,
) -> EditsView:
    """Replaces all earlier edits; the next render job goes by them, and encodes only what they
    change. They come after the decisions of `verdicts`, and count in their order. 412 where
    somebody else has changed them meanwhile: get them again. Without the last edit, the last
    one is undone."""
    if if_match is None:
        raise ApiError(428, "If-Match is missing", "Send the ETag of the edits that these replace.")
    refuse_while_analysing(context, here)
    summary = current_summary(here, context)
    loosened = edited(summary, here.keep, here.mask, document).loosened
    digest = digest_of(summary, here.keep, here.mask, document)
    text = document.model_dump_json(exclude_none=True) if document.edits else ""
    projects = context.store.projects
    with context.store.adding():
        now = projects.find(here.id)
        if now is None:
            raise ApiError.missing("There is no such project")
        as_seen = (now.keep, now.mask) == (here.keep, here.mask)
        if _tag(now) not in _tags(if_match) or not as_seen:
            raise ApiError(
                412,
                "Somebody else has changed the edits meanwhile",
                "Get them again, and make the change there.",
                {"ETag": _tag(now)},
            )
        projects.set_edits(here.id, text, now.edits_revision, digest)
        now = projects.find(here.id)
    assert now is not None
    response.headers["ETag"] = _tag(now)
    return EditsView(document=document, loosened=tuple(loosened))


def _tag(project: Project) -> str:
    return f'"{project.edits_revision}"'


def _tags(if_match: str) -> set[str]:
    """Those of a header. What compresses answers on their way makes tags weak; they name the
    same document."""
    return {tag.strip().removeprefix("W/") for tag in if_match.split(",")}
