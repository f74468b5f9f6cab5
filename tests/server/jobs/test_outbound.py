"""What a client names is called only where it is public, and nobody is led astray."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import anyio
import pytest

from bystander.errors import AddressRefused
from bystander.server.jobs.outbound import Target, is_public, parse, post
from tests.support.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/")),
        ("https://Example.com:8443/a?b=1&c", Target("https", "example.com", 8443, "/a?b=1&c")),
        ("https://8.8.8.8/x", Target("https", "8.8.8.8", 443, "/x")),
        ("https://[2606:4700::1111]/x", Target("https", "2606:4700::1111", 443, "/x")),
        ("http://10.0.0.5:80/x", Target("http", "10.0.0.5", 80, "/x")),
        ("http://hooks.internal/x", Target("http", "hooks.internal", 80, "/x")),
    ],
)
def test_an_address_is_taken_apart(url: str, expected: Target) -> None:
    assert parse(url, {"10.0.0.5", "hooks.internal"}) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "example.com/hook",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://user@example.com/",
        "https://:@example.com/",
        "https://example.com/#part",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://example.com/ x",
        "https://example.com/\r\nX: y",
        "https://ex\u00e4mple.com/",
        "https://example.com/" + 2000 * "x",
        "https://127.0.0.1/",
        "https://10.0.0.5/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:10.0.0.5]/",
        "http://127.0.0.1:3000/",
    ],
)
def test_an_address_that_leads_inside_or_nowhere_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        parse(url, {"hooks.internal"})


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "127.0.0.1",
        "127.8.8.8",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",  # Alibaba's metadata
        "169.254.169.254",  # the others'
        "168.63.129.16",  # Azure's
        "192.0.0.192",  # Oracle's
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:5",  # 10.0.0.5 through NAT64
        "64:ff9b:1::1",
        "2002:a00:5::1",  # 10.0.0.5 through 6to4
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "ff0e::1",
    ],
)
def test_what_is_not_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_what_is_on_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_post_arrives_with_body_and_headers(receiver: Receiver) -> None:
    url = f"{receiver.url}/hook?a=1"
    status = asyncio.run(post(url, b"body", {"X-One": "1"}, 60, {"127.0.0.1"}))
    assert status == 204
    (request,) = receiver.requests
    assert (request.path, request.body, request.headers["x-one"]) == ("/hook?a=1", b"body", "1")
    assert request.headers["host"] == receiver.url.removeprefix("http://")
    assert request.headers["content-length"] == "4"


def test_a_name_that_leads_to_this_machine_is_not_called(receiver: Receiver) -> None:
    url = f"https://localhost:{receiver.port}/"
    with pytest.raises(AddressRefused, match="public internet"):
        asyncio.run(post(url, b"", {}, 60))
    assert receiver.connections == 0


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(anyio, "getaddrinfo", _answers([["8.8.8.8", "10.0.0.5"]]))
    with pytest.raises(AddressRefused):
        asyncio.run(post("https://hooks.example/", b"", {}, 60))


def test_a_name_is_resolved_once_and_what_was_checked_is_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look at the name would lead elsewhere, where nobody listens."""
    monkeypatch.setattr(anyio, "getaddrinfo", _answers([["127.0.0.1"], ["192.0.2.1"]]))
    url = f"http://hooks.example:{receiver.port}/"
    assert asyncio.run(post(url, b"", {}, 60, {"hooks.example"})) == 204
    assert receiver.requests[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_nobody_is_redirected(receiver: Receiver) -> None:
    receiver.answers = [(307, {"Location": f"{receiver.url}/elsewhere"})]
    assert asyncio.run(post(receiver.url, b"", {}, 60, {"127.0.0.1"})) == 307
    assert [request.path for request in receiver.requests] == ["/"]


def test_a_proxy_of_the_environment_is_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    assert asyncio.run(post(receiver.url, b"", {}, 60, {"127.0.0.1"})) == 204


def test_who_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # connects, and says nothing
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        with pytest.raises(TimeoutError):
            asyncio.run(post(url, b"", {}, 0.1, {"127.0.0.1"}))


def _answers(answers: list[list[str]]) -> Any:
    """Stands for DNS: one answer after another."""
    left = iter(answers)

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in next(left)]

    return getaddrinfo
