"""What Prometheus is told: route templates, never paths."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest

from bystander.server.http.observability import MetricsMiddleware, job_metrics
from bystander.server.models import JobState
from tests.support.metrics import samples, served_metrics


def test_any_number_of_ids_is_one_series() -> None:
    app, registry = FastAPI(), CollectorRegistry()

    @app.get("/projects/{project}")
    def get(project: str) -> str:
        return project

    outer = FastAPI()
    outer.mount("/v1", MetricsMiddleware(app, registry))
    transport = httpx.ASGITransport(app=outer)

    async def visit() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for number in range(100):
                await client.get(f"/v1/projects/{number}")
                await client.get(f"/v1/attack/{number}")
                await client.request(f"VERB{number}", "/v1/nothing")

    asyncio.run(visit())
    text = generate_latest(registry).decode()

    requests = samples(text, "bystander_requests_total")
    assert requests == {
        ("GET", "/projects/{project}", "200"): 100,
        ("none", "none", "404"): 200,
    }
    counted = samples(text, "bystander_request_seconds_count")
    assert counted == {("GET", "/projects/{project}"): 100, ("none", "none"): 200}


def test_jobs_are_told_as_they_are_now() -> None:
    text = job_metrics({**dict.fromkeys(JobState, 0.0), "queued": 3.0, "running": 1.0, "fps": 21.5})

    jobs = samples(text, "bystander_jobs")
    assert jobs == {(s,): {"queued": 3, "running": 1}.get(s, 0) for s in JobState}
    assert samples(text, "bystander_frames_per_second") == {(): 21.5}


@pytest.mark.long
def test_bentoml_tells_the_same_and_no_path(tmp_path: Path) -> None:
    text = served_metrics(tmp_path)

    assert "secret" not in text
    assert "attack" not in text
    assert samples(text, "bystander_requests_total") == {("GET", "/projects/{project}", "200"): 5}
    assert samples(text, "bystander_jobs")[("queued",)] == 2
    assert 'endpoint="/echo"' in text
