"""The first page, in a real browser: what the browser's own tests (`make test-all`) build upon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect

from benchmarks.app.webapp import WebApp
from frontend.texts import texts
from tests.support.browsing import chromium, violations
from tests.support.staged import StagedService
from tests.support.waiting import HANGS_AFTER_SECONDS

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def test_the_first_page_is_there_for_everyone_and_without_an_error(
    browser: Browser, staged: StagedService, tmp_path: Path
) -> None:
    with WebApp(tmp_path, staged.url) as app:
        page = browser.new_page(locale="en-US")
        wrong: list[Error] = []
        page.on("pageerror", lambda error: wrong.append(error))
        page.goto(f"{app.url}/?lang=en", timeout=1000 * HANGS_AFTER_SECONDS)
        title = page.get_by_role("heading", name=texts("en")("upload.title"))
        expect(title).to_be_visible(timeout=1000 * HANGS_AFTER_SECONDS)
        assert violations(page) == []
        assert wrong == []
        page.close()
