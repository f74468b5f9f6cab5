"""Where somebody should look, as markers for an editor."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response

from bystander.errors import NotStored
from bystander.pipeline.export import export
from bystander.server.http.deps import CurrentContext
from bystander.server.http.errors import ApiError
from bystander.server.http.filenames import content_disposition
from bystander.server.http.results import PROVENANCE, CurrentRendering, file_of
from bystander.server.jobs.spec import AUDIT_FILE, RENDERED_FILE, TIMELINE_FILE, key_of

router: Final = APIRouter(tags=["results"])
MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "edl": "text/plain; charset=utf-8",
    "fcpxml": "application/xml",
}


@router.get(
    "/projects/{project}/export",
    summary="Markers for an editor",
    response_class=Response,
    responses=file_of("text/csv", "text/plain", "application/xml", headers=PROVENANCE),
)
def export_markers(
    here: CurrentRendering,
    context: CurrentContext,
    format: Annotated[
        Literal["csv", "edl", "fcpxml"],
        Query(description="a table, CMX 3600, or Final Cut Pro's XML"),
    ],
) -> Response:
    """Spans in which a verdict is doubtful, and what the audit of the result has found, if there
    was one. By the timeline of the last result, or by the analysis before there is one."""
    with ExitStack() as resources:
        timeline = None
        for name in (RENDERED_FILE, TIMELINE_FILE) if here.result else (TIMELINE_FILE,):
            with suppress(NotStored):
                opened = context.timelines.opened(key_of(here.project, name))
                timeline = resources.enter_context(opened)
                break
        if timeline is None:
            raise ApiError.missing("Nobody was looked for in this video yet")
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory()))
        audit = None
        if here.result:
            with suppress(NotStored):  # it wasn't audited
                context.storage.fetch(key_of(here.project, AUDIT_FILE), folder / AUDIT_FILE)
                audit = folder / AUDIT_FILE
        (made,) = export(timeline, folder / f"markers.{format}", format, audit=audit)
        disposition = content_disposition("attachment", made.name)
        headers = {"Content-Disposition": disposition, **here.headers}
        return Response(made.read_bytes(), media_type=MEDIA_TYPES[format], headers=headers)
