"""What the service remembers, as frozen dataclasses; whether a result is stale.

Times are seconds since the epoch. Ids are unguessable and carry no meaning.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from bystander.sandbox.protocol import VideoFacts


class VideoState(StrEnum):
    ABSENT = "absent"  # nothing was uploaded yet
    UPLOADING = "uploading"
    CHECKING = "checking"
    READY = "ready"
    REFUSED = "refused"  # see its problem


class JobKind(StrEnum):
    MASK = "mask"  # analyse, then render
    ANALYZE = "analyze"  # find everyone, to choose from
    RENDER = "render"  # again, with other verdicts or another effect


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something was refused or failed.

    Attributes:
        type: name of the error's class, e.g. "NoFaceFound".
        what: what happened, without a path of this machine.
        advice: what to do.
    """

    type: str
    what: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Video:
    """The video of a project.

    Attributes:
        size: bytes announced, None where it isn't known.
        received: bytes that have arrived.
        facts: what examining it found , once it is ready.
        posters: how many poster frames there are.
        problem: why it was refused.
        upload: id of the upload that it came by; None where it never was on its way here.
        metadata: of that upload, as the client said it (`Upload-Metadata` of tus).
    """

    state: VideoState = VideoState.ABSENT
    size: int | None = None
    received: int = 0
    facts: VideoFacts | None = None
    posters: int = 0
    problem: Problem | None = None
    upload: str | None = None
    metadata: str = ""

    @property
    def ready_facts(self) -> VideoFacts:
        """Its facts; to be asked only of a video that is ready."""
        assert self.facts is not None, f"the video is {self.state}"
        return self.facts


@dataclass(frozen=True, slots=True)
class PhotoFace:
    """One face in a photo.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the stored picture.
        quality: 0 (useless) to 1 (frontal, sharp, large).
    """

    box: tuple[float, float, float, float]
    quality: float


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of somebody to keep.

    Attributes:
        person: name under which its person is kept.
        width, height: pixels of the stored picture.
        faces: all that were found, the largest first.
        chosen: index of the face that will be used; None where it can't be told, or there
            is none: `problem` says why.
    """

    id: str
    project: str
    person: str
    width: int
    height: int
    faces: tuple[PhotoFace, ...]
    chosen: int | None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The masked video that a project has.

    Attributes:
        job: id of the job that made it.
        verdicts_digest: of the verdicts and edits that it was rendered by, see
            `bystander.editing.digest`.
        made_at: seconds since the epoch.
    """

    job: str
    verdicts_digest: str
    made_at: float


@dataclass(frozen=True, slots=True)
class Project:
    """One video and the people to keep in it.

    Attributes:
        owner: digest of the token that it was created with; never the token.
        visitor, network: whom the owner made it for, and from where; "" where it isn't said.
        expires: when everything of it is deleted.
        keep, mask: decisions by hand over its people, ids as in the timeline (p2, t17).
        edits: the document of what was mended by hand, JSON; "" where nothing was.
        edits_revision: another one whenever they change.
        verdicts_digest: of the verdicts and edits that a render job would go by now; "" before
            an analysis.
        result: None before a job has made one, and while another one takes its place.
        share: SHA-256, in hexadecimal, of the token of the link that shows the result; "" for none.
        unfulfilled: id of a job after the result's that failed or was cancelled, until verdicts
            are given anew; None where there is none.
    """

    id: str
    owner: str
    created: float
    expires: float
    video: Video = field(default_factory=Video)
    keep: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    edits: str = ""
    edits_revision: int = 0
    verdicts_digest: str = ""
    result: Result | None = None
    unfulfilled: str | None = None
    visitor: str = ""
    network: str = ""
    share: str = ""


JobStage = Literal["analyze", "decide", "follow", "render", "audit"]
"""What a job is at; "decide" is about who is who, "follow" about what was drawn by hand."""


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job has come.

    Attributes:
        stage: "analyze", "decide" (who is who), "follow" (what was drawn), "render" or "audit".
        done, total: frames of this stage; of "decide" its share, told in frames.
        fps: frames per second of this stage.
        share: 0 to 1, of the whole job.
        eta: seconds until the whole job is done; None before it can be told.
    """

    stage: JobStage
    done: int
    total: int
    fps: float
    share: float
    eta: float | None


@dataclass(frozen=True, slots=True)
class Job:
    """One run over a project's video.

    Attributes:
        order: what is to be done, the JSON form of `JobSpec` without its files.
        expected: seconds that it was estimated to take, before it began.
        attempts: how often a worker was started for it.
        resumed: how often a worker went on from a checkpoint.
        preview: counts the preview pictures so far; 0 before the first.
        summary: of a finished job: people found, kept, masked; the digest of the verdicts it
            was rendered by; whether the audit passed.
        lease: new each time that a runner takes it; empty while none has it.
    """

    id: str
    project: str
    owner: str
    kind: JobKind
    state: JobState
    order: dict[str, Any]
    created: float
    started: float | None = None
    finished: float | None = None
    expected: float | None = None
    attempts: int = 0
    resumed: int = 0
    preview: int = 0
    progress: JobProgress | None = None
    problem: Problem | None = None
    summary: dict[str, Any] | None = None
    cancelling: bool = False
    lease: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Whom a job's end is told.

    Attributes:
        url: where it is sent.
        project_url: path of the project, for the links in it.
    """

    url: str
    project_url: str


def new_id() -> str:
    """128 random bits, safe in URLs and as a folder's name."""
    return secrets.token_hex(16)


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
