"""Runs the install steps of an image in a clean virtual environment, without an engine.

Every COPY and RUN of the Dockerfile's first stage is carried out in a temporary folder, with
`/opt/bystander` moved there and a C compiler that always fails, since the image has none. Then
what the image is for is imported with nothing but that environment and what the second stage
copies from the repository.

    python deploy/docker/check.py deploy/docker/service.Dockerfile --set VARIANT=gpu
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dockerfile_parse import DockerfileParser

REPOSITORY = Path(__file__).resolve().parents[2]
ENVIRONMENT = "/opt/bystander"
IMPORTS = {
    "service.Dockerfile": "import bentoml, cv2, fastapi, insightface, onnxruntime\n"
    "from bystander.models.catalogue import Catalogue\n"
    "Catalogue.load()\n"
    "print('ONNX Runtime', onnxruntime.__version__, onnxruntime.get_available_providers())",
    "frontend.Dockerfile": "import importlib.util, streamlit\n"
    "import frontend.app, frontend.page\n"
    "assert importlib.util.find_spec('bystander') is None\n"
    "print('Streamlit', streamlit.__version__)",
}


def stages(dockerfile: Path) -> list[list[tuple[str, str]]]:
    """The COPY and RUN instructions after each FROM, as (instruction, value)."""
    found: list[list[tuple[str, str]]] = []
    for part in DockerfileParser(path=str(dockerfile)).structure:
        if part["instruction"] == "FROM":
            found.append([])
        elif part["instruction"] in ("COPY", "RUN"):
            found[-1].append((part["instruction"], part["value"]))
    return found


def copy(value: str, source: Path) -> None:
    """Carry out `COPY a b folder/` into `source`, as Docker does."""
    *names, target = value.split()
    for name in names:
        found = REPOSITORY / name
        if found.is_dir():  # Docker copies what is inside
            shutil.copytree(
                found,
                source / target,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
            )
        else:
            (source / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(found, source / target)


def check(dockerfile: Path, arguments: dict[str, str], folder: Path) -> None:
    """Build the environment of `dockerfile` in `folder` and import what it is for.

    Raises:
        subprocess.CalledProcessError: a step failed; what it said is on stderr.
    """
    environment, source, app = (folder / name for name in ("environment", "src", "app"))
    source.mkdir()
    build, final = stages(dockerfile)
    environ = {
        "PATH": os.pathsep.join([str(environment / "bin"), os.environ["PATH"]]),
        "HOME": str(folder),
        "CC": "/bin/false",
        "CXX": "/bin/false",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        **arguments,
    }
    for instruction, value in build:
        if instruction == "COPY":
            copy(value, source)
            continue
        command = value.replace(ENVIRONMENT, str(environment))
        command = command.replace("pip install", "pip install --quiet")
        started = time.monotonic()
        subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=source, env=environ,
                       check=True)  # fmt: skip
        print(f"{time.monotonic() - started:6.1f} s  {value}", flush=True)
    for instruction, value in final:
        if instruction == "COPY" and not value.startswith("--from"):
            copy(value, app)
    size = sum(f.lstat().st_size for f in environment.rglob("*") if not f.is_dir())
    print(f"{size / 2**20:6.0f} MiB in the environment", flush=True)
    subprocess.run(
        [environment / "bin" / "python", "-c", IMPORTS[dockerfile.name]],
        cwd=app,
        env=environ,
        check=True,
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="given")
    given = parser.parse_args()
    arguments = dict(each.split("=", 1) for each in given.given)
    with tempfile.TemporaryDirectory(prefix="bystander-image-") as folder:
        try:
            check(given.dockerfile, {"VARIANT": "cpu", **arguments}, Path(folder))
        except subprocess.CalledProcessError as error:
            sys.exit(f"failed with status {error.returncode}: {error.cmd[-1]}")


if __name__ == "__main__":
    main()
