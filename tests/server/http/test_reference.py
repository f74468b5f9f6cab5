"""The reference at "/": all of the API, and nothing that a browser would have to run or fetch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from bystander.server.http.errors import HEADERS
from bystander.server.http.reference import STYLE, ReferenceMiddleware
from tests.support.asking import ask
from tests.support.stage import Stage, staged


class Page(HTMLParser):
    """What is in a page: tags, addresses, places to go to, and what can be read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.words += data

    def every(self, name: str) -> list[str]:
        return [value for attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def answer(stage: Stage) -> httpx.Response:
    guard = [Middleware(ReferenceMiddleware, describe=stage.app.openapi, prefix="/v1")]
    return ask(Starlette(routes=[Mount("/v1", stage.app)], middleware=guard))


@pytest.fixture(scope="module")
def page(answer: httpx.Response) -> Page:
    return Page(answer.text)


def test_every_operation_and_every_type_is_there(stage: Stage, page: Page) -> None:
    described = stage.app.openapi()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert f"{method.upper()} /v1{path}" in page.words
            assert f"{operation['summary']}." in page.words
    for name, schema in described["components"]["schemas"].items():
        assert f"type-{name}" in page.every("id")
        assert all(field in page.words for field in schema.get("properties", {}))


def test_every_link_leads_somewhere(page: Page) -> None:
    places = page.every("id")
    assert len(places) == len(set(places))
    within = {link.removeprefix("#") for link in page.every("href") if link.startswith("#")}
    assert within <= set(places)
    assert [link for link in page.every("href") if not link.startswith("#")] == ["/v1/openapi.json"]


def test_it_runs_nothing_and_loads_nothing(answer: httpx.Response, page: Page) -> None:
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    [style] = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style == STYLE  # what the policy has the digest of
    assert all(name in answer.headers for name in HEADERS)


def test_whatever_is_described_is_only_text() -> None:
    evil = "<script>alert(1)</script>"
    described = {
        "info": {"title": evil, "version": evil, "description": evil},
        "paths": {
            "/x": {"get": {"summary": evil, "description": evil, "tags": [evil], "responses": {}}}
        },
        "components": {"schemas": {"A": {"description": evil, "enum": [evil]}}},
    }
    app = ReferenceMiddleware(Starlette(), lambda: described, "/v1")
    assert "script" not in Page(ask(app).text).tags


def test_all_else_is_the_applications(stage: Stage) -> None:
    app = ReferenceMiddleware(Starlette(), stage.app.openapi, "/v1")
    assert ask(app, "POST").status_code == 404
    assert ask(app, path="/docs").status_code == 404
    assert (ask(app, "HEAD").status_code, ask(app, "HEAD").content) == (200, b"")
