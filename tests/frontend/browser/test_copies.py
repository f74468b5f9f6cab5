"""A video that browsers don't play: stills at first, then a copy that the service makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from bystander.client import Client
from tests.frontend.browser.conftest import Come, Material, prepared
from tests.frontend.browser.test_whole_way import grey
from tests.support.videos import run_ffmpeg

pytestmark = pytest.mark.long

FRAME = 31
THERE = """([video, start, end]) => !video.seeking && video.readyState > 1
    && start < video.currentTime && video.currentTime < end"""
SHOWN = """async (video) => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d");
    canvas.drawImage(video, 0, 0);
    const { data } = canvas.getImageData(0, 0, video.videoWidth, video.videoHeight);
    return Array.from(data.filter((_, number) => number % 4 === 1));
}"""
"""Its green, which is mostly its grey."""


def test_a_copy_is_played_and_its_frames_are_the_videos(
    come: Come, client: Client, material: Material, tmp_path: Path
) -> None:
    video = tmp_path / "video.avi"
    run_ffmpeg("-i", material.video, "-an", "-c:v", "mpeg2video", "-q:v", "2", video)
    project = prepared(client, replace(material, video=video), photo=False)
    project.start("mask").wait()
    with come() as visitor:
        page = visitor.page
        visitor.open(project=project.id, step="review")
        visitor.expect_step("review")
        playing = page.locator(".stage video")
        expect(playing).to_be_visible()
        expect(playing).to_have_attribute("src", f"/service/projects/{project.id}/video/proxy")
        page.get_by_role("slider").fill(str(FRAME))
        url = f"/service/projects/{project.id}/frames/times"
        times = page.evaluate("url => fetch(url).then(answer => answer.json())", url)["times"]
        there = [playing.element_handle(), times[FRAME], times[FRAME + 1]]
        page.wait_for_function(THERE, arg=there)
        shown = np.array(playing.evaluate(SHOWN), dtype=np.float32)
    frames = grey(video)
    apart = [float(np.abs(shown - frame.ravel()).mean()) for frame in frames]
    assert int(np.argmin(apart)) == FRAME
