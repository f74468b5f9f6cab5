"""The field's own linters find nothing in what deploys the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.deploy.conftest import DEPLOY, DOCKERFILES, SCRIPTS, run

pytestmark = pytest.mark.long

YAML = [REPOSITORY / "docker-compose.yml", *sorted(DEPLOY.rglob("*.yaml"))]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_is_content(path: Path) -> None:
    run("hadolint", "--no-color", "-c", DEPLOY / "docker/hadolint.yaml", path)


def test_shellcheck_is_content() -> None:
    run("shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *SCRIPTS)


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_yamllint_is_content(path: Path) -> None:
    run("yamllint", "--strict", "-c", DEPLOY / "docker/yamllint.yaml", path)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.compose-spec", "docker-compose.yml"),
        ("vendor.cloudbuild", "deploy/gcp/cloudbuild.yaml"),
    ],
)
def test_files_follow_their_schema(schema: str, path: str) -> None:
    run("check-jsonschema", "--builtin-schema", schema, path)


@pytest.mark.parametrize(
    "path", [script for script in SCRIPTS if script.name != "common.sh"], ids=lambda path: path.name
)
def test_scripts_stop_at_the_first_error_and_can_be_run(path: Path) -> None:
    assert "\nset -euo pipefail\n" in path.read_text()
    assert path.stat().st_mode & 0o111, f"{path.name} is not executable"
