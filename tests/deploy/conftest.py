"""What the containers and scripts say, read once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
DOCKERFILES = sorted((DEPLOY / "docker").glob("*.Dockerfile"))
SCRIPTS = sorted(DEPLOY.rglob("*.sh"))

Compose = dict[str, Any]


def run(tool: str, *arguments: object, env: dict[str, str] | None = None, typed: str = "") -> str:
    """Run a tool of the environment, or of the machine, in the repository; what it prints.

    Args:
        env: beside PATH, all that it gets to see of the environment.
        typed: its standard input.

    Raises:
        AssertionError: it complains; the message is what it said.
    """
    found = Path(sys.executable).parent / tool
    command = [found if found.exists() else tool, *map(str, arguments)]
    environ = {"PATH": os.environ["PATH"], **(env or {})}
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=environ, input=typed, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="session", params=["cpu", "gpu"])
def compose(request: pytest.FixtureRequest) -> Compose:
    """docker-compose.yml under one profile, as Compose itself understands it."""
    written = run(
        "docker-compose",
        "--env-file",
        "/dev/null",
        "--profile",
        request.param,
        "config",
        "--format",
        "json",
    )
    found: Compose = json.loads(written)
    return found
