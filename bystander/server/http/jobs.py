"""Starting jobs from what clients ask for, looking at them, stopping them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from bystander.choices import Codec, Deinterlace, ProfileName, SmartRender
from bystander.errors import NotStored
from bystander.media.sound_spans import SoundSpan
from bystander.server.http.callers import Caller
from bystander.server.http.deps import (
    Context,
    CurrentContext,
    CurrentJob,
    CurrentProject,
    job_url,
    project_url,
    ready_video,
)
from bystander.server.http.downloads import JPEG_ANSWER
from bystander.server.http.errors import ApiError, responses
from bystander.server.http.idempotency import key_described
from bystander.server.http.job_requests import (
    EffectRequest,
    JobRequest,
    clicks_outside,
    is_hdr_as_h264,
    order_for,
    warnings_for,
)
from bystander.server.http.job_watcher import preview_url
from bystander.server.http.pages import LINKED, Pagination, unknown_cursor
from bystander.server.http.views import ApiView
from bystander.server.http.webhooks import no_webhooks
from bystander.server.jobs.outbound import parse
from bystander.server.jobs.queue_position import QueuePosition, position_of
from bystander.server.jobs.spec import TIMELINE_FILE, JobSpec
from bystander.server.models import (
    Job,
    JobKind,
    JobProgress,
    JobState,
    Problem,
    Project,
    Webhook,
)

MAX_RESULT_GROWTH: Final = 2.0
"""A result and what it is made from may take this many times the video's bytes ..."""
SPARE_BYTES: Final = 64 * 2**20
"""... and this many bytes beside."""


class JobView(ApiView):
    """A job as its owner sees it. Times are seconds since the epoch."""

    id: str = Field(examples=["70d1f4a1c2a2459d8f6b2b0e4c8a9d13"])
    project: str = Field(examples=["3cce35c33bb1217160aef28929d22215"])
    kind: JobKind = Field(examples=["mask"])
    state: JobState = Field(examples=["queued"])
    profile: ProfileName
    effect: EffectRequest
    codec: Codec | None
    deinterlace: Deinterlace | None
    smart_render: SmartRender | None
    sound: tuple[SoundSpan, ...]
    audit: bool
    keep: tuple[str, ...] = Field(description="the decisions by hand that it renders with")
    mask: tuple[str, ...]
    edits: int = Field(description="how many edits by hand it renders with")
    created: float
    started: float | None
    finished: float | None
    expected: float | None = Field(
        description="seconds that it was estimated to take", examples=[42.0]
    )
    queue_position: int | None = Field(
        description="how many jobs will probably begin before it; null when it doesn't wait"
    )
    starts_in: float | None = Field(description="seconds until it will probably begin, or null")
    attempts: int = Field(description="how often a worker was started for it")
    resumed: int = Field(description="how often one went on where another one had stopped")
    cancelling: bool = Field(description="a cancel was asked for, and is being carried out")
    progress: JobProgress | None
    preview: str | None = Field(description="where the newest preview picture is")
    problem: Problem | None = Field(description="why it failed")
    summary: dict[str, Any] | None = Field(
        description="of a finished job: people found, kept and masked; `sound`: which audio "
        "streams were kept, transcoded and left out; `filled`, of the effect fill: the share of "
        "what is masked that shows the background, 0 to 1, the rest is blurred"
    )
    warnings: tuple[str, ...] = Field((), description="only in the answer that creates it")


class JobsView(ApiView):
    """The jobs of a project, the oldest first."""

    jobs: tuple[JobView, ...]


router = APIRouter(tags=["jobs"])


@router.post(
    "/projects/{project}/jobs",
    status_code=202,
    summary="Start a job",
    dependencies=[Depends(key_described)],
    responses=responses(409, 507),
)
def start(
    here: CurrentProject,
    wanted: JobRequest,
    request: Request,
    response: Response,
    context: CurrentContext,
) -> JobView:
    """Queues it. Refused with a reason while another job of the project is queued or
    running, without a video, and to render without an analysis."""
    video = ready_video(here)
    _refuse_clicks(wanted, here)
    if is_hdr_as_h264(wanted.codec, here):
        raise ApiError(
            422,
            "The video is HDR, which players don't take as H.264",
            "Ask for the codec hevc, av1 or auto.",
        )
    if wanted.kind is JobKind.RENDER:
        _need_timeline(context, here)
    context.janitor.room_for(round(MAX_RESULT_GROWTH * (video.size or 0)) + SPARE_BYTES)
    webhook = _webhook_of(context, wanted, request, here)
    warnings = warnings_for(wanted, context.store.photos.list(here.id))
    order = order_for(wanted, here, context.settings)
    expected = context.durations.at_once(here, order.profile).of(wanted.kind, wanted.audit)
    with context.store.adding():
        _refuse_crowd(context, here)
        if webhook:
            _refuse_webhooks(context, here)
        job = context.store.jobs.add(
            here.id, wanted.kind, order.model_dump(mode="json"), expected, webhook
        )
    if job is None:
        raise ApiError.missing("There is no such project")
    context.runner.wake()
    response.headers["Location"] = job_url(request, job)
    return _told(context, request, job, warnings)


@router.get("/projects/{project}/jobs", summary="All jobs of a project", responses=LINKED)
def list_jobs(
    here: CurrentProject,
    request: Request,
    response: Response,
    context: CurrentContext,
    page: Annotated[Pagination, Depends()],
) -> JobsView:
    """Those that have ended, too."""
    jobs = context.store.jobs
    if page.after is not None and jobs.get(here.id, page.after) is None:
        raise unknown_cursor()
    found = jobs.list(here.id, page.after, page.fetched)
    part = page.cut(found, lambda job: job.id, request, response)
    return JobsView(jobs=tuple(_told(context, request, job) for job in part))


@router.get("/projects/{project}/jobs/{job}", summary="One job")
def get_job(here: CurrentJob, request: Request, context: CurrentContext) -> JobView:
    """Its state, how far it is, why it failed or what came of it."""
    return _told(context, request, here)


@router.get(
    "/projects/{project}/jobs/{job}/preview",
    summary="The newest preview picture",
    response_class=Response,
    responses=JPEG_ANSWER,
)
def get_preview(here: CurrentJob, context: CurrentContext) -> Response:
    """A frame of the masked video that is being made. 404 before there is one, and after
    the job has ended."""
    jpeg = None if here.state.ended else context.runner.preview(here.id)
    if jpeg is None:
        raise ApiError.missing("There is no preview picture of this job now")
    return Response(jpeg, media_type="image/jpeg")


@router.post(
    "/projects/{project}/jobs/{job}/cancel",
    status_code=202,
    summary="Stop a job",
    responses=responses(409),
)
def cancel(here: CurrentJob, request: Request, context: CurrentContext) -> JobView:
    """May be asked again. A job that has ended otherwise is refused with 409."""
    now = context.store.jobs.request_cancel(here.id)
    if now is None:
        raise ApiError.missing("There is no such job")
    context.runner.wake()
    if not now.cancelling:
        raise ApiError(
            409,
            "The job can't be cancelled any more: it has ended, or its result is being stored",
            "Look at its state.",
        )
    return view(request, now)


def _told(
    context: Context, request: Request, job: Job, warnings: list[str] | None = None
) -> JobView:
    """The job with its place in the queue."""
    lineup = context.store.jobs.lineup() if job.state is JobState.QUEUED else None
    entry = next((one for one in lineup.queued if one.id == job.id), None) if lineup else None
    if lineup is None or entry is None:
        return view(request, job, warnings)
    at_once = context.settings.jobs.at_once
    return view(request, job, warnings, position_of(entry, lineup, at_once))


def view(
    request: Request,
    job: Job,
    warnings: list[str] | None = None,
    place: QueuePosition | None = None,
) -> JobView:
    """The job in the words of the API."""
    order = JobSpec.model_validate(job.order)
    return JobView(
        id=job.id,
        project=job.project,
        kind=job.kind,
        state=job.state,
        profile=order.profile,
        effect=EffectRequest.of(order.effect),
        codec=order.codec,
        deinterlace=order.deinterlace,
        smart_render=order.smart_render,
        sound=order.sound,
        audit=order.audit,
        keep=order.keep,
        mask=order.mask,
        edits=len(order.edits.edits),
        created=job.created,
        started=job.started,
        finished=job.finished,
        expected=job.expected,
        queue_position=place.position if place else None,
        starts_in=place.starts_in if place else None,
        attempts=job.attempts,
        resumed=job.resumed,
        cancelling=job.cancelling and not job.state.ended,
        progress=job.progress,
        preview=preview_url(job, job_url(request, job)),
        problem=job.problem,
        summary=job.summary,
        warnings=tuple(warnings or ()),
    )


def _refuse_clicks(wanted: JobRequest, project: Project) -> None:
    number = clicks_outside(wanted.clicks, project)
    if number is not None:
        raise ApiError(
            422,
            f"clicks.{number} lies outside the video",
            "Give seconds from its first frame, and pixels of the upright picture.",
        )


def _webhook_of(
    context: Context, wanted: JobRequest, request: Request, project: Project
) -> Webhook | None:
    """Raises ApiError, AddressRefused: nobody is told, or not there."""
    if wanted.webhook is None:
        return None
    settings = context.settings.webhooks
    if not settings.secret:
        raise no_webhooks()
    parse(wanted.webhook, settings.hosts)
    return Webhook(wanted.webhook, project_url(request, project.id))


def _refuse_webhooks(context: Context, project: Project) -> None:
    """Not too many that wait for receivers who don't answer."""
    most = context.settings.webhooks.pending_per_owner
    if context.store.webhooks.pending(project.owner) >= most:
        raise ApiError(
            429,
            f"{most} webhooks of this token wait already to be delivered",
            "Have the receiver answer with 204, or order without a webhook.",
            {"Retry-After": "60"},
            "rate-limited",
            {"limit": "token"},
        )


def _need_timeline(context: Context, project: Project) -> None:
    try:
        context.storage.size(f"{project.id}/{TIMELINE_FILE}")
    except NotStored as error:
        raise ApiError(
            409,
            "There is no analysis to render from",
            "Start a job of kind mask or analyze first.",
        ) from error


def _refuse_crowd(context: Context, project: Project) -> None:
    """One job of a project at a time, and not too many of one token, network or visitor."""
    jobs, settings = context.store.jobs, context.settings
    if jobs.active(project.id):
        raise ApiError(
            409,
            "A job of this project is queued or running",
            "Wait for its end, or cancel it.",
            code="busy",
        )
    # Whom the project was made for: the app's pages ask for all of its visitors alike.
    caller = Caller(project.owner, project.visitor, project.network)
    for party in caller.parties(settings.limits):
        most = party.of(settings.jobs.queued_per_owner)
        if jobs.waiting(*party.key) >= most:
            raise ApiError(
                429,
                f"{most} jobs of {party.words} are waiting already",
                "Start this one when some of them have ended.",
                {"Retry-After": "60"},
                "rate-limited",
                {"limit": party.scope},
            )
