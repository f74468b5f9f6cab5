"""A job's end reaches the address that its order named, from the real service."""

from __future__ import annotations

import base64
import hmac
import json

import httpx
import pytest

from tests.support.receiver import receiving
from tests.support.waiting import until

pytestmark = pytest.mark.long


def test_the_end_of_a_job_is_told_and_signed_with_the_key_of_its_token(
    video: str, stranger: httpx.Client
) -> None:
    with receiving() as receiver:
        order = {"kind": "mask", "webhook": f"{receiver.url}/hook"}
        job = stranger.post(f"{video}/jobs", json=order).headers["Location"]
        stranger.post(f"{job}/cancel")
        until(lambda: receiver.requests)
    (request,) = receiver.requests
    told = json.loads(request.body)
    assert (request.path, told["type"]) == ("/hook", "job.cancelled")
    assert told["data"]["links"] == {"project": video, "job": job}
    assert stranger.get(told["data"]["links"]["job"]).json()["state"] == "cancelled"
    secret = stranger.get("/v1/webhook-secret").json()["secret"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    named = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    expected = hmac.digest(key, ".".join(named).encode() + b"." + request.body, "sha256")
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"
