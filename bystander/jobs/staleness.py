"""Whether a project's masked video is still what its verdicts ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bystander.jobs.vocabulary import Job, JobState, Project


class StaleReason(StrEnum):
    JOB_ACTIVE = "job-active"  # a newer job is queued or running
    VERDICTS_CHANGED = "verdicts-changed"  # somebody it shows may be to be masked
    JOB_FAILED = "job-failed"  # what was wanted instead couldn't be made
    JOB_CANCELLED = "job-cancelled"


SENTENCES = {
    StaleReason.JOB_ACTIVE: "A newer job is queued or running",
    StaleReason.VERDICTS_CHANGED: "The verdicts have changed since it was made",
    StaleReason.JOB_FAILED: "The job that was to replace it failed",
    StaleReason.JOB_CANCELLED: "The job that was to replace it was cancelled",
}


@dataclass(frozen=True, slots=True)
class Staleness:
    """Why a result isn't to be taken for what is wanted now.

    Attributes:
        job: the newer job that it is about, if it is about one.
    """

    reason: StaleReason
    job: Job | None = None

    @property
    def sentence(self) -> str:
        return SENTENCES[self.reason]


def staleness_of(project: Project, jobs: Sequence[Job]) -> Staleness | None:
    """None: the result is current, or there is none and none is being made.

    Verdicts are compared by their digests, so that deciding back and forth spoils nothing.

    Args:
        jobs: all of the project's.
    """
    active = next((job for job in jobs if not job.state.ended), None)
    if active is not None:
        return Staleness(StaleReason.JOB_ACTIVE, active)
    if project.result is None:
        return None
    unfulfilled = next((job for job in jobs if job.id == project.unfulfilled), None)
    if unfulfilled is not None:
        failed = unfulfilled.state is JobState.FAILED
        reason = StaleReason.JOB_FAILED if failed else StaleReason.JOB_CANCELLED
        return Staleness(reason, unfulfilled)
    if project.result.verdicts_digest != project.verdicts_digest:
        return Staleness(StaleReason.VERDICTS_CHANGED)
    return None
