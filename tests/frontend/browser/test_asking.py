"""Nothing is lost by one click, and nothing of a step is left standing on the next."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from benchmarks.app.webapp import WebApp
from frontend.texts import LANGUAGES, Language
from tests.frontend.browser.conftest import Come
from tests.support.staged import PROJECT, StagedService, job, photo
from tests.support.waiting import until

pytestmark = pytest.mark.long


@pytest.mark.parametrize("language", LANGUAGES)
def test_cancelling_and_deleting_ask_first_and_say_what_came_of_it(
    come: Come, staged: StagedService, staged_app: WebApp, language: Language
) -> None:
    staged.reset()
    staged.photos, staged.jobs = [photo()], [job("running")]
    with come(language, at=staged_app) as visitor:
        dialog = visitor.page.get_by_role("dialog")
        visitor.open(project=PROJECT)
        visitor.press("progress.cancel")
        expect(dialog.get_by_text(visitor.texts("progress.cancel-what"))).to_be_visible()
        looks = len(staged.asked)
        until(lambda: len(staged.asked) >= looks + 3)  # the page goes on to follow the job
        expect(dialog).to_be_visible()
        assert staged.jobs[-1]["state"] == "running"
        dialog.get_by_role("button", name=visitor.texts("progress.cancel")).click()
        visitor.expect_written("progress.kept-photos", hours=24)
        visitor.expect_own_language()

        visitor.press("result.delete")
        dialog.get_by_role("button", name=visitor.texts("app.back")).click()
        expect(dialog).to_have_count(0)
        visitor.press("result.delete")
        expect(dialog.get_by_text(visitor.texts("result.delete-what"))).to_be_visible()
        dialog.get_by_role("button", name=visitor.texts("result.delete")).click()
        visitor.expect_written("app.deleted")
        visitor.expect_step("upload")
        assert "DELETE" in {method for method, _, _ in staged.asked}


def test_nothing_of_a_step_is_left_on_the_next_while_that_is_being_made(
    come: Come, staged: StagedService, staged_app: WebApp
) -> None:
    staged.reset()
    staged.photos = [photo()]
    staged.measured.clear()
    try:
        with come(at=staged_app) as visitor:
            visitor.open(project=PROJECT, step="upload")
            visitor.expect_step("upload")
            framed = visitor.page.locator(".stage")
            expect(framed).to_be_visible()
            visitor.press("app.continue")
            visitor.expect_step("estimate")
            visitor.expect_written("estimate.measuring")
            expect(framed).not_to_be_visible()
            staged.measured.set()
            expect(visitor.page.locator(".figure")).to_be_visible()
    finally:
        staged.measured.set()
