"""The entry service: the HTTP API under /v1, the runner of jobs, and single pictures.

    bystander serve

starts it with its model services. Nothing is opened when this module is imported: BentoML
imports it in every process.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import bentoml
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from bystander import tracing
from bystander.choices import EffectName, ProfileName
from bystander.cli.serve import CONTAINERIZED, check_host
from bystander.errors import BystanderError, ConfigError, PhotoError
from bystander.models import Models, ModelSettings, load_models
from bystander.sandbox.confine import check_confinement
from bystander.server.bentos import estimate_worker, job_worker
from bystander.server.bentos.children import ServiceChildren
from bystander.server.bentos.face_embedder import FaceEmbedderService
from bystander.server.bentos.lifeline import end_with_supervisor
from bystander.server.bentos.person_segmenter import PersonSegmenterService
from bystander.server.bentos.remote import open_models, services_here
from bystander.server.http import observability
from bystander.server.http.app import create_app
from bystander.server.http.auth import (
    AuthMiddleware,
    BodyLimit,
    RequireJson,
    path_of,
    refuse_open_sockets,
)
from bystander.server.http.deps import Context
from bystander.server.http.limits import RateLimiter, UploadSlots
from bystander.server.http.observability import job_metrics
from bystander.server.http.patches import patch_bentoml
from bystander.server.http.previews import MAX_PICTURE_BYTES, PictureTasks
from bystander.server.http.reference import ReferenceMiddleware
from bystander.server.http.stopping import server_stops
from bystander.server.jobs.driver import driver_command, driver_environment
from bystander.server.jobs.estimates import DurationEstimator
from bystander.server.jobs.preview_clips import PreviewClips
from bystander.server.jobs.runner import DEFAULT_SECONDS_PER_FRAME, Runner
from bystander.server.jobs.webhooks import WebhookSender
from bystander.server.models import Job
from bystander.server.retention import PHOTOS, Janitor
from bystander.server.settings import ServiceSettings, load_service_settings
from bystander.server.store import open_store
from bystander.storage import open_storage

ResultT = TypeVar("ResultT")

API: Final = "/v1"
HEALTH: Final = frozenset({"/livez", "/readyz", "/healthz"})
SETTINGS: Final[ServiceSettings] = load_service_settings()
RATES: Final = RateLimiter(SETTINGS.limits.requests_per_second, SETTINGS.limits.burst)


class Late:
    """An ASGI application that is made when the service starts, after it was mounted."""

    app: FastAPI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def leave_containerized_mode() -> None:
    """Undo what the image of a Bento sets, in the process that starts all others.

    With the variable BentoML doesn't start a dead process again. And that image listens at every
    address: without a token each process would refuse by itself, again and again.
    """
    if os.environ.pop(CONTAINERIZED, None) is None:
        return
    try:
        check_host("0.0.0.0", SETTINGS)
    except ConfigError as error:
        sys.exit(f"error: {error}")


late = Late()
leave_containerized_mode()
patch_bentoml()


# Jobs live in this one process; BentoML starts it again when it dies.
@bentoml.service(
    name="bystander",
    workers=1,
    threads=16,
    traffic={"timeout": 24 * 3600},  # an upload counts from its first byte
    logging={"access": {"enabled": False}},  # it has ids in it; ours has not
)
class Bystander:
    """Masks everyone in a video but the people who may be seen."""

    segmenter = bentoml.depends(PersonSegmenterService)
    faces = bentoml.depends(FaceEmbedderService)

    def __init__(self) -> None:
        end_with_supervisor()
        observability.set_up()
        tracing.export_spans("bystander")
        refuse_open_sockets(SETTINGS.security)
        data = SETTINGS.data.resolve()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        settings = SETTINGS.model_copy(update={"data": data})
        self._store = open_store(settings)
        self._storage = open_storage(settings.storage, data)
        check_confinement(settings.jobs.confinement)
        children = ServiceChildren(settings.jobs.confinement, services_here())
        in_flight = str(settings.models.in_flight)
        self._durations = DurationEstimator(
            self._store,
            self._storage,
            lambda video, profile: children.command(
                video.parent, estimate_worker.__name__, str(video), profile.value, in_flight
            ),
            children.environment,
            data / "work",
        )
        self._runner = Runner(
            self._store,
            self._storage,
            settings,
            lambda folder: driver_command(
                settings,
                folder,
                children.command(folder, job_worker.__name__, str(folder)),
            ),
            driver_environment(settings, children.environment),
            expectations=self._expectations,
            learn=self._learn,
            stopping=server_stops,
        )
        self._janitor = Janitor(self._store, self._storage, settings)
        self._webhooks = WebhookSender(self._store.webhooks, settings.webhooks)
        models = _Once(_models)
        self._pictures = PictureTasks(models, settings.limits, data / "work")
        late.app = create_app(
            Context(
                settings=settings,
                store=self._store,
                storage=self._storage,
                runner=self._runner,
                janitor=self._janitor,
                models=models,
                durations=self._durations,
                preview_clips=PreviewClips(
                    self._storage,
                    settings,
                    lambda folder: children.command(folder, job_worker.__name__, str(folder)),
                    children.environment,
                    self._janitor.room_for,
                    data / PHOTOS,
                ),
                uploads=UploadSlots(settings.limits.uploads_at_once),
                rates=RATES,
            )
        )
        self._runner.start()
        self._janitor.start()
        self._webhooks.start()

    @bentoml.api
    def segment(self, image: str) -> list[dict[str, Any]]:
        """Who is in a picture (base64): boxes, scores and silhouettes."""
        return _told(lambda: self._pictures.segment(image))

    @bentoml.api
    def embed(self, image: str) -> list[dict[str, Any]]:
        """The faces in a picture (base64), each with its quality and its vector."""
        return _told(lambda: self._pictures.embed(image))

    @bentoml.api
    def mask_image(self, image: str, effect: EffectName = EffectName.BLUR) -> str:
        """A picture (base64) with everyone in it masked, as a JPEG (base64)."""
        return _told(lambda: self._pictures.mask(image, effect))

    @bentoml.on_shutdown
    def stop(self) -> None:
        """Ends the workers; their jobs go on when the service is started again."""
        self._runner.stop()
        self._janitor.stop()
        self._webhooks.stop()
        self._storage.close()
        tracing.stop()

    def _expectations(self, job: Job) -> Mapping[str, float]:
        project = self._store.projects.find(job.project)
        if project is None:  # it is being deleted
            return DEFAULT_SECONDS_PER_FRAME
        return self._durations.at_once(project, ProfileName(job.order["profile"])).stages

    def _learn(self, job: Job, took: Mapping[str, float]) -> None:
        project = self._store.projects.find(job.project)
        if project is not None:
            self._durations.learn(project, ProfileName(job.order["profile"]), took)

    def __is_ready__(self) -> bool:
        return self._runner.alive

    def __metrics__(self, original: str) -> str:
        return original + job_metrics(self._runner.state())


entry: Any = Bystander  # BentoML's decorator has made a Service of the class
entry.mount_asgi_app(late, path=API, name="api")
# The first one added is the first that a request meets. The reference says nothing that isn't in
# every copy of the program; anybody may read it.
entry.add_asgi_middleware(ReferenceMiddleware, describe=lambda: late.app.openapi(), prefix=API)
# The API has gates of its own, that answer with problems: nothing is read from a stranger.
entry.add_asgi_middleware(
    AuthMiddleware,
    settings=SETTINGS.security,
    rates=RATES,
    limits=SETTINGS.limits,
    passes=lambda path: path in HEALTH or _in_api(path),
)
entry.add_asgi_middleware(RequireJson, passes=lambda scope: _in_api(path_of(scope)))
entry.add_asgi_middleware(
    BodyLimit,
    most=MAX_PICTURE_BYTES,
    seconds=SETTINGS.limits.body_seconds,
    passes=lambda scope: _in_api(path_of(scope)),
)


class _Once:
    """Calls a function the first time, and gives the same result ever after."""

    def __init__(self, function: Callable[[], Models]) -> None:
        self._function, self._lock = function, threading.Lock()
        self._result: Models | None = None

    def __call__(self) -> Models:
        with self._lock:
            if self._result is None:
                self._result = self._function()
            return self._result


def _models() -> Models:
    """The model services; this process's own networks where BentoML runs everything in one."""
    services = services_here()
    return open_models(services, ModelSettings()) if services else load_models()


def _in_api(path: str) -> bool:
    # Starlette's mounts don't take a path with a line break: BentoML would answer.
    return path.startswith(f"{API}/") and "\n" not in path


def _told(call: Callable[[], ResultT]) -> ResultT:
    """The result, or an error of ours as one that BentoML passes on to the client."""
    try:
        return call()
    except PhotoError as error:
        raise bentoml.exceptions.InvalidArgument(str(error)) from error
    except BystanderError as error:
        raise bentoml.exceptions.ServiceUnavailable("the networks can't be used now") from error
