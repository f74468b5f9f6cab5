"""Who may talk to the app, and that none of its visitors stands in the way of the others."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from bystander.server.settings import load_service_settings
from frontend.access import COOKIE, Access
from frontend.proxy import PREFIX, Proxy
from tests.support.asking import ask, messages
from tests.support.stage import TOKENS, Stage, serving, staged
from tests.support.upstream import served

APP = "http://127.0.0.1:8501"
NAME = "video.example.com"


async def who(request: Request) -> JSONResponse:
    visitor = request.state.visitor
    return JSONResponse({"id": visitor.id, "network": visitor.network})


async def talk(websocket: WebSocket) -> None:
    await websocket.send({"type": "websocket.accept"})


ROUTES = [
    *(Route(path, who) for path in ("/", "/_stcore/metrics", "/_stcore/health")),
    WebSocketRoute("/_stcore/stream", talk),
]


class Browser:
    """One at `address`, before an app with these settings; it keeps cookies."""

    def __init__(self, address: str = "192.0.2.7", **settings: Any) -> None:
        self._app = Starlette(
            routes=ROUTES, middleware=[Middleware(Access, secret="s", **settings)]
        )
        self._address = (address, 1)
        self.cookies: dict[str, str] = {}

    def get(self, path: str = "/", method: str = "GET", **headers: str) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            given = {"Cookie": kept} | given
        answer = ask(self._app, method, path, self._address, headers=given)
        self.cookies |= dict(answer.cookies)
        return answer

    def talks(self, **headers: str) -> bool:
        """Whether a WebSocket is opened."""
        given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "websocket",
            "path": "/_stcore/stream",
            "client": self._address,
            "headers": given,
        }
        return bool(messages(self._app, scope)[0]["type"] == "websocket.accept")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8501", "localhost:8501", "LOCALHOST", "[::1]:8501", "192.168.1.2:8501"]
)
def test_this_machine_and_plain_addresses_are_reached(host: str) -> None:
    origin = {"Host": host, "Origin": f"http://{host}"}
    assert Browser().get(**origin).status_code == 200
    assert Browser().talks(**origin)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", ""]
)
def test_a_name_that_leads_here_by_its_owners_will_is_refused(host: str) -> None:
    rebound = {"Host": host, "Origin": f"http://{host}"}
    answer = Browser().get(**rebound)
    assert (answer.status_code, "BYSTANDER_APP_HOSTS" in answer.text) == (403, True)
    assert not Browser().talks(**rebound)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://evil.example:8501",
        "null",
        "http://127.0.0.1:9999",
        APP + ".x",
    ],
)
def test_a_page_elsewhere_opens_no_connection(origin: str) -> None:
    headers = {"Host": "127.0.0.1:8501", "Origin": origin}
    assert Browser().get(method="POST", **headers).status_code == 403
    assert not Browser().talks(**headers)


def test_a_name_is_reached_where_the_operator_says_so() -> None:
    browser = Browser(hosts=[NAME])
    proxied = {"Host": NAME, "Origin": f"https://{NAME}:443"}
    assert browser.get(**proxied).status_code == 200
    assert browser.talks(**proxied)
    assert browser.get(Host=f"another.{NAME}").status_code == 403
    assert browser.get(Host=NAME, Origin="https://localhost").status_code == 403


def test_metrics_are_nobodys_and_health_is_anybodys_business() -> None:
    assert Browser().get("/_stcore/metrics").status_code == 404
    assert Browser().get("/_stcore/metrics/").status_code == 404
    assert Browser().get("/_stcore/health", Host="prober").status_code == 200


def test_a_browser_stays_the_same_visitor_and_another_one_is_another() -> None:
    first, second = Browser(), Browser()
    for browser in (first, second):
        introduced = browser.get()
        assert "HttpOnly; SameSite=Lax" in introduced.headers["set-cookie"]
    told = [first.get().json(), second.get().json()]
    assert told[0] == first.get().json()
    assert told[0]["id"] != told[1]["id"]
    assert told[0]["network"] == told[1]["network"]
    assert "set-cookie" not in first.get().headers
    assert first.cookies[COOKIE].partition(".")[0] not in str(told)


def test_whoever_drops_cookies_or_makes_them_up_is_their_network() -> None:
    browser = Browser()
    network = browser.get().json()["network"]
    genuine = browser.cookies[COOKIE]
    changed = ("e" if genuine[0] == "f" else "f") + genuine[1:]
    for made_up in ("", "x", "0" * 32, f"{'0' * 32}.{'0' * 32}", changed, genuine + "0"):
        told = Browser().get(Cookie=f"{COOKIE}={made_up}").json()
        assert told == {"id": network, "network": network}


def test_only_a_proxy_that_is_trusted_says_where_a_visitor_is() -> None:
    def network(address: str, forwarded: str | None = None, **settings: Any) -> str:
        headers = {"X_Forwarded_For": forwarded} if forwarded else {}
        return str(Browser(address, **settings).get(**headers).json()["network"])

    proxies = [ip_network("10.0.0.0/8")]
    there = network("192.0.2.7")
    assert network("203.0.113.1", "192.0.2.7") != there
    assert network("203.0.113.1", "192.0.2.7", proxies=proxies) != there
    assert network("10.0.0.1", "192.0.2.7", proxies=proxies) == there
    # What a visitor has said before the proxy did isn't looked at.
    assert network("10.0.0.1", "198.51.100.9, 192.0.2.7, 10.0.0.2", proxies=proxies) == there
    assert network("2001:db8::1") == network("2001:db8::2") != network("2001:db8:0:1::1")
    assert network("::ffff:192.0.2.7") == there


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """The service as it is shipped."""
    with staged(tmp_path, load_service_settings(environ={})) as made:
        yield made


@pytest.fixture
def app(stage: Stage) -> Iterator[str]:
    """The address of the app's way to it."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with proxy.open():
            yield

    with serving(Starlette(routes=[Mount("/v1", stage.app)])) as service:
        proxy = Proxy(service, TOKENS[0])
        routes = [Route(f"{PREFIX}/{{path:path}}", proxy)]
        guard = [Middleware(Access, secret=TOKENS[0])]
        with served(Starlette(routes=routes, middleware=guard, lifespan=lifespan)) as address:
            yield address


@pytest.mark.long
@pytest.mark.parametrize("keeps_cookies", [True, False])
def test_560_projects_of_one_visitor_leave_another_one_room(app: str, keeps_cookies: bool) -> None:
    with httpx.Client(base_url=app + PREFIX, trust_env=False) as greedy:
        answers = []
        for _ in range(560):
            answers.append(greedy.post("/projects"))
            if not keeps_cookies:
                greedy.cookies.clear()
    answer = answers[-1]
    assert {each.status_code for each in answers} == {201, 429}
    assert answer.json()["type"] == "urn:bystander:too-many-projects"
    assert answer.json()["limit"] == "visitor"
    assert 0 < int(answer.headers["retry-after"]) <= 15 * 60

    with httpx.Client(base_url=app + PREFIX, trust_env=False) as another:
        another.get("/projects")  # the page: from there on it has a cookie
        made = another.post("/projects")
        assert made.status_code == 201, made.text
        tus = {"Tus-Resumable": "1.0.0"}
        uploads = f"/projects/{made.json()['id']}/uploads"
        begun = another.post(uploads, headers={**tus, "Upload-Length": "4"})
        assert begun.status_code == 201
        part = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        upload = begun.headers["location"].removeprefix(PREFIX)
        assert another.patch(upload, content=b"abc", headers=tus | part).status_code == 204
