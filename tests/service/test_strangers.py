"""What belongs to one token is, for another one, as if it had never been; and so for nobody."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.service.server import Server
from bystander.client import Client, RemoteProject
from tests.service.conftest import Material
from tests.support.stranger import open_client
from tests.support.unharmed import temporary
from tests.support.waiting import HANGS_AFTER_SECONDS

pytestmark = pytest.mark.long

NAME, DELETED = "Philomena", "Theodelinde"
"""Rare: the second one must be found nowhere afterwards."""
NEVER = "0123456789abcdef" * 2
"""An id that no project has."""
TIMES = 15
SLOWER = 0.02
"""Seconds by which two kinds of 404 may differ, or half of what one takes on a busy machine."""
OPEN = {"/", "/livez", "/readyz", "/healthz", "/v1/openapi.json"}
BENTOML = ("/metrics", "/docs.json", "/schema.json", "/static_content/index.css")
PICTURES = ("/segment", "/embed", "/mask_image")
BOX = {"kind": "box", "x": 0, "y": 0, "width": 9, "height": 9}
BODIES: dict[str, Any] = {
    "link": {"size": 1},
    "start": {"kind": "mask"},
    "change_photo": {"face": 0},
    "put_verdicts": {"keep": []},
    "put_edits": {"edits": []},
    "track": {"edit": {"kind": "mask", "keys": [{"seconds": 0, "shape": BOX}]}},
}
"""Valid ones, by the beginning of the operation's id: what isn't there is told before."""


@dataclass(frozen=True)
class Owned:
    """A project with a finished job and a photo, and the ids of all that it holds."""

    project: RemoteProject
    ids: dict[str, str]


@dataclass(frozen=True)
class Route:
    """An operation of the API, as it is described."""

    method: str
    template: str
    operation: str

    def path(self, ids: dict[str, str]) -> str:
        return "/v1" + re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], self.template)

    def ask(self, client: httpx.Client, ids: dict[str, str]) -> httpx.Response:
        options: dict[str, Any] = {}
        name = next((name for name in BODIES if self.operation.startswith(f"{name}_")), None)
        if name:
            options["json"] = BODIES[name]
        return client.request(
            self.method,
            self.path(ids),
            params={"person": "A", "format": "csv"},
            headers={"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Upload-Length": "1"},
            **options,
        )


@pytest.fixture(scope="module")
def owned(service: Server, material: Material) -> Iterator[Owned]:
    """Of the first token."""
    with Client(service.url, service.tokens[0]) as client:
        project = client.create_project()
        project.send_video(material.video)
        project.send_photo(NAME, material.photo)
        job = project.start("mask")
        job.wait()
        photo = project.send_photo(NAME, material.photo)
        person = project.people()["people"][0]
        tracklet = person["tracklets"][0]["id"]
        ids = {
            "project": project.id,
            "job": job.id,
            "photo": photo["id"],
            "number": "0",
            "frame": "0",
        }
        ids["token"] = project.share()
        ids["upload"] = project.facts()["video"]["upload"].rpartition("/")[2]
        yield Owned(project, {**ids, "person": person["id"], "tracklet": tracklet})
        project.delete()


@pytest.fixture(scope="module")
def routes(service: Server) -> list[Route]:
    described = httpx.get(f"{service.url}/v1/openapi.json", trust_env=False).json()
    found = [
        Route(method.upper(), path, operation["operationId"])
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    # Answers without a body hide what they are of: they come with GET.
    hidden = ("video/file", "video/proxy", "result", "timeline", "audit", "audit.json")
    heads = [Route("HEAD", f"/projects/{{project}}/{name}", "head_") for name in hidden]
    return [*found, *heads]


@pytest.fixture
def owner(service: Server) -> Iterator[httpx.Client]:
    with open_client(service, service.tokens[0]) as client:
        yield client


def test_the_owner_gets_it(owner: httpx.Client, owned: Owned, routes: list[Route]) -> None:
    there = [route for route in routes if route.method == "GET" and "{" in route.template]

    # There is neither an audit nor a preview of this job; its events end with it. Before it there
    # was a clip of how the video would look.
    found = {r.template for r in there if r.ask(owner, owned.ids).status_code == 200}

    missing = {route.template for route in there} - found - {"/projects/{project}/preview/clip"}
    assert {template.rpartition("/")[2] for template in missing} <= {
        "audit", "audit.json", "preview", "picture",
    }  # fmt: skip


def test_a_stranger_gets_what_never_was(
    stranger: httpx.Client, owner: httpx.Client, owned: Owned, routes: list[Route]
) -> None:
    never = {**owned.ids, "project": NEVER}
    for route in routes:
        if "{" not in route.template:
            continue

        theirs, nobodys = route.ask(stranger, owned.ids), route.ask(stranger, never)

        assert theirs.status_code == 404, route
        assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
        assert _plain(theirs) == _plain(nobodys)
    assert owner.get(f"/v1/projects/{owned.project.id}").is_success
    assert NAME not in stranger.get("/v1/projects").text


def test_parts_of_another_project_are_not_found_through_ones_own(
    stranger: httpx.Client, owned: Owned, routes: list[Route]
) -> None:
    own = stranger.post("/v1/projects").json()["id"]
    inner = [route for route in routes if route.template.count("{") == 2]
    for route in inner:
        assert route.ask(stranger, {**owned.ids, "project": own}).status_code == 404, route
    stranger.delete(f"/v1/projects/{own}")


def test_time_does_not_tell_what_there_is(stranger: httpx.Client, owned: Owned) -> None:
    def seconds(project: str) -> float:
        begun = time.perf_counter()
        stranger.get(f"/v1/projects/{project}/people")
        return time.perf_counter() - begun

    pairs = [(seconds(owned.project.id), seconds(NEVER)) for _ in range(TIMES)]

    usual = statistics.median(a for pair in pairs for a in pair)
    assert abs(statistics.median(a - b for a, b in pairs)) < max(SLOWER, usual / 2)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer wrong-token-0123456789", "Basic YTpi", "Bearer null", "x" * 9],
)
def test_without_a_token_nothing_is_told(
    header: str, service: Server, owned: Owned, routes: list[Route]
) -> None:
    given = {"Authorization": header} if header else {}
    with httpx.Client(
        base_url=service.url, headers=given, timeout=HANGS_AFTER_SECONDS, trust_env=False
    ) as client:
        for route in routes:
            assert route.ask(client, owned.ids).status_code == 401, route
        for path in BENTOML:
            assert client.get(path).status_code == 401, path
        for path in (*PICTURES, "/v1/projects%0a", "/livez/../metrics", "/nothing"):
            assert client.post(path, json={"image": ""}).status_code == 401, path
        for path in OPEN:
            assert client.get(path).status_code == 200, path


def test_a_token_is_not_taken_from_elsewhere(service: Server) -> None:
    token = service.tokens[0]
    with httpx.Client(base_url=service.url, timeout=HANGS_AFTER_SECONDS, trust_env=False) as client:
        for given in ({"token": token}, {"access_token": token}, {"authorization": token}):
            assert client.get("/v1/projects", params=given).status_code == 401
            cookie = "; ".join(f"{name}={value}" for name, value in given.items())
            assert client.get("/v1/projects", headers={"Cookie": cookie}).status_code == 401
        assert client.get("/v1/projects", headers={"Authorization": token}).status_code == 401


def test_nothing_of_a_deleted_project_is_left(
    service: Server, owner: httpx.Client, material: Material
) -> None:
    with Client(service.url, service.tokens[0]) as client:
        project = client.create_project()
        project.send_video(material.video)
        photo = project.send_photo(DELETED, material.photo)["id"]
        assert _holds(service.data, project.id)
        assert _holds(service.data, DELETED)
        job = project.start("mask")
        job.wait()
        person = project.people()["people"][0]["id"]
        project.decide([person], [])
        project.send_photo(DELETED, material.photo)

        project.delete()

    for secret in (DELETED, project.id, photo, job.id):
        assert not _holds(service.data, secret), secret
        assert not _holds(temporary(service), secret), secret
    assert DELETED not in service.log.read_text(errors="replace")
    assert not [p for p in temporary(service).rglob("*.jpg")]


def _plain(answer: httpx.Response) -> dict[str, str]:
    """Its headers, but for what follows from when it was asked."""
    return {k: v for k, v in answer.headers.items() if k not in {"date", "ratelimit"}}


def _holds(folder: Path, secret: str) -> list[Path]:
    """Files with `secret` in their names or contents; the store's and its log's included."""
    found = []
    for path in folder.rglob("*"):
        if secret in path.name:
            found.append(path)
        elif path.is_file():
            with closing(path.open("rb")) as file:
                if secret.encode() in file.read():
                    found.append(path)
    return found
