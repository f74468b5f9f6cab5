"""Two services over one store and one folder: a client may ask the one, then the other.

With PostgreSQL; SQLite's locks by name are those of one process.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from bystander.server.models import JobKind, JobState, VideoState
from bystander.server.settings import LimitSettings, ServiceSettings
from tests.server.http.uploads.client import begun, head, offset_of, send, state_of
from tests.support.databases import postgres_only
from tests.support.stage import Stage, beside, staged
from tests.support.videos import make_video

pytestmark = postgres_only
MOST = 5
KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[tuple[Stage, Stage]]:
    limits = LimitSettings(empty_projects=MOST)
    with staged(tmp_path, ServiceSettings(limits=limits)) as first, beside(first) as second:
        yield first, second


@pytest.fixture
def clients(services: tuple[Stage, Stage]) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with services[0].client() as first, services[1].client() as second:
        yield first, second


def test_an_upload_begun_at_one_goes_on_at_the_other(
    services: tuple[Stage, Stage], clients: tuple[httpx.Client, httpx.Client], tmp_path: Path
) -> None:
    film = make_video(tmp_path / "film.mp4").read_bytes()
    first, second = clients
    address = f"/projects/{services[0].project().id}/video"
    upload = begun(first, address, len(film))
    half = len(film) // 2
    assert send(first, upload, 0, film[:half]).status_code == 204
    assert offset_of(second, upload) == half
    assert send(second, upload, half, film[half:]).status_code == 204
    assert [state_of(client, address) for client in clients] == [VideoState.READY] * 2


def test_a_part_that_one_receives_the_other_does_not(
    services: tuple[Stage, Stage], clients: tuple[httpx.Client, httpx.Client]
) -> None:
    project = services[0].project()
    upload = begun(clients[0], f"/projects/{project.id}/video", 100)
    with services[0].context.store.hold(f"upload/{project.id}") as mine:
        assert mine
        assert send(clients[1], upload, 0, b"a part").status_code == 409
    assert send(clients[1], upload, 0, b"a part").status_code == 204
    assert head(clients[0], upload).headers["upload-offset"] == "6"


def test_a_request_that_is_sent_to_both_is_done_once(
    services: tuple[Stage, Stage], clients: tuple[httpx.Client, httpx.Client]
) -> None:
    first = clients[0].post("/projects", headers=KEY)
    again = clients[1].post("/projects", headers=KEY)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    owner = services[0].context.store.projects.find(first.json()["id"])
    assert owner is not None
    with services[0].context.store.idempotency_keys.under_way(owner.owner, "another"):
        refused = clients[1].post("/projects", headers={"Idempotency-Key": "another"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")


def test_the_last_place_is_not_given_at_both(
    clients: tuple[httpx.Client, httpx.Client],
) -> None:
    with ThreadPoolExecutor(8) as threads:
        statuses = list(
            threads.map(lambda number: clients[number % 2].post("/projects").status_code, range(24))
        )
    assert Counter(statuses) == {201: MOST, 429: 24 - MOST}


def test_what_one_has_made_the_other_shows(
    services: tuple[Stage, Stage], clients: tuple[httpx.Client, httpx.Client]
) -> None:
    stage = services[0]
    video = stage.folder / "video"
    video.write_bytes(b"moving pictures")
    project = stage.project(video)
    job = stage.job(project, JobKind.MASK, JobState.RUNNING)
    address = f"/projects/{project.id}"
    with clients[1].stream("GET", f"{address}/jobs/{job.id}/events") as events:
        lines = events.iter_lines()
        assert "running" in next(line for line in lines if line.startswith("data:"))
        stage.made(project, b"masked")
        assert stage.context.store.jobs.commit(job.id, {"verdicts_digest": ""})
        assert stage.context.store.jobs.finish(job.id, JobState.DONE)
        assert "done" in next(line for line in lines if line.startswith("data:"))
    assert clients[1].get(f"{address}/result").content == b"masked"
    assert clients[1].delete(address).status_code == 204
    assert clients[0].get(address).status_code == 404


def test_what_has_expired_may_be_swept_by_both_at_once(services: tuple[Stage, Stage]) -> None:
    stage = services[0]
    video = stage.folder / "video"
    for _ in range(8):
        video.write_bytes(b"moving pictures")
        project = stage.project(video)
        stage.job(project, JobKind.MASK)
        stage.context.store._database.change("UPDATE projects SET expires = 0")
    threads = [threading.Thread(target=made.context.janitor.sweep) for made in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stage.context.store.projects.ids() == set()
    assert list(stage.context.storage.keys("")) == []
