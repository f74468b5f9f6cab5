"""What tests of the review player see and do in it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from frontend.texts import texts
from tests.frontend.components.conftest import Fake

SAYS = texts("en").group("editor")
FOUND = texts("en").group("audit")


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


def button(page: Page, key: str, **values: object) -> Locator:
    return page.get_by_role("button", name=SAYS[key].format(**values), exact=True)


def stage(page: Page) -> Locator:
    return page.locator(".stage canvas")


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where on the screen a place of the picture is, display pixels of 320 x 240."""
    stage(page).scroll_into_view_if_needed()
    box = stage(page).bounding_box()
    assert box is not None
    return box["x"] + box["width"] * x / 320, box["y"] + box["height"] * y / 240


def click(page: Page, x: float, y: float) -> None:
    page.mouse.click(*at(page, x, y))


def click_person(page: Page, number: int) -> None:
    """Of six people: in the middle of the one with this number, in frame 0."""
    expect_outlines(page)
    click(page, 320 / 6 * (number - 0.5), 120)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, *end), steps=4)
    page.mouse.up()


def expect_outlines(page: Page) -> None:
    """Something is drawn over the picture."""
    drawn = """canvas => canvas.width > 0 && canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)"""
    page.wait_for_function(drawn, arg=stage(page).element_handle())


def choose(page: Page, key: str) -> None:
    page.get_by_role("menuitem", name=SAYS[key], exact=True).click()


def edits(fake: Fake) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = fake.state["crowd"]["edits"]
    return [{name: value for name, value in edit.items() if name != "follow"} for edit in found]


def expect_saved(page: Page, fake: Fake, count: int) -> list[dict[str, Any]]:
    """So many edits have come to the service."""
    page.wait_for_function(
        "async count => (await (await fetch('/fake')).json()).crowd.edits.length === count",
        arg=count,
    )
    return edits(fake)


def expect_frame(page: Page, frame: int) -> None:
    """The slider and the picture itself, which says its number in grey, are at this frame."""
    expect(page.get_by_role("slider")).to_have_value(str(frame))
    shown = """([video, grey]) => {
        if (video.seeking || video.readyState < 2) return false;
        const canvas = new OffscreenCanvas(320, 240).getContext("2d");
        canvas.drawImage(video, 0, 0, 320, 240);
        return Math.abs(canvas.getImageData(160, 200, 1, 1).data[0] - grey) < 4;
    }"""
    video = page.locator("video").first.element_handle()
    page.wait_for_function(shown, arg=[video, (40 + 8 * frame) % 200])
