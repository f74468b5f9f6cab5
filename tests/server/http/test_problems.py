"""Whatever goes wrong is told as a problem: what, what to do, and nothing of this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from bystander import errors
from bystander.errors import BystanderError, OutputUnwritable, StorageError, UnsupportedVideo
from bystander.server.http import errors as http_errors
from bystander.server.http.errors import ApiError
from tests.support.asking import ask

DATA = Path("/srv/bystander/data")
NAME = "Annabel Quartermain"


class Cast(BaseModel):
    model_config = ConfigDict(extra="forbid")

    person: str = Field(max_length=5)
    photos: int = 0


def raising(error: Exception) -> FastAPI:
    """An application that fails so, or at what it is sent."""
    app = FastAPI()
    http_errors.install(app, DATA)

    @app.get("/")
    def fail() -> None:
        raise error

    @app.post("/")
    def take(cast: Cast) -> None: ...

    @app.post("/slow")
    async def read(request: Request) -> None:
        await request.body()

    return app


def get(error: Exception) -> httpx.Response:
    return ask(raising(error))


def family(kind: type[BystanderError]) -> Iterator[type[BystanderError]]:
    for child in kind.__subclasses__():
        yield child
        yield from family(child)


@pytest.mark.parametrize("kind", sorted(family(BystanderError), key=str), ids=lambda k: k.__name__)
def test_every_error_of_ours_has_a_status_on_purpose(kind: type[BystanderError]) -> None:
    answer = get(kind("it went wrong", "Do better."))
    told = answer.json()
    assert answer.headers["content-type"] == http_errors.MEDIA_TYPE
    assert told["status"] == answer.status_code
    assert told["title"]
    assert (told["detail"], told["advice"]) == ("it went wrong", "Do better.")
    assert told["type"] == f"urn:bystander:{kind.__name__}"
    # Of the service itself, or of the client's own side: never an answer's cause.
    if not issubclass(kind, (errors.ConfigError, errors.ServiceError)):
        assert answer.status_code != 500


@pytest.mark.parametrize(
    "what",
    [
        f"{DATA / 'work' / '0123abcd' / 'video'} can't be read",
        f"{DATA} is full",
        "/etc/passwd: permission denied",
        "the weights in '/opt/models/net.onnx' are damaged",
    ],
)
@pytest.mark.parametrize("kind", [UnsupportedVideo, StorageError])
def test_no_path_of_this_machine_is_told_or_logged(
    kind: type[BystanderError], what: str, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(logging.getLogger("bystander"), "propagate", True)
    answer = get(kind(what, f"Look into {DATA}/uploads."))
    for text in (answer.text, caplog.text):
        for path in ("/srv", "/etc", "/opt", "work/", "uploads"):
            assert path not in text


def test_what_may_pass_tells_when_to_come_back() -> None:
    assert int(get(StorageError("the bucket is away")).headers["retry-after"]) > 0
    assert "retry-after" not in get(OutputUnwritable("the disk is full")).headers


def test_a_refusal_says_what_to_do_and_keeps_its_headers() -> None:
    answer = get(ApiError(409, "A job is at work", "Wait.", {"Upload-Offset": "7"}))
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "A job is at work",
        "advice": "Wait.",
    }
    assert answer.headers["upload-offset"] == "7"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("DELETE", "/", 405), ("HEAD", "/nowhere", 404)],
)
def test_what_the_framework_refuses_is_a_problem_too(method: str, path: str, status: int) -> None:
    answer = ask(raising(RuntimeError()), method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == http_errors.MEDIA_TYPE


def send(content: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/json"}
    return ask(raising(RuntimeError()), "POST", content=content, headers=headers)


def test_every_fault_is_named_but_not_what_was_sent() -> None:
    answer = send(f'{{"person": "{NAME}", "photos": "{NAME}"}}'.encode())
    told = answer.json()
    assert answer.status_code == told["status"] == 422
    assert {fault["field"] for fault in told["faults"]} == {"body.person", "body.photos"}
    assert NAME not in answer.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b'{"person": "\\ud800"}',
        b'{"person": "a", "\\ud800": 1}',
        b'{"person": NaN}',
        b'{"person": "a", "photos": 1e999}',
        b'{"person": "a", "photos": ' + b"9" * 10_000 + b"}",
        b'{"person": "a"' + b"".join(b', "%d": 0' % n for n in range(2000)) + b"}",
    ],
    ids=lambda content: content[:30].decode(errors="replace"),
)
def test_a_body_that_makes_no_sense_is_the_clients_mistake(content: bytes) -> None:
    answer = send(content)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == http_errors.MEDIA_TYPE
    assert answer.json()["status"] == answer.status_code


def test_the_summary_of_many_faults_is_short() -> None:
    many = b'{"person": "a"' + b"".join(b', "%d": 0' % n for n in range(50)) + b"}"
    told = send(many).json()
    assert len(told["faults"]) == 50
    assert len(told["detail"]) < 300


def test_a_defect_is_told_by_its_number_alone(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("bystander"), "propagate", True)
    answers = [get(RuntimeError(f"{NAME} at {DATA}")) for _ in range(2)]
    details = {answer.json()["detail"] for answer in answers}
    assert [answer.status_code for answer in answers] == [500, 500]
    assert len(details) == 2  # each can be found in the log
    for answer in answers:
        assert NAME not in answer.text
        assert str(DATA) not in answer.text
        number = answer.json()["detail"].rpartition("defect ")[2].rstrip(")")
        assert f"defect {number}" in caplog.text


def test_the_description_knows_what_a_problem_is() -> None:
    app = FastAPI(responses=http_errors.responses(404, 422))
    http_errors.describe(app)

    @app.post("/")
    def take(cast: Cast) -> None: ...

    described: dict[str, Any] = app.openapi()
    responses = described["paths"]["/"]["post"]["responses"]
    for status in ("404", "422"):
        schema = responses[status]["content"][http_errors.MEDIA_TYPE]["schema"]["$ref"]
        assert schema == "#/components/schemas/ProblemView"
    properties = described["components"]["schemas"]["ProblemView"]["properties"]
    told = get(UnsupportedVideo("what", "do")).json()
    assert set(told) == set(properties)


def test_a_body_of_another_type_is_told_so_and_none_at_all_is_not() -> None:
    app = raising(StorageError("never raised"))
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        answer = ask(app, "POST", content=b'{"person": "Ann"}', headers={"Content-Type": kind})
        assert (answer.status_code, "application/json" in answer.json()["detail"]) == (415, True)
    assert ask(app, "POST").status_code == 422
    assert ask(app, "POST", json={"person": "Ann"}).status_code == 200
