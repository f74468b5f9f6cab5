"""The wheel that pip installs: the library and the service work from it, without a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import requests

from benchmarks.service.server import Server
from bystander.client import Client
from bystander.media.probe import probe
from tests.conftest import REPOSITORY
from tests.support.videos import make_video

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs; what it requires is this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(REPOSITORY)], check=True)
    [wheel] = folder.glob("bystander-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "packages")
    return folder / "packages"


def test_it_installs_one_package_and_nothing_beside_it(packages: Path) -> None:
    names = {path.name for path in packages.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"bystander"}
    assert (packages / "bystander/py.typed").exists()


def test_a_line_of_python_masks_a_video(packages: Path, tmp_path: Path) -> None:
    make_video(tmp_path / "in.mp4")
    line = "import bystander; bystander.mask_video('in.mp4', 'out.mp4'); print(bystander.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", line],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(packages)
    assert probe(tmp_path / "out.mp4").frame_count == probe(tmp_path / "in.mp4").frame_count


def test_the_service_masks_a_video(packages: Path, tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4")
    (tmp_path / "server").mkdir()
    with Server(tmp_path / "server", packages=packages) as server:
        said = requests.get(f"{server.url}/readyz", timeout=60)
        client = Client(server.url, server.tokens[0])
        project = client.create_project()
        project.send_video(video)
        job = project.start("mask")
        job.wait()
        project.download("result", tmp_path / "out.mp4")
    assert said.ok
    assert probe(tmp_path / "out.mp4").frame_count == probe(video).frame_count
