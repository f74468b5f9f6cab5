"""Showing a result to somebody, and what they see."""

from __future__ import annotations

import pytest

from frontend.texts import LANGUAGES, Language, texts
from tests.frontend.conftest import Open
from tests.frontend.reading import ENGLISH, seen
from tests.support.staged import HERE, StagedService, job, kept


@pytest.fixture
def finished(staged: StagedService) -> StagedService:
    staged.jobs, staged.result = [job("done")], True
    return staged


def test_a_link_is_made_shown_once_and_taken_back(open_page: Open, finished: StagedService) -> None:
    app = open_page("result")
    app.button(key="share-make").click().run()
    assert finished.link == "link"

    later = open_page("result")  # another visit knows that there is one, and not which
    assert ENGLISH("share.exists") in seen(later)
    later.button(key="share-end").click().run()
    assert later.button(key="share-make").label == ENGLISH("share.make")


def test_what_must_not_be_published_is_not_shown_either(
    open_page: Open, finished: StagedService
) -> None:
    finished.edits = [kept()]
    app = open_page("result")
    assert ENGLISH("result.stale") in seen(app)
    assert not [button for button in app.button if button.key == "share-make"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_whoever_has_it_sees_the_video_and_has_nothing_to_press(
    open_page: Open, finished: StagedService, language: Language
) -> None:
    finished.link = "link"
    app = open_page(project=None, shared="link", language=language)
    said = texts(language)
    assert app.title[0].value == said("shared.title")
    assert [button.key for button in app.button] == ["language"]
    assert "holiday-masked.mp4" in seen(app)
    assert [path for _, path, _ in finished.asked] == ["/v1/shared/link"]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("token", ["other", "..", "../limits", "link/video", "a" * 200])
def test_a_link_that_shows_nothing_says_so(
    open_page: Open, finished: StagedService, token: str
) -> None:
    finished.link = "link"
    app = open_page(project=None, shared=token)
    assert ENGLISH("shared.gone") in seen(app)
    assert {path for _, path, _ in finished.asked} <= {"/v1/shared/other"}


def test_while_the_result_is_being_changed_it_says_so(
    open_page: Open, finished: StagedService
) -> None:
    finished.refuse = {("GET", "/shared/link"): (409, "result-pending")}
    app = open_page(project=None, shared="link")
    assert ENGLISH("shared.pending") in seen(app)
    assert not [path for _, path, _ in finished.asked if path.startswith(HERE)]
