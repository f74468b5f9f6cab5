"""A client that has a token of its own, and no good intentions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx

from benchmarks.service.server import Server
from tests.support.waiting import HANGS_AFTER_SECONDS

PROBLEM = "application/problem+json"
SECRETS = ("/tmp", "/etc", "root:", "Traceback", ".examine", "objects/")
"""Of the machine: no answer has them."""


def open_client(service: Server, token: str) -> httpx.Client:
    """A context manager, see `httpx.Client`."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(
        base_url=service.url, headers=headers, timeout=HANGS_AFTER_SECONDS, trust_env=False
    )


@contextlib.contextmanager
def open_project(client: httpx.Client) -> Iterator[str]:
    """Path of an empty project, deleted in the end."""
    path = client.post("/v1/projects").headers["Location"]
    try:
        yield path
    finally:
        client.delete(path)


def assert_says_why(answer: httpx.Response) -> None:
    """It is a problem, with a reason."""
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    assert_gives_nothing_away(answer)


def assert_gives_nothing_away(answer: httpx.Response) -> None:
    assert not [secret for secret in SECRETS if secret in answer.text]
