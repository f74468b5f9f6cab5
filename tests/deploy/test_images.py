"""What the images are made of, and who runs in them."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import bentoml
import pathspec
import pytest
from dockerfile_parse import DockerfileParser

from deploy.docker.requirements import OWN, requirements
from tests.conftest import REPOSITORY
from tests.deploy.conftest import DEPLOY, DOCKERFILES

SERVICE = DEPLOY / "docker/service.Dockerfile"
FRONTEND = DEPLOY / "docker/frontend.Dockerfile"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]

images = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)


def instructions(dockerfile: Path, name: str) -> list[str]:
    """The values of every instruction called `name`, continued lines joined."""
    parts = DockerfileParser(path=str(dockerfile)).structure
    return [part["value"] for part in parts if part["instruction"] == name]


def sources(dockerfile: Path) -> list[str]:
    """What is copied from the repository."""
    copies = [c for c in instructions(dockerfile, "COPY") if not c.startswith("--from")]
    return [source for copy in copies for source in copy.split()[:-1]]


def environment(dockerfile: Path) -> dict[str, str]:
    """The variables that ENV sets, in any stage."""
    lines = " ".join(instructions(dockerfile, "ENV"))
    return dict(pair.split("=", 1) for pair in lines.split())


@images
def test_whatever_is_copied_exists(dockerfile: Path) -> None:
    assert [s for s in sources(dockerfile) if not (REPOSITORY / s).exists()] == []


@images
@pytest.mark.parametrize("ignore", [".dockerignore", "deploy/gcp/gcloudignore"])
def test_what_is_copied_is_sent_to_the_builder(dockerfile: Path, ignore: str) -> None:
    sent = pathspec.GitIgnoreSpec.from_lines((REPOSITORY / ignore).read_text().splitlines())
    # Docker, unlike git, lets a file back in whose folder is kept out.
    assert [s for s in sources(dockerfile) if sent.match_file(s)] == []


@pytest.mark.parametrize("ignore", [".dockerignore", "deploy/gcp/gcloudignore"])
@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        ".venv-bench/pyvenv.cfg",
        ".env",
        "data/bystander.sqlite",
        "out/masked.mp4",
        "models/buffalo_sc.onnx",
        "deploy/secrets/tokens.txt",
        "deploy/gcp/settings.env",
        "deploy/gcp/kubeconfig",
        "bystander/__pycache__/cli.cpython-311.pyc",
    ],
)
def test_nothing_private_or_heavy_is_sent_to_the_builder(path: str, ignore: str) -> None:
    kept_out = pathspec.GitIgnoreSpec.from_lines((REPOSITORY / ignore).read_text().splitlines())
    assert kept_out.match_file(path)


@images
def test_nobody_is_root(dockerfile: Path) -> None:
    assert instructions(dockerfile, "USER") == ["10001:10001"]
    assert "--uid 10001" in dockerfile.read_text()


@images
def test_the_base_is_a_version_and_both_stages_share_it(dockerfile: Path) -> None:
    python, *_ = instructions(dockerfile, "ARG")
    assert re.fullmatch(r"PYTHON=python:3\.11\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", python)
    assert [f.split()[0] for f in instructions(dockerfile, "FROM")] == ["${PYTHON}"] * 2


@images
def test_packages_are_those_of_the_constraints(dockerfile: Path) -> None:
    installs = [run for run in instructions(dockerfile, "RUN") if "pip install" in run]
    # gpu.txt pins what it names itself.
    loose = [
        i for i in installs if "-c constraints.txt" not in i and "-r deploy/docker/gpu" not in i
    ]
    assert installs
    assert loose == []


@images
def test_an_image_runs_the_folder_that_its_command_looks_in(dockerfile: Path) -> None:
    """The code is copied, never installed: serving.py looks for service.py beside the library."""
    assert [
        run for run in instructions(dockerfile, "RUN") if re.search(r"install( \S+)* \.", run)
    ] == []
    assert (
        environment(dockerfile)["PYTHONPATH"] == instructions(dockerfile, "WORKDIR")[-1] == "/app"
    )


@images
def test_signals_reach_the_server_and_health_is_asked_for(dockerfile: Path) -> None:
    assert json.loads(instructions(dockerfile, "ENTRYPOINT")[0]) == ["tini", "--"]
    assert instructions(dockerfile, "STOPSIGNAL") == ["SIGTERM"]
    (port,) = instructions(dockerfile, "EXPOSE")
    (health,) = instructions(dockerfile, "HEALTHCHECK")
    assert f"http://127.0.0.1:{port}/" in health
    assert port in json.loads(instructions(dockerfile, "CMD")[0])


@pytest.mark.parametrize(
    ("dockerfile", "groups"),
    [(SERVICE, (OWN, "serve", "cluster", "postgres")), (FRONTEND, ("app",))],
)
def test_what_is_installed_is_what_the_project_requires(
    dockerfile: Path, groups: tuple[str, ...]
) -> None:
    assert f"requirements.py {' '.join(groups)} > requirements.txt" in dockerfile.read_text()
    wanted = [one for group in groups for one in ({OWN: PROJECT["dependencies"], **EXTRAS}[group])]
    assert list(requirements(REPOSITORY / "pyproject.toml", *groups)) == wanted


def test_a_login_shell_finds_ray() -> None:
    """KubeRay may start nodes in one; its PATH is Debian's, not the image's."""
    linked = r"ln -s /opt/bystander/bin/ray /opt/bystander/bin/python /usr/local/bin/"
    assert any(linked in run for run in instructions(SERVICE, "RUN"))


def test_the_service_folder_is_all_there() -> None:
    assert {"bystander", "bentos", "configs", "service.py"} <= set(sources(SERVICE))


def test_both_kinds_of_opencv_are_one_version() -> None:
    pins = dict(
        line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().splitlines()[2:]
    )
    assert pins["opencv-python"] == pins["opencv-python-headless"]


def test_the_web_app_is_its_folder_and_nothing_of_the_library() -> None:
    copied = sources(FRONTEND)
    assert "frontend" in copied
    assert not {"bystander", "bentos", "service.py", "configs"} & set(copied)
    imports = re.compile(r"^\s*(from|import) (bystander|bentos)\b", re.MULTILINE)
    modules = (REPOSITORY / "frontend").rglob("*.py")
    assert [m.name for m in modules if imports.search(m.read_text())] == []


def test_the_gpu_variant_has_the_onnx_runtime_of_the_extra() -> None:
    lines = (DEPLOY / "docker/gpu.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert set(EXTRAS["gpu"]) <= set(pins)
    assert [pin for pin in pins if not re.fullmatch(r"[\w-]+==[\d.]+", pin)] == []
    last = [run for run in instructions(SERVICE, "RUN") if "pip install" in run][-1]
    assert "--no-deps --force-reinstall -r deploy/docker/gpu.txt" in last


def test_every_cuda_library_is_on_the_search_path() -> None:
    lines = (DEPLOY / "docker/gpu.txt").read_text().splitlines()
    wheels = {w for line in lines if (w := line.partition("==")[0]).startswith("nvidia-")}
    folders = {w.removeprefix("nvidia-").removesuffix("-cu12").replace("-", "_") for w in wheels}
    path = environment(SERVICE)["LD_LIBRARY_PATH"].split(":")
    assert {f"${{CUDA_WHEELS}}/{folder}/lib" for folder in folders} <= set(path)


def test_dead_workers_are_started_again_and_nothing_is_reported_home() -> None:
    found = environment(SERVICE)
    assert "BENTOML_CONTAINERIZED" not in found
    assert found["BENTOML_DO_NOT_TRACK"] == "True"
    assert found["ORT_DISABLE_TELEMETRY"] == "1"
    assert found["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment(FRONTEND)["STREAMLIT_BROWSER_GATHER_USAGE_STATS"] == "false"


@pytest.mark.parametrize("variable", [v for v in environment(SERVICE) if v.startswith("B")])
def test_the_service_knows_every_variable_that_its_image_sets(variable: str) -> None:
    roots = [REPOSITORY / "bystander", Path(bentoml.__file__).parent]
    assert variable in "".join(f.read_text() for root in roots for f in root.rglob("*.py"))
