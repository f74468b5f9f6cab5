"""The application as a whole: what it says about itself, strangers, and every way to be wrong."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from bystander.server.http.auth import MAX_JSON_BYTES
from bystander.server.http.errors import HEADERS
from bystander.server.jobs.spec import RESULT_FILE, VIDEO_FILE, key_of
from bystander.server.models import JobKind, JobState, Photo, PhotoFace, Video, VideoState, new_id
from tests.support.facts import FACTS
from tests.support.stage import TOKENS, Stage, staged

PROBLEM = "application/problem+json"
NEVER = "0" * 32
"""An id that nothing has."""
LINK = "l" * 43
"""The token of a link."""
TRICKS = (
    "%2e%2e",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2fetc%2fpasswd",
    "....%2f%2f",
    "..%5c..%5cwindows",
    "%00",
    "a%00.jpg",
    "%0a",
    "%ff%fe",
    "CON",
    "a" * 5000,
    "%F0%9F%92%A9",
    "%E2%80%AEgpj",
    "'%20OR%20''='",
    "*",
    "~",
    "-1",
)
SECRET = "a name that nobody shall read"


@dataclass(frozen=True)
class Operation:
    """One thing that can be asked, as the API's description has it.

    Attributes:
        example: of its JSON body, if it takes one.
    """

    method: str
    path: str
    described: dict[str, Any]
    example: Any = None

    @property
    def parameters(self) -> list[str]:
        """Those in the path."""
        return re.findall(r"{(\w+)}", self.path)

    def send(self, client: httpx.Client, values: dict[str, str]) -> httpx.Response:
        """Ask, with nothing wrong but perhaps the values of the path's parameters."""
        query: dict[str, str] = {}
        headers: dict[str, str] = {}
        for parameter in self.described.get("parameters", ()):
            schema = parameter["schema"]
            if (parameter["required"] or "examples" in schema) and parameter["in"] != "path":
                where = query if parameter["in"] == "query" else headers
                where[parameter["name"]] = str(schema.get("examples", [schema.get("minimum")])[0])
        body: dict[str, Any] = {}
        if self.example is not None:
            body = {"json": self.example}
        elif "requestBody" in self.described:
            body = {"content": b"some bytes"}
        path = self.path.format(**values)
        return client.request(self.method, path, params=query or None, headers=headers, **body)


def operations(stage: Stage) -> list[Operation]:
    found = []
    description = stage.app.openapi()
    for path, methods in description["paths"].items():
        for method, described in methods.items():
            content = described.get("requestBody", {}).get("content", {})
            example = None
            if "application/json" in content:
                schema = follow(description, content["application/json"]["schema"]["$ref"])
                example = schema["examples"][0]
            found.append(Operation(method.upper(), path, described, example))
    return found


def follow(description: dict[str, Any], reference: str) -> dict[str, Any]:
    """What a reference within the description leads to."""
    found: Any = description
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    assert isinstance(found, dict)
    return found


def references(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        if isinstance(content.get("$ref"), str):
            yield content["$ref"]
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from references(part)


def assert_problem(answer: httpx.Response, *statuses: int) -> None:
    request = answer.request
    told = f"{request.method} {str(request.url)[:200]}: {answer.status_code} {answer.text[:200]}"
    assert answer.status_code in statuses, told
    assert answer.headers["content-type"] == PROBLEM, told
    if request.method != "HEAD":
        content = answer.json()
        assert content["status"] == answer.status_code, told
        assert content["title"], told
        assert content["detail"], told


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def mine(stage: Stage) -> dict[str, str]:
    """A project of the first token that has everything: values for parameters of paths."""
    project = stage.project()
    video = Video(VideoState.READY, 1, 1, FACTS, upload="e" * 32)
    stage.context.store.projects.set_video(project.id, video)
    stage.job(project, JobKind.MASK)
    photo = Photo("f" * 32, project.id, "Anna", 8, 8, (PhotoFace((0, 0, 8, 8), 1.0),), 0)
    assert stage.context.store.photos.add(photo)
    link = hashlib.sha256(LINK.encode()).hexdigest()
    assert stage.context.store.projects.set_share(project.id, link)
    file = stage.folder / "file"
    file.write_bytes(b"something of mine")
    for key in (
        f"{project.id}/{VIDEO_FILE}",
        f"{project.id}/posters/0.jpg",
        key_of(project.id, RESULT_FILE),
    ):
        stage.put(file, key)
    return {
        "project": project.id,
        "photo": photo.id,
        "job": stage.job(project, state=JobState.QUEUED).id,
        "person": "p1",
        "tracklet": "t1",
        "number": "0",
        "frame": "0",
        "upload": "e" * 32,
        "token": LINK,
    }


def test_every_operation_is_described(stage: Stage) -> None:
    for operation in operations(stage):
        name = f"{operation.method} {operation.path}"
        described = operation.described
        assert described["summary"], name
        assert described["description"], name
        assert described["tags"], name
        assert described["security"], name
        refused = [status for status in described["responses"] if status >= "400"]
        assert {"401", "404", "422", "429"} <= set(refused), name
        for status in refused:
            assert list(described["responses"][status]["content"]) == [PROBLEM], name


def test_the_description_refers_to_nothing_that_it_lacks(stage: Stage) -> None:
    description = stage.app.openapi()
    found = set(references(description))
    assert "#/components/schemas/ProblemView" in found
    for reference in found:
        assert follow(description, reference)


def test_examples_are_taken(stage: Stage) -> None:
    with stage.client() as client:
        for operation in operations(stage):
            if operation.parameters:
                # All but the project is right, and is looked at first.
                values = dict.fromkeys(operation.parameters, NEVER) | {"number": "0", "frame": "0"}
                assert_problem(operation.send(client, values), 404)


def test_what_is_somebody_elses_is_as_if_it_had_never_been(
    stage: Stage, mine: dict[str, str]
) -> None:
    with stage.client(1) as stranger:
        for operation in operations(stage):
            if operation.parameters:
                theirs = operation.send(stranger, mine)
                nobodys = operation.send(stranger, {**mine, "project": NEVER})
                assert_problem(theirs, 404)
                assert theirs.content == nobodys.content
                assert theirs.headers.keys() == nobodys.headers.keys()
    with stage.client() as owner:
        assert owner.get(f"/projects/{mine['project']}").json()["photos"] == 1
        result = owner.get(f"/projects/{mine['project']}/result?allow_stale=1")
        assert result.content == b"something of mine"


def test_a_part_of_one_project_is_not_found_in_another(stage: Stage, mine: dict[str, str]) -> None:
    another = {**mine, "project": stage.project().id}
    with stage.client() as client:
        for operation in operations(stage):
            if {"photo", "job", "upload"} & set(operation.parameters):
                assert_problem(operation.send(client, another), 404)


def test_a_list_shows_only_what_is_ones_own(stage: Stage, mine: dict[str, str]) -> None:
    with stage.client() as owner, stage.client(1) as stranger:
        assert mine["project"] in owner.get("/projects").text
        assert mine["project"] not in stranger.get("/projects").text


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer x",
        f"Bearer {TOKENS[0][:-1]}",
        f"Bearer {TOKENS[0]}a",
        f"Basic {TOKENS[0]}",
        TOKENS[0],
    ],
)
def test_without_a_token_there_is_nothing_to_see(
    stage: Stage, mine: dict[str, str], authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    with httpx.Client(base_url=stage.url, headers=headers) as client:
        for operation in operations(stage):
            answer = operation.send(client, mine)
            assert_problem(answer, 401)
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_counts_nowhere_but_in_its_header(stage: Stage) -> None:
    with httpx.Client(base_url=stage.url, cookies={"token": TOKENS[0]}) as client:
        for name in ("token", "access_token", "authorization"):
            assert_problem(client.get("/projects", params={name: TOKENS[0]}), 401)


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.sampled(4)
def test_no_trick_in_a_path_leads_anywhere(stage: Stage, mine: dict[str, str], trick: str) -> None:
    before = {path for path in stage.folder.rglob("*") if "-shm" not in path.name}
    url = httpx.URL(stage.url)
    with stage.client() as client:
        for operation in operations(stage):
            for parameter in operation.parameters:
                path = operation.path.format(**{**mine, parameter: trick})
                # Encoded as it is.
                raw = url.copy_with(raw_path=path.encode())
                content = b"{}" if "requestBody" in operation.described else None
                headers = {"Tus-Resumable": "1.0.0"}
                answer = client.request(operation.method, raw, content=content, headers=headers)
                assert_problem(answer, 400, 404, 405, 415, 422)
                assert "root:" not in answer.text
    after = {path for path in stage.folder.rglob("*") if "-shm" not in path.name}
    assert after == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/projects/", 404),
        ("DELETE", "/projects", 405),
        ("BREW", "/projects", 405),
        ("TRACE", "/projects", 405),
    ],
)
def test_where_there_is_nothing_that_is_a_problem(
    stage: Stage, method: str, path: str, status: int
) -> None:
    with stage.client() as client:
        assert_problem(client.request(method, path), status)


def test_a_wrong_method_is_told_the_right_ones(stage: Stage, mine: dict[str, str]) -> None:
    methods: dict[str, set[str]] = {}
    for operation in operations(stage):
        methods.setdefault(operation.path, set()).add(operation.method)
    with stage.client() as client:
        for path, known in methods.items():
            answer = client.request("BREW", path.format(**mine))
            assert_problem(answer, 405)
            assert known <= set(answer.headers["allow"].split(", "))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"size"',
        b"\xff\xfe",
        b'{"size": "many"}',
        b'{"size": -1}',
        b'{"size": 1.5}',
        b'{"size": NaN}',
        b'{"size": Infinity}',
        b'{"size": 1, "path": "/etc/passwd"}',
        b'{"size": 1' + b"0" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"size":' * 50_000,
    ],
    ids=lambda body: body[:30].decode(errors="replace"),
)
def test_a_body_that_is_wrong_is_a_problem(stage: Stage, mine: dict[str, str], body: bytes) -> None:
    with stage.client() as client:
        answer = client.post(
            f"/projects/{NEVER}/video/upload-url",
            content=body,
            headers={"Content-Type": "application/json"},
        )
    assert_problem(answer, 400, 422)


def test_what_is_wrong_is_named_but_its_value_is_not_told(stage: Stage) -> None:
    photo = Photo(new_id(), stage.project().id, "Anna", 40, 30, (), None)
    assert stage.context.store.photos.add(photo)
    with stage.client() as client:
        answer = client.patch(
            f"/projects/{photo.project}/photos/{photo.id}",
            json={"person": SECRET * 20, "face": SECRET},
        )
    assert_problem(answer, 422)
    assert {fault["field"] for fault in answer.json()["faults"]} == {"body.person", "body.face"}
    assert SECRET not in answer.text


def test_a_body_of_json_is_small_whatever_length_it_announces(stage: Stage) -> None:
    with stage.client() as client:
        for content in (b" " * (MAX_JSON_BYTES + 1), iter([b" " * MAX_JSON_BYTES, b" "])):
            assert_problem(client.post("/projects", content=content), 413)


def test_browsers_are_told_to_keep_away(stage: Stage, mine: dict[str, str]) -> None:
    with stage.client() as client, httpx.Client(base_url=stage.url) as nobody:
        answers = [
            client.get("/projects"),
            client.get(f"/projects/{mine['project']}/result"),
            client.get("/nowhere"),
            nobody.get("/projects"),
            client.get("/projects", headers={"Origin": "https://elsewhere.example"}),
        ]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_defect_tells_its_number_to_the_client_and_the_rest_to_the_log(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = APIRouter()

    @routes.get("/broken")
    def broken() -> None:
        raise RuntimeError(SECRET)

    stage.app.include_router(routes)
    monkeypatch.setattr(logging.getLogger("bystander"), "propagate", True)
    with caplog.at_level(logging.ERROR, "bystander"), stage.client() as client:
        answer = client.get("/broken")
    assert_problem(answer, 500)
    assert set(HEADERS.items()) <= {(name, answer.headers.get(name)) for name in HEADERS}
    assert SECRET not in answer.text
    (number,) = re.findall(r"defect (\w+)", answer.json()["detail"])
    assert number in caplog.text
