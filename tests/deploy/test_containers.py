"""The images, built and started for real: `make images`."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from deploy.docker.images import NOTHING_BUILDS
from tests.conftest import REPOSITORY


@pytest.mark.long
def test_a_video_is_masked_in_the_containers_by_the_api_and_by_the_app() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "deploy.docker.images"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == NOTHING_BUILDS:
        pytest.skip(ran.stderr.strip().splitlines()[-1])
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-8000:]
    assert re.findall(r"^(service|app): \d+ MB$", ran.stdout, re.MULTILINE) == ["service", "app"]
    ways = re.findall(r"^masked by the (\w+)", ran.stdout, re.MULTILINE)
    # After service and app, where no engine starts them, the cluster and the Bento.
    assert ways[:2] == ["API", "app"]
    assert ways[2:] in (["API", "API"], [])
