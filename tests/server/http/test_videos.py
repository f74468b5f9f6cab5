"""What is told of a video, and the pictures of it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image

from bystander.server.models import Problem, Video, VideoState
from tests.support.stage import Stage, staged
from tests.support.videos import Clip, Sound, make_video


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def sent(stage: Stage) -> httpx.Response:
    """What is answered to a whole video: lying on its side, with sound."""
    clip = Clip(rotation=90, sounds=[Sound()], options={"g": "1", "preset": "ultrafast"})
    video = make_video(stage.folder / "video.mp4", clip)
    with stage.client() as client:
        return client.put(f"/projects/{stage.project().id}/video", content=video.read_bytes())


def test_before_it_is_sent_a_video_is_absent(stage: Stage) -> None:
    with stage.client() as client:
        view = client.get(f"/projects/{stage.project().id}/video").json()
    assert view == {
        "state": "absent", "size": None, "received": 0, "facts": None, "posters": [],
        "problem": None, "upload": None, "name": None,
    }  # fmt: skip


def test_what_was_found_in_it_is_told(stage: Stage, sent: httpx.Response) -> None:
    view = sent.json()
    with stage.client() as client:
        assert client.get(sent.request.url.path).json() == view
        assert client.get(sent.request.url.path.removesuffix("/video")).json()["video"] == view

    assert (view["state"], view["problem"]) == ("ready", None)
    assert view["size"] == view["received"] == len(sent.request.content)
    facts = view["facts"]
    assert (facts["width"], facts["height"], facts["rotation"]) == (240, 320, 90)
    assert (facts["frame_count"], facts["average_rate"]) == (24, 25.0)
    assert [track["codec"] for track in facts["audio"]] == ["aac"]


def test_its_pictures_are_upright_and_where_it_says(stage: Stage, sent: httpx.Response) -> None:
    posters = sent.json()["posters"]
    assert len(posters) == 5
    with stage.client() as client:
        for address in posters:
            answer = client.get(address)
            assert answer.headers["content-type"] == "image/jpeg"
            picture = np.asarray(Image.open(io.BytesIO(answer.content)), np.int16)
            assert picture.shape == (320, 240, 3)
            # The red upper left quarter has gone to the upper right.
            red = picture[..., 0] - picture[..., 1] > 100
            assert red[:160, 120:].mean() > 0.9 > 0.1 > red[:, :110].mean()
        assert client.get(f"{posters[0][:-1]}5").status_code == 404


def test_why_it_was_refused_is_told(stage: Stage) -> None:
    project = stage.project()
    problem = Problem("NotAVideo", "why", "what to do")
    video = Video(VideoState.REFUSED, 5, 5, problem=problem)
    stage.context.store.projects.set_video(project.id, video)
    with stage.client() as client:
        view = client.get(f"/projects/{project.id}/video").json()
    assert (view["state"], view["facts"]) == ("refused", None)
    assert view["problem"] == {"type": "NotAVideo", "what": "why", "advice": "what to do"}
