"""Mending by hand through the API: one document, whose changes never overwrite another's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bystander.client import Client
from bystander.errors import ServiceError
from bystander.redaction.pictures import MAX_PICTURE_BYTES
from bystander.server.jobs.spec import JobSpec
from bystander.server.models import JobKind, JobState, Project, Video, VideoState
from bystander.timeline.header import verdicts_digest
from tests.editing.test_looks import png
from tests.support import drawn
from tests.support.drawn import Figure, Masked, Scene, mask_scene, standing, walking
from tests.support.facts import FACTS
from tests.support.stage import TOKENS, Stage, staged

FRAMES = 40
BOX = {"kind": "box", "x": 10, "y": 10, "width": 60, "height": 60}


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    figures = [Figure(drawn.BLUE, standing(20)), Figure(drawn.RED, walking(120, 1))]
    return mask_scene(Scene(figures, frames=FRAMES), tmp_path_factory.mktemp("party"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def project(stage: Stage, party: Masked) -> Iterator[Project]:
    made = stage.analysed(
        party.timeline.path, verdicts_digest=verdicts_digest(party.timeline.header)
    )
    found = stage.context.store.projects.find(made.id)
    assert found is not None
    yield found
    stage.context.janitor.purge(made.id)  # jobs that wait would be taken for another test's


@pytest.fixture
def client(stage: Stage) -> Iterator[httpx.Client]:
    with stage.client() as found:
        yield found


def document(*edits: dict[str, Any]) -> dict[str, Any]:
    return {"format": "bystander-edits", "version": 1, "edits": list(edits)}


def put(client: httpx.Client, project: Project, *edits: dict[str, Any]) -> httpx.Response:
    """Replace whatever there is."""
    tag = client.get(f"/projects/{project.id}/edits").headers["ETag"]
    path = f"/projects/{project.id}/edits"
    return client.put(path, json=document(*edits), headers={"If-Match": tag})


def _ready(stage: Stage, project: Project) -> None:
    ready = Video(VideoState.READY, 1, 1, FACTS, posters=0)
    stage.context.store.projects.set_video(project.id, ready)


def test_there_is_an_empty_document_before_anything_was_mended(
    client: httpx.Client, stage: Stage
) -> None:
    found = client.get(f"/projects/{stage.project().id}/edits")

    assert found.json() == {"document": document(), "loosened": []}


def test_a_verdict_for_a_while_is_what_people_are_told(
    client: httpx.Client, project: Project
) -> None:
    edit = {"kind": "verdict", "who": "p1", "decision": "keep", "start": 0.4, "end": 0.8}

    answer = put(client, project, edit)

    assert answer.status_code == 200, answer.text
    assert answer.json()["loosened"] == ["edit 1 (verdict): p1 may be seen"]
    found = client.get(f"/projects/{project.id}/people").json()["people"]
    first = next(person for person in found if person["id"] == "p1")
    assert first["verdict"] == "mixed"
    kept = [(s["start"], s["end"]) for s in first["spans"] if s["verdict"] == "keep"]
    assert kept == [(0.4, 0.8)]
    assert client.get(f"/projects/{project.id}").json()["edits"] == 1


def test_people_who_were_merged_are_one_with_one_picture(
    client: httpx.Client, project: Project
) -> None:
    put(client, project, {"kind": "merge", "persons": ["p2", "p1"]})

    (one,) = client.get(f"/projects/{project.id}/people").json()["people"]

    assert one["id"] == "p2"
    assert len(one["tracklets"]) == 2
    assert client.get(one["picture"].removeprefix("/v1")).status_code == 200


def test_who_comes_too_late_overwrites_nothing(client: httpx.Client, project: Project) -> None:
    path = f"/projects/{project.id}/edits"
    seen = client.get(path).headers["ETag"]
    mine = client.put(
        path,
        json=document({"kind": "zone", "decision": "mask", "shape": BOX}),
        headers={"If-Match": seen},
    )

    late = client.put(path, json=document(), headers={"If-Match": seen})

    assert late.status_code == 412
    assert late.headers["ETag"] == mine.headers["ETag"] != seen
    assert len(client.get(path).json()["document"]["edits"]) == 1


def test_a_tag_may_be_weakened_on_its_way_and_be_one_of_several(
    client: httpx.Client, project: Project
) -> None:
    path = f"/projects/{project.id}/edits"
    seen = client.get(path).headers["ETag"]

    def answer(if_match: str) -> int:
        return client.put(path, json=document(), headers={"If-Match": if_match}).status_code

    assert [answer(other) for other in ("*", "", '"other"', seen.strip('"'))] == [412] * 4
    assert answer(f"W/{seen}") == 200
    now = client.get(path).headers["ETag"]
    assert answer(f'"other", {now}') == 200
    assert answer(f"{seen}, {now}") == 412


def test_without_saying_what_is_replaced_nothing_is(client: httpx.Client, project: Project) -> None:
    answer = client.put(f"/projects/{project.id}/edits", json=document())

    assert answer.status_code == 428
    assert "ETag" in answer.json()["advice"]


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([{"kind": "verdict", "who": "p99", "decision": "keep"}], "p99 is nobody"),
        ([{"kind": "merge", "persons": ["p1", "p77"]}], "p77 is nobody"),
        ([{"kind": "verdict", "who": "p1", "decision": "keep", "start": 99}], "after the end"),
        ([{"kind": "zone", "decision": "mask", "shape": {**BOX, "x": 9000}}], "beside the picture"),
        ([{"kind": "zone", "decision": "mask", "shape": {**BOX, "width": 0}}], "greater than 0"),
        ([{"kind": "mask", "keys": []}], "at least 1"),
        ([{"kind": "mask", "keys": [{"seconds": 999, "shape": BOX}]}], "after the end"),
        ([{"kind": "spell", "who": "p1"}], "spell"),
        ([{"kind": "erase", "who": "p1", "start": 1, "end": 1}], "before it begins"),
        (
            [{"kind": "zone", "decision": "mask",
              "shape": {"kind": "polygon", "points": [[i, i % 7] for i in range(600)]}}],
            "at most 500",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_a_reason_and_changes_nothing(
    client: httpx.Client, project: Project, edits: list[dict[str, Any]], said: str
) -> None:
    answer = put(client, project, *edits)

    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert client.get(f"/projects/{project.id}/edits").json()["document"]["edits"] == []


def test_a_million_points_and_numbers_that_are_none_are_refused(
    client: httpx.Client, project: Project
) -> None:
    path = f"/projects/{project.id}/edits"
    headers = {"If-Match": '"1"', "Content-Type": "application/json"}
    many = document(
        {
            "kind": "zone",
            "decision": "mask",
            "shape": {"kind": "polygon", "points": [[1, 2]] * 10**6},
        }
    )
    nan = '{"edits": [{"kind": "zone", "decision": "mask", "shape": {"kind": "box", "x": NaN, "y": 1, "width": 9, "height": 9}}]}'  # noqa: E501

    assert client.put(path, json=many, headers=headers).status_code == 413
    assert client.put(path, content=nan, headers=headers).status_code in (400, 422)


def test_pictures_for_single_people_are_taken_up_to_what_all_may_have_together(
    client: httpx.Client, project: Project
) -> None:
    looks = [
        {"kind": "look", "who": who, "picture": png(MAX_PICTURE_BYTES)} for who in ("p1", "p2")
    ]
    answer = put(client, project, *looks)
    assert answer.status_code == 200, answer.text
    assert answer.json()["loosened"] == []
    assert answer.json()["document"]["edits"][1]["picture"] == looks[1]["picture"]
    for refused, status in (
        ([*looks, *looks, looks[0]], 422),
        ([{**looks[0], "picture": png(MAX_PICTURE_BYTES + 1)}], 422),
        ([{**looks[0], "picture": "R0lGODlh"}], 422),
        (looks * 4, 413),
    ):
        assert put(client, project, *refused).status_code == status
    assert len(client.get(f"/projects/{project.id}/edits").json()["document"]["edits"]) == 2


def test_a_result_is_stale_until_what_was_mended_is_undone(
    client: httpx.Client, stage: Stage, party: Masked, project: Project
) -> None:
    stage.job(project, JobKind.RENDER, JobState.DONE, verdicts_digest(party.timeline.header))

    def stale() -> str | None:
        found: str | None = client.get(f"/projects/{project.id}").json()["result"]["stale"]
        return found

    assert stale() is None
    for edit in (
        {"kind": "mask", "keys": [{"seconds": 1, "shape": BOX}]},
        {"kind": "erase", "who": "p1"},
        {"kind": "look", "who": "p1", "color": "#ffcc00"},
        {"kind": "verdict", "who": "p2", "decision": "keep"},
    ):
        put(client, project, edit)
        assert stale() == "verdicts-changed"
    put(client, project)
    assert stale() is None
    put(client, project, {"kind": "verdict", "who": "p2", "decision": "mask"})
    assert stale() is None  # as it was


def test_a_render_job_goes_by_the_edits_of_when_it_was_ordered(
    client: httpx.Client, stage: Stage, party: Masked, project: Project
) -> None:
    stage.put(party.output, f"{project.id}/video")
    _ready(stage, project)
    zone = {"kind": "zone", "decision": "mask", "shape": BOX}
    put(client, project, zone)

    job = client.post(f"/projects/{project.id}/jobs", json={"kind": "render"})

    assert job.status_code == 202, job.text
    put(client, project)
    found = stage.context.store.jobs.get(project.id, job.json()["id"])
    assert found is not None
    edits = JobSpec.model_validate(found.order).edits.edits
    assert [edit.kind for edit in edits] == ["zone"]


def test_edits_go_with_the_ids_that_they_name(
    client: httpx.Client, stage: Stage, project: Project
) -> None:
    put(client, project, {"kind": "erase", "who": "p1"})
    seen = client.get(f"/projects/{project.id}/edits").headers["ETag"]

    stage.job(project, JobKind.ANALYZE, JobState.DONE)

    assert client.get(f"/projects/{project.id}/edits").json()["document"]["edits"] == []
    path = f"/projects/{project.id}/edits"
    assert client.put(path, json=document(), headers={"If-Match": seen}).status_code == 412


def test_nothing_is_mended_before_an_analysis_nor_during_one(
    client: httpx.Client, stage: Stage, project: Project
) -> None:
    assert put(client, stage.project(), {"kind": "erase", "who": "p1"}).status_code == 404
    running = stage.job(project, JobKind.ANALYZE, JobState.RUNNING)
    assert put(client, project, {"kind": "erase", "who": "p1"}).status_code == 409
    stage.context.store.jobs.finish(running.id, JobState.CANCELLED)


def test_the_client_adds_to_what_others_have_mended(stage: Stage, project: Project) -> None:
    first = {"kind": "verdict", "who": "p1", "decision": "keep"}
    second = {"kind": "zone", "decision": "mask", "shape": BOX}
    with Client(stage.url, TOKENS[0]) as client:
        client._base = stage.url  # without /v1 here
        mine = client.project(project.id)
        mine.mend(first)
        found = mine.mend(second)
        with pytest.raises(ServiceError) as late:
            mine.set_edits(document(), '"0"')

    assert [edit["kind"] for edit in found.document["edits"]] == ["verdict", "zone"]
    assert found.loosened == ("edit 1 (verdict): p1 may be seen",)
    assert late.value.status == 412


def test_others_see_and_change_nothing(stage: Stage, project: Project) -> None:
    with stage.client(1) as stranger:
        path = f"/projects/{project.id}/edits"
        assert stranger.get(path).status_code == 404
        answer = stranger.put(path, json=document(), headers={"If-Match": '"0"'})
        assert answer.status_code == 404


def test_what_was_drawn_can_not_be_named_so_that_the_frames_stay_readable(
    client: httpx.Client, project: Project
) -> None:
    zone = {"kind": "zone", "decision": "mask", "shape": BOX}

    answer = put(client, project, zone, {"kind": "erase", "who": "t3"})

    assert answer.status_code == 422
    assert "t3 is nobody" in answer.json()["detail"]
    assert client.get(f"/projects/{project.id}/frames?start=0&end=1").status_code == 200
