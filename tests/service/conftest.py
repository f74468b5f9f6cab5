"""One real service for all tests of this folder, and a short video of real people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

pytest.importorskip("bentoml", reason="needs the extra serve")

from benchmarks.service.server import Server
from bystander.cli.demo import FPS, film
from bystander.client import Client, RemoteJob, RemoteProject
from bystander.models import load_models
from tests.support.stranger import open_client, open_project
from tests.support.waiting import HANGS_AFTER_SECONDS

FRAMES, SEGMENT_FRAMES = 50, 20
BODY_SECONDS = 8
"""Soon enough to wait for, late enough for honest bodies on a slow machine."""
CHANGES: dict[str, dict[str, object]] = {
    "jobs": {"checkpoint_seconds": 0.5, "segment_frames": SEGMENT_FRAMES},
    "limits": {
        "body_seconds": BODY_SECONDS,
        "requests_per_second": 1000,
        "burst": 5000,
        "memory": 2**30,
        "cpu": 10,
        "wall": HANGS_AFTER_SECONDS,
    },
    "webhooks": {"secret": "s" * 40, "hosts": ["127.0.0.1"]},
}
"""So that there are checkpoints in a short video, and slow bodies and bombs don't take long."""


@dataclass(frozen=True)
class Material:
    """A video of six people, 640 pixels wide, with sound, and a photo of one of them."""

    video: Path
    photo: Path


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material(*filmed(tmp_path_factory.mktemp("material"), FRAMES, (640, 360)))


def filmed(folder: Path, frames: int, size: tuple[int, int]) -> tuple[Path, Path]:
    """The video of the demo, of so many frames, and the photo of one of its six people."""
    with pytest.MonkeyPatch.context() as patch:
        use_shipped_models(patch, folder)
        return film(folder, load_models().faces, frames // (2 * FPS), size)


def use_shipped_models(patch: pytest.MonkeyPatch, cache: Path) -> None:
    """The weights of the repository and dlib, as after a plain install."""
    patch.delenv("BYSTANDER_MODELS", raising=False)
    patch.setenv("XDG_CACHE_HOME", str(cache))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With its `url`, two `tokens`, `data` folder, `log` and processes.

    A test that ends processes leaves it ready again.
    """
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        use_shipped_models(patch, folder)
        (folder / "tmp").mkdir()
        patch.setenv("TMPDIR", str(folder / "tmp"))
        server = Server(folder, CHANGES)
    with server:
        yield server


@pytest.fixture
def client(service: Server) -> Iterator[Client]:
    """Of the first token."""
    with Client(service.url, service.tokens[0]) as client:
        yield client


@pytest.fixture
def stranger(service: Server) -> Iterator[httpx.Client]:
    """Of the second token."""
    with open_client(service, service.tokens[1]) as client:
        yield client


@pytest.fixture
def project(stranger: httpx.Client) -> Iterator[str]:
    """Path of an empty project of the second token, deleted in the end."""
    with open_project(stranger) as path:
        yield path


@pytest.fixture
def video(project: str, stranger: httpx.Client, material: Material) -> str:
    """Path of a project of the second token with a video."""
    sent = stranger.put(f"{project}/video", content=material.video.read_bytes())
    assert sent.json()["state"] == "ready"
    return project


@dataclass(frozen=True)
class Undisturbed:
    """What a job gives that is alone, and that nothing happens to.

    Attributes:
        looked: pictures that the segmenter was shown, fewer than there are frames.
    """

    result: Path
    looked: int


@pytest.fixture(scope="session")
def undisturbed(
    service: Server, material: Material, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    result = tmp_path_factory.mktemp("undisturbed") / "result.mp4"
    with Client(service.url, service.tokens[0]) as client:
        before, _ = service.segmented()
        project, job = begin(client, material)
        facts = job.wait()
        assert (facts["attempts"], facts["resumed"]) == (1, 0)
        looked = service.segmented()[0] - before
        assert 0 < looked <= FRAMES
        project.download("result", result)
        project.delete()
    return Undisturbed(result, looked)


def begin(client: Client, material: Material) -> tuple[RemoteProject, RemoteJob]:
    """A project with the material in it, and its job."""
    project = client.create_project()
    project.send_photo("friend", material.photo)
    project.send_video(material.video)
    return project, project.start("mask")
