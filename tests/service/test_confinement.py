"""What a job's worker of a real service could reach, had a hostile video taken it over.

A probe (`tests.sandbox.probe`) is started as the service starts the worker: with the confinement
in the worker's own arguments, and the worker's own environment.
"""

from __future__ import annotations

import json
import subprocess

import psutil
import pytest

from benchmarks.service.server import JOB_WORKER, Server
from bystander.client import Client
from bystander.sandbox import landlock
from bystander.sandbox.launch import Confinement, confined_command
from tests.conftest import REPOSITORY
from tests.service.conftest import Material, begin
from tests.support.waiting import until

pytestmark = pytest.mark.long


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
def test_a_worker_reaches_its_own_job_alone(
    service: Server, client: Client, material: Material
) -> None:
    other = client.create_project()
    other.send_photo("friend", material.photo)
    other.send_video(material.video)
    assert other.estimate()["sampled"]  # measured by a child that is confined, too
    project, job = begin(client, material)
    until(lambda: service.worker(job.id))
    worker = service.worker(job.id)
    assert worker
    worker.suspend()  # it stays until it has been looked at
    try:
        command, environment = worker.cmdline(), worker.environ()
    except psutil.AccessDenied:
        pytest.skip("only root may look at a process that has been confined")
    finally:
        worker.resume()
    at = command.index(JOB_WORKER)
    confinement = Confinement.model_validate_json(command[at - 1])
    stored = [service.data / kind / other.id for kind in ("objects", "photos")]
    others = [
        *(path for folder in stored for path in folder.rglob("*") if path.is_file()),
        *service.data.glob("bystander.sqlite*"),
        service.data.parent / "tokens",
    ]
    assert len(others) >= 4  # a video, a photo, the database, the tokens
    attempts = [
        *(f"read:{path}" for path in others),
        *(f"write:{path}" for path in others),
        f"list:{service.data / 'objects'}",
        f"list:{service.data / 'work'}",
        "read:/etc/shadow",
        f"read:/proc/{service.service('bystander').pid}/environ",
    ]
    confinement = confinement.model_copy(update={"read": (*confinement.read, REPOSITORY / "tests")})
    ended = subprocess.run(
        confined_command(confinement, "tests.sandbox.probe", "list:.", *attempts),
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    outcomes = {name: kind for name, (kind, _) in json.loads(ended.stdout).items()}
    assert outcomes == {"list:.": "done", **dict.fromkeys(attempts, "PermissionError")}
    assert not [token for token in service.tokens if token in str(environment)]
    assert "BYSTANDER_TOKENS_FILE" not in environment
    assert job.wait()["state"] == "done"
    project.delete()
    other.delete()
