"""What a look at the app needs: a service with a video in it, the app, a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from benchmarks.app.webapp import WebApp
from benchmarks.service.server import Server
from bystander.cli import demo
from bystander.client import Client

CHROMIUM: Final = ("chromium", "chromium-browser", "google-chrome")


class NoBrowser(Exception):
    """There is no Chromium on this machine."""


@dataclass(frozen=True)
class Stage:
    """Attributes:
    url: of the app.
    client: of the service, as the app.
    video, photo: of six people, and of one of them.
    """

    url: str
    client: Client
    browser: Browser
    video: Path
    photo: Path


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Everything is made in `folder`, and ended with the context.

    Raises:
        NoBrowser, NotStarted, BystanderError
    """
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        raise NoBrowser(f"There is no Chromium in PATH: {', '.join(CHROMIUM)}. Install one.")
    demo.run_demo(folder)
    with (
        Server(folder) as service,
        WebApp(folder, service.url, service.tokens[0]) as app,
        Client(service.url, service.tokens[0]) as client,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=found, args=["--no-sandbox"]) as browser,
    ):
        yield Stage(app.url, client, browser, folder / "source.mp4", folder / "cast" / "friend.jpg")
