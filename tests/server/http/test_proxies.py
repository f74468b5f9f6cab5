"""What a browser's player gets: the video itself, or a copy that is made when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from bystander.errors import Cancelled
from bystander.media.probe import probe
from bystander.media.reader import VideoReader
from bystander.sandbox import VideoFacts, make_proxy
from bystander.server.http import proxy_maker
from bystander.server.http.proxies import played_as
from bystander.server.models import Project, Video, VideoState, new_id
from tests.support.facts import FACTS
from tests.support.stage import Stage, staged
from tests.support.videos import Clip, make_video
from tests.support.waiting import until

pytestmark = pytest.mark.long

MATROSKA = FACTS.model_copy(update={"container": "matroska,webm"})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("film") / "v.mkv", Clip(size=(160, 120)))


@pytest.fixture
def project(stage: Stage, film: Path) -> Project:
    return stage.project(film, MATROSKA)


def get(stage: Stage, project: Project, token: int = 0, **headers: str) -> httpx.Response:
    with stage.client(token) as client:
        return client.get(f"/projects/{project.id}/video/proxy", headers=headers)


def made(stage: Stage, project: Project) -> httpx.Response:
    """What there is when it is done."""
    answers: list[httpx.Response] = []

    def done() -> bool:
        answers.append(get(stage, project))
        return answers[-1].status_code != 202

    until(done)
    return answers[-1]


def nothing_left(stage: Stage) -> bool:
    work = stage.context.data / "work"
    return not work.exists() or not list(work.iterdir())


def kept(stage: Stage, project: Project) -> list[str]:
    return list(stage.context.storage.keys(f"{project.id}/proxy/"))


def test_a_copy_is_made_once_and_sent_in_parts(stage: Stage, project: Project, film: Path) -> None:
    with stage.client() as client:
        begun = client.head(f"/projects/{project.id}/video/proxy")
    assert (begun.status_code, begun.headers["retry-after"]) == (202, "2")
    first = get(stage, another := stage.project(film, MATROSKA))
    assert first.status_code == 202
    assert first.headers["retry-after"] == "2"
    assert first.json() == {"share": 0.0}
    assert made(stage, another).status_code == 200
    answer = made(stage, project)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"].startswith("inline")
    copy = stage.folder / "proxy.mp4"
    copy.write_bytes(answer.content)
    facts, source = probe(copy), probe(film)
    assert (facts.codec, facts.audio) == ("h264", ())
    assert [frame.pts * facts.time_base for frame in VideoReader(copy, facts)] == [
        frame.pts * source.time_base for frame in VideoReader(film, source)
    ]
    part = get(stage, project, Range="bytes=10-19")
    assert (part.status_code, part.content) == (206, answer.content[10:20])
    with stage.client() as client:
        head = client.head(f"/projects/{project.id}/video/proxy")
    assert int(head.headers["content-length"]) == len(answer.content)
    assert len(kept(stage, project)) == 1
    until(lambda: nothing_left(stage))


def test_what_browsers_play_is_the_video_itself(stage: Stage, film: Path) -> None:
    project = stage.project(film)
    answer = get(stage, project)
    assert (answer.status_code, answer.content) == (200, film.read_bytes())
    assert answer.headers["content-type"] == "video/mp4"
    assert get(stage, project, Range="bytes=0-0").status_code == 206
    assert kept(stage, project) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "video/mp4"),
        ({"pixel_format": "yuv420p"}, "video/mp4"),
        ({"pixel_format": "yuv422p"}, None),
        ({"bit_depth": 10}, None),
        ({"codec": "hevc"}, None),
        ({"codec": "prores"}, None),
        ({"codec": "libdav1d"}, "video/mp4"),
        ({"container": "matroska,webm"}, None),
        ({"container": "matroska,webm", "codec": "vp8"}, "video/webm"),
        ({"container": "matroska,webm", "codec": "vp9"}, "video/webm"),
        ({"container": "avi"}, None),
        ({"container": "mpegts"}, None),
    ],
)
@pytest.mark.sampled(12)
def test_what_browsers_play(change: dict[str, Any], expected: str | None) -> None:
    assert played_as(VideoFacts.model_validate(FACTS.model_dump() | change)) == expected


def test_two_who_ask_at_once_wait_for_the_same_one(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, begun = threading.Event(), []

    def slowly(*arguments: Any) -> Any:
        arguments[4](0.25)  # so much is done
        begun.append(arguments)
        go.wait()
        return make_proxy(*arguments)

    monkeypatch.setattr(proxy_maker, "make_proxy", slowly)
    another = stage.project(make_video(stage.folder / "w.mkv"), MATROSKA)
    try:
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: get(stage, project), range(4)))
        assert {answer.status_code for answer in answers} == {202}
        until(lambda: begun)
        assert get(stage, project).json() == {"share": 0.25}
        assert [get(stage, another).json() for _ in range(2)] == [{"share": 0.0}] * 2  # it waits
    finally:
        go.set()
    assert made(stage, project).status_code == 200
    assert made(stage, another).status_code == 200
    assert len(begun) == 2


def test_one_that_nobody_asks_for_any_more_is_given_up(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, ended = 0.0, []

    def slowly(*arguments: Any) -> Any:
        nonlocal now
        assert not arguments[5]()
        now += proxy_maker.WANTED_SECONDS - 1
        assert not arguments[5]()
        now += 2
        try:
            return make_proxy(*arguments)
        except Cancelled as error:
            ended.append(error)
            raise

    monkeypatch.setattr(proxy_maker, "make_proxy", slowly)
    context = stage.context
    maker = proxy_maker.ProxyMaker(
        context.settings, context.store, context.storage, context.janitor, lambda: now
    )
    here = context.store.projects.find(project.id)
    assert here is not None
    assert maker.share(here) == 0.0
    until(lambda: ended)
    until(lambda: nothing_left(stage))
    assert kept(stage, project) == []
    monkeypatch.setattr(proxy_maker, "make_proxy", make_proxy)
    until(lambda: maker.share(here) is None)  # who asks again gets it


@pytest.mark.parametrize("ending", ["deleted", "replaced"])
def test_what_is_made_of_a_video_that_is_gone_goes(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    ended = []

    def late(*arguments: Any) -> Any:
        facts = make_proxy(*arguments)
        if ending == "deleted":
            stage.context.janitor.purge(project.id)
        else:
            newer = Video(VideoState.READY, 1, 1, MATROSKA, upload=new_id())
            stage.context.store.projects.set_video(project.id, newer)
        ended.append(facts)
        return facts

    monkeypatch.setattr(proxy_maker, "make_proxy", late)
    assert get(stage, project).status_code == 202
    until(lambda: ended and nothing_left(stage))
    until(lambda: not kept(stage, project))


def test_a_deleted_project_leaves_none(stage: Stage, project: Project) -> None:
    assert made(stage, project).status_code == 200
    with stage.client() as client:
        assert client.delete(f"/projects/{project.id}").status_code == 204
    assert kept(stage, project) == []
    assert get(stage, project).status_code == 404


def test_a_video_that_does_not_decode_is_told_each_time_and_tried_once(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def counting(*arguments: Any) -> Any:
        tries.append(arguments)
        return make_proxy(*arguments)

    monkeypatch.setattr(proxy_maker, "make_proxy", counting)
    (tmp_path / "v").write_bytes(b"nothing" * 1000)
    project = stage.project(tmp_path / "v", MATROSKA)
    for _ in range(2):
        answer = made(stage, project)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:bystander:NotAVideo")
        assert str(stage.folder) not in answer.text
    assert len(tries) == 1
    until(lambda: nothing_left(stage))


def test_a_full_disk_is_told_and_may_pass(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        retention = stage.context.settings.retention.model_copy(update={"disk_bytes": 1})
        full.setattr(stage.context.janitor._disk, "_settings", retention)
        assert made(stage, project).status_code == 507
    assert made(stage, project).status_code == 200


def test_there_is_none_for_others_or_without_a_video(stage: Stage, project: Project) -> None:
    assert get(stage, project, token=1).status_code == 404
    assert get(stage, stage.project()).status_code == 409
