"""What a service of BentoML with the entry's own metrics tells Prometheus, and how to read it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import REPOSITORY

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

    @bentoml.api(batchable=True)
    def doubled(self, numbers: list[int]) -> list[int]:
        return [2 * number for number in numbers]

    def __metrics__(self, content: str) -> str:
        return content + job_metrics({**dict.fromkeys(JobState, 2.0), "fps": 0.0})

from bentoml._internal.context import server_context
server_context.service_routes = ["/echo", "/doubled"]

async def main():
    app = Main.to_asgi(is_main=True)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            for number in range(5):
                assert (await client.get(f"/v1/projects/secret{number}")).status_code == 200
                assert (await client.get(f"/attack{number}")).status_code == 404
            assert (await client.post("/echo", json={"text": "a"})).text == "a"
            assert (await client.post("/doubled", json={"numbers": [1, 2]})).json() == [2, 4]
            print("METRICS")
            print((await client.get("/metrics")).text)

asyncio.run(main())
"""


def samples(text: str, name: str) -> dict[tuple[str, ...], float]:
    """Values of a metric by the values of its labels."""
    families = text_string_to_metric_families(text)
    found = (s for family in families for s in family.samples if s.name == name)
    return {tuple(v for k, v in sorted(s.labels.items())): s.value for s in found}


def served_metrics(folder: Path) -> str:
    """/metrics after a few requests, some of them refused; `folder` is the service's."""
    (folder / "prometheus").mkdir()
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "prometheus"),
        "BENTOML_HOME": str(folder / "home"),
        "BENTOML_DO_NOT_TRACK": "true",
        "PYTHONPATH": str(REPOSITORY),
    }
    (folder / "service.py").write_text(SERVICE)
    done = subprocess.run(
        [sys.executable, "service.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("METRICS\n")[1]
