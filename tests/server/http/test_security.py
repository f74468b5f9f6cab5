"""The gate: tokens, this machine alone without one, and the ways around it that there are not."""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import subprocess
import sys
from collections.abc import Mapping

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from bystander.errors import ConfigError
from bystander.server.http.auth import LOCAL, AuthMiddleware, Tokens, refuse_open_sockets
from bystander.server.http.errors import HEADERS
from bystander.server.http.limits import RateLimiter
from bystander.server.settings import LimitSettings, SecuritySettings
from tests.conftest import REPOSITORY
from tests.support.asking import HERE, STRANGER, ask, messages
from tests.support.stage import serving

TOKEN, ANOTHER = "a" * 20, "b" * 20
OPEN = SecuritySettings()
GUARDED = SecuritySettings(tokens=(TOKEN, ANOTHER))


async def inside(request: Request) -> Response:
    return JSONResponse({"owner": str(request.state.owner)})


async def free(_: Request) -> Response:
    return PlainTextResponse("for all")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def gated(settings: SecuritySettings, rates: RateLimiter | None = None, root: str = "") -> ASGIApp:
    """An application behind a gate of its own, as the API is mounted below `root`."""
    app = Starlette(
        routes=[
            Route("/", inside),
            Route("/secret", inside),
            Route("/openapi.json", free),
            WebSocketRoute("/talk", talk),
        ]
    )
    behind = AuthMiddleware(app, settings, rates or RateLimiter(1000, 1000), LimitSettings())
    return Starlette(routes=[Mount(root, behind)]) if root else behind


def enter(
    settings: SecuritySettings,
    headers: Mapping[str, str] | httpx.Headers | None = None,
    client: tuple[str, int] = HERE,
    path: str = "/secret",
) -> httpx.Response:
    """What a gate answers."""
    return ask(gated(settings), path=path, client=client, headers=headers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_lets_in_and_stands_for_one_owner() -> None:
    mine = [enter(GUARDED, bearer(TOKEN), STRANGER).json()["owner"] for _ in range(2)]
    theirs = enter(GUARDED, bearer(ANOTHER), STRANGER).json()["owner"]
    assert mine[0] == mine[1]
    assert theirs not in mine
    assert LOCAL not in (*mine, theirs)


def test_an_owner_is_neither_the_token_nor_what_it_is_compared_with() -> None:
    owner = Tokens([TOKEN]).owner(f"Bearer {TOKEN}")
    assert owner
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    assert owner not in digest
    assert TOKEN not in owner
    assert Tokens([TOKEN]).owner(f"Bearer {owner}") is None


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", "Bearer wrong", "Bearer", None])
def test_whatever_is_given_is_compared_with_every_token_in_constant_time(
    given: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []
    really = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return really(one, other)

    tokens = Tokens([TOKEN, ANOTHER, "c" * 20])
    monkeypatch.setattr(hmac, "compare_digest", watched)
    tokens.owner(given)
    assert len(set(compared)) == len(compared) == 3
    assert {len(digest) for digest in compared} == {32}


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer,{TOKEN}",
        f"Bearer\t{TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}{TOKEN}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN},{ANOTHER}",
        f"Bearer {TOKEN} {ANOTHER}",
        f"Bearer {TOKEN}\u00e4",
        f"Bearer \u00a0{TOKEN}x",
        "Bearer " + "a" * 1_000_000,
        "Bearer *",
        "Bearer null",
    ],
    ids=lambda value: value[:30],
)
def test_nothing_but_a_token_lets_in(authorization: str) -> None:
    assert Tokens([TOKEN, ANOTHER]).owner(authorization) is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_written_as_one_likes(scheme: str) -> None:
    assert Tokens([TOKEN]).owner(f"{scheme} {TOKEN}")
    assert Tokens([TOKEN]).owner(f"{scheme}   {TOKEN}  ")


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("wrong", TOKEN, 401), (TOKEN, "wrong", 200)],
)
def test_of_several_headers_the_first_counts(first: str, second: str, status: int) -> None:
    several = [("Authorization", f"Bearer {first}"), ("Authorization", f"Bearer {second}")]
    assert enter(GUARDED, httpx.Headers(several)).status_code == status


def test_a_stranger_learns_how_to_come_in_and_nothing_else() -> None:
    for path in ("/secret", "/nowhere", "/"):
        answer = enter(GUARDED, bearer("wrong"), path=path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.content == enter(GUARDED, {}, path="/secret").content
        for name, value in HEADERS.items():
            assert answer.headers[name] == value


def test_with_tokens_even_this_machine_needs_one() -> None:
    assert enter(GUARDED, {}, HERE).status_code == 401


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:3000",
        "LocalHost:3000",
        "127.0.0.1",
        "127.0.0.1:3000",
        "[::1]",
        "[::1]:3000",
    ],
)
def test_without_tokens_this_machine_may_come_in(address: str, host: str) -> None:
    answer = enter(OPEN, {"Host": host}, (address, 1))
    assert answer.status_code == 200
    assert answer.json()["owner"] == LOCAL


@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.1", "::2", "0.0.0.0", "", "testclient"])
def test_without_tokens_nobody_else_may(address: str) -> None:
    assert enter(OPEN, {"Host": "localhost"}, (address, 1)).status_code == 403


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:3000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io:3000",
        "localhost@evil.example",
        "evil.example@localhost",
        "evil.example#localhost",
        "localhost, evil.example",
        "[evil.example]:3000",
        "[::2]",
        "::1",
        "0.0.0.0",
        "0.0.0.0:3000",
        "0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "192.168.0.1",
        "xn--localhost",
        "l\u00f6calhost",
        "",
        ":3000",
        "[",
        "a" * 60_000,
    ],
    ids=lambda value: value[:30],
)
def test_a_name_that_was_led_here_opens_nothing(host: str) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/secret",
        "query_string": b"",
        "client": HERE,
        "headers": [(b"host", host.encode("latin-1", "replace"))],
    }
    assert messages(gated(OPEN), scope)[0]["status"] == 403


def test_without_a_host_there_is_no_way_in() -> None:
    scope = {"type": "http", "method": "GET", "path": "/secret", "client": HERE, "headers": []}
    assert messages(gated(OPEN), scope)[0]["status"] == 403


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
@pytest.mark.parametrize("value", ["127.0.0.1", "for=127.0.0.1", "203.0.113.7", "::1"])
@pytest.mark.parametrize("address", [HERE, STRANGER])
def test_what_a_proxy_passes_on_is_nobodys_here(
    name: str, value: str, address: tuple[str, int]
) -> None:
    assert enter(OPEN, {name: value}, address).status_code == 403


@pytest.mark.parametrize("trusted", ["127.0.0.1", "*"])
def test_a_forged_address_makes_nobody_local_whatever_uvicorn_trusts(
    trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    with serving(gated(OPEN)) as url, httpx.Client(base_url=url) as client:
        assert client.get("/secret").status_code == 200
        for forged in ("127.0.0.1", "127.0.0.1, 203.0.113.7", "203.0.113.7, 127.0.0.1", "::1"):
            answer = client.get("/secret", headers={"X-Forwarded-For": forged})
            assert answer.status_code == 403, forged


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8501", 200),
        ("http://127.0.0.1:3000", 200),
        ("http://[::1]:3000", 200),
        ("https://evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://evil.example:80@localhost", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
    ],
)
def test_a_page_from_elsewhere_sends_nothing_here(origin: str, status: int) -> None:
    assert enter(OPEN, {"Origin": origin}).status_code == status


def test_who_allows_everyone_gets_everyone() -> None:
    answer = enter(SecuritySettings(allow_open=True), {"Host": "example.com"}, STRANGER)
    assert answer.json() == {"owner": LOCAL}


def test_an_open_service_with_tokens_still_asks_for_one() -> None:
    settings = SecuritySettings(tokens=(TOKEN,), allow_open=True)
    assert enter(settings, {}, HERE).status_code == 401


AROUND = (
    "/secret",
    "//secret",
    "/./secret",
    "/openapi.json/../secret",
    "/openapi.json/",
    "/openapi.json%2f..%2fsecret",
    "//openapi.json",
    "/OPENAPI.JSON",
    "/openapi.json%0a",
    "/openapi.json%00",
    "/openapi.json;secret",
    "/",
)


@pytest.mark.parametrize("root", ["", "/v1"])
def test_no_path_goes_around_the_gate(root: str) -> None:
    with serving(gated(GUARDED, root=root)) as url, httpx.Client() as client:
        assert client.get(f"{url}{root}/openapi.json").text == "for all"
        for path in AROUND:
            # As it is: a client would tidy it up.
            answer = client.get(httpx.URL(url).copy_with(raw_path=f"{root}{path}".encode()))
            # 404: the mount didn't take it, so neither the gate nor what is behind saw it.
            assert answer.status_code in (401, 404), path
            assert "owner" not in answer.text, path


def test_a_websocket_finds_the_gate_closed() -> None:
    token = [(b"authorization", f"Bearer {TOKEN}".encode()), (b"host", b"localhost")]
    for settings in (OPEN, GUARDED, SecuritySettings(allow_open=True)):
        for path in ("/talk", "/openapi.json"):
            scope = {"type": "websocket", "path": path, "client": HERE, "headers": token}
            sent = messages(gated(settings), scope)
            assert [message["type"] for message in sent] == ["websocket.close"]


def test_who_asks_too_often_waits_and_others_do_not() -> None:
    app = gated(GUARDED, RateLimiter(0.1, 3))
    answers = [ask(app, path="/secret", headers=bearer(TOKEN)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
    assert ask(app, path="/secret", headers=bearer(ANOTHER)).status_code == 200


def test_every_limited_answer_says_what_is_left() -> None:
    app = gated(GUARDED, RateLimiter(0.001, 2))
    answers = [ask(app, path="/nothing", headers=bearer(TOKEN)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"token";q=2;w=2000'}
    left = [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers]
    assert left == ['"token";r=1', '"token";r=0', '"token";r=0']
    unlimited = ask(app, path="/openapi.json"), ask(app, path="/secret")
    assert [answer.status_code for answer in unlimited] == [200, 401]
    assert not any("ratelimit" in answer.headers for answer in unlimited)


def test_strangers_use_up_nobodys_rate() -> None:
    app = gated(GUARDED, RateLimiter(0.1, 1))
    assert {ask(app, path="/secret").status_code for _ in range(5)} == {401}
    assert ask(app, path="/secret", headers=bearer(TOKEN)).status_code == 200


def test_what_an_application_says_of_itself_is_not_overruled() -> None:
    async def page(_: Request) -> Response:
        return PlainTextResponse("", headers={"Content-Security-Policy": "sandbox"})

    gate = AuthMiddleware(
        Starlette(routes=[Route("/", page)]), GUARDED, RateLimiter(9, 9), LimitSettings()
    )
    headers = ask(gate, headers=bearer(TOKEN)).headers
    assert headers.get_list("content-security-policy") == ["sandbox"]
    assert headers["x-content-type-options"] == "nosniff"


LISTENING = """
import socket, sys
from bystander.server.http.auth import refuse_open_sockets
from bystander.errors import ConfigError
from bystander.server.settings import SecuritySettings

kept = []
for address in sys.argv[1:]:
    kind, _, host = address.partition("=")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if kind == "udp":
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.bind((host, 0))
    elif kind == "out":  # a connection to somewhere
        server = socket.create_server(("127.0.0.1", 0))
        opened = socket.create_connection(server.getsockname())
        kept.append(server)
    else:
        opened = socket.create_server((host, 0), family=family)
    kept.append(opened)
try:
    refuse_open_sockets(SecuritySettings())
except ConfigError as error:
    sys.exit(f"{error.exit_code} {error.what}")
"""


@pytest.mark.parametrize(
    ("sockets", "refused"),
    [
        ([], None),
        pytest.param(["tcp=127.0.0.1"], None, marks=pytest.mark.long),
        pytest.param(["tcp=::1", "tcp=127.0.0.2"], None, marks=pytest.mark.long),
        (["udp=0.0.0.0", "out=127.0.0.1"], None),
        pytest.param(["tcp=0.0.0.0"], "0.0.0.0", marks=pytest.mark.long),
        (["tcp=127.0.0.1", "tcp=0.0.0.0"], "0.0.0.0"),
        (["tcp=::"], "::"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.sampled(4)
def test_without_a_token_no_socket_may_be_open_to_others(
    sockets: list[str], refused: str | None
) -> None:
    if any(":" in address for address in sockets) and not has_ipv6():
        pytest.skip("needs IPv6")
    ran = subprocess.run(
        [sys.executable, "-c", LISTENING, *sockets],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    if refused is None:
        assert ran.returncode == 0, ran.stderr
    else:
        assert ran.returncode == 1
        assert f"{ConfigError.exit_code} the service listens at {refused}," in ran.stderr


@pytest.mark.parametrize("settings", [GUARDED, SecuritySettings(allow_open=True)])
def test_with_a_token_or_on_purpose_it_may(settings: SecuritySettings) -> None:
    with socket.create_server(("0.0.0.0", 0)):
        refuse_open_sockets(settings)
        with pytest.raises(ConfigError, match=r"0\.0\.0\.0.*without a token"):
            refuse_open_sockets(OPEN)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
