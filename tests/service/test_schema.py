"""The API does what its description says, whatever is thrown at it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from benchmarks.service.server import Server
from bystander.client import Client
from tests.service.conftest import Material
from tests.support.waiting import HANGS_AFTER_SECONDS

pytestmark = pytest.mark.long

if find_spec("schemathesis") is None:
    pytest.skip("needs the extra dev", allow_module_level=True)

SEED = 20
EXAMPLES = 8
"""For each operation and phase."""
LINK = "/projects/{project}/video/upload-url"
"""Answers 501 where the service takes uploads itself."""
ESTIMATE = "/projects/{project}/estimate"
"""Takes seconds for each of its many questions about a real video."""
TUS = "^(create_upload|append_to_upload)_"
"""Operations whose bodies schemathesis can't write: clients of tus try them (tests/server/http)."""
EXCLUDED = (
    # A valid request may be refused for what no schema can say: sizes beyond the limit that is
    # set, names of blanks.
    "positive_data_acceptance",
    # A project without a job has neither people nor a result.
    "ensure_resource_availability",
    # Starlette names the methods of one route of several in Allow.
    "unsupported_method",
)
SETTINGS = """
[checks.negative_data_rejection]
# 412: it is of no version of tus, which is looked at first. 413: more than its Upload-Length.
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 428, 429, "5xx"]
"""
HOOKS = """
import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
"""


@pytest.fixture(scope="module")
def analysed(service: Server, material: Material) -> Iterator[str]:
    """Id of a project of the second token, with a result."""
    with Client(service.url, service.tokens[1]) as client:
        for project in client.projects():
            project.delete()
        project = client.create_project()
        project.send_video(material.video)
        project.start("mask").wait()
        yield project.id
        for left in client.projects():  # those that were made while testing, too
            left.delete()


def test_what_a_finished_project_holds_is_as_described(
    service: Server, analysed: str, tmp_path: Path
) -> None:
    settings = f'[parameters]\n"path.project" = "{analysed}"\n"path.number" = 0\n'

    options = ["--include-method", "GET", "--exclude-path", ESTIMATE]
    _check(service, tmp_path, [*options, "--phases", "coverage,fuzzing"], settings)


def test_a_link_to_a_bucket_is_refused_as_described(service: Server, analysed: str) -> None:
    answer = httpx.post(
        f"{service.url}/v1/projects/{analysed}/video/upload-url",
        json={"size": 1},
        headers={"Authorization": f"Bearer {service.tokens[1]}"},
        trust_env=False,
    )

    described = httpx.get(f"{service.url}/v1/openapi.json", trust_env=False).json()
    assert answer.status_code == 501
    assert "501" in described["paths"][LINK]["post"]["responses"]


@pytest.mark.parametrize("route", ["/segment", "/embed", "/mask_image"])
def test_the_routes_of_pictures_have_no_defects(
    route: str, service: Server, tmp_path: Path
) -> None:
    checks = ["--checks", "not_a_server_error", "--include-path", route]

    _check(service, tmp_path, [*checks, "--phases", "coverage,fuzzing"], address="/docs.json")


def test_every_operation_does_as_described(service: Server, tmp_path: Path) -> None:
    # It lists the projects and deletes them, so the others come first.
    _check(service, tmp_path, ["--exclude-path", LINK, "--exclude-operation-id-regex", TUS])


def _check(
    service: Server,
    folder: Path,
    options: list[str],
    settings: str = "",
    address: str = "/v1/openapi.json",
) -> None:
    """Run schemathesis, and fail with what it has found."""
    (folder / "schemathesis.toml").write_text(settings + SETTINGS)
    (folder / "uploads_hook.py").write_text(HOOKS)
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}{address}"]
    if "--checks" not in options:
        options = ["--checks", "all", "--exclude-checks", ",".join(EXCLUDED), *options]
    token = f"Authorization: Bearer {service.tokens[1]}"
    done = subprocess.run(
        [*command, "-H", token, "--max-examples", str(EXAMPLES), "--seed", str(SEED), *options,
         "--generation-database", "none", "--warnings", "off", "--no-color",
         "--request-timeout", "600", "--max-response-time", "600"],
        cwd=folder, capture_output=True, text=True, timeout=HANGS_AFTER_SECONDS,
        env={
            **os.environ,
            "NO_PROXY": "*",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.getenv("PYTHONPATH")])),
            "SCHEMATHESIS_HOOKS": "uploads_hook",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
