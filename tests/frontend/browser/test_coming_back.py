"""Two videos in a row: who is kept, presets, the notice, the list, and a link for somebody else."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from bystander.client import Client
from tests.frontend.browser.conftest import Come, Material
from tests.frontend.browser.visitor import Visitor
from tests.support.browsing import violations

pytestmark = pytest.mark.long

WORK: Final = 300.0
"""Seconds for a job over ten seconds of video, on a busy machine."""
ELSEWHERE: Final = """
document.hasFocus = () => false;
window.told = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static requestPermission = async () => (Notification.permission = "granted");
  constructor(title, { body }) { super(); window.told.push([title, body]); }
};
"""
"""A visitor who looks at another window, and lets the page tell them there."""
ATTEMPT: Final = """([method, url]) => fetch(url, { method }).then(({ status }) => status)"""


def test_the_second_video_is_quicker_and_the_first_is_shown_to_somebody(
    come: Come, client: Client, material: Material
) -> None:
    with come() as visitor:
        page = visitor.page
        page.add_init_script(ELSEWHERE)
        first, link = masked_told_and_shared(visitor, material)
        listed_and_begun_again(visitor, material, first)
        second = client.project(visitor.project)
        below = f"/projects/{second.id}"
        [job] = client.json("GET", f"{below}/jobs")["jobs"]
        photos = client.json("GET", f"{below}/photos")["photos"]
        assert job["effect"]["name"] == "mosaic"
        assert [photo["person"] for photo in photos] == [visitor.texts("upload.person", n=1)]
        assert visitor.complaints == []  # later on, of what is gone
        second.delete()
        with come() as somebody:
            sees_and_changes_nothing(somebody, link, first, material)
            visitor.open(project=first, step="result")
            visitor.press("share.take-back")
            expect(visitor.button("share.make")).to_be_visible()
            somebody.page.goto(link)
            somebody.expect_written("shared.gone")
        forgotten(visitor)
    assert client.project(first).facts()["result"]["current"]


def masked_told_and_shared(visitor: Visitor, material: Material) -> tuple[str, str]:
    """The first video, and a link to it: project and address."""
    page = visitor.page
    visitor.open()
    visitor.expect_step("upload")
    visitor.choose_file("video_uploader.choose", material.video)
    visitor.choose_file("photo_uploader.choose", material.photo)
    name = visitor.texts("upload.person", n=1)
    visitor.expect_shown(page.get_by_alt_text(visitor.texts("upload.photo-of", name=name)))
    visitor.press("people.keep", name=name)
    visitor.expect_written("people.kept", name=name)
    visitor.press("app.continue")
    visitor.expect_step("estimate")
    expect(page.locator(".figure")).to_be_visible()
    visitor.choose("effects.mosaic")
    visitor.expect_shown(page.locator("img.preview[src*='effect=mosaic']"))
    page.get_by_label(visitor.texts("presets.name")).fill("Vlog")
    visitor.press("presets.save")
    expect(visitor.button("presets.use", name="Vlog")).to_be_visible()
    visitor.press("estimate.go")
    visitor.expect_step("progress")
    visitor.press("notice_button.ask")
    visitor.expect_written("notice_button.on")
    visitor.expect_step("review", WORK)
    done = visitor.texts("notice.done")
    page.wait_for_function("window.told.length > 0")
    assert page.evaluate("window.told") == [[done, material.video.name]]
    expect(page).to_have_title(f"✓ {done}")
    visitor.press("review.result")
    visitor.expect_step("result")
    visitor.press("share.make")
    field = page.get_by_label(visitor.texts("share_link.link"))
    expect(field).to_be_visible()
    return visitor.project, field.input_value()


def listed_and_begun_again(visitor: Visitor, material: Material, first: str) -> None:
    """The second one, with the same person and effect, by a click each."""
    page = visitor.page
    visitor.open()
    visitor.expect_step("upload")
    row = page.locator(".projects li")
    expect(row).to_have_count(1)
    expect(row.locator(".state")).to_have_text(visitor.texts("projects.done"))
    expect(row.get_by_role("link", name=material.video.name)).to_have_attribute(
        "href", f"?project={first}&lang=en"
    )
    assert violations(page) == []
    name = visitor.texts("upload.person", n=1)
    visitor.press("people.use_whom", name=name)
    visitor.expect_shown(page.get_by_alt_text(visitor.texts("upload.photo-of", name=name)))
    visitor.choose_file("video_uploader.choose", material.video)
    visitor.press("app.continue")
    visitor.expect_step("estimate")
    expect(page.locator(".figure")).to_be_visible()
    visitor.press("presets.use", name="Vlog")
    visitor.expect_shown(page.locator("img.preview[src*='effect=mosaic']"))
    expect(page.get_by_role("radio", name=visitor.texts("effects.mosaic"))).to_be_checked()
    visitor.press("estimate.go")
    visitor.expect_step("progress")
    assert visitor.project != first


def sees_and_changes_nothing(
    somebody: Visitor, link: str, project: str, material: Material
) -> None:
    """Whoever has the link watches and downloads, and finds no way to anything else."""
    page, asked = somebody.page, Asked(somebody.page)
    page.goto(link)
    title = somebody.texts("shared.title")
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()
    video = page.locator("video")
    video.evaluate("video => { video.muted = true; video.play() }")
    somebody.expect_plays(video)
    expect(page.get_by_role("button")).to_have_count(1)  # of the language
    assert violations(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name=somebody.texts("result.download")).click()
    assert download.value.suggested_filename == f"{material.video.stem}-masked.mp4"
    [token] = parse_qs(urlsplit(link).query)["shared"]
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in (f"shared/{token}/video", f"shared/{token}", f"projects/{token}"):
            assert page.evaluate(ATTEMPT, [method, f"/service/{path}"]) == 404
    for path in ("video/file", "photos", "people", "result"):
        assert page.evaluate(ATTEMPT, ["GET", f"/service/projects/{token}/{path}"]) == 404
    assert not [url for url in asked.urls if project in url]
    assert project not in page.content()


class Asked:
    """The addresses that a page asks for."""

    def __init__(self, page: Page) -> None:
        self.urls: list[str] = []
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.urls.append(request.url)


def forgotten(visitor: Visitor) -> None:
    """Who was kept goes with one press, and doesn't come back."""
    page, name = visitor.page, visitor.texts("upload.person", n=1)
    visitor.open()
    visitor.press("people.forget_whom", name=name)
    expect(visitor.button("people.use_whom", name=name)).to_have_count(0)
    page.reload()
    visitor.expect_step("upload")
    expect(page.locator(".projects li")).to_have_count(1)  # the second one is gone by itself
    expect(visitor.button("people.use_whom", name=name)).to_have_count(0)
