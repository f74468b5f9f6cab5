"""What the service tells about itself: one JSON object a line, no names, no pictures."""

from __future__ import annotations

import json
import logging
import time
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bystander.jobs.vocabulary import new_id

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


class Mistakes(logging.Filter):
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


def hide_mistakes() -> None:
    """For every process that answers for BentoML."""
    logging.getLogger(BENTOML).addFilter(_MISTAKES)


def set_up(level: int = logging.INFO) -> None:
    """Write this package's records to the error output; BentoML would hide most of them."""
    hide_mistakes()
    logger = logging.getLogger(LOGGER)
    if not any(isinstance(handler.formatter, JsonLines) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False


_MISTAKES: Final = Mistakes()


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
