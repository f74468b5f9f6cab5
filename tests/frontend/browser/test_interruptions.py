"""Tabs are closed, connections break, servers are started again: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Request, expect

from benchmarks.app.webapp import WebApp
from benchmarks.service.server import Server
from bystander.client import Client, RemoteJob
from frontend.texts import texts
from tests.frontend.browser.conftest import Come, Material, prepared
from tests.frontend.browser.visitor import Visitor
from tests.support.waiting import until

pytestmark = pytest.mark.long

ENOUGH: Final = 10
"""Frames of a job that would be missed."""
SECONDS: Final = 6
"""That sending the video takes."""


def test_the_address_leads_back_to_the_same_place(
    come: Come, client: Client, material: Material
) -> None:
    with come() as visitor:
        visitor.open(project=prepared(client, material).id, step="estimate")
        visitor.press("estimate.go")
        visitor.expect_step("progress")
        project, place = client.project(visitor.project), visitor.page.url
    with come() as visitor:
        visitor.page.goto(place)
        visitor.expect_step("progress")
        (job,) = client.json("GET", f"/projects/{project.id}/jobs")["jobs"]
        assert job["state"] in ("queued", "running")
        visitor.press("app.other-language")
        visitor.texts = texts("ko")
        visitor.expect_step("progress")
        visitor.expect_step("review")
        place = visitor.page.url
    with come() as visitor:
        visitor.page.goto(place)
        visitor.texts = texts("ko")
        visitor.expect_step("review")
        visitor.press("review.result")
        visitor.expect_step("result")
        place = visitor.page.url
    with come() as visitor:
        visitor.page.goto(place)
        visitor.texts = texts("ko")
        visitor.expect_step("result")
        visitor.expect_own_language()
    assert len(client.json("GET", f"/projects/{project.id}/jobs")["jobs"]) == 1


@pytest.mark.parametrize("end", [Server.terminate, Server.kill], ids=["ended", "killed"])
def test_a_service_that_is_started_again_is_waited_for(
    come: Come,
    client: Client,
    service: Server,
    material: Material,
    end: Callable[[Server], None],
) -> None:
    project = prepared(client, material)
    job = project.start("mask")
    with come("ko") as visitor:
        visitor.open(project=project.id, step="progress")
        visitor.expect_step("progress")
        until(lambda: done(job) >= ENOUGH)
        end(service)
        visitor.expect_written("errors.restarting.what")
        visitor.expect_own_language()
        service.start()
        visitor.expect_step("review")
    facts = job.facts()
    assert facts["state"] == "done"
    assert facts["resumed"] > 0


def test_a_service_that_is_away_is_waited_for_on_every_page(
    come: Come, service: Server, finished: Any
) -> None:
    with come("ko") as visitor:
        service.kill()
        try:
            visitor.open(project=finished.id, step="review")
            visitor.expect_written("errors.unreachable.what")
            visitor.expect_own_language()
        finally:
            service.start()
        visitor.expect_step("review")


def test_an_upload_goes_on_after_the_connection_was_lost(
    come: Come, client: Client, app: WebApp, material: Material
) -> None:
    with come("ko") as visitor:
        sent = notes(visitor)
        begin_slowly(visitor, material)
        until(lambda: 0.2 < share(visitor) < 0.8)
        app.kill()
        visitor.expect_written("video_uploader.away")
        app.start()
        expect(visitor.button("app.continue")).to_be_enabled()
        project = client.project(visitor.project)
    offsets = [int(r.headers["upload-offset"]) for r in sent if r.method == "PATCH"]
    assert offsets[0] == 0
    assert offsets[-1] > 0
    assert project.facts()["video"]["size"] == material.video.stat().st_size


def test_an_upload_goes_on_in_the_other_language(come: Come, material: Material) -> None:
    with come() as visitor:
        sent = notes(visitor)
        begin_slowly(visitor, material)
        until(lambda: share(visitor) > 0.1)
        visitor.press("app.other-language")
        visitor.texts = texts("ko")
        visitor.expect_step("upload")
        visitor.expect_written("video_uploader.sending")
        visitor.expect_own_language()
        expect(visitor.button("app.continue")).to_be_enabled()
        assert visitor.complaints == []
    assert [r.method for r in sent if r.method != "GET"] == ["POST", "PATCH"]


def begin_slowly(visitor: Visitor, material: Material) -> None:
    """Begin to send the video over a connection that is slow enough to be looked at."""
    visitor.open()
    visitor.expect_step("upload")
    network = visitor.page.context.new_cdp_session(visitor.page)
    network.send("Network.enable")
    speed = {"downloadThroughput": -1, "uploadThroughput": material.video.stat().st_size / SECONDS}
    network.send("Network.emulateNetworkConditions", {"offline": False, "latency": 0, **speed})
    visitor.choose_file("video_uploader.choose", material.video)


def notes(visitor: Visitor) -> list[Request]:
    """Requests that concern the video itself, as they are made."""
    found: list[Request] = []

    def note(request: Request) -> None:
        if "/uploads" in request.url:
            found.append(request)

    visitor.page.on("request", note)
    return found


def share(visitor: Visitor) -> float:
    """How much of the video has been sent, as the page says."""
    bar = visitor.page.get_by_role("progressbar", name=visitor.texts("video_uploader.progress"))
    value = bar.evaluate("bar => bar.hasAttribute('value') ? bar.value : 0")
    return float(value)


def done(job: RemoteJob) -> int:
    facts = job.facts()
    assert facts["state"] in ("queued", "running")
    return int((facts["progress"] or {}).get("done", 0))
