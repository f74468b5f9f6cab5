"""The app's own process, as an operator starts it, before a small service."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import psutil
import pytest

pytest.importorskip("streamlit", reason="needs the extra app")

from tests.conftest import REPOSITORY
from tests.support.upstream import PROJECT, VIDEO, FakeService, served
from tests.support.waiting import HANGS_AFTER_SECONDS, until

pytestmark = pytest.mark.sampled(4)

TOKEN = "a-token-that-nobody-may-see"
HERE = f"/service/projects/{PROJECT}"
MIB = 2**20


@dataclass(frozen=True)
class Running:
    """The app's process, its address, what it prints, and the service behind it."""

    process: subprocess.Popen[bytes]
    address: str
    log: Path
    service: FakeService


def command(port: int) -> list[str]:
    given = ["--server.address", "127.0.0.1", "--server.port", str(port)]
    return [sys.executable, "-m", "streamlit", "run", "frontend/app.py", *given]


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("app")
    (folder / "tokens").write_text(f"# of the app\n{TOKEN}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service, log = FakeService(), folder / "log"
    service.reading.set()
    with served(service.app()) as upstream, log.open("wb") as file:
        environ = {
            **os.environ,
            "BYSTANDER_URL": upstream,
            "BYSTANDER_TOKENS_FILE": str(folder / "tokens"),
        }
        process = subprocess.Popen(
            command(port), cwd=REPOSITORY, env=environ, stdout=file, stderr=file
        )
        running = Running(process, f"http://127.0.0.1:{port}", log, service)
        try:
            until(lambda: answers(f"{running.address}/_stcore/health"))
            yield running
        finally:
            process.terminate()
            process.wait(HANGS_AFTER_SECONDS)


@pytest.fixture
def browser(app: Running) -> Iterator[httpx.Client]:
    app.service.forget()
    with httpx.Client(base_url=app.address, trust_env=False) as client:
        yield client


def test_the_page_trusts_nothing_but_its_own_server(browser: httpx.Client) -> None:
    for path in ("/", f"/?project={PROJECT}", f"{HERE}/video/file", "/service/nothing"):
        headers = browser.get(path).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "http" not in policy
        assert "'unsafe-eval'" not in policy
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_a_report_keeps_its_own_stricter_policy(browser: httpx.Client) -> None:
    policy = browser.get(f"{HERE}/audit").headers["content-security-policy"]
    assert policy == "default-src 'none'; img-src data:"


def test_parts_of_a_video_come_as_they_are(browser: httpx.Client) -> None:
    answer = browser.get(f"{HERE}/video/file", headers={"Range": "bytes=5-9"})
    assert (answer.status_code, answer.content) == (206, VIDEO[5:10])
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "target",
    ["/service/../metrics", f"{HERE}/%2e%2e/video", f"{HERE}%2fvideo", "//service/projects",
     "/service/projects/..%2f..%2fmetrics", f"{HERE}/video%00", f"{HERE}/jobs"],
)  # fmt: skip
def test_strange_addresses_never_reach_the_service(app: Running, target: str) -> None:
    app.service.forget()
    connection = http.client.HTTPConnection(urlsplit(app.address).netloc)
    connection.request("GET", target)
    assert connection.getresponse().status in (400, 404)
    connection.close()
    assert app.service.seen == []


def test_memory_does_not_grow_with_what_is_sent(app: Running) -> None:
    app.service.forget()
    memory, block, blocks = psutil.Process(app.process.pid).memory_info, bytes(4 * MIB), 64
    connection = http.client.HTTPConnection(urlsplit(app.address).netloc)
    connection.putrequest("PATCH", f"{HERE}/uploads/0f")
    connection.putheader("Content-Length", str(blocks * len(block)))
    connection.endheaders()
    before = most = memory().rss
    for _ in range(blocks):
        connection.send(block)
        most = max(most, memory().rss)
    assert connection.getresponse().status == 201
    connection.close()
    assert app.service.seen[0].body == blocks * len(block)
    assert most - before < 64 * MIB


def test_nothing_of_whom_and_what_is_logged_and_the_token_never_shown(
    app: Running, browser: httpx.Client
) -> None:
    answers = [
        browser.post(f"{HERE}/photos?person={quote('김민지')}", content=b"picture"),
        browser.get(f"{HERE}/audit"),
        browser.get(f"{HERE}/nothing"),
        browser.get("/"),
    ]
    with pytest.raises(httpx.RemoteProtocolError):
        browser.get(f"{HERE}/people/p1/picture")  # breaks off
    said = app.log.read_text()
    for told in (PROJECT, "김민지", quote("김민지"), TOKEN):
        assert told not in said
    assert [a for a in answers if TOKEN in str(a.headers) + a.text] == []


@pytest.mark.parametrize("content", [None, ""], ids=["missing", "empty"])
def test_tokens_that_are_not_there_are_told_in_a_sentence(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "tokens"
    if content is not None:
        file.write_text(content)
    environ = {**os.environ, "BYSTANDER_TOKENS_FILE": str(file)}
    ended = subprocess.run(
        command(0),
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_SECONDS,
    )
    assert ended.returncode != 0
    assert str(file) in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
