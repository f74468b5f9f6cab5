"""What is let through of a body before anybody parses it."""

from __future__ import annotations

import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from bystander.server.http.auth import BodyLimit, RequireJson
from tests.support.asking import ask
from tests.support.stage import serving


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def length(request: Request) -> Response:
    return JSONResponse(sum([len(chunk) async for chunk in request.stream()]))


def small(most: int = 100, seconds: float = 5) -> ASGIApp:
    routes = [
        Route("/", echo, methods=["GET", "POST"]),
        Route("/projects/{project}/video", length, methods=["PUT", "PATCH", "POST"]),
        Route("/projects/{project}/photos", length, methods=["POST", "PATCH"]),
        Route("/projects/{project}/uploads", length, methods=["POST", "PATCH"]),
        Route("/projects/{project}/uploads/{upload}", length, methods=["PATCH", "POST"]),
    ]
    return BodyLimit(Starlette(routes=routes), seconds, most)


def test_a_small_body_arrives_as_it_was_sent() -> None:
    for body in (b"", b"x", b"y" * 100):
        assert ask(small(), "POST", content=body).content == body
    assert ask(small(), "POST", content=[b"in ", b"", b"parts"]).content == b"in parts"


@pytest.mark.parametrize("announced", [True, False])
def test_a_large_body_is_refused_whether_it_was_announced_or_not(announced: bool) -> None:
    body = b"x" * 101
    answer = ask(small(), "POST", content=body if announced else [body[:60], body[60:]])
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("method", "path", "streams"),
    [
        ("PUT", "/projects/1/video", True),
        ("PATCH", "/projects/1/video", False),
        ("POST", "/projects/1/uploads", True),
        ("PATCH", "/projects/1/uploads", False),
        ("PATCH", "/projects/1/uploads/2", True),
        ("POST", "/projects/1/uploads/2", False),
        ("POST", "/projects/1/photos", True),
        ("POST", "/projects/1/video", False),
        ("PATCH", "/projects/1/photos", False),
    ],
)
def test_only_videos_and_photos_may_be_large(method: str, path: str, streams: bool) -> None:
    for root in ("", "/v1"):
        app = Starlette(routes=[Mount(root, small())]) if root else small()
        answer = ask(app, method, root + path, content=b"x" * 5000)
        assert answer.status_code == (200 if streams else 413)
        if streams:
            assert answer.json() == 5000


@pytest.mark.parametrize(
    "path",
    ["/projects/1/video/", "//projects/1/video", "/projects//1/video", "/projects/1/2/video"],
)
def test_what_looks_like_a_video_route_and_is_none_is_not_streamed(path: str) -> None:
    answer = ask(small(), "PUT", f"http://localhost{path}", content=b"x" * 101)
    assert answer.status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with (
        serving(small(seconds=0.2)) as url,
        socket.create_connection((httpx.URL(url).host, httpx.URL(url).port)) as raw,
    ):
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf")
        raw.settimeout(10)
        assert raw.recv(4096).startswith(b"HTTP/1.1 408")


def test_json_that_no_parser_survives_is_refused_before_it_gets_to_one() -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    app, said = small(most=10**6), {"Content-Type": "application/JSON"}
    assert ask(app, "POST", content=deep, headers=said).status_code == 400
    for fine in (b'{"a": [1]}', b"not json at all"):
        assert ask(app, "POST", content=fine, headers=said).content == fine


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.bentoml+pickle", 415),
        ("application/octet-stream", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("application/json-patch+json", 415),
        ("application/vnd.bentoml+pickle; application/json", 415),
        ("application/json, application/vnd.bentoml+pickle", 415),
        (None, 415),
    ],
)
def test_bentoml_gets_json_and_nothing_that_it_would_unpickle(
    content_type: str | None, status: int
) -> None:
    app = RequireJson(Starlette(routes=[Route("/", echo, methods=["POST"])]), lambda _: False)
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert ask(app, "POST", content=b"{}", headers=headers).status_code == status
