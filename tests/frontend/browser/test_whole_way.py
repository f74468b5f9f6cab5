"""From the empty page to the downloaded video, as somebody goes who never saw the app before."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import expect

from benchmarks.service.server import Server
from bystander.client import Client
from bystander.errors import ServiceError
from bystander.timeline.archive import Timeline
from frontend.texts import Language
from tests.frontend.browser.conftest import FRAMES, Come, Material
from tests.service.pictures import sound

pytestmark = pytest.mark.long

FEW = 5
"""Actions from the first sight of the page until the work has begun."""
SAME = 10.0
"""Mean difference in levels of grey, at most, of two encodings of a person."""
WORK = 300.0
"""Seconds for a job over two seconds of video, on a busy machine."""
CLEARLY = 3.0
"""How many times more a masked one differs; in a dark hall the levels themselves say little."""

WAYS = [("made", "ko"), ("hamilton", "en")]
"""Of the clips, each in one language: a way takes minutes of both cores."""


@pytest.mark.parametrize(("clip", "language"), WAYS, indirect=["clip"])
def test_everybody_gets_there_by_looking(
    come: Come, client: Client, clip: Material, language: Language, tmp_path: Path
) -> None:
    emoji = tmp_path / "emoji.png"
    Image.new("RGBA", (8, 8), "orange").save(emoji)
    with come(language) as visitor:
        page = visitor.page
        visitor.open()
        visitor.expect_step("upload")
        expect(page.locator("html")).to_have_attribute("lang", language)
        visitor.expect_own_language()
        visitor.choose_file("video_uploader.choose", clip.video)
        visitor.choose_file("photo_uploader.choose", clip.photo)
        name = visitor.texts("upload.person", n=1)
        visitor.expect_shown(page.get_by_alt_text(visitor.texts("upload.photo-of", name=name)))
        expect(page.get_by_text(visitor.texts("face_picker.used"))).to_be_visible()
        video = page.locator("video")
        video.evaluate("video => { video.muted = true; video.play() }")
        visitor.expect_plays(video)
        visitor.expect_own_language()
        visitor.press("app.continue")

        visitor.expect_step("estimate")
        expect(page.locator(".figure")).to_be_visible()
        visitor.choose("effects.picture")
        visitor.choose_file("picture_file.choose", clip.video)
        visitor.expect_written("picture_file.refused")
        visitor.choose_file("picture_file.choose", emoji)
        visitor.expect_shown(page.get_by_alt_text(visitor.texts("estimate.picture-now")))
        visitor.choose("effects.mosaic")
        preview = page.locator("img.preview[src*='effect=mosaic']")
        visitor.expect_shown(preview)
        visitor.expect_plays(page.locator(".still video"))
        visitor.expect_own_language()
        visitor.press("estimate.go")

        visitor.expect_step("progress")
        assert visitor.actions <= FEW + 3, "but for the look at pictures"
        visitor.expect_shown(page.locator("img.preview"))
        visitor.expect_own_language()

        visitor.expect_step("review", WORK)
        project = client.project(visitor.project)
        people = {person["id"]: person for person in project.people()["people"]}
        expect(page.get_by_role("article").first).to_be_visible()
        if (small := page.locator(".people summary")).is_visible():
            small.click()
        expect(page.get_by_role("article")).to_have_count(len(people))
        for picture in page.get_by_role("article").locator("img:not([hidden])").all():
            picture.scroll_into_view_if_needed()
            visitor.expect_shown(picture)
        visitor.expect_own_language()
        changed = max((p for p in people.values() if p["verdict"] == clip.change), key=_seconds)
        number = changed["id"].removeprefix("p")
        title = changed["name"] or visitor.texts("editor.person", n=number)
        card = page.get_by_role("article", name=title, exact=True)
        card.get_by_text(visitor.texts("editor.clip"), exact=True).click()
        visitor.expect_plays(page.locator("dialog video"))
        visitor.expect_own_language()
        visitor.press("editor.close")
        project.download("result", tmp_path / "first.mp4")
        project.download("timeline", tmp_path / "timeline")
        side = "editor.choose_keep" if clip.change == "mask" else "editor.choose_mask"
        card.get_by_text(visitor.texts(side), exact=True).click()
        visitor.expect_written("review.changed")
        visitor.press("review.render-again")

        visitor.expect_step("result", WORK)
        visitor.press("compare.play")
        for video in page.locator(".compare video").all():
            visitor.expect_plays(video)
        visitor.expect_own_language()
        with page.expect_download() as download:
            page.get_by_role("link", name=visitor.texts("result.download")).click()
        download.value.save_as(tmp_path / "masked.mp4")
        assert visitor.complaints == []
    source, first, result = map(grey, (clip.video, tmp_path / "first.mp4", tmp_path / "masked.mp4"))
    assert result.shape == source.shape
    assert sound(tmp_path / "masked.mp4") == sound(clip.video) != []
    where = places(Timeline.load(tmp_path / "timeline"), changed["id"])
    assert len(where) > FRAMES // 4
    before, after = (difference(video, source, where) for video in (first, result))
    shown, masked = sorted((before, after))
    assert shown < SAME
    assert masked > CLEARLY * shown
    assert (after == shown) is (changed["verdict"] == "mask")


def test_without_photos_one_clicks_on_those_to_keep_and_what_is_deleted_is_gone(
    come: Come, client: Client, service: Server, material: Material
) -> None:
    with come() as visitor:
        page = visitor.page
        visitor.open()
        visitor.choose_file("video_uploader.choose", material.video)
        visitor.expect_written("upload.no-photos")
        visitor.press("app.continue")
        visitor.press("estimate.find")
        visitor.expect_step("finding")
        visitor.expect_step("review")
        for number in (0, 1):
            card = page.get_by_role("article").nth(number)
            card.get_by_text(visitor.texts("editor.choose_keep"), exact=True).click()
            expect(
                card.get_by_role("radio", name=visitor.texts("editor.choose_keep"))
            ).to_be_checked()
        visitor.press("review.render")
        visitor.expect_step("result")
        visitor.press("compare.play")
        visitor.expect_plays(page.locator(".compare video").last)
        project = visitor.project
        verdicts = [p["verdict"] for p in client.project(project).people()["people"]]
        assert verdicts.count("keep") == 2
        assert list(service.data.rglob(f"*{project}*"))
        visitor.open(project=project, step="result")  # where nothing is played
        visitor.press("result.delete")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name=visitor.texts("result.delete")).click()
        visitor.expect_written("app.deleted")
        visitor.expect_step("upload")
        assert project not in page.url
        visitor.open(project=project)
        visitor.expect_written("errors.expired.what")
        assert visitor.complaints == []
    with pytest.raises(ServiceError) as refused:
        client.project(project).facts()
    assert refused.value.status == 404
    assert not list(service.data.rglob(f"*{project}*"))


def _seconds(person: dict[str, float]) -> float:
    return person["seconds"]


def grey(video: Path) -> NDArray[np.float32]:
    """Every frame: float32 [N, H, W], levels of grey."""
    with av.open(str(video)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    return np.array(frames, dtype=np.float32)


def places(timeline: Timeline, person: str) -> list[tuple[int, slice, slice]]:
    """Where a person stands alone: frame, rows and columns of the source, pixels."""
    header = timeline.header
    own = next(found.tracklets for found in header.persons if found.id == person)
    scale = header.video.width / header.grid[0]
    found = []
    for record in timeline.frames():
        for sighting in record.sightings:
            if sighting.tracklet in own:
                x0, y0, x1, y1 = (round(scale * side) for side in sighting.box)
                found.append((record.index, slice(max(0, y0), y1), slice(max(0, x0), x1)))
    return found


def difference(
    video: NDArray[np.float32], other: NDArray[np.float32], where: list[tuple[int, slice, slice]]
) -> float:
    """Mean of |video - other| in these places."""
    return float(np.mean([np.abs(video[place] - other[place]).mean() for place in where]))
