"""Mending by hand on the picture, up to the downloaded video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from bystander.client import Client, RemoteProject
from tests.frontend.browser.conftest import SIZE, Come, Material, prepared
from tests.frontend.browser.test_whole_way import grey
from tests.frontend.browser.visitor import Visitor

pytestmark = pytest.mark.long

DRAWN_AT, KEPT_FROM = 20, 25
"""Frames."""
UNTOUCHED = 3.0
"""Mean difference in levels of grey, at most, of two encodings of the same pixels."""

OUTLINED = """canvas => canvas.width > 0 && canvas.getContext("2d")
    .getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)"""
"""Something is drawn over the picture."""


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where on the screen a place of the picture is."""
    canvas = page.locator(".stage canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    return box["x"] + box["width"] * x / SIZE[0], box["y"] + box["height"] * y / SIZE[1]


def edits(page: Page, project: RemoteProject) -> list[dict[str, Any]]:
    address = f"/service/projects/{project.id}/edits"
    found: dict[str, Any] = page.evaluate("url => fetch(url).then(r => r.json())", address)
    edits: list[dict[str, Any]] = found["document"]["edits"]
    return edits


def expect_edits(page: Page, project: RemoteProject, kinds: list[str]) -> None:
    """The service has edits of these kinds."""
    page.wait_for_function(
        """async ([url, kinds]) => {
            const { document } = await (await fetch(url)).json();
            return document.edits.map(({ kind }) => kind).join() === kinds.join();
        }""",
        arg=[f"/service/projects/{project.id}/edits", kinds],
    )


def inside(outline: list[int]) -> tuple[float, float]:
    """A place within an outline: the middle of its longest row."""
    corners = np.array(outline).reshape(-1, 2)
    y = float((corners[:, 1].min() + corners[:, 1].max()) / 2)
    sides = np.roll(corners, -1, axis=0)
    crossed = [
        x0 + (x1 - x0) * (y - y0) / (y1 - y0)
        for (x0, y0), (x1, y1) in zip(corners, sides, strict=True)
        if (y0 > y) != (y1 > y)
    ]
    left, right = max(zip(*[iter(sorted(crossed))] * 2, strict=True), key=lambda s: s[1] - s[0])
    return (left + right) / 2, y


def difference(
    video: NDArray[np.float32],
    other: NDArray[np.float32],
    frame: int,
    where: tuple[slice, slice],
) -> float:
    """Mean of |video - other| in this place of a frame, levels of grey."""
    return float(np.abs(video[frame] - other[frame])[where].mean())


def press(visitor: Visitor, role: Any, key: str) -> None:
    visitor.page.get_by_role(role, name=visitor.texts(key), exact=True).click()


def test_a_click_and_a_box_on_the_picture_are_in_the_downloaded_video(
    come: Come, client: Client, material: Material, tmp_path: Path
) -> None:
    project = prepared(client, material, photo=False)
    project.start("mask").wait()
    project.download("result", tmp_path / "first.mp4")
    with come() as visitor:
        page = visitor.page
        visitor.open(project=project.id, step="review")
        visitor.expect_step("review")

        page.wait_for_function(OUTLINED, arg=page.locator(".stage canvas").element_handle())
        page.get_by_role("slider").fill(str(KEPT_FROM))
        url = f"/service/projects/{project.id}/frames/{KEPT_FROM}"
        frame = page.evaluate("url => fetch(url).then(answer => answer.json())", url)
        someone = max(frame["people"], key=lambda one: one["box"][3] - one["box"][1])
        page.mouse.click(*at(page, *inside(max(someone["outlines"], key=len))))
        press(visitor, "menuitem", "editor.keep_on")
        expect_edits(page, project, ["verdict"])
        (verdict,) = edits(page, project)
        assert verdict["who"] == someone["person"]

        page.get_by_role("slider").fill(str(DRAWN_AT))
        press(visitor, "button", "editor.tool_box")
        page.mouse.move(*at(page, 4, 4))
        page.mouse.down()
        page.mouse.move(*at(page, 84, 64), steps=4)
        page.mouse.up()
        expect_edits(page, project, ["verdict", "mask"])
        expect(page.locator(".told")).to_contain_text("followed over")
        press(visitor, "button", "editor.undo")
        expect_edits(page, project, ["verdict"])
        press(visitor, "button", "editor.redo")
        expect_edits(page, project, ["verdict", "mask"])

        visitor.expect_written("review.changed")
        visitor.press("review.render-again")
        visitor.expect_step("result")
        with page.expect_download() as download:
            page.get_by_role("link", name=visitor.texts("result.download")).click()
        download.value.save_as(tmp_path / "mended.mp4")
        assert visitor.complaints == []

    source, first, mended = map(
        grey, (material.video, tmp_path / "first.mp4", tmp_path / "mended.mp4")
    )
    x, y = map(int, inside(max(someone["outlines"], key=len)))
    person = np.s_[max(0, y - 8) : y + 8, max(0, x - 6) : x + 6]
    assert difference(first, source, KEPT_FROM, person) > UNTOUCHED
    assert difference(mended, source, KEPT_FROM, person) < UNTOUCHED
    assert difference(mended, first, KEPT_FROM - 1, person) < UNTOUCHED
    box = np.s_[16:52, 16:72]
    assert difference(first, source, DRAWN_AT, box) < UNTOUCHED
    assert difference(mended, source, DRAWN_AT, box) > UNTOUCHED
