"""A job's end is told, signed, until somebody hears it, over restarts, for a day."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bystander.server.jobs.webhooks import (
    MAX_AGE_SECONDS,
    Delivery,
    WebhookSender,
    retry_after,
    signed,
    signing_key,
    written,
)
from bystander.server.models import Job, JobKind, JobState, Problem, Webhook
from bystander.server.settings import WebhookSettings
from bystander.server.store import ServiceStore
from tests.support.databases import database_at
from tests.support.house import AT_ONCE, NAME, House
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import until

SECRET = "a secret of at least 32 characters".replace(" ", "-")
SETTINGS = WebhookSettings(secret=SECRET, hosts=("127.0.0.1",), timeout_seconds=60)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[ServiceStore]:
    made = ServiceStore(database_at(tmp_path / "store"), clock)
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def ordered(
    store: ServiceStore,
    url: str = "http://127.0.0.1:9/hook",
    owner: str = "ann",
    kind: JobKind = JobKind.MASK,
) -> Job:
    """A job that waits, of a project of its own."""
    project = store.projects.create(owner, 3600)
    webhook = Webhook(url, f"/v1/projects/{project.id}")
    job = store.jobs.add(project.id, kind, {"kind": kind}, webhook=webhook)
    assert job is not None
    return job


def ended(store: ServiceStore, url: str = "http://127.0.0.1:9/hook", owner: str = "ann") -> Job:
    job = ordered(store, url, owner)
    assert store.jobs.finish(job.id, JobState.FAILED, Problem("NotAVideo", "no"))
    return job


def tried(store: ServiceStore, clock: Clock) -> tuple[Delivery, bool]:
    """What is due, tried once."""
    delivery = store.webhooks.claim()
    assert delivery is not None
    return delivery, asyncio.run(WebhookSender(store.webhooks, SETTINGS, clock).deliver(delivery))


def test_the_signature_is_that_of_the_standard() -> None:
    """Computed by the specification's own Python library, standardwebhooks 1.0."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    webhook = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert signed(key, webhook, 1614265330, b'{"test": 2432232314}') == {
        "Webhook-Id": webhook,
        "Webhook-Timestamp": "1614265330",
        "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_end_of_a_job_is_told_by_a_signed_post(tmp_path: Path, receiver: Receiver) -> None:
    house = House(tmp_path / "data")
    project = house.project()
    webhook = Webhook(f"{receiver.url}/hook", f"/v1/projects/{project.id}")
    job = house.store.jobs.add(project.id, JobKind.MASK, {"kind": "mask"}, webhook=webhook)
    assert job is not None
    sender = WebhookSender(house.store.webhooks, SETTINGS)
    sender.start()
    try:
        with house.running(AT_ONCE):
            house.ended(job)
            until(lambda: house.store.webhooks.pending("ann") == 0)
    finally:
        sender.stop()
    (request,) = receiver.requests
    told = json.loads(request.body)
    assert (request.path, told["type"]) == ("/hook", "job.done")
    url = f"/v1/projects/{project.id}"
    assert told["data"] == {
        "job": job.id,
        "project": project.id,
        "kind": "mask",
        "state": "done",
        "links": {
            "project": url,
            "job": f"{url}/jobs/{job.id}",
            "people": f"{url}/people",
            "result": f"{url}/result",
        },
    }
    assert NAME.encode() not in request.body
    headers = request.headers
    assert headers["content-type"] == "application/json"
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    key = base64.b64decode(written(signing_key(SECRET, "ann")).removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    house.close()


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_a_job_that_came_to_nothing_is_told_without_a_result(
    store: ServiceStore, clock: Clock, receiver: Receiver, state: JobState
) -> None:
    job = ordered(store, receiver.url)
    if state is JobState.CANCELLED:
        store.jobs.request_cancel(job.id)
    else:
        store.jobs.finish(job.id, state, Problem("NoFaceFound", f"no face of {NAME}"))
    assert tried(store, clock)[1]
    told = json.loads(receiver.requests[0].body)
    assert told["type"] == f"job.{state}"
    assert set(told["data"]["links"]) == {"project", "job"}
    assert NAME not in str(told)


def test_nothing_is_due_before_the_end(store: ServiceStore) -> None:
    ordered(store)
    assert store.jobs.claim() is not None  # it runs
    assert store.webhooks.claim() is None
    assert store.webhooks.pending("ann") == 1


def test_a_failed_try_is_repeated_with_the_same_id_and_body_until_it_is_heard(
    store: ServiceStore, clock: Clock, receiver: Receiver
) -> None:
    ended(store, receiver.url)
    receiver.answers = [(500, {}), (302, {"Location": "/"}), (404, {})]
    for attempt in range(1, 4):
        assert tried(store, clock)[1] is False
        assert store.webhooks.claim() is None  # not at once
        clock.now += retry_after(attempt)
    assert tried(store, clock)[1] is True
    clock.now += MAX_AGE_SECONDS / 2
    assert store.webhooks.claim() is None
    first, *others = receiver.requests
    assert len(others) == 3
    for other in others:
        assert other.headers["webhook-id"] == first.headers["webhook-id"]
        assert other.body == first.body
    times = [int(request.headers["webhook-timestamp"]) for request in receiver.requests]
    assert times == [1_800_000_000, 1_800_000_005, 1_800_000_015, 1_800_000_035]


def test_waits_double_up_to_an_hour() -> None:
    waits = [retry_after(attempt) for attempt in range(1, 13)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert retry_after(10_000) == 3600


def test_a_receiver_that_is_gone_for_good_is_asked_once(
    store: ServiceStore, clock: Clock, receiver: Receiver
) -> None:
    ended(store, receiver.url)
    receiver.answers = [(410, {})]
    assert tried(store, clock)[1] is True
    assert store.webhooks.pending("ann") == 0


def test_a_restart_loses_nothing(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    first = ServiceStore(database_at(tmp_path / "store"), clock)
    ended(first, receiver.url)
    assert first.webhooks.claim() is not None  # and the server dies over the try
    first.close()
    second = ServiceStore(database_at(tmp_path / "store"), clock)
    assert second.webhooks.claim() is None
    clock.now += retry_after(1)
    delivery, heard = tried(second, clock)
    assert heard
    assert delivery.attempts == 2
    second.close()


def test_after_a_day_it_is_given_up(store: ServiceStore, clock: Clock) -> None:
    ended(store)
    waiting = ordered(store, owner="bob")
    clock.now += MAX_AGE_SECONDS
    assert store.webhooks.claim() is None
    assert store.webhooks.sweep() == 1
    assert store.webhooks.pending("ann") == 0
    assert store.webhooks.pending("bob") == 1  # its job hasn't ended
    assert store.jobs.find(waiting.id) is not None


def test_with_a_project_goes_what_was_to_be_told_of_it(store: ServiceStore) -> None:
    job = ended(store)
    store.projects.delete(job.project)
    assert store.webhooks.claim() is None
    assert store.webhooks.pending("ann") == 0


def test_who_has_one_under_way_is_passed_over(store: ServiceStore) -> None:
    ended(store, owner="ann")
    ended(store, owner="ann")
    other = ended(store, owner="bob")
    delivery = store.webhooks.claim({"ann"})
    assert delivery is not None
    assert delivery.job == other.id


def test_while_a_try_may_last_no_other_service_makes_another(
    store: ServiceStore, clock: Clock
) -> None:
    ended(store)
    assert store.webhooks.claim(seconds=15.0) is not None
    clock.now += 14
    assert store.webhooks.claim() is None
    clock.now += 1
    assert store.webhooks.claim() is not None


def test_nobody_is_called_in_this_network_unless_the_operator_says_so(
    store: ServiceStore, clock: Clock, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    ended(store, f"{receiver.url}/hook?key=zebra")
    delivery = store.webhooks.claim()
    assert delivery is not None
    closed = WebhookSettings(secret=SECRET)
    with caplog.at_level("INFO", "bystander.server.jobs.webhooks"):
        assert not asyncio.run(WebhookSender(store.webhooks, closed, clock).deliver(delivery))
    assert receiver.connections == 0
    assert "https://" in caplog.text
    assert "zebra" not in caplog.text


def test_without_a_secret_nothing_is_sent(store: ServiceStore, receiver: Receiver) -> None:
    ended(store, receiver.url)
    sender = WebhookSender(store.webhooks, WebhookSettings(hosts=("127.0.0.1",)))
    sender.start()
    sender.stop()
    assert receiver.connections == 0


def test_each_token_has_a_key_of_its_own() -> None:
    keys = {signing_key(secret, owner) for secret in (SECRET, "x" * 32) for owner in ("a", "b")}
    assert {len(key) for key in keys} == {32}
    assert len(keys) == 4
