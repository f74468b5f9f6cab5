"""A request that is sent twice with one key is done once."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from bystander.server.jobs import idempotency
from bystander.server.jobs.idempotency import KEPT_SECONDS, Answered, IdempotencyKeys
from bystander.server.models import JobState, Video, VideoState
from bystander.server.store import ServiceStore
from tests.server.http.wire import Wire
from tests.support.databases import database_at
from tests.support.facts import FACTS
from tests.support.stage import Stage, staged
from tests.support.waiting import until

pytestmark = pytest.mark.sampled(4)

KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
NAME = "Annabel Quartermain"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


@pytest.fixture
def client(stage: Stage) -> Iterator[httpx.Client]:
    with stage.client() as made:
        yield made


def photo(color: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), color).save(file, "PNG")
    return file.getvalue()


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:bystander:")


def test_a_project_is_made_once(stage: Stage, client: httpx.Client) -> None:
    first, again = (client.post("/projects", headers=KEY) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.headers["Location"] == again.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(client.get("/projects").json()["projects"]) == 1


def test_quotes_around_a_key_mean_nothing(client: httpx.Client) -> None:
    key = KEY["Idempotency-Key"]
    made = [
        client.post("/projects", headers={"Idempotency-Key": one}).json()["id"]
        for one in (key, f'"{key}"')
    ]
    assert len(set(made)) == 1


def test_without_a_key_each_request_is_a_new_one(client: httpx.Client) -> None:
    made = {client.post("/projects").json()["id"] for _ in range(2)}
    assert len(made) == 2


def test_a_key_is_that_of_its_token(stage: Stage, client: httpx.Client) -> None:
    mine = client.post("/projects", headers=KEY).json()["id"]
    with stage.client(1) as other:
        theirs = other.post("/projects", headers=KEY)
    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine


def test_a_job_is_started_once_and_told_as_it_is_by_now(
    stage: Stage, client: httpx.Client, tmp_path: Path
) -> None:
    (tmp_path / "video").write_bytes(b"moving pictures")
    project = stage.project(tmp_path / "video")
    url, order = f"/projects/{project.id}/jobs", {"kind": "mask"}
    first = client.post(url, json=order, headers=KEY)
    assert first.status_code == 202, first.text
    jobs = stage.context.store.jobs
    assert jobs.claim() is not None
    assert jobs.commit(first.json()["id"], {})
    assert jobs.finish(first.json()["id"], JobState.DONE)
    again = client.post(url, json=order, headers=KEY)
    assert again.status_code == 202
    assert (again.json()["id"], again.json()["state"]) == (first.json()["id"], "done")
    assert again.headers["Location"] == first.headers["Location"]
    assert len(jobs.list(project.id)) == 1


def test_a_photo_is_added_once_and_its_name_is_not_kept_with_the_key(
    stage: Stage, client: httpx.Client
) -> None:
    url = f"/projects/{stage.project().id}/photos"
    sent: dict[str, Any] = {"params": {"person": NAME}, "content": photo(), "headers": KEY}
    first, again = (client.post(url, **sent) for _ in range(2))
    assert first.status_code == 201, first.text
    assert first.json() == again.json()
    assert first.headers["Location"] == f"{url}/{first.json()['id']}"
    assert len(client.get(url).json()["photos"]) == 1
    client.delete(f"{url}/{first.json()['id']}")
    gone = client.post(url, **sent)
    assert problem(gone) == (404, "missing")  # not once more
    stage.context.store.scrub()
    stored = b"".join(file.read_bytes() for file in stage.context.data.glob("*.sqlite*"))
    assert NAME.encode() not in stored


def test_a_key_that_was_sent_with_another_request_is_refused(
    stage: Stage, client: httpx.Client
) -> None:
    here, there = (stage.project().id for _ in range(2))
    anna = {"person": "Anna"}
    first = client.post(f"/projects/{here}/photos", params=anna, content=photo(), headers=KEY)
    assert first.status_code == 201
    others = [
        client.post(f"/projects/{here}/photos", params=anna, content=photo("blue"), headers=KEY),
        client.post(
            f"/projects/{here}/photos", params={"person": "Bo"}, content=photo(), headers=KEY
        ),
        client.post(f"/projects/{there}/photos", params=anna, content=photo(), headers=KEY),
        client.post("/projects", headers=KEY),
        client.post(f"/projects/{here}/jobs", json={"kind": "mask"}, headers=KEY),
    ]
    assert {problem(other) for other in others} == {(422, "idempotency-key-reused")}
    assert len(client.get(f"/projects/{here}/photos").json()["photos"]) == 1


def test_what_was_refused_may_be_tried_again_with_the_same_key(
    stage: Stage, client: httpx.Client
) -> None:
    project = stage.project()
    url, order = f"/projects/{project.id}/jobs", {"kind": "mask"}
    assert client.post(url, json=order, headers=KEY).status_code == 409  # there is no video
    ready = Video(VideoState.READY, 1, 1, FACTS)
    stage.context.store.projects.set_video(project.id, ready)
    assert client.post(url, json=order, headers=KEY).status_code == 202


def test_while_the_first_is_under_way_the_second_is_refused(
    stage: Stage, client: httpx.Client
) -> None:
    url, content = f"/projects/{stage.project().id}/photos", photo()
    sent: dict[str, Any] = {"params": {"person": "Anna"}, "content": content, "headers": KEY}
    headers = (f"Content-Length: {len(content)}", f"Idempotency-Key: {KEY['Idempotency-Key']}")
    with Wire(stage, "POST", f"{url}?person=Anna", *headers, body=content[:20]) as wire:
        folder = stage.context.data / "photos"
        until(lambda: list(folder.rglob("*.part")))  # it has begun
        refused = client.post(url, **sent)
        assert problem(refused) == (409, "idempotency-key-in-use")
        assert refused.headers["Retry-After"] == "1"
        wire.drop()
    until(lambda: not list(folder.rglob("*.part")))
    until(lambda: client.post(url, **sent).status_code == 201)  # it was never made
    assert len(client.get(url).json()["photos"]) == 1


def test_of_many_at_once_one_is_done(stage: Stage, client: httpx.Client) -> None:
    answers: list[httpx.Response] = []

    def send() -> None:
        with stage.client() as mine:
            answers.append(mine.post("/projects", headers=KEY))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len(client.get("/projects").json()["projects"]) == 1


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "k\u00e9y", "a\tb"])
def test_a_key_that_is_none_is_refused(client: httpx.Client, key: str) -> None:
    answer = client.post("/projects", headers=[(b"Idempotency-Key", key.encode())])
    assert answer.status_code == 400
    assert client.get("/projects").json()["projects"] == []


def test_a_key_of_another_method_or_route_is_ignored(client: httpx.Client) -> None:
    project = client.post("/projects").json()["id"]
    answers = [client.delete(f"/projects/{project}", headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 404]


def test_a_key_is_forgotten_after_a_day_and_the_oldest_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(idempotency, "MAX_KEYS_PER_OWNER", 2)
    store = ServiceStore(database_at(tmp_path / "store"), lambda: now)
    keys: IdempotencyKeys = store.idempotency_keys
    answered = Answered("f", 201, "/projects/1")
    for owner, key in (("bob", "1"), ("ann", "1"), ("ann", "2"), ("ann", "3")):
        keys.remember(owner, key, answered)
    assert [keys.find("ann", key) for key in "123"] == [None, answered, answered]
    assert keys.find("bob", "1") == answered
    now += KEPT_SECONDS
    assert keys.find("ann", "3") is None
    keys.remember("ann", "3", answered)
    assert keys.find("ann", "3") == answered
    assert keys.sweep() == 2
    assert keys.find("ann", "3") == answered
    store.close()
