"""Long lists come whole, or in parts that neither repeat nor lose anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bystander.server.models import JobState
from tests.support import drawn
from tests.support.drawn import Figure, Scene, mask_scene, standing
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.sampled(4)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def client(stage: Stage) -> Iterator[httpx.Client]:
    with stage.client() as made:
        yield made


def part(client: httpx.Client, url: str) -> tuple[list[str], str | None]:
    """The ids in a part of a list, and the address of the next one."""
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    body: dict[str, list[dict[str, Any]]] = answer.json()
    (items,) = body.values()
    return [item["id"] for item in items], answer.links.get("next", {}).get("url")


def parts(client: httpx.Client, url: str) -> list[list[str]]:
    """The ids in all parts, by the links alone."""
    found = []
    address: str | None = url
    while address:
        ids, address = part(client, address)
        found.append(ids)
    return found


def test_projects_come_in_parts(client: httpx.Client) -> None:
    made = [client.post("/projects").json()["id"] for _ in range(5)]
    assert parts(client, "/projects") == [made]
    assert parts(client, "/projects?limit=2") == [made[:2], made[2:4], made[4:]]
    assert parts(client, "/projects?limit=5") == [made]
    assert parts(client, "/projects?limit=1000") == [made]


def test_projects_deleted_and_made_meanwhile_shift_nothing(client: httpx.Client) -> None:
    made = [client.post("/projects").json()["id"] for _ in range(5)]
    first, address = part(client, "/projects?limit=2")
    assert address is not None
    for gone in (made[0], made[1], made[3]):  # the cursor's own, too
        client.delete(f"/projects/{gone}")
    late = client.post("/projects").json()["id"]
    assert (first, parts(client, address)) == (made[:2], [[made[2], made[4]], [late]])


def test_projects_of_one_moment_are_told_apart(stage: Stage, client: httpx.Client) -> None:
    made = [client.post("/projects").json()["id"] for _ in range(4)]
    store = stage.context.store
    store._database.change("UPDATE projects SET created = 1000.5")
    assert parts(client, "/projects?limit=1") == [[project] for project in sorted(made)]


def test_somebody_elses_projects_are_in_no_part(stage: Stage, client: httpx.Client) -> None:
    mine = [client.post("/projects").json()["id"]]
    with stage.client(1) as other:
        other.post("/projects")
    mine.append(client.post("/projects").json()["id"])
    assert parts(client, "/projects?limit=1") == [[project] for project in mine]


def test_jobs_come_in_parts(stage: Stage, client: httpx.Client) -> None:
    project, other = stage.project(), stage.project()
    made, foreign = [], []
    for _ in range(3):
        made.append(stage.job(project, state=JobState.FAILED).id)
        foreign.append(stage.job(other, state=JobState.FAILED).id)
    url = f"/projects/{project.id}/jobs"
    assert parts(client, url) == [made]
    assert parts(client, f"{url}?limit=2") == [made[:2], made[2:]]
    assert client.get(f"{url}?after={foreign[0]}").status_code == 422


def test_people_come_in_parts(stage: Stage, client: httpx.Client, tmp_path: Path) -> None:
    figures = [Figure(drawn.BLUE, standing(20)), Figure(drawn.RED, standing(200))]
    folder = tmp_path / "scene"
    folder.mkdir()
    masked = mask_scene(Scene(figures, frames=20), folder)
    project = stage.project()
    stage.put(masked.timeline.path, f"{project.id}/timeline")
    url = f"/projects/{project.id}/people"
    (everyone,) = parts(client, url)
    assert len(everyone) == 2
    assert parts(client, f"{url}?limit=1") == [[everyone[0]], [everyone[1]]]
    assert client.get(f"{url}?after=p99").status_code == 422


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=1001", "limit=x", "after=", "after=nan-1", "after=x"]
)
def test_what_is_no_part_is_refused(client: httpx.Client, query: str) -> None:
    assert client.get(f"/projects?{query}").status_code == 422
