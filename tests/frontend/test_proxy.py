"""The way through the app to the service, against a real small service."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from frontend.proxy import MOST_PHOTO, PREFIX, Proxy
from tests.support.upstream import ETAG, PROJECT, VIDEO, FakeService, Seen, served
from tests.support.waiting import HANGS_AFTER_SECONDS, until

TOKEN = "a-token-that-nobody-may-see"
HERE = f"{PREFIX}/projects/{PROJECT}"
THERE = f"/v1/projects/{PROJECT}"
IN_FLIGHT = 64 * 2**20
"""Bytes that sockets, and the buffers on the way, may hold together; less than is on offer."""


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[FakeService, str]]:
    """A service, and the address of a server with nothing but the proxy before it."""
    fake = FakeService()
    with served(fake.app()) as upstream, served(app_before(upstream)) as address:
        yield fake, address


@pytest.fixture
def service(both: tuple[FakeService, str]) -> FakeService:
    both[0].forget()
    return both[0]


@pytest.fixture
def address(both: tuple[FakeService, str], service: FakeService) -> str:
    return both[1]


@pytest.fixture
def browser(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False) as client:
        yield client


def app_before(upstream: str) -> Starlette:
    proxy = Proxy(upstream, TOKEN)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with proxy.open():
            yield

    return Starlette(routes=[Route(f"{PREFIX}/{{path:path}}", proxy)], lifespan=lifespan)


def connected(address: str) -> socket.socket:
    """To say exactly what is meant."""
    parts = urlsplit(address)
    return socket.create_connection(
        (parts.hostname or "", parts.port or 0), timeout=HANGS_AFTER_SECONDS
    )


def head(method: str, target: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: app", *headers, "", ""]).encode()


def only(service: FakeService) -> Seen:
    [seen] = service.seen
    return seen


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/projects"),
        ("GET", f"/projects/{PROJECT}"),
        ("GET", f"/shared/{'t' * 43}/video"),
        ("GET", f"/projects/{PROJECT}/video"),
        ("HEAD", f"/projects/{PROJECT}/video"),
        ("POST", f"/projects/{PROJECT}/uploads"),
        ("HEAD", f"/projects/{PROJECT}/uploads/0f"),
        ("PATCH", f"/projects/{PROJECT}/uploads/0f"),
        ("GET", f"/projects/{PROJECT}/video/file"),
        ("HEAD", f"/projects/{PROJECT}/video/proxy"),
        ("GET", f"/projects/{PROJECT}/video/posters/3"),
        ("GET", f"/projects/{PROJECT}/photos/0f/picture"),
        ("GET", f"/projects/{PROJECT}/people/p12/picture"),
        ("GET", f"/projects/{PROJECT}/people/p12/clip"),
        ("GET", f"/projects/{PROJECT}/tracklets/t4/picture"),
        ("GET", f"/projects/{PROJECT}/jobs/0f/preview"),
        ("GET", f"/projects/{PROJECT}/audit"),
        ("GET", f"/projects/{PROJECT}/audit.json"),
        ("GET", f"/projects/{PROJECT}/edits"),
        ("PUT", f"/projects/{PROJECT}/edits"),
        ("GET", f"/projects/{PROJECT}/people"),
        ("GET", f"/projects/{PROJECT}/frames?start=0&end=60"),
        ("GET", f"/projects/{PROJECT}/frames/times"),
        ("GET", f"/projects/{PROJECT}/frames/17"),
        ("GET", f"/projects/{PROJECT}/frames/17/picture"),
        ("POST", f"/projects/{PROJECT}/track"),
    ],
)
def test_what_pages_need_reaches_the_service_with_the_token(
    browser: httpx.Client, service: FakeService, method: str, path: str
) -> None:
    browser.request(method, PREFIX + path)
    assert (only(service).method, only(service).target) == (method, f"/v1{path}")
    assert only(service).headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", f"{PREFIX}/projects"),
        ("DELETE", HERE),
        ("POST", f"{HERE}/share"),
        ("DELETE", f"{HERE}/share"),
        ("DELETE", f"{PREFIX}/shared/t/video"),
        ("GET", f"{PREFIX}/shared/../projects"),
        ("GET", f"{HERE}/jobs"),
        ("POST", f"{HERE}/jobs"),
        ("PUT", f"{HERE}/video"),
        ("PATCH", f"{HERE}/video"),
        ("PATCH", f"{HERE}/uploads"),
        ("PATCH", f"{HERE}/uploads/0f/1"),
        ("DELETE", f"{HERE}/uploads/0f"),
        ("OPTIONS", f"{HERE}/uploads"),
        ("PUT", f"{HERE}/verdicts"),
        ("DELETE", f"{HERE}/edits"),
        ("POST", f"{HERE}/edits"),
        ("GET", f"{HERE}/track"),
        ("GET", f"{HERE}/frames/x"),
        ("GET", f"{HERE}/people/p2"),
        ("OPTIONS", f"{HERE}/video"),
        ("TRACE", f"{HERE}/video"),
        ("PATCH", f"{HERE}/video/file"),
        ("POST", f"{HERE}/video/upload-url"),
        ("GET", f"{HERE}/timeline"),
        ("GET", f"{HERE}/video/"),
        ("GET", f"{HERE}//video"),
        ("GET", f"{PREFIX}/metrics"),
        ("GET", f"{PREFIX}/"),
        ("GET", f"{PREFIX}/../metrics"),
        ("GET", f"{HERE}/../../../metrics"),
        ("GET", f"{HERE}/%2e%2e/video"),
        ("GET", f"{HERE}%2fvideo"),
        ("GET", f"{HERE}/vide%6f"),
        ("GET", f"{HERE}/video%3fx"),
        ("GET", f"{HERE}/video%0a"),
        ("GET", f"{HERE}/video%00"),
        ("GET", f"{HERE}/video;x"),
        ("GET", f"{HERE}/video/posters/-1"),
        ("GET", f"{HERE}/video/posters/{quote('٣')}"),
        ("GET", f"{HERE}/photos/../../x/picture"),
        ("GET", f"{HERE}/people/1/picture"),
        ("GET", f"{PREFIX}/projects/{PROJECT.upper()}/video"),
        ("GET", f"{PREFIX}/projects/{'0' * 100}/video"),
    ],
)
def test_nothing_else_is_there(
    address: str, service: FakeService, method: str, target: str
) -> None:
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    connection.request(method, target)
    assert connection.getresponse().status == 404
    connection.close()
    assert service.seen == []


def test_only_known_parts_of_a_query_are_passed_on(
    browser: httpx.Client, service: FakeService
) -> None:
    name = "김 & 이?#/"
    query = f"person={quote(name)}&admin=1&at=2.5&token=x&%61t=3"
    browser.post(f"{HERE}/photos?{query}", content=b"picture")
    path, _, passed = only(service).target.partition("?")
    assert path == f"{THERE}/photos"
    assert parse_qsl(passed) == [("person", name), ("at", "2.5"), ("at", "3")]


def test_only_headers_that_matter_are_passed_on(
    browser: httpx.Client, service: FakeService
) -> None:
    given = {
        "Authorization": "Bearer of-somebody-else",
        "Cookie": "session=1",
        "X-Forwarded-For": "10.0.0.1",
        "Origin": "http://app",
        "Upload-Offset": "16",
        "Tus-Resumable": "1.0.0",
        "Content-Type": "application/offset+octet-stream",
        "X-HTTP-Method-Override": "DELETE",
    }
    browser.get(f"{HERE}/audit")  # sets a cookie
    browser.patch(f"{HERE}/uploads/0f", content=b"part", headers=given)
    passed = service.seen[1].headers
    assert passed["authorization"] == f"Bearer {TOKEN}"
    assert passed["upload-offset"] == "16"
    assert passed["tus-resumable"] == "1.0.0"
    assert passed["content-type"] == "application/offset+octet-stream"
    assert passed["content-length"] == "4"
    kept = {"cookie", "x-forwarded-for", "origin", "transfer-encoding", "x-http-method-override"}
    assert not kept & set(passed)


def test_edits_are_sent_with_the_tag_that_they_replace(
    browser: httpx.Client, service: FakeService
) -> None:
    browser.put(f"{HERE}/edits", content=b"{}", headers={"If-Match": '"7"'})
    assert (only(service).headers["if-match"], only(service).body) == ('"7"', 2)


def test_where_an_upload_is_is_told_as_it_is_seen_from_the_browser(browser: httpx.Client) -> None:
    answer = browser.post(f"{HERE}/uploads", headers={"Upload-Length": "4"})
    assert (answer.status_code, answer.headers["location"]) == (201, f"{HERE}/uploads/0f")


def test_only_headers_that_matter_come_back(browser: httpx.Client) -> None:
    answer = browser.get(f"{HERE}/audit")
    assert answer.headers["content-security-policy"] == "default-src 'none'; img-src data:"
    assert answer.headers["content-type"].startswith("text/html")
    assert not {"set-cookie", "x-internal", "location"} & set(answer.headers)
    assert TOKEN not in str(answer.headers) + answer.text


def test_a_video_comes_whole_in_part_and_not_at_all_if_it_is_known(browser: httpx.Client) -> None:
    url = f"{HERE}/video/file"
    whole = browser.get(url)
    assert (whole.status_code, whole.content) == (200, VIDEO)
    part = browser.get(url, headers={"Range": "bytes=100-299", "If-Range": ETAG})
    assert (part.status_code, part.content) == (206, VIDEO[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(VIDEO)}"
    known = browser.get(url, headers={"If-None-Match": ETAG})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", ETAG)
    about = browser.head(url)
    assert about.headers["content-length"] == str(len(VIDEO))
    assert about.headers["accept-ranges"] == "bytes"


def test_a_video_in_a_bucket_comes_through_and_the_bucket_never_gets_the_token(
    browser: httpx.Client, service: FakeService
) -> None:
    elsewhere = FakeService()
    with served(elsewhere.app()) as service.bucket:
        answer = browser.get(f"{HERE}/video/file", headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer.json()) == (404, {"seen": "/object?signature=secret"})
    assert only(elsewhere).headers["range"] == "bytes=0-9"
    assert TOKEN not in str(only(elsewhere).headers)


def test_a_part_of_a_video_is_passed_on_while_it_comes(address: str, service: FakeService) -> None:
    with connected(address) as client:
        client.sendall(
            head("PATCH", f"{HERE}/uploads/0f", "Content-Length: 200000") + bytes(100_000)
        )
        until(lambda: service.seen and service.seen[0].body == 100_000)
        client.sendall(bytes(100_000))
        assert client.recv(4096).startswith(b"HTTP/1.1 201")
    assert (only(service).body, only(service).ended) == (200_000, "whole")


def test_a_slow_service_slows_the_upload_down(address: str, service: FakeService) -> None:
    service.reading.clear()
    sent, block = 0, bytes(2**20)
    with connected(address) as client:
        client.sendall(head("PATCH", f"{HERE}/uploads/0f", f"Content-Length: {2**30}"))
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while sent < IN_FLIGHT:
                sent += client.send(block)
    assert sent < IN_FLIGHT


def test_a_slow_browser_slows_the_download_down(address: str, service: FakeService) -> None:
    with connected(address) as client:
        client.sendall(head("GET", f"{HERE}/result"))
        assert client.recv(1024)
        sent = -1
        while sent != service.seen[0].sent:  # until nothing moves any more
            sent = service.seen[0].sent
            assert sent < IN_FLIGHT
            time.sleep(0.3)


def test_a_browser_that_goes_away_in_the_middle_of_an_upload_ends_it_and_what_came_stays(
    address: str, service: FakeService
) -> None:
    with connected(address) as client:
        client.sendall(
            head("PATCH", f"{HERE}/uploads/0f", "Content-Length: 200000") + bytes(100_000)
        )
        until(lambda: service.seen and service.seen[0].body == 100_000)
    until(lambda: service.seen[0].ended == "gone")
    assert only(service).body == 100_000


@pytest.mark.parametrize("path", ["preview", "result"], ids=["before the answer", "within it"])
def test_a_browser_that_goes_away_ends_the_request_at_the_service(
    address: str, service: FakeService, path: str
) -> None:
    with connected(address) as client:
        client.sendall(head("GET", f"{HERE}/{path}"))
        until(lambda: service.seen)
    until(lambda: service.seen[0].ended == "gone")


def test_a_service_that_is_away_is_a_problem_that_says_so() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        upstream = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with served(app_before(upstream)) as address:
            answer = httpx.get(f"{address}{HERE}/video", trust_env=False)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:bystander:app:unreachable"
    assert int(answer.headers["retry-after"]) > 0
    assert TOKEN not in answer.text
    assert upstream.removeprefix("http://") not in answer.text


def test_an_answer_that_breaks_off_is_seen_to(browser: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        browser.get(f"{HERE}/people/p1/picture")


def test_a_refusal_comes_through_even_if_the_service_did_not_read_the_body(
    browser: httpx.Client,
) -> None:
    first = {"Upload-Offset": "0"}
    answer = browser.post(f"{HERE}/uploads", content=bytes(8 * 2**20), headers=first)
    assert (answer.status_code, answer.headers["upload-offset"]) == (409, "7")
    assert answer.json()["type"] == "urn:bystander:busy"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_change_nothing(
    browser: httpx.Client, service: FakeService, site: str
) -> None:
    writes = {"POST": f"{PREFIX}/projects", "PATCH": f"{HERE}/uploads/0f", "PUT": f"{HERE}/edits"}
    for method, path in writes.items():
        answer = browser.request(method, path, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    assert service.seen == []
    assert browser.post(f"{PREFIX}/projects", headers={"Sec-Fetch-Site": "same-origin"}).is_success


@pytest.mark.parametrize(
    ("length", "status"), [(None, 411), ("-1", 400), (str(MOST_PHOTO + 1), 413)]
)
def test_a_photo_says_how_large_it_is_and_is_not_too_large(
    address: str, service: FakeService, length: str | None, status: int
) -> None:
    told = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    with connected(address) as client:
        client.sendall(head("POST", f"{HERE}/photos?person=x", told))
        assert client.recv(4096).split()[1] == str(status).encode()
    assert service.seen == []
