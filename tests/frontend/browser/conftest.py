"""The whole product: a real service, the app's own process, a browser, a video of six people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.browsing import chromium

pytest.importorskip("bentoml", reason="needs the extra serve")

from playwright.sync_api import Browser, expect

from benchmarks.app.webapp import WebApp
from benchmarks.service.server import Server
from bystander.client import Client, RemoteProject
from frontend.texts import Language
from tests.conftest import shared
from tests.frontend.browser.visitor import PATIENCE, Visitor
from tests.service.conftest import filmed, use_shipped_models
from tests.support.staged import StagedService, staged_service
from tests.support.videos import run_ffmpeg

FRAMES, SIZE = 50, (640, 360)
CHANGES: dict[str, dict[str, object]] = {
    "jobs": {"checkpoint_seconds": 0.5, "segment_frames": 20},
}
"""So that work which was interrupted in a short video has something to go on from."""
LOCALES: dict[Language, str] = {"ko": "ko-KR", "en": "en-US"}

expect.set_options(timeout=PATIENCE * 1000)


@dataclass(frozen=True)
class Material:
    """A video of people with sound, and a photo of one of them.

    Attributes:
        change: whose verdict is changed: of those who stand alone, one with this verdict.
    """

    video: Path
    photo: Path
    change: str = "mask"


@pytest.fixture(scope="package")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material(*filmed(tmp_path_factory.mktemp("material"), FRAMES, SIZE))


@pytest.fixture(params=["made", "hamilton"])
def clip(request: pytest.FixtureRequest, material: Material, tmp_path: Path) -> Material:
    """The made video, and of a real one two seconds with a cut: a dark hall, seven spectators."""
    if request.param == "made":
        return material
    whole, video = shared("clips", "hamilton", "video.mp4"), tmp_path / "hamilton.mp4"
    run_ffmpeg("-ss", "6.4", "-t", "2.4", "-i", whole, "-preset", "veryfast", video)
    return Material(
        video,
        shared("clips", "hamilton", "cast", "lin", "lin.png"),
        change="keep",
    )


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A test that ends it leaves it ready again."""
    folder = tmp_path_factory.mktemp("service")
    with pytest.MonkeyPatch.context() as patch:
        use_shipped_models(patch, folder)
        server = Server(folder, CHANGES)
    with server:
        yield server


@pytest.fixture(scope="package")
def app(service: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebApp]:
    """A test that ends it leaves it ready again."""
    with WebApp(tmp_path_factory.mktemp("app"), service.url, service.tokens[0]) as app:
        yield app


@pytest.fixture(scope="package")
def staged() -> Iterator[StagedService]:
    with staged_service() as staged:
        yield staged


@pytest.fixture(scope="package")
def staged_app(staged: StagedService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebApp]:
    """An app before a service that says what a test tells it to."""
    with WebApp(tmp_path_factory.mktemp("staged"), staged.url) as app:
        yield app


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="package")
def client(service: Server) -> Iterator[Client]:
    """What the app itself is to the service."""
    with Client(service.url, service.tokens[0]) as client:
        yield client


@pytest.fixture(scope="package")
def finished(client: Client, material: Material) -> RemoteProject:
    """A project with a result, to be looked at and not to be changed."""
    project = prepared(client, material)
    project.start("mask").wait()
    return project


def prepared(client: Client, material: Material, *, photo: bool = True) -> RemoteProject:
    """A project that can be begun."""
    project = client.create_project()
    if photo:
        project.send_photo("friend", material.photo)
    project.send_video(material.video)
    return project


Come = Callable[..., AbstractContextManager[Visitor]]


@pytest.fixture
def come(browser: Browser, app: WebApp) -> Come:
    """Somebody with a browser of their own, for as long as the context lasts."""

    @contextmanager
    def come(language: Language = "en", at: WebApp = app, **options: Any) -> Iterator[Visitor]:
        context = browser.new_context(locale=LOCALES[language], **options)
        try:
            yield Visitor(context.new_page(), at.url, language)
        finally:
            context.close()

    return come
