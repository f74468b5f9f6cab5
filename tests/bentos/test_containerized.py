"""What the service makes of the image that `bentoml containerize` builds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bystander.cli.serve import CONTAINERIZED
from tests.conftest import REPOSITORY


def started(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if "BYSTANDER" not in name}
    return subprocess.run(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env={**given, CONTAINERIZED: "true", "BENTOML_DO_NOT_TRACK": "True", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
def test_without_a_token_it_refuses_with_a_sentence() -> None:
    ran = started("-m", "bentoml", "serve", "service:Bystander")
    assert ran.returncode == 1
    assert "error: without a token the service won't listen at 0.0.0.0" in ran.stderr
    assert "BYSTANDER_TOKENS_FILE" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "variable", [{"BYSTANDER_TOKENS": "a-token-of-some-length"}, {"BYSTANDER_ALLOW_OPEN": "1"}]
)
@pytest.mark.long
def test_dead_processes_are_started_again_there(variable: dict[str, str]) -> None:
    script = "import service, bentoml.serving as s; print(s.running_inside_container())"
    ran = started("-c", script, **variable)
    assert ran.stdout.splitlines()[-1] == "False", ran.stderr
