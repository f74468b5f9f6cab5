"""What the tests of uploads share: a service, a project, two films."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from bystander.server.models import Project
from tests.support.stage import Stage, staged
from tests.support.videos import Clip, make_video


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def client(stage: Stage) -> Iterator[httpx.Client]:
    with stage.client() as made:
        yield made


@pytest.fixture
def project(stage: Stage) -> Iterator[Project]:
    made = stage.project()
    yield made
    stage.context.janitor.purge(made.id)


@pytest.fixture
def address(project: Project) -> str:
    return f"/projects/{project.id}/video"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("film") / "video.mp4").read_bytes()


@pytest.fixture(scope="module")
def other_film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A shorter one, with one poster."""
    clip = Clip(pts=range(0, 5 * 512, 512), size=(160, 120))
    return make_video(tmp_path_factory.mktemp("film") / "other.mp4", clip).read_bytes()
