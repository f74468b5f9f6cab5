"""The review player in a real browser, before a service that is made up."""

from __future__ import annotations

from base64 import b64encode

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.frontend.components.conftest import Fake, Visit, expect_event
from tests.frontend.components.fake_edits import FINDINGS
from tests.frontend.components.on_player import (
    FOUND,
    SAYS,
    at,
    button,
    card,
    choose,
    click,
    click_person,
    drag,
    edits,
    expect_frame,
    expect_outlines,
    expect_saved,
    stage,
)
from tests.support.browsing import violations
from tests.support.waiting import until

pytestmark = pytest.mark.long

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_click_on_somebody_keeps_them_everywhere(player: Visit, fake: Fake) -> None:
    page = player()
    click_person(page, 3)
    expect(page.get_by_role("menu", name="Person 3: Masked")).to_be_visible()
    choose(page, "keep_all")
    kept = [{"kind": "verdict", "who": "p3", "decision": "keep"}]
    assert expect_saved(page, fake, 1) == kept
    expect(card(page, "Person 3")).to_contain_text(SAYS["verdict_keep"])
    expect(page.get_by_role("status")).to_contain_text("Person 3 is visible everywhere")
    expect_event(page, "unsaved", False)


def test_whoever_has_no_card_is_decided_about_by_their_appearance(
    player: Visit, fake: Fake
) -> None:
    page = player({"unlisted": [3]})
    expect(card(page, "Person 3")).to_have_count(0)
    click_person(page, 3)
    expect(page.get_by_role("menu", name=f"{SAYS['glimpse']}: Masked")).to_be_visible()
    expect(page.get_by_role("menuitem", name=SAYS["merge"], exact=True)).to_have_count(0)
    choose(page, "keep_all")
    kept = [{"kind": "verdict", "who": "t3", "decision": "keep"}]
    assert expect_saved(page, fake, 1) == kept


def test_from_here_on_begins_with_the_frame_shown_and_until_here_ends_with_it(
    player: Visit, fake: Fake
) -> None:
    page = player()
    expect_outlines(page)
    stage(page).focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect_frame(page, 2)
    click(page, 320 / 6 * 3.5 + 2, 120)
    choose(page, "keep_until")
    (until,) = expect_saved(page, fake, 1)
    assert until == {"kind": "verdict", "who": "p4", "decision": "keep", "end": 3 / 25}
    page.keyboard.press("Control+z")
    expect_saved(page, fake, 0)
    card(page, "Person 4").get_by_role("button", name=SAYS["more"].format(title="Person 4")).click()
    choose(page, "keep_on")
    (on,) = expect_saved(page, fake, 1)
    assert on == {"kind": "verdict", "who": "p4", "decision": "keep", "start": 2 / 25}
    expect(card(page, "Person 4")).to_contain_text(SAYS["verdict_mixed"])


def test_everything_is_undone_and_done_again_in_its_order(player: Visit, fake: Fake) -> None:
    page = player()
    expect(button(page, "undo")).to_be_disabled()
    for number in (2, 3):
        card(page, f"Person {number}").get_by_text(SAYS["choose_keep"], exact=True).click()
    both = expect_saved(page, fake, 2)
    button(page, "undo").click()
    assert expect_saved(page, fake, 1) == both[:1]
    expect(card(page, "Person 3")).to_contain_text(SAYS["verdict_mask"])
    button(page, "undo").click()
    expect_saved(page, fake, 0)
    expect(button(page, "undo")).to_be_disabled()
    button(page, "redo").click()
    button(page, "redo").click()
    assert expect_saved(page, fake, 2) == both
    expect(button(page, "redo")).to_be_disabled()


def test_what_somebody_else_changed_meanwhile_stays(player: Visit, fake: Fake) -> None:
    page = player({"others_first": 1})
    card(page, "Person 3").get_by_text(SAYS["choose_keep"], exact=True).click()
    assert [edit["who"] for edit in expect_saved(page, fake, 2)] == ["p4", "p3"]
    expect(card(page, "Person 4")).to_contain_text(SAYS["verdict_keep"])


def test_a_change_is_sent_again_until_the_service_is_back(player: Visit, fake: Fake) -> None:
    page = player({"refuse": {"PUT edits": [503, 1]}})
    card(page, "Person 3").get_by_text(SAYS["choose_keep"], exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(SAYS["unsaved"])
    expect_event(page, "unsaved", True)
    expect_saved(page, fake, 1)
    expect(page.get_by_role("alert")).to_be_hidden()
    expect_event(page, "unsaved", False)


def test_a_change_that_is_refused_is_taken_back(player: Visit, fake: Fake) -> None:
    page = player({"refuse": {"PUT edits": [422, 1]}})
    card(page, "Person 3").get_by_text(SAYS["choose_keep"], exact=True).click()
    expect(page.get_by_role("status")).to_contain_text(SAYS["refused"])
    expect(card(page, "Person 3")).to_contain_text(SAYS["verdict_mask"])
    assert edits(fake) == []


def test_two_cards_of_one_person_are_merged_by_the_menu(player: Visit, fake: Fake) -> None:
    page = player()
    card(page, "Person 4").get_by_role("button", name=SAYS["more"].format(title="Person 4")).click()
    choose(page, "merge")
    page.get_by_role("menuitem", name="Anna", exact=True).click()
    merged = [{"kind": "merge", "persons": ["p1", "p4"]}]
    assert expect_saved(page, fake, 1) == merged
    expect(card(page, "Person 4")).to_have_count(0)


def test_a_card_is_dropped_on_that_of_the_same_person(player: Visit, fake: Fake) -> None:
    page = player()
    card(page, "Person 4").drag_to(card(page, "Person 3"))
    assert expect_saved(page, fake, 1) == [{"kind": "merge", "persons": ["p3", "p4"]}]


def test_appearances_are_split_off(player: Visit, fake: Fake) -> None:
    page = player({"edits": [{"kind": "merge", "persons": ["p3", "p4"]}]})
    card(page, "Person 3").get_by_role("button", name=SAYS["more"].format(title="Person 3")).click()
    choose(page, "split")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name=SAYS["split_go"])).to_be_disabled()
    dialog.get_by_role("checkbox").last.check()
    dialog.get_by_role("button", name=SAYS["split_go"]).click()
    split = {"kind": "split", "who": "p3", "tracklets": ["t4"]}
    assert expect_saved(page, fake, 2)[-1] == split


def test_this_is_nobody_takes_the_outline_away(player: Visit, fake: Fake) -> None:
    page = player()
    click_person(page, 3)
    choose(page, "erase")
    assert expect_saved(page, fake, 1) == [{"kind": "erase", "who": "t3"}]
    click_person(page, 3)
    expect(page.get_by_role("menu")).to_be_hidden()


def test_a_picture_is_drawn_over_one_person_until_it_is_taken_away(
    player: Visit, fake: Fake
) -> None:
    page = player()

    def choose_file(name: str, content: bytes) -> None:
        click_person(page, 3)
        with page.expect_file_chooser() as opened:
            choose(page, "picture_over")
        opened.value.set_files({"name": name, "mimeType": "image/png", "buffer": content})

    choose_file("a.png", b"GIF89a")
    expect(page.get_by_role("status").filter(has_text=SAYS["picture_refused"])).to_be_visible()
    expect_saved(page, fake, 0)
    for content in (PNG + b"\x00\xff one", PNG + b"another"):  # the second one instead
        choose_file("b.png", content)
        told = SAYS["did_picture_over"].format(title="Person 3")
        expect(page.get_by_role("status").filter(has_text=told)).to_be_visible()
    picture = b64encode(PNG + b"another").decode()
    wanted = {"kind": "look", "who": "p3", "color": "#202020", "picture": picture}
    until(lambda: fake.state["crowd"]["edits"] == [wanted])
    click_person(page, 3)
    choose(page, "picture_off")
    expect_saved(page, fake, 0)
    card(page, "Person 3").get_by_text(SAYS["choose_keep"], exact=True).click()
    click_person(page, 3)
    item = page.get_by_role("menuitem", name=SAYS["picture_over"], exact=True)
    expect(page.get_by_role("menuitem").first).to_be_visible()
    expect(item).to_have_count(0)  # nothing is drawn over who is kept


def test_small_figures_are_folded_away(player: Visit) -> None:
    page = player()
    expect(page.get_by_role("article")).to_have_count(4)
    page.get_by_text(SAYS["small"].format(n=2)).click()
    expect(page.get_by_role("article")).to_have_count(6)


def test_frames_are_stepped_exactly_and_who_is_there_is_listed_by_keys(
    player: Visit, fake: Fake
) -> None:
    page = player()
    expect_outlines(page)
    stage(page).focus()
    for key, frame in (
        (".", 1),
        ("ArrowRight", 2),
        (",", 1),
        ("Shift+ArrowRight", 11),
        ("End", 95),
    ):
        page.keyboard.press(key)
        expect_frame(page, frame)
    page.keyboard.press("Home")
    expect_frame(page, 0)
    page.keyboard.press("Enter")
    expect(page.get_by_role("menu", name=SAYS["here"])).to_be_visible()
    page.get_by_role("menuitem", name="Person 5: Masked").press("Enter")
    page.get_by_role("menuitem", name=SAYS["keep_all"]).press("Enter")
    assert [edit["who"] for edit in expect_saved(page, fake, 1)] == ["p5"]
    expect(stage(page)).to_be_focused()


def test_a_finger_decides_too(browser: Browser, app: str, fake: Fake) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    try:
        page.goto(f"{app}/?show=people")
        expect_outlines(page)
        page.touchscreen.tap(*at(page, 320 / 6 * 2.5, 120))
        item = page.get_by_role("menuitem", name=SAYS["keep_all"], exact=True)
        expect(item).to_be_visible()  # whatever of the menu has come under the finger
        assert edits(fake) == []
        item.tap()
        assert [edit["who"] for edit in expect_saved(page, fake, 1)] == ["p3"]
    finally:
        context.close()


def test_where_the_video_can_not_be_played_its_frames_are_shown(player: Visit, fake: Fake) -> None:
    page = player(src="noise")
    expect(page.get_by_role("status")).to_contain_text(SAYS["stills"])
    button(page, "on").click()
    picture = page.locator(".media img")
    expect(picture).to_have_attribute("src", "/service/projects/ab/frames/1/picture")
    click(page, 320 / 6 * 2.5, 120)
    expect(page.get_by_role("menu", name="Person 3: Masked")).to_be_visible()


def test_a_copy_takes_over_where_the_video_can_not_be_played(player: Visit, fake: Fake) -> None:
    page = player({"copying": 3}, src="noise")
    expect(page.get_by_role("status")).to_contain_text(SAYS["stills"])
    expect(page.locator(".media video")).to_be_visible()
    expect(page.locator(".media img")).to_be_hidden()
    button(page, "on").click()
    expect_frame(page, 1)


def test_a_service_that_is_away_is_waited_for(visit: Visit, fake: Fake) -> None:
    fake.set(crowd={"refuse": {"GET people": [503, 1]}})
    page = visit(show="people")
    expect(page.get_by_role("alert")).to_contain_text(SAYS["away"])
    expect(page.get_by_role("article").first).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_person_is_kept_with_the_keyboard(player: Visit, fake: Fake) -> None:
    page = player()
    expect(page.get_by_role("radiogroup", name="Show or mask Person 3")).to_be_visible()
    masked = card(page, "Person 3").get_by_role("radio", name=SAYS["choose_mask"], exact=True)
    expect(masked).to_be_checked()
    masked.focus()
    page.keyboard.press("ArrowLeft")
    kept = card(page, "Person 3").get_by_role("radio", name=SAYS["choose_keep"], exact=True)
    expect(kept).to_be_checked()
    expect(kept).to_be_focused()
    assert [edit["who"] for edit in expect_saved(page, fake, 1)] == ["p3"]


def test_a_clip_opens_in_a_dialog_and_escape_gives_the_focus_back(player: Visit) -> None:
    page = player()
    watch = page.get_by_role("button", name="Clip Anna")
    watch.press("Enter")
    dialog = page.get_by_role("dialog", name="Anna")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_text(SAYS["clip_loading"])).to_be_hidden()
    playing = "video => !video.paused && video.videoWidth > 0"
    assert dialog.locator("video").evaluate(playing)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(watch).to_be_focused()
    assert page.locator("dialog video").evaluate("video => video.getAttribute('src')") is None


def test_a_clip_that_is_not_there_says_so(player: Visit) -> None:
    page = player()
    page.get_by_role("button", name="Clip Person 3").click()
    expect(page.get_by_role("dialog")).to_contain_text(SAYS["clip_away"])
    page.get_by_role("button", name=SAYS["close"], exact=True).click()
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_who_wants_less_motion_gets_no_clip_that_plays_by_itself(player: Visit, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    player().get_by_role("button", name="Clip Anna").click()
    expect(page.get_by_role("dialog").get_by_text(SAYS["clip_loading"])).to_be_hidden()
    assert page.locator("dialog video").evaluate("video => video.paused")


def test_a_rerun_leaves_the_player_where_it_is(player: Visit) -> None:
    page = player()
    page.get_by_role("slider").fill("20")
    page.get_by_role("button", name="Rerun").click()
    expect_event(page, "rerun", True)
    expect_frame(page, 20)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_the_player_shuts_nobody_out(
    browser: Browser, app: str, fake: Fake, scheme: str, width: int
) -> None:
    fake.set(crowd={"findings": FINDINGS})
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    try:
        page.goto(f"{app}/?show=people")
        expect_outlines(page)
        page.get_by_text(SAYS["small"].format(n=2)).click()
        page.get_by_text(SAYS["keys"], exact=True).click()
        assert violations(page) == []
        click_person(page, 3)
        expect(page.get_by_role("menu")).to_be_visible()
        assert violations(page) == []
        page.keyboard.press("Escape")
        button(page, "tool_box").press("Enter")
        page.keyboard.press("Enter")
        expect(button(page, "remove")).to_be_visible()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        context.close()


def test_a_click_hits_the_same_person_however_the_picture_is_zoomed(
    player: Visit, fake: Fake
) -> None:
    page = player()
    expect_outlines(page)
    for _ in range(2):
        button(page, "larger").click()
    width = """canvas => canvas.previousSibling.firstChild.getBoundingClientRect().width
        / canvas.getBoundingClientRect().width"""
    assert stage(page).evaluate(width) == pytest.approx(1.5**2, abs=0.01)
    # The middle of the picture stays in the middle: beside it are the third and the fourth.
    click(page, 160 - 20, 120)
    expect(page.get_by_role("menu", name="Person 3: Masked")).to_be_visible()
    page.keyboard.press("Escape")
    drag(page, (20, 120), (300, 120))  # nothing is in hand: the picture moves
    click(page, 20, 120)
    expect(page.get_by_role("menu", name="Anna: Visible")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    assert stage(page).evaluate(width) == pytest.approx(1)
    assert edits(fake) == []


def test_one_jumps_from_place_to_place_and_past_what_is_ticked(player: Visit, fake: Fake) -> None:
    page = player({"edits": [{"kind": "verdict", "who": "p2", "decision": "mask"}]})
    expect_outlines(page)
    button(page, "next").click()
    expect_frame(page, 30)
    row = page.get_by_role("listitem").filter(has_text=FOUND["face"])
    row.get_by_role("button", name=SAYS["place_fine"]).click()
    expect_saved(page, fake, 2)
    page.keyboard.press("]")
    expect(page.get_by_role("status")).to_contain_text(SAYS["no_more"])
    page.get_by_role("slider").fill("90")
    page.keyboard.press("[")
    expect_frame(page, 30)


def test_moments_of_one_doubt_are_one_place_to_decide(player: Visit, fake: Fake) -> None:
    page = player({"doubts": [[0.4, 0.8], [0.88, 1.2], [2.4, 2.8]], "findings": []})
    rows = page.get_by_role("listitem").filter(has_text="Person 2")
    expect(rows).to_have_count(2)
    rows.first.get_by_text(SAYS["choose_keep"], exact=True).click()
    decided = {"kind": "verdict", "who": "t2", "decision": "keep", "start": 0.4, "end": 1.2}
    assert expect_saved(page, fake, 1) == [decided]


def test_a_video_that_is_away_is_waited_for(
    visit: Visit, fake: Fake, media: dict[str, str]
) -> None:
    fake.set(media={})
    page = visit(show="people")
    expect_outlines(page)
    page.get_by_role("slider").fill("12")
    fake.set(media=media)
    expect_frame(page, 12)


def test_a_mark_on_the_strip_leads_to_its_finding(player: Visit, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")  # or the page would still be moving
    player()
    strip = page.locator("canvas.strip")

    def press(frame: int, from_top: float) -> None:
        strip.scroll_into_view_if_needed()
        box = strip.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] * frame / 96, box["y"] + from_top)

    press(61, 30)
    expect_frame(page, 60)
    press(10, 4)
    expect_frame(page, 10)


def test_outlines_keep_up_with_the_video_and_few_frames_are_held(player: Visit, fake: Fake) -> None:
    page = player()
    expect_outlines(page)
    button(page, "play").click()
    expect(button(page, "pause")).to_be_visible()
    expect(button(page, "play")).to_be_visible()  # it has ended
    expect_frame(page, 95)
    asked = [what for what in fake.state["crowd"]["asked"] if what.startswith("GET frames ")]
    assert asked == [f"GET frames {n}-{min(96, n + 30)}" for n in (0, 30, 60, 90)]


def test_a_name_is_a_name_whatever_it_is_made_of(player: Visit, fake: Fake) -> None:
    name = "<img src=x onerror=document.title='caught'><b>Anna</b>"
    page = player({"name": name})
    expect(card(page, name)).to_be_visible()
    click_person(page, 1)
    choose(page, "mask_all")
    expect(page.get_by_role("status")).to_contain_text(name)
    assert page.title() != "caught"
