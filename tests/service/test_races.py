"""Many things at once, dropped, taken back, and deleted midway."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from benchmarks.service.server import Server
from tests.service.conftest import Material
from tests.service.wire import connect, read, request
from tests.support.stranger import assert_says_why, open_project
from tests.support.unharmed import unharmed
from tests.support.waiting import until

pytestmark = pytest.mark.long

TUS = {"Tus-Resumable": "1.0.0"}
PART = {**TUS, "Content-Type": "application/offset+octet-stream"}
DROP, MOST_DROPS = 0.2, 1000
"""Seconds before a connection is dropped, and how often."""


@pytest.fixture(scope="module", autouse=True)
def _unharmed(service: Server, material: Material) -> Iterator[None]:
    with unharmed(service, material.video):
        yield


def test_many_idle_connections_keep_nobody_out(service: Server, stranger: httpx.Client) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            stack.enter_context(connect(service.url)).sendall(b"GET / HTTP/1.1\r\nX: ")

        assert stranger.get("/v1/projects").is_success


def begun(stranger: httpx.Client, project: str, size: int) -> str:
    """The address of a new upload."""
    answer = stranger.post(f"{project}/uploads", headers={**TUS, "Upload-Length": str(size)})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def test_an_upload_dropped_again_and_again_arrives_whole(
    service: Server, stranger: httpx.Client, project: str, material: Material
) -> None:
    content = material.video.read_bytes()
    upload = begun(stranger, project, len(content))
    drops: list[int] = []

    def state() -> str:
        return str(stranger.get(f"{project}/video").json()["state"])

    while state() == "uploading" and len(drops) < MOST_DROPS:
        offset = int(stranger.head(upload, headers=TUS).headers["Upload-Offset"])
        head = request(
            "PATCH",
            upload,
            service.tokens[1],
            f"Content-Length: {len(content) - offset}",
            f"Upload-Offset: {offset}",
            *(f"{name}: {value}" for name, value in PART.items()),
        )
        end = offset + len(content) // 7
        with connect(service.url) as connection:
            connection.sendall(head + content[offset:end])
            if end >= len(content):
                read(connection)
            time.sleep(DROP)
        drops.append(offset)

    assert len(set(drops)) >= 7
    assert state() == "ready"
    assert stranger.get(f"{project}/video/file").content == content


@pytest.mark.parametrize("offset", ["-1", "1", "999999999999", "9" * 5000, "x", "", "1e3", "0x0"])
def test_a_part_at_a_wrong_offset_is_refused(
    offset: str, stranger: httpx.Client, project: str
) -> None:
    upload = begun(stranger, project, 10)

    answer = stranger.patch(upload, content=b"12345", headers={**PART, "Upload-Offset": offset})

    assert answer.status_code in (400, 409, 422)
    assert_says_why(answer)
    assert stranger.head(upload, headers=TUS).headers["Upload-Offset"] == "0"


def test_of_parts_sent_at_once_one_is_taken(
    stranger: httpx.Client, project: str, material: Material
) -> None:
    content = material.video.read_bytes()
    upload = begun(stranger, project, len(content))

    def send(_: int) -> int:
        headers = {**PART, "Upload-Offset": "0"}
        return stranger.patch(upload, content=content, headers=headers).status_code

    statuses = _at_once(send, 3)

    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 409}
    assert stranger.get(f"{project}/video/file").content == content


def test_of_videos_sent_at_once_one_is_whole(
    stranger: httpx.Client, project: str, material: Material
) -> None:
    content = material.video.read_bytes()

    statuses = _at_once(lambda _: stranger.put(f"{project}/video", content=content).status_code, 3)

    assert 200 in statuses
    assert set(statuses) <= {200, 409}
    assert stranger.get(f"{project}/video/file").content == content


def test_many_cancels_at_once_cancel_once(stranger: httpx.Client, video: str) -> None:
    job = stranger.post(f"{video}/jobs", json={"kind": "mask"}).json()
    address = f"{video}/jobs/{job['id']}"

    statuses = _at_once(lambda _: stranger.post(f"{address}/cancel").status_code, 20)

    assert set(statuses) <= {202, 409}
    assert 202 in statuses
    assert _ended(stranger, address)["state"] == "cancelled"


def test_many_starts_at_once_start_one(stranger: httpx.Client, video: str) -> None:
    statuses = _at_once(
        lambda _: stranger.post(f"{video}/jobs", json={"kind": "mask"}).status_code, 10
    )

    assert statuses.count(202) == 1
    assert set(statuses) == {202, 409}
    [running] = [j for j in stranger.get(f"{video}/jobs").json()["jobs"] if j["finished"] is None]
    stranger.post(f"{video}/jobs/{running['id']}/cancel")
    _ended(stranger, f"{video}/jobs/{running['id']}")


def test_listeners_by_the_dozen_may_come_and_go(
    service: Server, stranger: httpx.Client, video: str
) -> None:
    job = stranger.post(f"{video}/jobs", json={"kind": "mask"}).json()
    address = f"{video}/jobs/{job['id']}"
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            for number in range(30):
                connection = stack.enter_context(connect(service.url))
                connection.sendall(
                    request("GET", f"{address}/events", service.tokens[1], "Last-Event-ID: x.y")
                )
                if number % 2:
                    assert connection.recv(15).startswith(b"HTTP/1.1 200")

    assert stranger.post(f"{address}/cancel").status_code in (202, 409)
    _ended(stranger, address)


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.35, 0.5])
@pytest.mark.parametrize("what", ["video", "photo"])
def test_a_project_can_be_deleted_while_something_is_sent(
    what: str, delay: float, service: Server, stranger: httpx.Client, material: Material
) -> None:
    with open_project(stranger) as project, ThreadPoolExecutor(1) as pool:
        if what == "video":
            content = material.video.read_bytes()
            sending = pool.submit(stranger.put, f"{project}/video", content=content)
        else:
            content = material.photo.read_bytes()
            sending = pool.submit(stranger.post, f"{project}/photos?person=A", content=content)
        time.sleep(delay)

        assert stranger.delete(project).status_code in (204, 404)
        assert sending.result().status_code in (200, 201, 404)
        _assert_nothing_of(service, project)


@pytest.mark.parametrize("delay", [0.0, 0.1, 1.0, 2.5])
def test_a_project_can_be_deleted_while_a_job_runs(
    delay: float, service: Server, stranger: httpx.Client, material: Material
) -> None:
    with open_project(stranger) as project:
        stranger.put(f"{project}/video", content=material.video.read_bytes())
        job = stranger.post(f"{project}/jobs", json={"kind": "mask"}).json()["id"]
        time.sleep(delay)

        statuses = _at_once(lambda _: stranger.delete(project).status_code, 3)

        assert 204 in statuses
        assert set(statuses) <= {204, 404}
        assert stranger.get(f"{project}/jobs/{job}").status_code == 404
        _assert_nothing_of(service, project)
        assert not (service.data / "work" / job).exists()


def _assert_nothing_of(service: Server, project: str) -> None:
    number = project.rpartition("/")[2]
    until(lambda: not [path for path in service.data.rglob("*") if number in str(path)])


def _at_once(call: Callable[[int], int], times: int) -> list[int]:
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(call, range(times)))


def _ended(stranger: httpx.Client, address: str) -> dict[str, Any]:
    until(lambda: stranger.get(address).json()["finished"] is not None)
    job: dict[str, Any] = stranger.get(address).json()
    return job
