"""What Prometheus is told: route templates, never paths."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bystander.server.http.observability import MetricsMiddleware, job_metrics
from bystander.server.models import JobState
from tests.conftest import REPOSITORY


def samples(text: str, name: str) -> dict[tuple[str, ...], float]:
    """Values of a metric by the values of its labels."""
    families = text_string_to_metric_families(text)
    found = (s for family in families for s in family.samples if s.name == name)
    return {tuple(v for k, v in sorted(s.labels.items())): s.value for s in found}


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


SERVICE = """
import bentoml, httpx, asyncio
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from bystander.server.http.observability import MetricsMiddleware, job_metrics
from bystander.server.http.patches import patch_bentoml
from bystander.server.models import JobState

patch_bentoml()
patch_bentoml()
app = FastAPI()

@app.get("/projects/{project}")
def get(project: str) -> str:
    return project

@bentoml.asgi_app(MetricsMiddleware(app, CollectorRegistry()), path="/v1")
@bentoml.service
class Main:
    @bentoml.api
    def echo(self, text: str) -> str:
        return text

    def __metrics__(self, content: str) -> str:
        return content + job_metrics({**dict.fromkeys(JobState, 2.0), "fps": 0.0})

from bentoml._internal.context import server_context
server_context.service_routes = ["/echo"]

async def main():
    app = Main.to_asgi(is_main=True)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for number in range(5):
                assert (await client.get(f"/v1/projects/secret{number}")).status_code == 200
                assert (await client.get(f"/attack{number}")).status_code == 404
            assert (await client.post("/echo", json={"text": "a"})).text == "a"
            print("METRICS")
            print((await client.get("/metrics")).text)

asyncio.run(main())
"""


def test_bentoml_tells_the_same_and_no_path(tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "prometheus"),
        "BENTOML_HOME": str(tmp_path / "home"),
        "BENTOML_DO_NOT_TRACK": "true",
        "PYTHONPATH": str(REPOSITORY),
    }
    (tmp_path / "service.py").write_text(SERVICE)
    done = subprocess.run(
        [sys.executable, "service.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.split("METRICS\n")[1]

    assert "secret" not in text
    assert "attack" not in text
    assert samples(text, "bystander_requests_total") == {("GET", "/projects/{project}", "200"): 5}
    assert samples(text, "bystander_jobs")[("queued",)] == 2
    assert 'endpoint="/echo"' in text
