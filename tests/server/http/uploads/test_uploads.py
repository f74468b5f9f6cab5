"""What becomes of a video that is sent: examined, replaced, refused beyond every limit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from bystander.server.http import receiving
from bystander.server.jobs.spec import OUTPUTS, VIDEO_FILE, key_of
from bystander.server.models import JobState, Project, Video, VideoState
from bystander.server.retention import UPLOADS
from bystander.server.settings import LimitSettings, RetentionSettings, ServiceSettings
from tests.server.http.uploads.client import (
    MIB,
    TUS,
    begin,
    begun,
    head,
    offset_of,
    send,
    state_of,
    stored,
    uploading,
)
from tests.server.http.wire import Wire
from tests.support.stage import Stage, impatient, staged
from tests.support.videos import truncated
from tests.support.waiting import until

pytestmark = pytest.mark.sampled(4)


def test_one_request_at_a_time_sends_a_video(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    with Wire(stage, "PUT", address, f"Content-Length: {len(film)}") as first:
        first.send(film[:100])
        until(lambda: state_of(client, address) == "uploading")
        upload = client.get(address).json()["upload"]
        for attempt in (
            client.put(address, content=film),
            begin(client, address, len(film)),
            send(client, upload, 0, film),
            send(client, upload, 100, film[100:]),
            client.delete(upload, headers=TUS),
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
    upload = begun(client, address, len(film) - 100)
    send(client, upload, 0, film[:200])

    content = film[200:] if told else iter([film[200:300], film[300:]])
    assert send(client, upload, 200, content).status_code == 413
    # Of what comes in pieces, those that fit may have been taken.
    assert offset_of(client, upload) in ((200,) if told else (200, 300))
    assert state_of(client, address) == "uploading"


def test_a_video_is_not_examined_before_all_that_was_announced_is_there(
    client: httpx.Client, address: str, film: bytes
) -> None:
    upload = begun(client, address, len(film) + 10)

    assert send(client, upload, 0, film).status_code == 204
    assert send(client, upload, len(film), b"").status_code == 204
    assert state_of(client, address) == "uploading"


@pytest.mark.parametrize("size", [-1, 1.5, "", "ten", 10**30])
def test_an_upload_has_a_size_that_can_be(client: httpx.Client, address: str, size: Any) -> None:
    assert begin(client, address, size).status_code == (413 if size == 10**30 else 422)
    assert state_of(client, address) == "absent"


def test_an_upload_says_its_size_at_once(client: httpx.Client, address: str) -> None:
    uploads = f"{address.removesuffix('/video')}/uploads"
    later = {**TUS, "Upload-Defer-Length": "1"}
    assert client.post(uploads, headers=later).status_code == 422
    assert state_of(client, address) == "absent"


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
    answer = client.put(address, content=b"")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:bystander:NotAVideo")
    assert state_of(client, address) == "absent"

    begun(client, address, 0)
    assert state_of(client, address) == "refused"
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
    assert (
        set(stage.context.storage.keys(f"{project.id}/"))
        == {f"{project.id}/{VIDEO_FILE}"} | posters
    )
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
        assert project.id not in str(view["problem"])
        assert uploading(stage, address) == []
        assert list(stage.context.storage.keys(f"{project.id}/")) == []

    upload = begun(client, address, len(half))
    assert send(client, upload, 0, half).status_code == 204  # all of it came, which is all it says
    assert state_of(client, address) == "refused"
    assert offset_of(client, upload) == len(half)
    assert client.put(address, content=film).json()["state"] == "ready"


def test_after_a_crash_a_whole_video_is_examined_when_it_is_asked_for(
    stage: Stage, client: httpx.Client, project: Project, address: str, film: bytes
) -> None:
    # As the process leaves it that dies between the last byte and the end of the examination.
    for state in (VideoState.UPLOADING, VideoState.CHECKING):
        upload = begun(client, address, len(film))
        (stage.context.data / UPLOADS / project.id).write_bytes(film)
        begun_video = Video(state, len(film), len(film), upload=upload.rpartition("/")[2])
        stage.context.store.projects.set_video(project.id, begun_video)

        assert offset_of(client, upload) == len(film)  # clients of tus ask no more than this
        assert state_of(client, address) == "ready"
        assert stored(stage, address) == film


def test_where_too_many_videos_wait_to_be_examined_one_is_examined_later(
    stage: Stage, client: httpx.Client, address: str, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = begun(client, address, len(film))
    with monkeypatch.context() as patch:
        patch.setattr(receiving, "WAITING", 0)
        answer = send(client, upload, 0, film)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert head(client, upload).status_code == 423  # clients of tus try again, and not anew
        assert state_of(client, address) == "uploading"

    assert offset_of(client, upload) == len(film)
    assert state_of(client, address) == "ready"


def test_an_upload_whose_file_is_lost_begins_anew(
    stage: Stage, client: httpx.Client, project: Project, address: str, film: bytes
) -> None:
    upload = begun(client, address, len(film))
    (stage.context.data / UPLOADS / project.id).unlink()

    assert head(client, upload).status_code == 410
    assert send(client, upload, 0, film).status_code == 410
    assert send(client, begun(client, address, len(film)), 0, film).status_code == 204
    assert state_of(client, address) == "ready"


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_the_video_of_a_job_stays(
    stage: Stage,
    client: httpx.Client,
    project: Project,
    address: str,
    film: bytes,
    state: JobState,
) -> None:
    upload = client.put(address, content=film).json()["upload"]
    stage.job(project, state=state)

    for attempt in (
        client.put(address, content=film),
        begin(client, address, 5),
        send(client, upload, 0, b"part"),
        client.delete(upload, headers=TUS),
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
    upload = begun(client, address, len(film))
    file = stage.context.data / UPLOADS / project.id
    file.unlink()
    file.symlink_to("/dev/full")

    answer = send(client, upload, 0, film)

    assert answer.status_code == 503
    assert "the disk was full" in answer.json()["detail"]
    assert send(client, upload, 0, film).status_code == 503  # and not 409: it isn't held


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
        assert begin(client, address, len(film) + 1).status_code == 413
        assert stored(stage, address) == film
        assert client.get(address).json()["state"] == "ready"


@pytest.mark.long
def test_beyond_the_budget_nothing_is_taken_or_left_behind(tmp_path: Path, film: bytes) -> None:
    # Room for one video, and not for two.
    settings = ServiceSettings(retention=RetentionSettings(disk_bytes=len(film) * 3 // 2))
    with staged(tmp_path, settings) as stage, stage.client() as client:
        first, second = (f"/projects/{stage.project().id}/video" for _ in range(2))
        upload = begun(client, first, len(film))  # its room is kept from here on
        for attempt in (
            client.put(second, content=film),
            begin(client, second, len(film)),
        ):
            assert attempt.status_code == 507
            assert uploading(stage, second) == []
            assert client.get(second).json()["state"] == "absent"
        assert send(client, upload, 0, film).status_code == 204
        assert state_of(client, first) == "ready"

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
        upload = client.get(address).json()["upload"]
        assert offset_of(client, upload) == 300
        assert send(client, upload, 300, film[300:]).status_code == 204
        assert state_of(client, address) == "ready"


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
