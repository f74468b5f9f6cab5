"""A real browser, and an app to look at with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

pytest.importorskip("streamlit", reason="needs the extra app")
pytest.importorskip("playwright", reason="needs the extra dev")

from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import REPOSITORY
from tests.support.waiting import HANGS_AFTER_SECONDS

RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
LASTING_SECONDS: Final = 20.0
"""What is found for so long stays: Streamlit fades in a second or two."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine; skips the test where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("needs Chromium: none of " + ", ".join(names) + " is in PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def running_app(
    script: Path, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A Streamlit app in a process of its own; gives its address.

    Args:
        script: the app's, or the page's.
        log: gets what it writes.
        environment: in addition to this process's.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "streamlit", "run", str(script.resolve()),
        "--server.address=127.0.0.1", f"--server.port={port}", "--server.headless=true",
    ]  # fmt: skip
    with log.open("wb") as written:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY / "frontend",  # where Streamlit finds the app's theme
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, address, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(HANGS_AFTER_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + HANGS_AFTER_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{address}/_stcore/health", trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the app doesn't answer:\n{log.read_text()}")


def violations(page: Page) -> list[str]:
    """What axe-core finds against WCAG 2.1 AA, each with the elements it means.

    Only what lasts: while a page is drawn anew, what it replaces is faded, and hard to read.
    """
    page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    end = time.monotonic() + LASTING_SECONDS
    while (found := _found(page)) and time.monotonic() < end:
        time.sleep(0.2)
    return [f"{v['id']}: {[node['target'] for node in v['nodes']]}" for v in found]


def _found(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(
        "rules => axe.run({runOnly: rules}).then(result => result.violations)", RULES
    )
    return found
