"""What the service says about itself, and what it keeps to itself."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from bystander.server.http import observability
from bystander.server.http.observability import AccessLog, JsonLines
from tests.support.asking import ask

SECRET = "Annabel Quartermain"


@pytest.fixture
def untouched() -> Iterator[None]:
    """Loggers are the process's: they are put back as they were."""
    loggers = [logging.getLogger(name) for name in (observability.LOGGER, observability.BENTOML)]
    before = [(log.level, log.propagate, log.handlers[:], log.filters[:]) for log in loggers]
    yield
    for log, (level, propagate, handlers, filters) in zip(loggers, before, strict=True):
        log.setLevel(level)
        log.propagate, log.handlers, log.filters = propagate, handlers, filters


def app() -> AccessLog:
    inner = FastAPI()

    @inner.get("/projects/{project}")
    def found(project: str, request: Request) -> dict[str, str]:
        request.state.owner = "0123456789abcdef"
        return {"id": project}

    @inner.post("/projects/{project}")
    async def taken(project: str, request: Request) -> int:
        return len(await request.body())

    @inner.delete("/projects/{project}")
    def broken(project: str) -> None:
        raise RuntimeError

    return AccessLog(inner)


@pytest.fixture
def said(untouched: None) -> io.StringIO:
    """What is written to the error output."""
    logger = logging.getLogger(observability.LOGGER)
    logger.handlers.clear()
    observability.set_up()
    (handler,) = logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    handler.setStream(written)
    return written


def lines(said: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.getvalue().split("\n") if line]


def test_a_request_is_one_line_by_the_template_of_its_route(said: io.StringIO) -> None:
    answer = ask(app(), path=f"/projects/{SECRET}?person={SECRET}", headers={"X-Name": SECRET})
    text = said.getvalue()
    (line,) = lines(said)
    assert line["route"] == "/projects/{project}"
    assert (line["method"], line["status"], line["level"]) == ("GET", 200, "info")
    assert line["sent"] == len(answer.content)
    assert line["milliseconds"] >= 0
    assert line["owner"] == "01234567"  # enough to tell them apart
    assert SECRET not in text
    assert "Annabel" not in text


def test_bytes_that_arrived_are_counted_and_not_shown(said: io.StringIO) -> None:
    ask(app(), "POST", "/projects/1", content=[SECRET.encode(), b"and more"])
    text = said.getvalue()
    assert json.loads(text)["received"] == len(SECRET) + len("and more")
    assert SECRET not in text


def test_what_has_no_route_has_no_path_either(said: io.StringIO) -> None:
    ask(app(), path=f"/{SECRET}")
    text = said.getvalue()
    assert (json.loads(text)["route"], json.loads(text)["status"]) == ("none", 404)
    assert SECRET not in text


def test_a_defect_is_logged_as_one(said: io.StringIO) -> None:
    ask(app(), "DELETE", "/projects/1")
    (line,) = lines(said)
    assert line["status"] == 500


def test_requests_have_numbers_of_their_own(said: io.StringIO) -> None:
    for _ in range(3):
        ask(app(), path="/projects/1")
    assert len({line["request"] for line in lines(said)}) == 3


def test_a_line_stays_a_line_whatever_is_in_it(said: io.StringIO) -> None:
    log = logging.getLogger("bystander.somewhere")
    log.warning("two\nlines, \x1b[31mred\x1b[0m, %s", "caf\u00e9 \u2028 \0")
    try:
        raise ValueError("several\nlines")
    except ValueError:
        log.exception("it broke")
    text = said.getvalue()
    first, second = lines(said)
    assert first["message"] == "two\nlines, \x1b[31mred\x1b[0m, caf\u00e9 \u2028 \0"
    assert first["logger"] == "bystander.somewhere"
    assert "ValueError: several\nlines" in second["exception"]
    assert "\x1b" not in text


def test_setting_up_twice_does_not_say_things_twice(said: io.StringIO) -> None:
    observability.set_up()
    logging.getLogger("bystander.somewhere").info("once")
    assert len(lines(said)) == 1


class Picture(BaseModel):
    image: str


def invalid() -> ValidationError:
    try:
        Picture.model_validate({"image": [SECRET]})
    except ValidationError as error:
        return error
    raise AssertionError


class BentoError(Exception):
    error_code = 400


@pytest.mark.parametrize(("error", "told"), [(invalid(), False), (BentoError(SECRET), False),
                                             (ClientDisconnect(), False),
                                             (RuntimeError("broken"), True)])  # fmt: skip
def test_of_a_clients_mistake_bentoml_tells_nothing(
    said: io.StringIO, error: Exception, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        raise error
    except Exception:
        logging.getLogger(observability.BENTOML).exception("an endpoint raised")
    assert bool(caplog.records) is told
    assert SECRET not in caplog.text


class Overloaded(Exception):
    error_code = 503


def test_that_a_model_service_is_overloaded_is_told_in_a_line(
    said: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        raise Overloaded("too long in the queue")
    except Overloaded:
        logging.getLogger(observability.BENTOML).exception("asked for %s", "/segment")
    assert "asked for /segment: too long in the queue" in caplog.text
    assert "Traceback" not in caplog.text


def test_fields_that_were_not_given_are_not_there() -> None:
    record = logging.makeLogRecord({"msg": "hello", "levelname": "INFO", "name": "x", "owner": "a"})
    assert set(json.loads(JsonLines().format(record))) == {
        *("time", "level", "logger", "message", "owner")
    }
