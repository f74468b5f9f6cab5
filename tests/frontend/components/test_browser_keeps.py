"""What a browser keeps for its visitor, and no server knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from frontend.texts import texts
from tests.frontend.components.conftest import Fake, Visit
from tests.support.browsing import violations

pytestmark = pytest.mark.long

MINE = texts("en").group("projects")
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
