"""Everyone can use it: WCAG 2.1 AA on every page, light and dark, wide and narrow; keyboards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.app.webapp import WebApp
from bystander.client import Client, RemoteProject
from tests.frontend.browser.conftest import Come, Material, prepared
from tests.frontend.browser.visitor import Visitor
from tests.support.browsing import violations
from tests.support.staged import (
    PROJECT,
    StagedService,
    audit,
    finding,
    job,
    kept,
    person,
    photo,
    video,
)

pytestmark = pytest.mark.long

HEIGHT: Final = 900
WIDTHS: Final = (1280, 390)
NARROWEST: Final = 320
SCHEMES: Final = ("light", "dark")
FAR: Final = 80
"""Presses of Tab within which anything is reached."""
FOCUSED: Final = """() => {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}"""


@dataclass(frozen=True)
class Projects:
    """`begun` has a video and a photo, `finished` a result."""

    begun: str
    finished: str


@pytest.fixture(scope="module")
def projects(client: Client, material: Material, finished: RemoteProject) -> Projects:
    return Projects(prepared(client, material).id, finished.id)


def upload(visitor: Visitor, projects: Projects) -> None:
    visitor.open(project=projects.begun, step="upload")
    visitor.expect_step("upload")
    visitor.expect_shown(visitor.page.locator(".stage img"))
    expect(visitor.page.locator("video")).to_be_visible()


def estimate(visitor: Visitor, projects: Projects) -> None:
    visitor.open(project=projects.begun, step="estimate")
    visitor.expect_shown(visitor.page.locator("img.preview"))
    expect(visitor.page.locator(".figure")).to_be_visible()


def colour(visitor: Visitor, projects: Projects) -> None:
    visitor.open(project=projects.begun, step="estimate", effect="solid")
    expect(visitor.page.get_by_test_id("stColorPicker")).to_be_visible()
    visitor.expect_shown(visitor.page.locator("img.preview"))


def review(visitor: Visitor, projects: Projects) -> None:
    visitor.open(project=projects.finished, step="review")
    expect(visitor.page.get_by_role("article").first).to_be_visible()


def clip(visitor: Visitor, projects: Projects) -> None:
    review(visitor, projects)
    visitor.page.get_by_role("article").first.locator("[id^=watch]").click()
    visitor.expect_plays(visitor.page.locator("dialog video"))


def result(visitor: Visitor, projects: Projects) -> None:
    visitor.open(project=projects.finished, step="result")
    expect(visitor.button("compare.play")).to_be_visible()


def deleting(visitor: Visitor, projects: Projects) -> None:
    result(visitor, projects)
    visitor.press("result.delete")
    expect(visitor.page.get_by_role("dialog")).to_be_visible()


def gone(visitor: Visitor, projects: Projects) -> None:
    visitor.open(project="0" * 32)
    visitor.expect_written("errors.expired.what")


PAGES: Final = [upload, estimate, colour, review, clip, result, deleting, gone]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("open_page", PAGES, ids=lambda page: page.__name__)
def test_every_page_is_for_everyone(
    come: Come,
    projects: Projects,
    open_page: Callable[[Visitor, Projects], None],
    scheme: str,
) -> None:
    with come(color_scheme=scheme) as visitor:
        open_page(visitor, projects)
        expect_for_everyone(visitor.page)


def refused(staged: StagedService) -> str:
    staged.video = video("refused", "TruncatedVideo")
    return "errors.TruncatedVideo.what"


def doubted(staged: StagedService) -> str:
    staged.photos = [photo("AmbiguousFace", faces=3), photo("PoorFace", number=4)]
    return "errors.PoorFace.what"


def running(staged: StagedService) -> str:
    staged.jobs = [job("running", resumed=1)]
    return "progress.resumed"


def failed(staged: StagedService) -> str:
    staged.jobs = [job("failed", problem={"type": "WorkerCrashed"})]
    return "errors.WorkerCrashed.what"


def cancelled(staged: StagedService) -> str:
    staged.jobs = [job("cancelled")]
    return "progress.cancelled"


def unsure(staged: StagedService) -> str:
    staged.jobs, staged.result = [job("done")], True
    staged.people = [person(1, doubtful=True), person(2, "mixed"), person(3, "keep", name="Anna")]
    staged.edits = [kept("p2")]
    return "review.changed"


def leaking(staged: StagedService) -> str:
    staged.jobs, staged.result = [job("done")], True
    staged.audit = audit(finding("visible face", 1.0, 30))
    return "audit.failed"


def away(staged: StagedService) -> str:
    staged.refuse = {("GET", PROJECT): (503, "unreachable")}
    return "errors.unreachable.what"


STATES: Final = [refused, doubted, running, failed, cancelled, unsure, leaking, away]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_what_goes_wrong_is_told_to_everyone(
    come: Come, staged: StagedService, staged_app: WebApp, state: Callable[[StagedService], str]
) -> None:
    staged.reset()
    told, step = state(staged), {"unsure": "review"}.get(state.__name__)
    for scheme in SCHEMES:
        with come(at=staged_app, color_scheme=scheme) as visitor:
            visitor.open(project=PROJECT, **({"step": step} if step else {}))
            visitor.expect_written(told)
            expect_for_everyone(visitor.page)


def test_it_can_all_be_done_with_the_keyboard(come: Come, material: Material) -> None:
    with come() as visitor:
        page = visitor.page
        visitor.open()
        visitor.expect_step("upload")
        choose(visitor, "video_uploader.choose", material)
        visitor.expect_written("upload.no-photos")
        choose(visitor, "photo_uploader.choose", material)
        name = visitor.texts("upload.person", n=1)
        visitor.expect_shown(page.get_by_alt_text(visitor.texts("upload.photo-of", name=name)))
        tab_to(page, visitor.button("app.continue"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name=visitor.texts("estimate.title"))).to_be_focused()
        expect(page.locator(".figure")).to_be_visible()
        tab_to(page, page.get_by_role("radio", name=visitor.texts("effects.blur")))
        page.keyboard.press("ArrowRight")
        visitor.expect_shown(page.locator("img.preview[src*='effect=mosaic']"))
        tab_to(page, visitor.button("estimate.go"))
        page.keyboard.press("Space")
        for step in ("progress", "review"):
            title = page.get_by_role("heading", name=visitor.texts(f"{step}.title"))
            expect(title).to_be_focused()
        first = page.get_by_role("article").first
        tab_to(page, first.locator("[id^=watch]"))
        page.keyboard.press("Enter")
        visitor.expect_plays(page.locator("dialog video"))
        page.keyboard.press("Escape")
        expect(first.locator("[id^=watch]")).to_be_focused()


def expect_for_everyone(page: Page) -> None:
    """axe-core finds nothing, and nothing has to be scrolled sideways."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        assert violations(page) == []
        assert sideways(page) == 0
    page.set_viewport_size({"width": NARROWEST, "height": HEIGHT})
    assert sideways(page) == 0


def sideways(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    found: int = page.evaluate(
        """() => Math.max(...[document.documentElement, ...document.querySelectorAll("section")]
            .map((element) => element.scrollWidth - element.clientWidth))"""
    )
    return found


def choose(visitor: Visitor, key: str, material: Material) -> None:
    """Choose a file with the keyboard."""
    with visitor.page.expect_file_chooser() as opened:
        tab_to(visitor.page, visitor.button(key))
        visitor.page.keyboard.press("Enter")
    opened.value.set_files(material.photo if key.startswith("photo") else material.video)


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until it has the focus."""
    wanted = target.element_handle()
    for _ in range(FAR):
        if page.evaluate(f"wanted => ({FOCUSED})() === wanted", wanted):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"not reached with Tab: {target}")
