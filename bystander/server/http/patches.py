"""Two of BentoML's own middlewares -> ours in their place, where it has no setting (1.4).

Both are private to BentoML. tests/server/http/test_patches.py holds that the version is
one that was looked at, and that a service is really built with what is put here.
"""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

VERSIONS: Final = "1.4."
"""What the versions begin with whose insides were looked at."""
SYSTEM_PATHS: Final = frozenset(
    {"/", "/livez", "/healthz", "/readyz", "/docs.json", "/schema.json"}
)


class NoTimeout:
    """Has the place of BentoML's time limit, and hands everything on.

    The limit costs more than it guards. For each request it sets a timer that is kept until the
    limit has passed, so with a limit that lets large uploads through, a day of requests stays in
    memory. And where a request ends without an answer, because its client has gone, it waits for
    one until then: the service can't be stopped. The limit must be a number.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def patch_bentoml() -> None:
    """Call this where the service is defined, before BentoML builds its application.

    Calling it again changes nothing.

    Raises:
        AttributeError: BentoML has no such middleware any more.
    """
    _replace_time_limit()
    _replace_request_metrics()


def _replace_time_limit() -> None:
    from bentoml._internal.server.http import traffic

    name = "TimeoutMiddleware"
    getattr(traffic, name)  # else nobody would notice that this changes nothing
    setattr(traffic, name, NoTimeout)


def _replace_request_metrics() -> None:
    """Leave out of BentoML's own request metrics what is mounted, and paths that there are not.

    It labels every request with the raw path, which a client chooses.
    """
    from bentoml._internal.context import server_context
    from bentoml._internal.server.http import instruments

    counting = instruments.RunnerTrafficMetricsMiddleware
    if getattr(counting, "knows_paths", False):
        return

    class KnownPaths(counting):  # type: ignore[misc, valid-type]  # BentoML has no types
        knows_paths = True

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            path = scope.get("path")
            if path in SYSTEM_PATHS or path in server_context.service_routes:
                await super().__call__(scope, receive, send)
            else:
                await self.app(scope, receive, send)

    setattr(instruments, counting.__name__, KnownPaths)
