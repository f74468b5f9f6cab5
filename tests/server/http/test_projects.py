"""Projects: begun, looked at, limited in number, and deleted with all that is theirs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from bystander.server.http.callers import NETWORK_HEADER, VISITOR_HEADER
from bystander.server.models import JobState, Photo, PhotoFace, Video, VideoState
from bystander.server.retention import PHOTOS, UPLOADS, WORK, Janitor
from bystander.server.settings import JobSettings, LimitSettings, RetentionSettings, ServiceSettings
from tests.support.facts import FACTS
from tests.support.stage import Stage, staged

MOST = 3
EMPTY_MOST = 5
HOURS = 5.0
MINUTES = 10.0
SETTINGS = ServiceSettings(
    limits=LimitSettings(projects=MOST, empty_projects=EMPTY_MOST),
    retention=RetentionSettings(hours=HOURS, empty_minutes=MINUTES),
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, SETTINGS) as made:
        yield made


def test_a_new_project_is_empty_and_where_it_says(stage: Stage) -> None:
    with stage.client() as client:
        answer = client.post("/projects")
        made = answer.json()
        assert answer.status_code == 201
        assert answer.headers["location"] == made["url"]
        assert client.get(made["url"]).json() == made
        assert client.get("/projects").json() == {"projects": [made]}

    assert (made["photos"], made["keep"], made["mask"]) == (0, [], [])
    assert (made["video"]["state"], made["video"]["posters"]) == ("absent", [])
    assert made["expires"] - made["created"] == pytest.approx(MINUTES * 60)


def begun(stage: Stage, client: httpx.Client) -> dict[str, Any]:
    """A project that something was sent for."""
    made = client.post("/projects").json()
    stage.context.store.projects.set_video(made["id"], Video(VideoState.UPLOADING, 10, 1))
    found: dict[str, Any] = client.get(made["url"]).json()
    return found


def test_once_something_is_sent_it_stays_for_hours(stage: Stage) -> None:
    with stage.client() as client:
        made = begun(stage, client)
    assert made["expires"] - made["created"] == pytest.approx(HOURS * 3600, abs=600)


def test_empty_projects_take_nobodys_place_and_go_after_minutes(stage: Stage) -> None:
    projects, retention = stage.context.store.projects, stage.context.settings.retention
    with stage.client() as client:
        empty = [client.post("/projects").json() for _ in range(EMPTY_MOST)]
        refused = client.post("/projects")
        assert (refused.status_code, refused.json()["limit"]) == (429, "token")
        assert 0 < int(refused.headers["retry-after"]) <= MINUTES * 60
        # All of them are there to be used; one that is used makes room for another one.
        projects.set_video(empty[0]["id"], Video(VideoState.UPLOADING, 10, 1))
        assert client.post("/projects").status_code == 201
        later = time.time() + 60 * retention.empty_minutes + 1
        janitor = Janitor(
            stage.context.store, stage.context.storage, stage.context.settings, lambda: later
        )
        janitor.sweep()
        left = [p["id"] for p in client.get("/projects").json()["projects"]]
        assert left == [empty[0]["id"]]


def as_visitor(visitor: str, network: str) -> dict[str, str]:
    return {VISITOR_HEADER: visitor * 32, NETWORK_HEADER: network * 32}


def test_one_visitor_of_the_app_leaves_room_for_the_others(tmp_path: Path) -> None:
    limits = LimitSettings(projects=10, empty_projects=10, visitor_share=0.2, network_share=0.5)
    with staged(tmp_path, ServiceSettings(limits=limits)) as stage, stage.client() as client:
        greedy, other = as_visitor("a", "e"), as_visitor("b", "e")
        answers = [client.post("/projects", headers=greedy) for _ in range(20)]
        assert [answer.status_code for answer in answers].count(201) == 2
        assert answers[-1].json()["limit"] == "visitor"
        assert client.post("/projects", headers=other).status_code == 201
        # Without cookies each is a visitor of their own, and all are one network.
        dropped = [client.post("/projects", headers=as_visitor(one, "e")) for one in "cdf0123"]
        assert [answer.status_code for answer in dropped].count(201) == 2
        assert dropped[-1].json()["limit"] == "network"
        assert client.post("/projects", headers=as_visitor("9", "f")).status_code == 201


def test_one_visitor_can_not_fill_the_queue_nor_go_before_the_others(tmp_path: Path) -> None:
    settings = ServiceSettings(
        limits=LimitSettings(visitor_share=0.5), jobs=JobSettings(queued_per_owner=4)
    )
    with staged(tmp_path, settings) as stage, stage.client() as client:
        jobs = stage.context.store.jobs

        def start(visitor: str) -> httpx.Response:
            made = client.post("/projects", headers=as_visitor(visitor, visitor)).json()
            (stage.folder / "video").write_bytes(b"video")
            stage.put(stage.folder / "video", f"{made['id']}/video")
            ready = Video(VideoState.READY, 1, 1, FACTS)
            stage.context.store.projects.set_video(made["id"], ready)
            return client.post(f"{made['url']}/jobs", json={"kind": "mask"})

        assert [start("a").status_code for _ in range(3)] == [202, 202, 429]
        late = start("b")
        assert late.status_code == 202
        claimed = [job.id for _ in range(2) if (job := jobs.claim())]
        assert claimed[1] == late.json()["id"]  # before the second one of who came first


def test_projects_are_listed_in_the_order_in_which_they_were_made(stage: Stage) -> None:
    with stage.client() as client:
        made = [client.post("/projects").json()["id"] for _ in range(MOST)]
        assert [p["id"] for p in client.get("/projects").json()["projects"]] == made


def test_a_token_has_so_many_projects_and_no_more(stage: Stage) -> None:
    with stage.client() as client, stage.client(1) as another:
        made = [begun(stage, client) for _ in range(MOST)]
        refused = client.post("/projects")
        assert refused.status_code == 429
        # When the first one goes by itself, not a made-up minute.
        assert int(refused.headers["retry-after"]) == pytest.approx(HOURS * 3600, abs=600)
        assert another.post("/projects").status_code == 201

        client.delete(made[0]["url"])
        assert client.post("/projects").status_code == 201


def test_the_last_place_is_not_given_twice(stage: Stage) -> None:
    with stage.client() as client, ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(lambda _: client.post("/projects").status_code, range(32)))
        assert statuses.count(201) == EMPTY_MOST
        assert len(client.get("/projects").json()["projects"]) == EMPTY_MOST


def test_deleting_a_project_leaves_nothing_of_it(stage: Stage) -> None:
    file = stage.folder / "video"
    file.write_bytes(b"a video")
    project = stage.project(file)
    name = "Somebody Special"
    photo = Photo("f" * 32, project.id, name, 8, 8, (PhotoFace((0, 0, 8, 8), 1.0),), 0)
    assert stage.context.store.photos.add(photo)
    job = stage.job(project, state=JobState.QUEUED)
    data = stage.context.data
    for path in (
        data / PHOTOS / project.id / f"{photo.id}.jpg",
        data / UPLOADS / project.id,
        data / UPLOADS / f"{project.id}.posters" / "0.jpg",
        data / WORK / job.id / "video",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"something of it")
    with stage.client() as client:
        assert client.delete(f"/projects/{project.id}").status_code == 204
        assert client.get(f"/projects/{project.id}").status_code == 404
        assert client.delete(f"/projects/{project.id}").status_code == 404
        assert client.get("/projects").json() == {"projects": []}

    assert list(stage.context.storage.keys(f"{project.id}/")) == []
    left = [path for path in data.rglob("*") if project.id in str(path) or job.id in str(path)]
    assert left == []
    for path in data.iterdir():
        if path.is_file():
            assert name.encode() not in path.read_bytes(), path
