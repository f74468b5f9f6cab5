"""Ordering a job with a webhook: where it may lead, and who it is signed for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from bystander.server.models import JobState
from bystander.server.settings import ServiceSettings, WebhookSettings
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.sampled(2)

URL = "https://example.com/hook?key=zebra"
SECRET = "s" * 40


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    webhooks = WebhookSettings(secret=SECRET, hosts=("hooks.internal",), pending_per_owner=2)
    with staged(tmp_path, ServiceSettings(webhooks=webhooks)) as made:
        yield made


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


def video(stage: Stage) -> Path:
    path = stage.folder / "video"
    path.write_bytes(b"moving pictures")
    return path


def test_the_job_is_told_to_the_address_when_it_ends(stage: Stage) -> None:
    project = stage.project(video(stage))
    with stage.client() as client:
        url = f"/projects/{project.id}/jobs"
        made = client.post(url, json={"kind": "analyze", "webhook": URL})
    assert made.status_code == 202, made.text
    assert "zebra" not in made.text
    store = stage.context.store
    assert store.webhooks.claim() is None
    assert store.jobs.finish(made.json()["id"], JobState.FAILED)
    delivery = store.webhooks.claim()
    assert delivery is not None
    assert (delivery.url, delivery.job) == (URL, made.json()["id"])
    assert delivery.project_url == f"/projects/{project.id}"


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://127.0.0.1/", "https://169.254.169.254/", "hook", ""]
)
def test_an_address_that_leads_inside_is_refused(stage: Stage, url: str) -> None:
    project = stage.project(video(stage))
    with stage.client() as client:
        made = client.post(f"/projects/{project.id}/jobs", json={"kind": "mask", "webhook": url})
    assert made.status_code == 422
    assert made.json()["type"] == "urn:bystander:AddressRefused"
    assert "webhook" in made.json()["detail"]
    assert stage.context.store.jobs.list(project.id) == ()


def test_the_operators_own_hosts_are_taken(stage: Stage) -> None:
    project = stage.project(video(stage))
    order = {"kind": "mask", "webhook": "http://hooks.internal/x"}
    with stage.client() as client:
        assert client.post(f"/projects/{project.id}/jobs", json=order).status_code == 202


def test_too_many_that_nobody_hears_are_refused(stage: Stage) -> None:
    order = {"kind": "mask", "webhook": URL}
    projects = [stage.project(video(stage)) for _ in range(3)]
    with stage.client() as client:
        answers = [client.post(f"/projects/{one.id}/jobs", json=order) for one in projects]
        last = client.post(f"/projects/{projects[2].id}/jobs", json={"kind": "mask"})
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].headers["Retry-After"] == "60"
    assert last.status_code == 202


def test_each_token_learns_its_own_key(stage: Stage) -> None:
    secrets = []
    for token in (0, 1, 0):
        with stage.client(token) as client:
            secrets.append(client.get("/webhook-secret").json()["secret"])
    assert secrets[0] == secrets[2] != secrets[1]
    assert len(base64.b64decode(secrets[0].removeprefix("whsec_"), validate=True)) == 32
    assert SECRET not in str(secrets)


def test_where_none_are_sent_an_order_with_one_is_refused(silent: Stage) -> None:
    project = silent.project(video(silent))
    with silent.client() as client:
        order = {"kind": "mask", "webhook": URL}
        made = client.post(f"/projects/{project.id}/jobs", json=order)
        key = client.get("/webhook-secret")
    for answer in (made, key):
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:bystander:webhooks-off"
        assert "BYSTANDER_WEBHOOK_SECRET" in answer.json()["advice"]
    assert silent.context.store.jobs.list(project.id) == ()
