"""BentoML's time limit for requests, taken away: it costs more than it guards.

For each request its middleware sets a timer that is kept until the limit has passed, so with a
limit that lets large uploads through, a day of requests stays in memory. And where a request
ends without an answer, because its client has gone, it waits for one until then: the service
can't be stopped. There is no setting for it in 1.4: the limit must be a number.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class Untimed:
    """Has the place of BentoML's middleware, and hands everything on."""

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def keep_bentoml_from_timing_requests() -> None:
    """Call this where the service is defined, before BentoML builds its application."""
    from bentoml._internal.server.http import traffic

    traffic.TimeoutMiddleware = Untimed  # type: ignore[assignment, misc]
