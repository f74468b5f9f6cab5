"""Uploading a video: in one piece or several, over broken connections, beyond every limit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from bystander.jobs.disk import UPLOADS
from bystander.jobs.order import OUTPUTS, VIDEO, key_of
from bystander.jobs.settings import LimitSettings, RetentionSettings, ServiceSettings
from bystander.jobs.vocabulary import JobState, Project, Video, VideoState
from tests.api.stage import Stage, impatient, staged
from tests.api.wire import Wire
from tests.media.videos import Clip, make_video, truncated
from tests.sandbox.made import box
from tests.waiting import until

MIB = 2**20


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def client(stage: Stage) -> Iterator[httpx.Client]:
    with stage.client() as made:
        yield made


@pytest.fixture
def project(stage: Stage) -> Iterator[Project]:
    made = stage.project()
    yield made
    stage.context.janitor.purge(made.id)


@pytest.fixture
def address(project: Project) -> str:
    return f"/projects/{project.id}/video"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_video(tmp_path_factory.mktemp("film") / "video.mp4").read_bytes()


@pytest.fixture(scope="module")
def other_film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A shorter one, with one poster."""
    clip = Clip(pts=range(0, 5 * 512, 512), size=(160, 120))
    return make_video(tmp_path_factory.mktemp("film") / "other.mp4", clip).read_bytes()


def send(client: httpx.Client, address: str, offset: int, part: bytes) -> httpx.Response:
    return client.patch(address, headers={"Upload-Offset": str(offset)}, content=part)


def offset_of(client: httpx.Client, address: str) -> int:
    return int(client.head(address).headers["upload-offset"])


def stored(stage: Stage, address: str) -> bytes:
    """The video as storage has it."""
    return b"".join(stage.context.storage.read(f"{address.split('/')[2]}/{VIDEO}"))


def uploading(stage: Stage, address: str) -> list[str]:
    """Files that there are of an upload."""
    folder = stage.context.data / UPLOADS
    project = address.split("/")[2]
    return [path.name for path in folder.rglob("*") if project in str(path)]


def test_a_whole_video_is_examined_and_stored(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    answer = client.put(address, content=film)

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["facts"]["frame_count"]) == ("ready", 24)
    assert stored(stage, address) == film
    assert uploading(stage, address) == []
    headers = client.head(address).headers
    assert headers["upload-offset"] == headers["upload-length"] == str(len(film))


def test_a_video_in_parts_is_the_same_video(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    begun = client.post(address, json={"size": len(film)})
    assert (begun.status_code, begun.json()["state"]) == (201, "uploading")

    cuts = (0, 1, 1000, len(film) - 1)
    for start, end in pairwise(cuts):
        assert offset_of(client, address) == start
        answer = send(client, address, start, film[start:end])
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["upload-offset"] == str(end)
    last = send(client, address, cuts[-1], film[cuts[-1] :])

    assert (last.status_code, last.json()["state"]) == (200, "ready")
    assert last.headers["upload-offset"] == str(len(film))
    assert stored(stage, address) == film
    again = send(client, address, len(film), b"more")
    assert again.status_code == 409


def test_a_broken_connection_costs_only_what_did_not_arrive(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    film += box(b"free", bytes(4 * MIB))

    def settled() -> bool:
        return send(client, address, offset_of(client, address), b"").status_code == 204

    with Wire(stage, "PUT", address, f"Content-Length: {len(film)}") as wire:
        wire.send(film[: 3 * MIB])
        until(lambda: offset_of(client, address) >= 2 * MIB)
    until(settled)
    assert 2 * MIB <= offset_of(client, address) <= 3 * MIB
    assert client.head(address).headers["upload-length"] == str(len(film))
    assert client.get(address).json()["state"] == "uploading"

    for more in (0, 1, 1000):
        start = offset_of(client, address)
        headers = (f"Upload-Offset: {start}", f"Content-Length: {len(film) - start}")
        with Wire(stage, "PATCH", address, *headers) as wire:
            until(lambda: not settled())  # it is at it
            wire.send(film[start : start + more])
        until(settled)
        assert start <= offset_of(client, address) <= start + more

    at = offset_of(client, address)
    assert send(client, address, at, film[at:]).json()["state"] == "ready"
    assert stored(stage, address) == film


def test_an_upload_begun_again_goes_on_if_it_is_of_the_same_size(
    client: httpx.Client, address: str, film: bytes
) -> None:
    client.post(address, json={"size": len(film)})
    send(client, address, 0, film[:100])

    client.post(address, json={"size": len(film)})
    assert offset_of(client, address) == 100
    client.post(address, json={"size": len(film) + 1})
    assert offset_of(client, address) == 0


@pytest.mark.parametrize("wrong", [0, 99, 101, 10**9, 10**30])
def test_a_part_for_elsewhere_is_told_where_to_go_on(
    client: httpx.Client, address: str, film: bytes, wrong: int
) -> None:
    client.post(address, json={"size": len(film)})
    send(client, address, 0, film[:100])

    answer = send(client, address, wrong, film[100:200])

    assert answer.status_code == 409
    assert answer.headers["upload-offset"] == "100"
    assert offset_of(client, address) == 100


@pytest.mark.parametrize("offset", [None, "", "-1", "1.5", "0x10", "many", "1e3"])
def test_a_part_says_where_it_begins(
    client: httpx.Client, address: str, offset: str | None
) -> None:
    client.post(address, json={"size": 100})
    headers = {} if offset is None else {"Upload-Offset": offset}

    assert client.patch(address, headers=headers, content=b"part").status_code == 422
    assert offset_of(client, address) == 0


def test_another_file_of_the_same_size_begins_anew_if_it_says_so(
    client: httpx.Client, address: str
) -> None:
    client.post(address, json={"size": 100})
    send(client, address, 0, b"a" * 40)
    client.post(address, json={"size": 100})
    assert offset_of(client, address) == 40

    client.post(address, json={"size": 100, "fresh": True})
    assert offset_of(client, address) == 0


def test_without_a_beginning_there_is_no_part(client: httpx.Client, address: str) -> None:
    assert send(client, address, 0, b"part").status_code == 409
    headers = client.head(address).headers
    assert headers["upload-offset"] == "0"
    assert "upload-length" not in headers


def test_one_request_at_a_time_sends_a_video(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    with Wire(stage, "PUT", address, f"Content-Length: {len(film)}") as first:
        first.send(film[:100])
        until(lambda: client.get(address).json()["state"] == "uploading")
        for attempt in (
            client.put(address, content=film),
            client.post(address, json={"size": len(film)}),
            send(client, address, 0, film),
            send(client, address, 100, film[100:]),
            client.post(f"{address}/uploaded"),
        ):
            assert attempt.status_code == 409
        first.send(film[100:])
        status, view = first.answer()

    assert (status, view["state"]) == (200, "ready")
    assert stored(stage, address) == film


@pytest.mark.parametrize("told", [True, False])
def test_more_than_was_announced_is_not_taken(
    client: httpx.Client, address: str, film: bytes, told: bool
) -> None:
    size = len(film) - 100
    client.post(address, json={"size": size})
    send(client, address, 0, film[:200])

    content = film[200:] if told else iter([film[200:300], film[300:]])
    assert send(client, address, 200, content).status_code == 413  # type: ignore[arg-type]
    # Of what comes in pieces, those that fit may have been taken.
    assert offset_of(client, address) in ((200,) if told else (200, 300))
    assert client.get(address).json()["state"] == "uploading"


def test_a_video_is_not_examined_before_all_that_was_announced_is_there(
    client: httpx.Client, address: str, film: bytes
) -> None:
    client.post(address, json={"size": len(film) + 10})

    assert send(client, address, 0, film).status_code == 204
    assert send(client, address, len(film), b"").status_code == 204
    assert client.get(address).json()["state"] == "uploading"


@pytest.mark.parametrize("size", [0, -1, 1.5, None, "ten", 10**30])
def test_an_upload_has_a_size_that_can_be(client: httpx.Client, address: str, size: Any) -> None:
    status = client.post(address, json={"size": size}).status_code
    assert status == (413 if size == 10**30 else 422)
    assert client.get(address).json()["state"] == "absent"


def test_a_whole_video_says_how_long_it_is(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    client.put(address, content=film)

    assert client.put(address, content=iter([film])).status_code == 411
    chunked = ("Transfer-Encoding: chunked", "Content-Length: 5")
    with Wire(stage, "PUT", address, *chunked) as both:
        assert both.answer()[0] in (400, 411)
    assert client.get(address).json()["state"] == "ready"
    assert stored(stage, address) == film


def test_nothing_is_no_video(stage: Stage, client: httpx.Client, address: str) -> None:
    view = client.put(address, content=b"").json()

    assert view["state"] == "refused"
    assert uploading(stage, address) == []


def test_a_new_video_replaces_the_old_one_and_what_was_made_of_it(
    stage: Stage,
    client: httpx.Client,
    project: Project,
    address: str,
    film: bytes,
    other_film: bytes,
) -> None:
    assert len(client.put(address, content=film).json()["posters"]) >= 1
    (stage.folder / "made").write_bytes(b"made of the old video")
    for output in OUTPUTS:
        stage.put(stage.folder / "made", key_of(project.id, output))
    stage.put(stage.folder / "made", f"{project.id}/posters/4.jpg")
    stage.context.store.projects.set_decisions(project.id, ["p2"], ["t17"], "d1")

    view = client.put(address, content=other_film).json()

    assert (view["state"], view["facts"]["frame_count"]) == ("ready", 5)
    assert stored(stage, address) == other_film
    count = len(view["posters"])
    posters = {f"{project.id}/posters/{number}.jpg" for number in range(count)}
    assert set(stage.context.storage.keys(f"{project.id}/")) == {f"{project.id}/{VIDEO}"} | posters
    after = client.get(f"/projects/{project.id}").json()
    assert (after["keep"], after["mask"]) == ([], [])
    assert client.get(f"/projects/{project.id}/result").status_code == 404


def test_a_refused_video_is_gone_and_a_better_one_may_follow(
    stage: Stage, client: httpx.Client, project: Project, address: str, film: bytes, tmp_path: Path
) -> None:
    (tmp_path / "whole.mp4").write_bytes(film)
    half = truncated(tmp_path / "whole.mp4", tmp_path / "half.mp4", 0.3).read_bytes()
    for bad in (b"no video at all" * 100, half):
        answer = client.put(address, content=bad)
        view = answer.json()
        assert (answer.status_code, view["state"], view["facts"]) == (200, "refused", None)
        assert view["problem"]["what"]
        assert view["problem"]["advice"]
        assert str(stage.folder) not in answer.text
        assert project.id not in answer.text
        assert uploading(stage, address) == []
        assert list(stage.context.storage.keys(f"{project.id}/")) == []

    assert send(client, address, len(half), b"").status_code == 409
    assert client.put(address, content=film).json()["state"] == "ready"


def test_after_a_crash_a_whole_video_is_examined_when_it_is_asked_for(
    stage: Stage, client: httpx.Client, project: Project, address: str, film: bytes
) -> None:
    # As the process leaves it that dies between the last byte and the end of the examination.
    client.post(address, json={"size": len(film)})
    (stage.context.data / UPLOADS / project.id).write_bytes(film)
    checking = Video(VideoState.CHECKING, len(film), len(film))
    stage.context.store.projects.set_video(project.id, checking)

    assert client.post(address, json={"size": len(film)}).status_code == 201
    assert offset_of(client, address) == len(film)
    answer = send(client, address, len(film), b"")

    assert (answer.status_code, answer.json()["state"]) == (200, "ready")
    assert stored(stage, address) == film


def test_an_upload_whose_file_is_lost_begins_anew(
    stage: Stage, client: httpx.Client, project: Project, address: str, film: bytes
) -> None:
    client.post(address, json={"size": len(film)})
    (stage.context.data / UPLOADS / project.id).unlink()

    assert offset_of(client, address) == 0
    assert send(client, address, 0, film).status_code == 409
    client.post(address, json={"size": len(film)})
    assert send(client, address, 0, film).json()["state"] == "ready"


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_the_video_of_a_job_stays(
    stage: Stage,
    client: httpx.Client,
    project: Project,
    address: str,
    film: bytes,
    state: JobState,
) -> None:
    client.put(address, content=film)
    stage.job(project, state=state)

    for attempt in (
        client.put(address, content=film),
        client.post(address, json={"size": 5}),
        send(client, address, 0, b"part"),
        client.post(f"{address}/upload-url", json={"size": 5}),
    ):
        assert attempt.status_code == 409
    assert stored(stage, address) == film
    (job,) = stage.context.store.jobs.list(project.id)
    stage.context.store.jobs.finish(job.id, JobState.CANCELLED)


def test_a_project_deleted_meanwhile_ends_its_upload(
    stage: Stage, client: httpx.Client, project: Project, address: str
) -> None:
    with Wire(stage, "PUT", address, f"Content-Length: {100 * MIB}") as wire:
        wire.send(bytes(MIB))
        until(lambda: client.get(address).json()["state"] == "uploading")
        assert client.delete(f"/projects/{project.id}").status_code == 204
        wire.send(bytes(MIB))  # far from all of it
        status, _ = wire.answer()

    assert status == 404
    assert uploading(stage, address) == []
    assert list(stage.context.storage.keys(f"{project.id}/")) == []


def test_a_full_disk_is_no_defect(
    stage: Stage, client: httpx.Client, project: Project, address: str, film: bytes
) -> None:
    client.post(address, json={"size": len(film)})
    file = stage.context.data / UPLOADS / project.id
    file.unlink()
    file.symlink_to("/dev/full")

    answer = send(client, address, 0, film)

    assert answer.status_code == 503
    assert "the disk was full" in answer.json()["detail"]
    assert send(client, address, 0, film).status_code == 503  # and not 409: it isn't held


def test_where_storage_is_local_nothing_goes_past_the_service(
    client: httpx.Client, address: str, film: bytes
) -> None:
    assert client.post(f"{address}/upload-url", json={"size": len(film)}).status_code == 501
    assert client.post(f"{address}/uploaded").status_code == 409
    assert client.get(address).json()["state"] == "absent"


@pytest.mark.long
def test_memory_stays_flat_for_a_large_video(client: httpx.Client, address: str) -> None:
    process, size = psutil.Process(os.getpid()), 300
    client.put(address, content=b"what a first request costs")
    before = highest = process.memory_info().rss
    piece = bytes(MIB)

    def pieces() -> Iterator[bytes]:
        nonlocal highest
        for _ in range(size):
            yield piece
            highest = max(highest, process.memory_info().rss)

    answer = client.put(address, content=pieces(), headers={"Content-Length": str(size * MIB)})

    assert answer.json()["received"] == size * MIB
    assert max(highest, process.memory_info().rss) - before < 60 * MIB


def test_more_than_the_limit_is_not_taken_and_costs_nothing(tmp_path: Path, film: bytes) -> None:
    settings = ServiceSettings(limits=LimitSettings(video_bytes=len(film)))
    with staged(tmp_path, settings) as stage, stage.client() as client:
        address = f"/projects/{stage.project().id}/video"
        assert client.put(address, content=film).json()["state"] == "ready"

        assert client.put(address, content=film + b"1").status_code == 413
        assert client.post(address, json={"size": len(film) + 1}).status_code == 413
        assert stored(stage, address) == film
        assert client.get(address).json()["state"] == "ready"


def test_beyond_the_budget_nothing_is_taken_or_left_behind(tmp_path: Path, film: bytes) -> None:
    # Room for one video, and not for two.
    settings = ServiceSettings(retention=RetentionSettings(disk_bytes=len(film) * 3 // 2))
    with staged(tmp_path, settings) as stage, stage.client() as client:
        first, second = (f"/projects/{stage.project().id}/video" for _ in range(2))
        client.post(first, json={"size": len(film)})  # its room is kept from here on
        for attempt in (
            client.put(second, content=film),
            client.post(second, json={"size": len(film)}),
        ):
            assert attempt.status_code == 507
            assert uploading(stage, second) == []
            assert client.get(second).json()["state"] == "absent"
        assert send(client, first, 0, film).json()["state"] == "ready"

        # The old one makes room for the new one.
        assert client.put(first, content=film).json()["state"] == "ready"
        assert client.put(first, content=film * 2).status_code == 507
        assert client.get(first).json()["state"] == "absent"
        assert list(stage.context.storage.keys("")) == []
        assert client.put(second, content=film).json()["state"] == "ready"


def test_a_video_that_hardly_comes_is_waited_for_no_longer(tmp_path: Path, film: bytes) -> None:
    with staged(tmp_path) as stage, stage.client() as client:
        address = f"/projects/{stage.project().id}/video"
        head = ("PUT", address, f"Content-Length: {len(film)}")
        with impatient(stage) as hasty, Wire(hasty, *head, body=film[:300]) as wire:
            status, problem = wire.answer()

        assert status == 408
        assert "HEAD" in problem["advice"]
        assert offset_of(client, address) == 300
        assert send(client, address, 300, film[300:]).json()["state"] == "ready"


def test_a_token_sends_so_many_videos_at_once(tmp_path: Path, film: bytes) -> None:
    settings = ServiceSettings(limits=LimitSettings(uploads_at_once=1))
    with staged(tmp_path, settings) as stage, stage.client() as client:
        first, second = (f"/projects/{stage.project().id}/video" for _ in range(2))
        with Wire(stage, "PUT", first, f"Content-Length: {len(film)}") as wire:
            wire.send(film[:1])
            until(lambda: client.get(first).json()["state"] == "uploading")
            refused = client.put(second, content=film)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) > 0
        until(lambda: client.put(second, content=film).status_code == 200)
