"""Projects: begun, looked at, limited in number, and deleted with all that is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bystander.jobs.disk import PHOTOS, UPLOADS, WORK
from bystander.jobs.settings import LimitSettings, RetentionSettings, ServiceSettings
from bystander.jobs.vocabulary import JobState, Photo, PhotoFace
from tests.api.stage import Stage, staged

MOST = 3
HOURS = 5.0
SETTINGS = ServiceSettings(
    limits=LimitSettings(projects=MOST), retention=RetentionSettings(hours=HOURS)
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
    assert made["expires"] - made["created"] == pytest.approx(HOURS * 3600)


def test_projects_are_listed_in_the_order_in_which_they_were_made(stage: Stage) -> None:
    with stage.client() as client:
        made = [client.post("/projects").json()["id"] for _ in range(MOST)]
        assert [p["id"] for p in client.get("/projects").json()["projects"]] == made


def test_a_token_has_so_many_projects_and_no_more(stage: Stage) -> None:
    with stage.client() as client, stage.client(1) as another:
        made = [client.post("/projects").json() for _ in range(MOST)]
        refused = client.post("/projects")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert another.post("/projects").status_code == 201

        client.delete(made[0]["url"])
        assert client.post("/projects").status_code == 201


def test_the_last_place_is_not_given_twice(stage: Stage) -> None:
    with stage.client() as client, ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(lambda _: client.post("/projects").status_code, range(32)))
        assert statuses.count(201) == MOST
        assert len(client.get("/projects").json()["projects"]) == MOST


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
