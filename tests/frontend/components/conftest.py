"""One browser and one app for all tests of the components."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.frontend.components.fake_edits import FINDINGS
from tests.support.browsing import chromium, running_app
from tests.support.videos import Clip, make_video
from tests.support.waiting import HANGS_AFTER_SECONDS

expect.set_options(timeout=1000 * HANGS_AFTER_SECONDS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("scratch")
    with running_app(Path(__file__).with_name("scratch_app.py"), folder / "log") as address:
        yield address


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files that the fake service has: by name, where they are."""
    folder = tmp_path_factory.mktemp("media")
    Image.new("RGB", (320, 240), "slategrey").save(folder / "face.jpg")
    (folder / "noise.mp4").write_bytes(b"no video " * 500)
    clip = Clip(pts=tuple(range(0, 96 * 512, 512)))
    return {
        "face": str(folder / "face.jpg"),
        "video": str(make_video(folder / "video.mp4", clip)),
        "noise": str(folder / "noise.mp4"),
    }


class Fake:
    """The fake service behind the page."""

    def __init__(self, app: str) -> None:
        self._url = f"{app}/fake"

    def anew(self, **given: object) -> None:
        httpx.post(self._url, json=given, trust_env=False).raise_for_status()

    def set(self, **given: object) -> None:
        httpx.patch(self._url, json=given, trust_env=False).raise_for_status()

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(self._url, trust_env=False).json()
        return found


@pytest.fixture
def fake(app: str, media: dict[str, str]) -> Fake:
    fake = Fake(app)
    fake.anew(media=media)
    return fake


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(page: Page, app: str, fake: Fake) -> Visit:
    def visit(**query: object) -> Page:
        page.goto(f"{app}/?{'&'.join(f'{name}={value}' for name, value in query.items())}")
        expect(page.get_by_role("heading", name="The step")).to_be_visible()
        return page

    return visit


def events(page: Page) -> list[dict[str, Any]]:
    """What Python was told by the components, in order."""
    found: list[dict[str, Any]] = json.loads(page.locator("code").inner_text())
    return found


def expect_event(page: Page, event: str, value: object) -> None:
    told = json.dumps({event: value}, ensure_ascii=True)
    expect(page.locator("code")).to_have_text(re.compile(re.escape(told)))


@pytest.fixture
def player(visit: Visit, fake: Fake) -> Visit:
    """The page with the player, once it shows everyone."""

    def player(crowd: dict[str, Any] | None = None, **query: object) -> Page:
        fake.set(crowd={"findings": FINDINGS} | (crowd or {}))
        page = visit(show="people", **query)
        expect(page.get_by_role("article").first).to_be_visible()
        return page

    return player
