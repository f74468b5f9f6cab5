"""Choosing faces and people, watching videos, and moving through pages, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from frontend.texts import texts
from tests.frontend.components.conftest import Fake, Visit, events, expect_event
from tests.support.browsing import violations

pytestmark = pytest.mark.long

GALLERY, COMPARE, PLAYER = (texts("en").group(name) for name in ("gallery", "compare", "player"))


def card(page: Page, number: int) -> Locator:
    return page.get_by_role("article", name=f"Person {number}")


def choice(page: Page, number: int, name: str) -> Locator:
    """One side of a card's switch, "show" or "hide"; what is clicked is its label."""
    return card(page, number).get_by_role("radio", name=GALLERY[name], exact=True)


def choose(page: Page, number: int, name: str) -> None:
    card(page, number).get_by_text(GALLERY[name], exact=True).click()


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


def test_a_person_is_kept_with_the_keyboard(visit: Visit) -> None:
    page = visit(show="people")
    show, hide = choice(page, 2, "show"), choice(page, 2, "hide")
    expect(page.get_by_role("radiogroup", name="Show or mask Person 2")).to_be_visible()
    expect(hide).to_be_checked()
    expect(card(page, 2)).to_contain_text(GALLERY["masked"])
    hide.focus()
    page.keyboard.press("ArrowLeft")
    expect_event(page, "decided", {"p2": True})
    expect(show).to_be_checked()
    expect(card(page, 2)).to_contain_text(GALLERY["kept"])
    expect(show).to_be_focused()


def test_the_switch_of_who_is_kept_says_so_and_of_who_is_kept_in_part_nothing(
    visit: Visit,
) -> None:
    page = visit(show="people")
    expect(choice(page, 1, "show")).to_be_checked()
    for name in ("show", "hide"):
        expect(choice(page, 3, name)).not_to_be_checked()
    choose(page, 3, "hide")
    expect_event(page, "decided", {"p3": False})
    expect(card(page, 3)).to_contain_text(GALLERY["masked"])


def test_clicks_that_follow_each_other_fast_are_all_carried_out(visit: Visit) -> None:
    page = visit(show="people")
    for number, name in ((1, "hide"), (2, "show")):
        choice(page, number, name).evaluate("radio => radio.click()")
    expect(page.locator("code")).to_contain_text('"p2": true')
    decided: dict[str, bool] = {}
    for event in events(page):
        decided |= event.get("decided", {})
    assert decided == {"p1": False, "p2": True}
    for number, verdict in ((1, "masked"), (2, "kept")):
        expect(card(page, number)).to_contain_text(GALLERY[verdict])


def test_a_decision_that_python_did_not_carry_out_is_taken_back(visit: Visit) -> None:
    page = visit(show="people", refuse=1)
    choose(page, 2, "show")
    expect_event(page, "decided", {"p2": True})
    expect(card(page, 2)).to_contain_text(GALLERY["masked"])
    expect(choice(page, 2, "hide")).to_be_checked()


def test_locked_cards_say_why_and_can_not_be_changed(visit: Visit) -> None:
    page = visit(show="people", locked=1)
    expect(choice(page, 1, "hide")).to_be_disabled()
    expect(card(page, 1)).to_contain_text(GALLERY["locked"])


def test_a_clip_opens_in_a_dialog_and_escape_gives_the_focus_back(visit: Visit) -> None:
    page = visit(show="people")
    watch = page.get_by_role("button", name="Watch 6 seconds Person 1")
    watch.press("Enter")
    dialog = page.get_by_role("dialog", name="Person 1")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text(GALLERY["clip_loading"])).to_be_hidden()
    playing = "video => !video.paused && video.videoWidth > 0"
    assert dialog.locator("video").evaluate(playing)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(watch).to_be_focused()
    assert page.locator("dialog video").evaluate("video => video.getAttribute('src')") is None


def test_a_clip_that_is_not_there_says_so(visit: Visit) -> None:
    page = visit(show="people")
    page.get_by_role("button", name="Watch 6 seconds Person 3").click()
    expect(page.get_by_role("dialog")).to_contain_text(GALLERY["clip_away"])
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_who_wants_less_motion_gets_no_clip_that_plays_by_itself(visit: Visit, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    visit(show="people").get_by_role("button", name="Watch 6 seconds Person 1").click()
    expect(page.get_by_role("dialog").get_by_text(GALLERY["clip_loading"])).to_be_hidden()
    assert page.locator("dialog video").evaluate("video => video.paused")


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
        for show in ("uploads", "people", "faces", "both", "one"):
            page.goto(f"{app}/?show={show}&project=ab&received=3/10")
            expect(page.locator("code")).to_be_visible()
            expect(page.locator(".stBidiComponent").first).to_be_visible()
            if show == "people":
                page.get_by_role("button", name="Watch 6 seconds Person 1").click()
                expect(
                    page.get_by_role("dialog").get_by_text(GALLERY["clip_loading"])
                ).to_be_hidden()
                assert violations(page) == []
                page.keyboard.press("Escape")
            assert violations(page) == [], show
            assert page.evaluate("document.documentElement.scrollWidth") <= width, show
    finally:
        context.close()
