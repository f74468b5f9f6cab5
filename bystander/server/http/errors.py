"""Every error as a problem (RFC 9457): what happened, and what to do."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from bystander.errors import (
    AddressRefused,
    AuditFailed,
    BatchFailed,
    BystanderError,
    Cancelled,
    ConfigError,
    ExecutorError,
    ModelError,
    NotStored,
    OutputError,
    PhotoError,
    SelectionError,
    StorageError,
    TimelineError,
    VideoError,
)
from bystander.server.sanitize import Sanitizer

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
MEDIA_TYPE: Final = "application/problem+json"
JSON: Final = "application/json"
NAMESPACE: Final = "urn:bystander:"
NO_TYPE: Final = "about:blank"
METHODS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
SCHEMA: Final = "#/components/schemas/{model}"
# The first that fits counts.
STATUSES: Final[tuple[tuple[type[BystanderError], int], ...]] = (
    (VideoError, 422),
    (PhotoError, 422),
    (SelectionError, 422),
    (TimelineError, 409),
    (OutputError, 507),
    (NotStored, 404),
    (StorageError, 503),
    (ModelError, 503),
    (ExecutorError, 503),
    (Cancelled, 409),
    (AddressRefused, 422),
    (AuditFailed, 409),
    (BatchFailed, 409),
    (ConfigError, 500),
)


class ApiError(HTTPException):
    """What is asked for can't be done.

    Attributes:
        advice: what the client may do instead, one sentence.
        code: what it is for programs, as errors have their class; None where the status is
            all that there is to it.
        more: further members of the problem (RFC 9457, section 3.2).
    """

    def __init__(
        self,
        status: int,
        what: str,
        advice: str = "",
        headers: Mapping[str, str] | None = None,
        code: str | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(status, what, dict(headers) if headers else None)
        self.advice, self.code, self.more = advice, code, dict(more or {})

    @classmethod
    def missing(cls, what: str) -> Self:
        """The same for what never was and for what is somebody else's."""
        return cls(404, what, code="missing")


log = logging.getLogger(__name__)


class ProblemView(BaseModel):
    """What every answer from 400 on holds."""

    type: str = Field(
        description='stable: "urn:bystander:" and the name of an error, or "about:blank"',
        examples=["urn:bystander:missing"],
    )
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no such project"])
    advice: str = Field("", description="what to do", examples=["Check the address."])


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the problems that a route may answer with.

    FastAPI describes models as plain JSON; so they refer to what `install` adds.
    """
    schema = {"$ref": SCHEMA.format(model=ProblemView.__name__)}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def kind_of(code: str | None) -> str:
    """A problem's type: stable, where an error or a refusal has a name."""
    return f"{NAMESPACE}{code}" if code else NO_TYPE


def problem(
    status: int,
    detail: str,
    advice: str = "",
    headers: Mapping[str, str] | None = None,
    kind: str = NO_TYPE,
    **more: object,
) -> JSONResponse:
    """An answer that says what is wrong."""
    content = {
        "type": kind,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "advice": advice,
        **more,
    }
    return JSONResponse(content, status, dict(headers or {}), MEDIA_TYPE)


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, detail: str, advice: str = "",
    headers: Mapping[str, str] | None = None, code: str | None = None, **more: object,
) -> None:  # fmt: skip
    """Answer with a problem from a middleware."""
    answer = problem(status, detail, advice, headers, kind_of(code), **more)
    await answer(scope, receive, send)


def describe(app: FastAPI) -> None:
    """Put what `responses` refers to into the application's description."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        described = plain()
        name = ProblemView.__name__
        described["components"]["schemas"][name] = ProblemView.model_json_schema()
        return described

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation does it


def install(app: FastAPI, data: Path) -> None:
    """Make the application answer every error with a problem.

    Args:
        data: the service's folder, which no answer names.
    """
    wording = Sanitizer(data / "work", data)

    async def on_bystander(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, BystanderError)
        status = next((s for kind, s in STATUSES if isinstance(error, kind)), 500)
        if status >= 500:
            log.warning("%s: %s", type(error).__name__, wording.safe(error.what))
        told = wording.problem_of(error)
        headers = {"Retry-After": "10"} if status == 503 else None
        return problem(status, told.what, told.advice, headers, kind_of(told.type))

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        advice, headers = getattr(error, "advice", ""), error.headers
        kind = kind_of(getattr(error, "code", None))
        if error.status_code == 405:
            headers = {"Allow": ", ".join(_methods(app, request.scope))}
            advice = "Use one of the methods in Allow."
        more = getattr(error, "more", {})
        return problem(error.status_code, str(error.detail), advice, headers, kind, **more)

    async def on_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        unread = [fault for fault in error.errors() if fault["loc"] == ("body",)]
        if given != JSON and any(fault["type"] != "missing" for fault in unread):
            what = f"The body's type isn't {JSON}"
            return problem(415, what, "Send JSON, and say so in Content-Type.")
        # Not the values: they may be names.
        faults = [
            {"field": ".".join(map(str, fault["loc"])), "reason": fault["msg"]}
            for fault in error.errors()
        ]
        said = "; ".join(f"{fault['field']}: {fault['reason']}" for fault in faults[:3])
        return problem(422, said, "Correct the fields that are named in faults.", faults=faults)

    async def on_disconnect(_: Request, __: Exception) -> JSONResponse:
        return problem(400, "The client went away before its request was whole")

    async def on_defect(_: Request, error: Exception) -> JSONResponse:
        number = uuid.uuid4().hex[:12]
        log.error("defect %s", number, exc_info=error)
        # It is answered from outside of the gate, which gives all others their headers.
        what = f"Something is wrong in the service (defect {number})"
        return problem(500, what, "Tell its operator.", HEADERS)

    app.add_exception_handler(BystanderError, on_bystander)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(ClientDisconnect, on_disconnect)
    app.add_exception_handler(Exception, on_defect)


def _methods(app: FastAPI, scope: Scope) -> list[str]:
    """What may be asked of a path; its routes each know only of their own method."""
    return [
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in app.routes)
    ]
