"""What Prometheus is told about requests and jobs, beside what BentoML tells of its own.

Requests are counted by the template of their route ("/projects/{project}"): their paths have
ids in them, and every id would be a time series of its own, for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bystander.jobs.vocabulary import JobState

UNKNOWN_ROUTE: Final = "none"
BUCKETS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0)
"""Seconds; the last ones are uploads of large videos."""


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
