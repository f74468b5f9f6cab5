"""A picture of exactly one frame, as the analysis counts them."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from bystander.server.http import frame_pictures
from bystander.server.http.deps import MAX_CONCURRENT_FRAMES
from bystander.server.http.frame_pictures import LONG_SIDE_PX
from bystander.server.models import Project
from tests.server.http.wire import Wire
from tests.support.drawn import BLUE, Figure, Masked, Scene, mask_scene, walking
from tests.support.stage import Stage, staged
from tests.support.waiting import HANGS_AFTER_SECONDS, until

pytestmark = pytest.mark.sampled(4)

FRAMES = 30
WALKER = Figure(BLUE, walking(20, 9))


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    return mask_scene(Scene([WALKER], frames=FRAMES), tmp_path_factory.mktemp("party"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def project(stage: Stage, party: Masked) -> Project:
    return stage.analysed(party.timeline.path, party.source)


def get(stage: Stage, project: Project, frame: object, token: int = 0) -> httpx.Response:
    with stage.client(token) as client:
        return client.get(f"/projects/{project.id}/frames/{frame}/picture")


@pytest.mark.parametrize("frame", [0, 1, 17, FRAMES - 1])
def test_it_is_the_frame_and_no_other(
    stage: Stage, project: Project, party: Masked, frame: int
) -> None:
    answer = get(stage, project, frame)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    assert "no-store" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == party.scene.size
        shown = np.asarray(image, np.int16)
    apart = [np.abs(shown - party.scene.picture(n)).mean() for n in range(FRAMES)]
    assert int(np.argmin(apart)) == frame
    assert max(image.size) <= LONG_SIDE_PX


@pytest.mark.parametrize(
    ("frame", "status"), [(FRAMES, 404), (2**31, 404), (-1, 422), ("x", 422), (10**30, 422)]
)
def test_frames_that_are_not_there(
    stage: Stage, project: Project, frame: object, status: int
) -> None:
    answer = get(stage, project, frame)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_there_is_none_for_others_or_before_an_analysis(
    stage: Stage, project: Project, party: Masked
) -> None:
    assert get(stage, project, 3, token=1).status_code == 404
    assert get(stage, stage.project(party.source), 3).status_code == 404
    assert get(stage, stage.project(), 3).status_code == 404


def test_a_video_that_does_not_decode_is_told_and_nothing_is_left(
    stage: Stage, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "v").write_bytes(b"nothing" * 1000)
    stage.put(tmp_path / "v", f"{project.id}/video")
    answer = get(stage, project, 3)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:bystander:NotAVideo")
    assert str(stage.folder) not in answer.text
    assert not list((stage.context.data / "work").iterdir())


def test_with_many_waiting_more_are_told_to_come_again(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bystander.server.http.frame_pictures.MAX_WAITING", 0)
    answer = get(stage, project, 3)
    assert answer.status_code == 429
    assert answer.headers["retry-after"]


def test_nothing_is_decoded_for_those_who_left_while_they_waited(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    looked: list[int] = []

    def look(*arguments: Any) -> bytes:
        looked.append(arguments[-1])
        go_on.wait(HANGS_AFTER_SECONDS)
        return b"a picture"

    def busy() -> tuple[int, int]:
        now = stage.context.frame_limiter.statistics()
        return now.borrowed_tokens, now.tasks_waiting

    monkeypatch.setattr(frame_pictures, "picture_of_frame", look)
    path = f"/projects/{project.id}/frames/{{}}/picture"
    try:
        first = [Wire(stage, "GET", path.format(n)) for n in range(MAX_CONCURRENT_FRAMES)]
        until(lambda: busy() == (MAX_CONCURRENT_FRAMES, 0))
        left = [Wire(stage, "GET", path.format(n)) for n in (10, 11, 12)]
        until(lambda: busy() == (MAX_CONCURRENT_FRAMES, 3))
        for wire in left:
            wire.drop()
        with stage.client() as client:  # by its answer the service has heard of those before it
            client.get("/projects")
    finally:
        go_on.set()
    until(lambda: busy() == (0, 0))
    for wire in first:
        wire.drop()
    assert sorted(looked) == list(range(MAX_CONCURRENT_FRAMES))
