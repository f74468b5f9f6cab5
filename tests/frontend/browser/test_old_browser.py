"""A browser that can't send files in parts is told so, in words."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from frontend.texts import LANGUAGES, Language
from tests.frontend.browser.conftest import Come

pytestmark = pytest.mark.long


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("missing", ["Blob.prototype.slice", "window.XMLHttpRequest"])
def test_it_is_said_what_the_browser_lacks(come: Come, language: Language, missing: str) -> None:
    with come(language) as visitor:
        visitor.page.add_init_script(f"delete {missing}")
        visitor.open()

        visitor.expect_step("upload")
        visitor.expect_written("uploader.unsupported")
        expect(visitor.button("video_uploader.choose")).to_have_count(0)
