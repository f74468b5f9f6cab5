"""Links that show a result: they do so as long as they are to, and nothing else."""

from __future__ import annotations

import hmac
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from bystander.server.http.app import create_app
from bystander.server.models import JobKind, JobState, Project
from bystander.storage.local import LocalStorage
from tests.support.databases import sqlite_only
from tests.support.stage import TOKENS, Stage, serving, staged


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def project(stage: Stage) -> Project:
    made = stage.project()
    stage.result(made, b"the masked video")
    return made


def shared(client: httpx.Client, project: Project) -> str:
    answer = client.post(f"/projects/{project.id}/share")
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def test_a_link_shows_the_result_and_tells_nothing_of_the_project(
    stage: Stage, project: Project
) -> None:
    with stage.client() as client:
        token = shared(client, project)
        told = client.get(f"/shared/{token}")
        video = client.get(f"/shared/{token}/video")
        part = client.get(f"/shared/{token}/video", headers={"Range": "bytes=4-9"})
        head = client.head(f"/shared/{token}/video")
        assert client.get(f"/projects/{project.id}").json()["shared"] is True

    assert told.json()["name"] == "masked.mp4"
    assert (video.status_code, video.content) == (200, b"the masked video")
    assert (part.status_code, part.content) == (206, b"masked")
    assert (head.status_code, head.headers["content-length"]) == (200, "16")
    for answer in (told, video, part, head):
        assert project.id not in answer.text + str(answer.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_changes_and_deletes_nothing(stage: Stage, project: Project, method: str) -> None:
    with stage.client() as client:
        token = shared(client, project)
        for path in (f"/shared/{token}", f"/shared/{token}/video"):
            assert client.request(method, path).status_code == 405
        # A token is no id: nothing that takes one takes the other.
        assert client.request(method, f"/projects/{token}").status_code in (404, 405)
        assert client.get(f"/projects/{token}/photos").status_code == 404
        assert client.get(f"/shared/{project.id}").status_code == 404
        assert client.get(f"/projects/{project.id}/result").status_code == 200


@pytest.mark.parametrize("path", ["video/file", "photos", "people", "result", "share", "../result"])
def test_it_leads_to_nothing_else(stage: Stage, project: Project, path: str) -> None:
    with stage.client() as client:
        assert client.get(f"/shared/{shared(client, project)}/{path}").status_code == 404


def test_taken_back_made_anew_or_with_its_project_gone_it_shows_nothing(
    stage: Stage, project: Project
) -> None:
    with stage.client() as client:
        first = shared(client, project)
        second = shared(client, project)
        assert client.get(f"/shared/{first}").status_code == 404
        assert client.get(f"/shared/{second}").status_code == 200
        assert client.delete(f"/projects/{project.id}/share").status_code == 204
        assert client.get(f"/shared/{second}/video").status_code == 404
        assert client.get(f"/projects/{project.id}").json()["shared"] is False
        third = shared(client, project)
        assert client.delete(f"/projects/{project.id}").status_code == 204
        assert client.get(f"/shared/{third}").status_code == 404


def test_a_result_that_is_not_wanted_any_more_is_not_shown(stage: Stage, project: Project) -> None:
    with stage.client() as client:
        token = shared(client, project)
        stage.context.store.projects.set_decisions(project.id, (), ("p1",), "other")
        for path in (f"/shared/{token}", f"/shared/{token}/video"):
            for query in ("", "?allow_stale=1"):
                answer = client.get(path + query)
                assert answer.status_code == 409
                assert answer.json()["type"] == "urn:bystander:result-pending"
        stage.context.store.projects.set_decisions(project.id, (), (), "")
        assert client.get(f"/shared/{token}").status_code == 200
        stage.job(project, JobKind.RENDER, JobState.QUEUED)
        assert client.get(f"/shared/{token}/video").status_code == 409
        client.delete(f"/projects/{project.id}")  # or its job would be the next one to run


def test_there_is_no_link_to_nothing_and_none_to_somebody_elses(
    stage: Stage, project: Project
) -> None:
    empty = stage.project()
    with stage.client() as client, stage.client(1) as other:
        assert client.post(f"/projects/{empty.id}/share").status_code == 409
        assert other.post(f"/projects/{project.id}/share").status_code == 404
        token = shared(client, project)
        assert other.get(f"/shared/{token}").status_code == 404
        assert other.delete(f"/projects/{project.id}/share").status_code == 404
        assert client.get(f"/shared/{token}").status_code == 200


def test_no_token_no_gate(stage: Stage, project: Project) -> None:
    with stage.client() as client:
        token = shared(client, project)
    assert httpx.get(f"{stage.url}/shared/{token}").status_code == 401


@pytest.mark.parametrize("given", ["", "0", "a" * 43, "a" * 129, "%00", "%ff%fe", "가" * 20])
def test_guesses_find_nothing(stage: Stage, project: Project, given: str) -> None:
    with stage.client() as client:
        shared(client, project)
        client.delete(f"/projects/{project.id}/share")
        assert client.get(f"/shared/{given}").status_code in (404, 422)


@sqlite_only
def test_the_token_is_stored_as_a_digest_and_compared_in_constant_time(
    stage: Stage,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compared: list[str] = []
    really = hmac.compare_digest

    def watched(one: str, other: str) -> bool:
        compared.append(one)
        return really(one, other)

    with caplog.at_level(logging.DEBUG), stage.client() as client:
        token = shared(client, project)
        monkeypatch.setattr(hmac, "compare_digest", watched)
        client.get(f"/shared/{token}")
        client.get(f"/shared/{token}/video")
    found = stage.context.store.projects.find(project.id)
    assert found is not None
    assert found.share in compared
    assert token not in compared
    database = sqlite3.connect(stage.context.data / "bystander.sqlite")
    assert token not in "\n".join(database.iterdump())
    database.close()
    assert token not in "".join(r.getMessage() for r in caplog.records if "httpx" not in r.name)


def test_a_buckets_addresses_which_name_the_project_are_not_told(
    stage: Stage, project: Project
) -> None:
    class Bucket(LocalStorage):
        def download_url(self, key: str, filename: str, lifetime: timedelta) -> str:
            return f"https://bucket.example/{key}"

    bucket = Bucket(stage.context.settings.data / "objects")
    with serving(create_app(replace(stage.context, storage=bucket))) as url:
        headers = {"Authorization": f"Bearer {TOKENS[0]}"}
        with httpx.Client(base_url=url, headers=headers) as client:
            answer = client.get(f"/shared/{shared(client, project)}/video")
    assert (answer.status_code, answer.content) == (200, b"the masked video")
