"""Drawing over what was missed, and the check's findings, in the review player."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.frontend.components.conftest import Fake, Visit
from tests.frontend.components.fake_edits import FOLLOWED
from tests.frontend.components.on_player import (
    FOUND,
    SAYS,
    button,
    choose,
    click,
    drag,
    edits,
    expect_frame,
    expect_outlines,
    expect_saved,
    stage,
)

pytestmark = pytest.mark.long


def test_a_box_is_drawn_followed_and_corrected_on_another_frame(player: Visit, fake: Fake) -> None:
    page = player()
    expect_outlines(page)
    button(page, "tool_box").click()
    drag(page, (100, 50), (140, 90))
    (first,) = expect_saved(page, fake, 1)
    assert [key["seconds"] for key in first["keys"]] == [0]
    shape = first["keys"][0]["shape"]
    assert [shape[side] for side in ("x", "y", "width", "height")] == pytest.approx(
        [100, 50, 40, 40], abs=2
    )
    expect(page.get_by_text(SAYS["followed"].format(time="0:00.00", n=FOLLOWED))).to_be_visible()
    drag(page, (200, 150), (240, 190))  # elsewhere in this frame: another one
    expect_saved(page, fake, 2)
    button(page, "undo").click()
    expect_saved(page, fake, 1)
    click(page, 120, 70)
    page.keyboard.press("Escape")
    page.get_by_role("slider").fill("10")
    drag(page, (200, 50), (240, 90))
    page.wait_for_function(
        "async () => (await (await fetch('/fake')).json()).crowd.edits[0].keys.length === 2"
    )
    (corrected,) = edits(fake)
    assert [key["seconds"] for key in corrected["keys"]] == [0, 10 / 25]
    button(page, "undo").click()
    page.wait_for_function(
        "async () => (await (await fetch('/fake')).json()).crowd.edits[0].keys.length === 1"
    )
    assert edits(fake) == [first]


def test_what_was_drawn_is_given_to_somebody_who_is_kept(player: Visit, fake: Fake) -> None:
    page = player()
    expect_outlines(page)
    button(page, "tool_box").click()
    drag(page, (4, 4), (44, 24))
    (mask,) = expect_saved(page, fake, 1)
    click(page, 10, 8)
    page.get_by_role("menuitem", name=SAYS["own"].format(title="Anna")).click()
    expect(page.get_by_role("status")).to_contain_text(SAYS["did_own"].format(title="Anna"))
    page.wait_for_function(
        "async () => (await (await fetch('/fake')).json()).crowd.edits[0].kind === 'own'"
    )
    assert edits(fake) == [{**mask, "kind": "own", "who": "p1"}]


def test_a_box_is_drawn_by_keys(player: Visit, fake: Fake) -> None:
    page = player()
    button(page, "tool_ellipse").press("Enter")
    expect(page.get_by_role("status")).to_contain_text(SAYS["draw_keys"])
    expect(stage(page)).to_be_focused()
    for key in ("ArrowRight", "ArrowDown", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    (edit,) = expect_saved(page, fake, 1)
    shape = edit["keys"][0]["shape"]
    assert shape["kind"] == "ellipse"
    assert shape["x"] > 320 / 2 - 320 / 12
    assert shape["width"] > 320 / 6


def drawn(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    """A mask that was drawn in the first frame."""
    shape = {"kind": "box", "x": x, "y": y, "width": width, "height": height}
    return {"kind": "mask", "follow": True, "keys": [{"seconds": 0, "shape": shape}]}


def test_a_click_means_the_smallest_of_what_lies_there(player: Visit) -> None:
    page = player({"edits": [drawn(125, 110, 16, 16), drawn(0, 0, 320, 240)]})
    expect_outlines(page)
    for y, menu in ((118, SAYS["legend_drawn"]), (60, "Person 3: Masked")):
        click(page, 133, y)
        expect(page.get_by_role("menu", name=menu)).to_be_visible()
        page.keyboard.press("Escape")
    click(page, 133, 118)
    choose(page, "remove")
    click(page, 133, 118)
    expect(page.get_by_role("menu", name="Person 3: Masked")).to_be_visible()


def test_masks_that_were_there_before_are_shown_where_they_go(player: Visit) -> None:
    page = player({"edits": [drawn(0, 0, 20, 20)]})
    expect_outlines(page)
    for frame in (0, 30):
        page.get_by_role("slider").fill(str(frame))
        click(page, frame + 10, 10)  # a pixel a frame to the right
        expect(page.get_by_role("menu", name=SAYS["legend_drawn"])).to_be_visible()
        page.keyboard.press("Escape")
        followed = SAYS["followed"].format(time="0:00.00", n=FOLLOWED)
        expect(page.get_by_text(followed)).to_be_visible()


def test_an_area_is_never_masked(player: Visit, fake: Fake) -> None:
    page = player()
    button(page, "tool_never").click()
    drag(page, (10, 10), (60, 50))
    (zone,) = expect_saved(page, fake, 1)
    assert (zone["kind"], zone["decision"]) == ("zone", "keep")
    button(page, "remove").click()
    expect_saved(page, fake, 0)


def test_a_finding_is_masked_where_it_is_and_ticked(player: Visit, fake: Fake) -> None:
    page = player()
    row = page.get_by_role("listitem").filter(has_text=FOUND["person"])
    row.get_by_role("button", name=SAYS["place_mask"]).click()
    (mask,) = expect_saved(page, fake, 1)
    (key,) = mask["keys"]
    assert key["seconds"] == 30 / 25
    assert key["shape"] == {"kind": "box", "x": 37, "y": 54, "width": 36, "height": 72}
    expect_frame(page, 30)
    expect(row).to_contain_text("✓")


def test_a_finding_is_accepted_and_taken_up_again(player: Visit, fake: Fake) -> None:
    page = player()
    row = page.get_by_role("listitem").filter(has_text=FOUND["face"])
    fine = row.get_by_role("button", name=SAYS["place_fine"])
    fine.click()
    expect(fine).to_have_attribute("aria-pressed", "true")
    finding = {"kind": "visible face", "seconds": 2.4, "box": None}
    assert expect_saved(page, fake, 1) == [{"kind": "accept", "finding": finding}]
    fine.click()
    expect_saved(page, fake, 0)
