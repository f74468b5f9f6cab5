"""Logs as JSON lines, metrics for Prometheus, spans for OpenTelemetry: no names, no pictures.

Requests are counted by the template of their route ("/projects/{project}"): their paths have
ids in them, and every id would be a time series of its own, for ever.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Final

from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bystander import tracing
from bystander.server.models import JobState, new_id

log = logging.getLogger("bystander.access")

LOGGER: Final = "bystander"
BENTOML: Final = "bentoml._internal.server.http_app"
"""Tells of what an endpoint raised."""
FIELDS: Final = (
    "request",
    "method",
    "route",
    "status",
    "milliseconds",
    "received",
    "sent",
    "owner",
)
UNKNOWN_ROUTE: Final = "none"
BUCKETS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0)
"""Seconds; the last ones are uploads of large videos."""


class JsonLines(logging.Formatter):
    """A record as a JSON object: time, level, logger, message, and the fields given as extra."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            facts["exception"] = self.formatException(record.exc_info)
        return json.dumps(facts, ensure_ascii=False)


class ClientErrorFilter(logging.Filter):
    """Drops what BentoML tells of a client's mistakes: a traceback, with what was sent in it.

    A worker that is cancelled goes away in the middle of a request, too. That a model service
    is overloaded is told in a line: its caller waits, and asks again.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, (ValidationError, ClientDisconnect)):
            return False
        status = int(getattr(error, "error_code", HTTPStatus.INTERNAL_SERVER_ERROR))
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            record.msg, record.args = f"{record.getMessage()}: {error}", None
            record.exc_info = record.exc_text = None
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR


def hide_client_errors() -> None:
    """For every process that answers for BentoML."""
    logging.getLogger(BENTOML).addFilter(_CLIENT_ERRORS)


def set_up(level: int = logging.INFO) -> None:
    """Write this package's records to the error output; BentoML would hide most of them."""
    hide_client_errors()
    logger = logging.getLogger(LOGGER)
    if not any(isinstance(handler.formatter, JsonLines) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


_CLIENT_ERRORS: Final = ClientErrorFilter()


class AccessLog:
    """Logs each request when it has been answered: by its route's template, never its path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number, begun = new_id()[:12], time.monotonic()
        status, received, sent = 0, 0, 0

        async def receiving() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receiving, sending)
        except Exception:
            status = status or 500  # answered further out
            raise
        finally:
            log.info(
                "answered",
                extra={
                    "request": number,
                    "method": scope["method"],
                    "route": getattr(scope.get("route"), "path_format", "none"),
                    "status": status,
                    "milliseconds": round(1000 * (time.monotonic() - begun)),
                    "received": received,
                    "sent": sent,
                    "owner": str(scope.get("state", {}).get("owner", ""))[:8],
                },
            )


class MetricsMiddleware:
    """Counts and times the requests of the app that it wraps.

    Args:
        app: the application.
        registry: takes the metrics. In BentoML's processes they also end in its /metrics,
            whichever registry it is: there they are kept in files (multi-process mode).
    """

    def __init__(
        self,
        app: ASGIApp,
        registry: CollectorRegistry,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app, self._clock = app, clock
        labels = ("method", "route", "status")
        self._requests = Counter(
            "bystander_requests", "Requests that were answered", labels, registry=registry
        )
        self._seconds = Histogram(
            "bystander_request_seconds",
            "Seconds from the request to the end of its answer",
            ("method", "route"),
            buckets=BUCKETS,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 500, self._clock()

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watching)
        finally:
            route = getattr(scope.get("route"), "path_format", UNKNOWN_ROUTE)
            # Clients may make methods up, too.
            method = scope["method"] if route != UNKNOWN_ROUTE else UNKNOWN_ROUTE
            self._requests.labels(method, route, str(status)).inc()
            self._seconds.labels(method, route).observe(self._clock() - begun)


class RequestSpans:
    """Makes each request a span, by its route's template, of the trace that the client names."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not tracing.enabled():
            await self._app(scope, receive, send)
            return
        status = 500

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # Not what goes on here: there BentoML has a span that goes nowhere.
        parent = Headers(scope=scope).get(tracing.HEADER) or tracing.ROOT
        with tracing.span("request", parent=parent, kind=SpanKind.SERVER) as span:
            try:
                await self._app(scope, receive, watching)
            finally:
                route = getattr(scope.get("route"), "path_format", UNKNOWN_ROUTE)
                method = scope["method"] if route != UNKNOWN_ROUTE else UNKNOWN_ROUTE
                span.update_name(f"{method} {route}")
                span.set_attributes(
                    {
                        "http.request.method": method,
                        "http.route": route,
                        "http.response.status_code": status,
                    }
                )
                if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    span.set_status(StatusCode.ERROR)


def job_metrics(state: Mapping[str, float]) -> str:
    """Gauges of the jobs in Prometheus' text format, as they are now.

    For the `__metrics__` method of the BentoML service, whose result is /metrics. Gauges kept
    in files would go on telling of jobs that ended with their process.

    Args:
        state: see `Runner.state`.
    """
    registry = CollectorRegistry()
    registry.register(_Jobs(state))
    return generate_latest(registry).decode()


class _Jobs(Collector):
    def __init__(self, state: Mapping[str, float]) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        jobs = GaugeMetricFamily("bystander_jobs", "Jobs that are stored", labels=["state"])
        for state in JobState:
            jobs.add_metric([state.value], self._state[state])
        yield jobs
        yield GaugeMetricFamily(
            "bystander_frames_per_second", "Of all running jobs together", self._state["fps"]
        )
