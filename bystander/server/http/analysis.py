"""What routes look at of an analysis: its people with the verdicts and edits of now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends

from bystander.editing.apply import EditedTimeline
from bystander.editing.digest import OF_VERDICTS, edited_digest
from bystander.editing.document import Edits
from bystander.errors import NotStored, SelectionError
from bystander.server.http.deps import Context, CurrentContext, CurrentProject
from bystander.server.http.errors import ApiError
from bystander.server.http.timelines import TimelineSummary
from bystander.server.models import JobKind, JobState, Project
from bystander.timeline.header import Header, with_decisions


def analysis_of(context: Context, project: Project) -> str | None:
    """Id of the job that made the project's timeline."""
    jobs = context.store.jobs.list(project.id)
    made = [j.id for j in jobs if j.state is JobState.DONE and j.kind is not JobKind.RENDER]
    return made[-1] if made else None


def current_summary(here: CurrentProject, context: CurrentContext) -> TimelineSummary:
    """Raises ApiError (404): the video wasn't analysed."""
    try:
        return context.timelines.summary(here.id, analysis_of(context, here))
    except NotStored as error:
        raise ApiError.missing("Nobody was looked for in this video yet") from error


CurrentSummary = Annotated[TimelineSummary, Depends(current_summary)]


def edits_of(project: Project) -> Edits:
    """What was mended by hand."""
    return Edits.parsed(project.edits) if project.edits else Edits()


def decided(header: Header, keep: Sequence[str], mask: Sequence[str]) -> Header:
    """The header with whole people decided about.

    Raises:
        ApiError: an id is nobody's, or named on both sides.
    """
    try:
        return with_decisions(header, keep, mask)
    except SelectionError as error:
        raise ApiError(422, error.what, "Take ids from the list of people, each once.") from error


def edited(summary: TimelineSummary, keep: Sequence[str], mask: Sequence[str],
           edits: Edits) -> EditedTimeline:  # fmt: skip
    """The timeline as it would be rendered, but for its frames.

    Raises:
        ApiError: an id is nobody's, or named on both sides.
        InvalidEdits: the edits don't fit this video.
    """
    header = decided(summary.header, keep, mask)
    return EditedTimeline(header, summary.times, edits, sketch=True)


def as_seen(summary: TimelineSummary, project: Project) -> EditedTimeline:
    """The timeline as people see it who mend it: with the verdicts of now, without what was
    erased, and without what was drawn."""
    shown = tuple(e for e in edits_of(project).edits if e.kind in OF_VERDICTS | {"erase", "look"})
    header = decided(summary.header, project.keep, project.mask)
    return EditedTimeline(header, summary.times, Edits(edits=shown))


def digest_of(
    summary: TimelineSummary, keep: Sequence[str], mask: Sequence[str], edits: Edits
) -> str:
    """Names what would be rendered.

    Raises:
        ApiError, InvalidEdits: as `edited`.
    """
    return edited_digest(decided(summary.header, keep, mask), summary.times, edits)


def refuse_while_analysing(context: Context, project: Project) -> None:
    """Raises ApiError: ids are about to change."""
    active = (JobState.QUEUED, JobState.RUNNING)
    jobs = context.store.jobs.list(project.id)
    if any(job.state in active and job.kind is not JobKind.RENDER for job in jobs):
        raise ApiError(
            409,
            "The video is being analysed, with new ids",
            "Decide when that job has ended.",
            code="busy",
        )
