"""Choosing faces and people, watching videos, and moving through pages, in a real browser."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from frontend.texts import texts
from tests.frontend.components.conftest import Fake, Visit, events, expect_event
from tests.support.browsing import violations

pytestmark = pytest.mark.long

COMPARE, PLAYER, PREVIEW = (texts("en").group(name) for name in ("compare", "player", "preview"))


def test_a_face_is_chosen_instead_of_another(visit: Visit) -> None:
    page = visit(show="faces")
    used = page.get_by_role("button", pressed=True)
    expect(used).to_have_accessible_name("This face is used. Use face 1")
    page.get_by_role("button", name="Use face 2").press("Enter")
    expect_event(page, "chosen", 1)
    expect(used).to_have_accessible_name("This face is used. Use face 2")
    expect(used).to_be_focused()


def test_even_a_tiny_face_is_easy_to_hit(visit: Visit, page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    box = visit(show="faces").get_by_role("button", name="Use face 3").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 24


def test_a_single_face_is_framed_with_nothing_to_choose(visit: Visit) -> None:
    page = visit(show="faces", faces=1)
    expect(page.get_by_text("This face is used")).to_be_visible()
    expect(page.locator(".stage button")).to_have_count(0)


def test_both_videos_play_in_step_and_stop_together(visit: Visit) -> None:
    page = visit(show="both")
    page.get_by_role("button", name="Play").press("Enter")
    page.wait_for_function("document.querySelector('.stBidiComponent') !== null")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    before, after = page.locator("video").nth(0), page.locator("video").nth(1)
    before.evaluate("video => { video.currentTime = 0; video.pause(); }")  # out of step
    drift = """before => {
        const after = before.getRootNode().querySelector(".after video");
        return after.currentTime > 0.5 && Math.abs(before.currentTime - after.currentTime) < 0.2;
    }"""
    page.wait_for_function(f"before => ({drift})(before)", arg=before.element_handle())
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert before.evaluate("video => video.paused")
    assert after.evaluate("video => video.paused")


def test_the_divide_moves_with_the_keyboard_and_says_where_it_stands(visit: Visit) -> None:
    page = visit(show="both")
    divide = page.get_by_role("slider", name=COMPARE["divide"])
    divide.press("ArrowLeft")
    expect(divide).to_have_attribute("aria-valuetext", "49% before")
    divide.press("Home")
    expect(page.locator(".after")).to_have_css("clip-path", "inset(0px 0px 0px 0%)")


def test_seeking_moves_both_videos(visit: Visit) -> None:
    page = visit(show="both")
    seek = page.get_by_role("slider", name=COMPARE["seek"])
    expect(seek).to_have_attribute("aria-valuetext", "0:00 / 0:03")
    seek.fill("2")
    for video in page.locator("video").all():
        assert video.evaluate("video => video.currentTime") == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_was_not_played_yet_does_not_glare(
    visit: Visit, page: Page, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    visit(show="both")
    picture = page.get_by_role("slider", name=COMPARE["seek"]).screenshot()
    shown = np.asarray(Image.open(io.BytesIO(picture)).convert("L"))
    ahead = shown[:, shown.shape[1] // 2 :]
    assert ahead.min() > 128 if scheme == "light" else ahead.max() < 150


def test_a_click_on_a_finding_shows_its_moment_in_both_videos(visit: Visit) -> None:
    page = visit(show="both")
    expect(page.get_by_role("heading", name=COMPARE["marks"])).to_be_visible()
    expect(page.get_by_text("somebody may be visible")).to_be_visible()
    page.get_by_role("button", name=COMPARE["play"]).click()
    page.get_by_role("button", name="Watch 0:02.5: somebody may be visible").press("Enter")
    for video in page.locator("video").all():
        page.wait_for_function(
            "video => video.paused && Math.abs(video.currentTime - 2.5) < 0.11",
            arg=video.element_handle(),
        )


def test_side_by_side_shows_both_whole_one_above_the_other_on_a_phone(
    visit: Visit, page: Page
) -> None:
    visit(show="both")
    page.get_by_role("button", name="Side by side").click()
    expect(page.get_by_role("slider", name=COMPARE["divide"])).to_be_hidden()
    expect(page.locator(".after")).to_have_css("clip-path", "none")
    page.set_viewport_size({"width": 390, "height": 900})
    before, after = (page.locator(f".{name}").bounding_box() for name in ("before", "after"))
    assert before is not None
    assert after is not None
    assert after["y"] >= before["y"] + before["height"]


def test_where_the_source_can_not_be_played_the_result_still_is(visit: Visit) -> None:
    page = visit(show="both", before="noise")
    expect(page.get_by_text(COMPARE["unplayable_before"])).to_be_visible()
    expect(page.get_by_role("slider", name=COMPARE["divide"])).to_be_hidden()
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


@pytest.mark.parametrize(
    ("source", "said"), [("noise", PLAYER["unplayable"]), ("nothing", PLAYER["away"])]
)
def test_the_player_says_why_nothing_plays(visit: Visit, source: str, said: str) -> None:
    page = visit(show="one", src=source)
    expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.locator("video")).to_be_hidden()


def test_the_player_tries_again(visit: Visit, fake: Fake, media: dict[str, str]) -> None:
    fake.set(media={})
    page = visit(show="one")
    expect(page.get_by_role("alert")).to_contain_text(PLAYER["away"])
    fake.set(media=media)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("video")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_rerun_does_not_stop_what_plays(visit: Visit) -> None:
    page = visit(show="one")
    video = page.locator("video")
    video.evaluate("video => { video.muted = video.loop = true; return video.play(); }")
    page.get_by_role("button", name="Rerun").click()
    expect_event(page, "rerun", True)
    assert video.evaluate("video => !video.paused")


def test_a_preview_plays_over_its_picture_by_itself_and_without_sound(visit: Visit) -> None:
    page = visit(show="moving")
    video = page.locator("video")
    expect(video).to_be_visible()
    page.wait_for_function("video => !video.paused && video.muted", arg=video.element_handle())
    expect(page.get_by_alt_text("Your video at 0:04: Blur")).to_be_visible()
    expect(page.get_by_text(PREVIEW["making"])).to_be_hidden()
    page.get_by_role("button", name="Rerun").click()
    expect_event(page, "rerun", True)
    assert video.evaluate("video => !video.paused")


def test_a_preview_does_not_move_for_those_who_want_it_calm(visit: Visit, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    video = visit(show="moving").locator("video")
    expect(video).to_be_visible()
    assert video.evaluate("video => video.paused")


@pytest.mark.parametrize("clip", ["noise", "missing"])
def test_where_no_preview_can_be_made_the_picture_stays(visit: Visit, clip: str) -> None:
    page = visit(show="moving", clip=clip)
    expect(page.get_by_role("status").filter(has_text=PREVIEW["failed"])).to_be_visible()
    expect(page.locator("video")).to_be_hidden()
    expect(page.get_by_alt_text("Your video at 0:04: Blur")).to_be_visible()


def test_a_preview_without_a_clip_is_its_picture(visit: Visit) -> None:
    page = visit(show="moving", clip="none")
    expect(page.get_by_alt_text("Your video at 0:04: Blur")).to_be_visible()
    expect(page.locator("video")).to_be_hidden()
    expect(page.get_by_text(PREVIEW["making"])).to_be_hidden()


def test_a_new_step_moves_the_focus_to_its_heading_and_names_the_page(visit: Visit) -> None:
    page = visit(show="one")
    expect(page).to_have_title("Step one")
    page.get_by_role("button", name="Rerun").click()
    expect_event(page, "rerun", True)
    expect(page.get_by_role("button", name="Rerun")).to_be_focused()
    page.get_by_role("button", name="Next step").click()
    expect(page.get_by_role("heading", name="The step two")).to_be_focused()
    expect(page).to_have_title("Step two")
    page.get_by_role("button", name="Language").click()
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    assert events(page) == [{"rerun": True}]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_nothing_shuts_anybody_out(
    browser: Browser, app: str, fake: Fake, scheme: str, width: int
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    try:
        for show in ("uploads", "faces", "both", "one"):
            page.goto(f"{app}/?show={show}&project=ab&received=3/10")
            expect(page.locator("code")).to_be_visible()
            expect(page.locator(".stBidiComponent").first).to_be_visible()
            assert violations(page) == [], show
            assert page.evaluate("document.documentElement.scrollWidth") <= width, show
    finally:
        context.close()
