"""The application: routes, and what every request passes on its way to them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from prometheus_client import CollectorRegistry

from bystander import __version__
from bystander.server.http import (
    edits,
    errors,
    estimates,
    events,
    exports,
    frame_pictures,
    frames,
    jobs,
    limits_route,
    people,
    photos,
    preview_clips,
    previews,
    projects,
    proxies,
    results,
    shares,
    track,
    uploads,
    videos,
    webhooks,
)
from bystander.server.http.auth import AuthMiddleware, BodyLimit
from bystander.server.http.deps import Context
from bystander.server.http.idempotency import Idempotency
from bystander.server.http.observability import AccessLog, MetricsMiddleware, RequestSpans
from bystander.server.http.tus import TusMiddleware

ROUTERS: Final = (
    limits_route,
    projects,
    uploads,
    videos,
    proxies,
    photos,
    estimates,
    exports,
    preview_clips,
    previews,
    jobs,
    events,
    people,
    edits,
    frames,
    frame_pictures,
    track,
    results,
    shares,
    webhooks,
)

DESCRIPTION = """Give a video and photos of the people who may be seen: everyone else's whole
body is masked. Begin with `POST /projects`, send the video and the photos, start a job, follow
its events, download the result. Photos are deleted when a job ends, everything else after a
day or with `DELETE /projects/{project}`.
"""


def openapi_document() -> dict[str, Any]:
    """The API's description (OpenAPI 3.1), for which nothing has to run."""
    return _described_app().openapi()


def _described_app() -> FastAPI:
    """The routes and all that is said of them."""
    app = FastAPI(
        title="Bystander",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # to an address made of what the client calls this host
        responses=errors.responses(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
        # For the description alone: who comes in is the gate's business.
        dependencies=[Security(HTTPBearer(auto_error=False, description="one of the tokens"))],
    )
    for module in ROUTERS:
        app.include_router(module.router)
    errors.describe(app)
    return app


def create_app(context: Context) -> FastAPI:
    """The API, to be mounted wherever it is to be found."""
    app = _described_app()
    errors.install(app, context.data)
    app.state.context = context
    # The last one added is the first that a request meets.
    app.add_middleware(
        Idempotency, keys=context.store.idempotency_keys, limits=context.settings.limits
    )
    app.add_middleware(BodyLimit, seconds=context.settings.limits.body_seconds)
    app.add_middleware(
        AuthMiddleware,
        settings=context.settings.security,
        rates=context.rates,
        limits=context.settings.limits,
    )
    app.add_middleware(MetricsMiddleware, registry=CollectorRegistry())
    app.add_middleware(AccessLog)
    app.add_middleware(RequestSpans)
    app.add_middleware(TusMiddleware)
    return app
