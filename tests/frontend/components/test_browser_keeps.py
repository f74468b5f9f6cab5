"""What a browser keeps for its visitor, and no server knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from frontend.texts import texts
from tests.frontend.components.conftest import Fake, Visit, events, expect_event
from tests.support.browsing import violations

pytestmark = pytest.mark.long

MINE, PRESETS, PEOPLE, NOTICE = (
    texts("en").group(name) for name in ("projects", "presets", "people", "notice_button")
)
NAME = "<img src=x onerror=alert(1)> 제주.mp4"


def told(state: str = "ready", **more: Any) -> dict[str, Any]:
    return {"job": None, "result": None, "video": {"state": state, "name": NAME}, **more}


def test_projects_of_this_browser_are_listed_and_go_when_they_are_gone(
    visit: Visit, fake: Fake
) -> None:
    fake.set(projects={"aa": told(), "ab": told(job="running"), "ad": told(result={"current": 1})})
    for project in ("aa", "ab", "ac", "ad"):
        page = visit(project=project, named="holiday.mp4")
        found = f"localStorage['bystander.projects']?.includes('\"{project}\"')"
        page.wait_for_function(found)
    page = visit(show="mine")

    rows = page.locator(".projects li")
    expect(rows).to_have_count(3)  # "ac" is gone from the service
    expect(rows.locator(".state")).to_have_text([MINE["done"], MINE["working"], MINE["ready"]])
    link = rows.first.get_by_role("link")
    expect(link).to_have_text(NAME)  # as text, whatever is in it
    expect(link).to_have_attribute("href", "?project=ad&lang=en")
    assert violations(page) == []


def test_the_list_is_forgotten_only_when_one_is_sure(visit: Visit, fake: Fake) -> None:
    fake.set(projects={"aa": told()})
    visit(project="aa", named="").wait_for_function("localStorage['bystander.projects']")
    page = visit(show="mine")
    page.get_by_role("button", name=MINE["forget"]).click()
    page.get_by_role("button", name=MINE["back"]).click()
    expect(page.get_by_role("button", name=MINE["forget"])).to_be_focused()
    expect(page.locator(".projects li")).to_have_count(1)
    page.get_by_role("button", name=MINE["forget"]).click()
    page.get_by_role("button", name=MINE["forget_go"]).click()
    expect(page.locator(".projects li")).to_have_count(0)
    assert json.loads(page.evaluate("localStorage['bystander.projects']")) == []


@pytest.mark.parametrize("kept", ["no JSON", '{"a": 1}', "[1, null, {}]", '[{"id": "../x"}]'])
def test_what_is_not_ours_in_the_list_is_passed_over(visit: Visit, kept: str) -> None:
    page = visit(show="mine")
    page.evaluate("kept => { localStorage['bystander.projects'] = kept; }", kept)
    page.reload()
    expect(page.get_by_role("heading", name="The step")).to_be_visible()
    expect(page.locator(".projects")).to_be_hidden()


def test_while_the_service_is_away_the_list_stays(visit: Visit, fake: Fake) -> None:
    fake.set(projects={"aa": told()})
    page = visit(project="aa", named="holiday.mp4")
    page.wait_for_function("localStorage['bystander.projects']")
    page.route("**/service/projects/aa", lambda route: route.abort())
    page.goto(page.url.partition("?")[0] + "?show=mine")
    expect(page.locator(".projects .state")).to_have_text(MINE["away"])
    expect(page.get_by_role("link", name="holiday.mp4")).to_be_visible()


def save(page: Page, name: str) -> None:
    page.get_by_label(PRESETS["name"]).fill(name)
    page.get_by_role("button", name=PRESETS["save"]).click()


def test_a_preset_is_saved_used_with_one_click_and_deleted(visit: Visit) -> None:
    page = visit(show="looks")
    save(page, "제주 <b>")
    save(page, "plain")
    page = visit(show="looks", effect="blur")  # another visit
    uses = page.locator(".presets .use")
    expect(uses).to_have_text(["제주 <b>", "plain"])
    assert violations(page) == []
    uses.first.click()
    expect_event(page, "preset", {"effect": "mosaic", "strength": "4"})
    save(page, "plain")  # another effect under the same name
    uses.last.click()
    expect_event(page, "preset", {"effect": "blur", "strength": "4"})
    page.get_by_role("button", name=PRESETS["remove"].format(name="plain"), exact=True).click()
    expect(uses).to_have_text(["제주 <b>"])
    assert "plain" not in page.evaluate("localStorage['bystander.presets']")


def test_a_preset_holds_picture_and_sound_and_more_than_there_is_room_for_is_refused(
    visit: Visit,
) -> None:
    page = visit(show="looks", effect="picture", picture=500_000)
    save(page, "hat")  # of two million letters
    uses = page.locator(".presets .use")
    expect(uses).to_have_text(["hat"])
    save(page, "another")
    expect(page.get_by_text(PRESETS["unkept"].format(name="another"))).to_be_visible()
    expect(uses).to_have_text(["hat"])
    page = visit(show="looks")
    whole = {"effect": "picture", "strength": "4", "picture": "iVBOiVBOi", "sound": "mute"}
    for clicks in (1, 2):  # the same one twice: each time it is told
        uses.first.click()
        expect(page.locator("code")).to_have_text(json.dumps([{"preset": whole}] * clicks))


def test_a_preset_without_a_name_is_not_saved(visit: Visit) -> None:
    page = visit(show="looks")
    save(page, "  ")
    expect(page.locator(".presets li")).to_have_count(0)
    expect(page.get_by_label(PRESETS["name"])).to_be_focused()


def test_somebody_is_kept_only_by_a_button_used_with_one_click_and_deleted(
    visit: Visit, fake: Fake
) -> None:
    page = visit(show="friends", keep=1)
    keep = page.get_by_role("button", name=PEOPLE["keep"].format(name="Anna"))
    expect(keep).to_be_visible()
    rows = page.locator(".people li")
    expect(rows).to_have_count(0)  # nobody is kept by themselves
    keep.click()
    expect(rows).to_have_count(1)
    expect(keep).to_be_hidden()
    assert fake.state["asked"] == []  # the service hears nothing of it
    page = visit(show="friends")
    assert violations(page) == []
    page.get_by_role("button", name=PEOPLE["use_whom"].format(name="Anna")).click()
    box = [1.0, 2.0, 30.0, 40.0]
    page.wait_for_function("document.querySelector('code')?.innerText.includes('boxes')")
    [used] = [event["used"] for event in events(page) if "used" in event]
    assert used["boxes"] == [box, box]
    assert fake.state["asked"] == ["POST projects", "POST photos Anna", "POST photos Anna"]
    page.get_by_role("button", name=PEOPLE["forget_whom"].format(name="Anna")).click()
    expect(rows).to_have_count(0)
    page = visit(show="friends", keep=1)
    expect(page.get_by_role("button", name=PEOPLE["keep"].format(name="Anna"))).to_be_visible()
    expect(rows).to_have_count(0)


def test_photos_that_are_not_taken_say_why(visit: Visit, fake: Fake) -> None:
    page = visit(show="friends", keep=1, project="ab")
    page.get_by_role("button", name=PEOPLE["keep"].format(name="Anna")).click()
    fake.set(failures={"POST photos Anna": [[409, "urn:bystander:too-many-photos"]]})
    page.get_by_role("button", name=PEOPLE["use_whom"].format(name="Anna")).click()
    expect(page.get_by_text(texts("en")("photo_uploader.too_many"))).to_be_visible()


NOTIFIED = """
window.told = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static requests = 0;
  static async requestPermission() {
    Notification.requests += 1;
    return (Notification.permission = window.granted ? "granted" : "denied");
  }
  constructor(title, { body }) { super(); window.told.push([title, body]); }
};
"""


@pytest.mark.parametrize(("granted", "asks"), [(True, True), (False, True), (True, False)], ids=str)
def test_who_looks_elsewhere_is_told_only_if_they_asked(
    visit: Visit, page: Page, granted: bool, asks: bool
) -> None:
    page.add_init_script(f"{NOTIFIED} window.granted = {str(granted).lower()};")
    visit(show="told_of", project="ab", named="holiday.mp4")
    ask = page.get_by_role("button", name=NOTICE["ask"])
    expect(ask).to_be_visible()
    assert page.evaluate("Notification.requests") == 0  # never by itself
    if asks:
        ask.click()
        expect(page.get_by_text(NOTICE["on" if granted else "title_only"])).to_be_visible()
    page.evaluate("document.hasFocus = () => false")
    page.get_by_role("button", name="End").click()
    expect(page).to_have_title("✓ It is done")
    shown = [["It is done", "holiday.mp4"]] if granted and asks else []
    assert page.evaluate("window.told") == shown
    page.evaluate("document.hasFocus = () => true; window.dispatchEvent(new Event('focus'))")
    expect(page).to_have_title("Step one")


def test_who_looks_on_is_not_told(visit: Visit, page: Page) -> None:
    page.add_init_script(f"{NOTIFIED} window.granted = true;")
    visit(show="told_of", project="ab", named="holiday.mp4")
    page.get_by_role("button", name=NOTICE["ask"]).click()
    page.evaluate("document.hasFocus = () => true")
    page.get_by_role("button", name="End").click()
    page.wait_for_function("window.bystanderJob && !window.bystanderJob.active")
    expect(page).to_have_title("Step one")
    assert page.evaluate("window.told") == []


def test_a_link_is_copied(visit: Visit, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit(show="linked")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url.partition("?")[0] + "?shared=nT5o&lang=en"


def test_a_page_of_an_old_address_asks_again(visit: Visit) -> None:
    """What an event that came too late has left."""
    page = visit(step="two", asked="one")

    expect(page.get_by_text("Look 3", exact=True)).to_be_visible()
