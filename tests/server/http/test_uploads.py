"""Uploading a video: in one piece or several, over broken connections, beyond every limit."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from itertools import pairwise
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
from tests.sandbox.made import box
from tests.server.http.wire import Wire
from tests.support.stage import Stage, impatient, staged
from tests.support.videos import Clip, make_video, truncated
from tests.support.waiting import until

MIB = 2**20
TUS = {"Tus-Resumable": "1.0.0"}
PART = {"Content-Type": "application/offset+octet-stream"}


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


def begin(
    client: httpx.Client, address: str, size: object, content: bytes = b"", metadata: str = ""
) -> httpx.Response:
    """Ask for an upload, as the creation of tus does it."""
    headers = {"Upload-Length": str(size), **TUS, **(PART if content else {})}
    if metadata:
        headers["Upload-Metadata"] = metadata
    return client.post(
        f"{address.removesuffix('/video')}/uploads", headers=headers, content=content
    )


def begun(client: httpx.Client, address: str, size: int) -> str:
    """The address of a new upload."""
    answer = begin(client, address, size)
    assert (answer.status_code, answer.content) == (201, b""), answer.text
    return answer.headers["location"]


def send(client: httpx.Client, upload: str, offset: object, part: Any) -> httpx.Response:
    headers = {**TUS, **PART, "Upload-Offset": str(offset)}
    return client.patch(upload, headers=headers, content=part)


def head(client: httpx.Client, upload: str) -> httpx.Response:
    return client.head(upload, headers=TUS)


def offset_of(client: httpx.Client, upload: str) -> int:
    answer = head(client, upload)
    assert answer.status_code == 200
    return int(answer.headers["upload-offset"])


def state_of(client: httpx.Client, address: str) -> str:
    return str(client.get(address).json()["state"])


def stored(stage: Stage, address: str) -> bytes:
    """The video as storage has it."""
    return b"".join(stage.context.storage.read(f"{address.split('/')[2]}/{VIDEO_FILE}"))


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
    headers = head(client, answer.json()["upload"]).headers
    assert headers["upload-offset"] == headers["upload-length"] == str(len(film))


def test_a_video_in_parts_is_the_same_video(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    upload = begun(client, address, len(film))
    assert state_of(client, address) == "uploading"
    assert client.get(address).json()["upload"] == upload

    cuts = (0, 1, 1000, len(film))
    for start, end in pairwise(cuts):
        assert offset_of(client, upload) == start
        answer = send(client, upload, start, film[start:end])
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["upload-offset"] == str(end)
        assert ("upload-expires" in answer.headers) == (end < len(film))

    assert state_of(client, address) == "ready"
    assert stored(stage, address) == film
    assert offset_of(client, upload) == len(film)
    assert send(client, upload, len(film), b"").status_code == 204
    assert send(client, upload, len(film), b"more").status_code == 413
    assert send(client, upload, 0, film).status_code == 409
    assert stored(stage, address) == film


def test_the_first_part_may_come_with_the_beginning(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    answer = begin(client, address, len(film), film[:1000])
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "1000")
    send(client, answer.headers["location"], 1000, film[1000:])
    assert stored(stage, address) == film

    answer = begin(client, address, len(film), film)
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(len(film)))
    assert state_of(client, address) == "ready"


def test_a_broken_connection_costs_only_what_did_not_arrive(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    film += box(b"free", bytes(4 * MIB))

    def arrived() -> int:
        upload = client.get(address).json()["upload"]
        return offset_of(client, upload) if upload else 0

    def settled() -> bool:
        return send(client, upload, offset_of(client, upload), b"").status_code == 204

    with Wire(stage, "PUT", address, f"Content-Length: {len(film)}") as wire:
        wire.send(film[: 3 * MIB])
        until(lambda: arrived() >= 2 * MIB)
    upload = client.get(address).json()["upload"]
    until(settled)
    assert 2 * MIB <= offset_of(client, upload) <= 3 * MIB
    assert head(client, upload).headers["upload-length"] == str(len(film))
    assert state_of(client, address) == "uploading"

    for more in (0, 1, 1000):
        start = offset_of(client, upload)
        headers = (
            *(f"{name}: {value}" for name, value in (TUS | PART).items()),
            f"Upload-Offset: {start}",
            f"Content-Length: {len(film) - start}",
        )
        with Wire(stage, "PATCH", upload, *headers) as wire:
            until(lambda: not settled())  # it is at it
            wire.send(film[start : start + more])
        until(settled)
        assert start <= offset_of(client, upload) <= start + more

    at = offset_of(client, upload)
    assert send(client, upload, at, film[at:]).status_code == 204
    assert state_of(client, address) == "ready"
    assert stored(stage, address) == film


def test_another_upload_takes_the_place_of_the_one_before(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    first = begun(client, address, len(film))
    send(client, first, 0, film[:100])

    second = begun(client, address, len(film))  # as large, and another file perhaps

    assert offset_of(client, second) == 0
    assert head(client, first).status_code == 404
    assert send(client, first, 100, film[100:]).status_code == 404
    assert client.delete(first, headers=TUS).status_code == 404
    assert send(client, second, 0, film).status_code == 204
    assert stored(stage, address) == film


@pytest.mark.parametrize("wrong", [0, 99, 101, 10**9, 10**30])
def test_a_part_for_elsewhere_is_told_where_to_go_on(
    client: httpx.Client, address: str, film: bytes, wrong: int
) -> None:
    upload = begun(client, address, len(film))
    send(client, upload, 0, film[:100])

    answer = send(client, upload, wrong, film[100:200])

    assert answer.status_code == 409
    assert answer.headers["upload-offset"] == "100"
    assert offset_of(client, upload) == 100


@pytest.mark.parametrize("offset", [None, "", "-1", "1.5", "0x10", "many", "1e3"])
def test_a_part_says_where_it_begins(
    client: httpx.Client, address: str, offset: str | None
) -> None:
    upload = begun(client, address, 100)
    headers = TUS | PART | ({} if offset is None else {"Upload-Offset": offset})

    assert client.patch(upload, headers=headers, content=b"part").status_code == 422
    assert offset_of(client, upload) == 0


@pytest.mark.parametrize("kind", [None, "application/octet-stream", "application/json"])
def test_a_part_says_what_it_is(client: httpx.Client, address: str, kind: str | None) -> None:
    upload = begun(client, address, 100)
    headers = {**TUS, "Upload-Offset": "0", **({"Content-Type": kind} if kind else {})}

    assert client.patch(upload, headers=headers, content=b"part").status_code == 415
    assert offset_of(client, upload) == 0
    headers = {**TUS, "Upload-Length": "100", **({"Content-Type": kind} if kind else {})}
    answer = client.post(upload.rpartition("/")[0], headers=headers, content=b"part")
    assert answer.status_code == 415
    assert offset_of(client, upload) == 0  # the one before is still there


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0", ""])
def test_another_version_of_the_protocol_is_told_which_one_is_spoken(
    client: httpx.Client, address: str, version: str | None
) -> None:
    upload = begun(client, address, 4)
    spoken = {} if version is None else {"Tus-Resumable": version}
    part = {**spoken, **PART, "Upload-Offset": "0"}
    for answer in (
        client.post(upload.rpartition("/")[0], headers={**spoken, "Upload-Length": "5"}),
        client.head(upload, headers=spoken),
        client.patch(upload, headers=part, content=b"part"),
        client.delete(upload, headers=spoken),
    ):
        assert answer.status_code == 412
        assert answer.headers["tus-version"] == answer.headers["tus-resumable"] == "1.0.0"
    assert offset_of(client, upload) == 0


def test_options_say_what_is_spoken(stage: Stage, client: httpx.Client, address: str) -> None:
    answer = client.options(f"{address.removesuffix('/video')}/uploads")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-max-size"] == str(stage.context.settings.limits.video_bytes)
    spoken = set(answer.headers["tus-extension"].split(","))
    assert spoken == {"creation", "creation-with-upload", "expiration", "termination"}


def test_every_answer_about_uploads_says_its_version(
    stage: Stage, client: httpx.Client, address: str
) -> None:
    upload = begun(client, address, 4)
    uploads = upload.rpartition("/")[0]
    with httpx.Client(base_url=stage.url) as nobody:
        answers = [
            client.options(uploads),
            begin(client, address, 4),
            head(client, upload),
            send(client, upload, 0, b"part"),
            send(client, uploads + "/none", 0, b"part"),
            client.put(upload, headers=TUS),
            nobody.head(upload, headers=TUS),
        ]
    assert [answer.status_code for answer in answers] == [204, 201, 404, 404, 404, 405, 401]
    assert {answer.headers["tus-resumable"] for answer in answers} == {"1.0.0"}
    assert "tus-resumable" not in client.get(address).headers


def test_the_method_may_be_told_in_a_header(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    upload = begun(client, address, len(film))

    def ask(method: str, content: bytes = b"", **more: str) -> httpx.Response:
        headers = {**TUS, "X-HTTP-Method-Override": method, **more}
        return client.post(upload, headers=headers, content=content)

    assert ask("PATCH", film, **PART, **{"Upload-Offset": "0"}).status_code == 204
    assert stored(stage, address) == film
    assert ask("HEAD").headers["upload-offset"] == str(len(film))
    assert ask("GET").status_code == 405
    assert ask("DELETE").status_code == 204
    assert state_of(client, address) == "absent"
    # Of uploads only: anything else is what it says.
    headers = {"X-HTTP-Method-Override": "DELETE"}
    assert client.post(address.removesuffix("/video"), headers=headers).status_code == 405


def test_what_is_said_of_a_file_comes_back_and_names_nothing_on_the_disk(
    stage: Stage, client: httpx.Client, project: Project, address: str, film: bytes
) -> None:
    name = base64.b64encode(b"../../escaped\0.mp4").decode()
    for said in (f"filename {name}", f"filename {name},is_private,filetype dmlkZW8=", "empty"):
        upload = begin(client, address, len(film), metadata=said).headers["location"]
        assert head(client, upload).headers["upload-metadata"] == said
        assert uploading(stage, address) == [project.id]
        send(client, upload, 0, film)
    assert list(stage.folder.rglob("*escaped*")) == []


@pytest.mark.parametrize(
    "said",
    ["filename not!base64", "filename YQ==,filename Yg==", "f\u00fcr YQ==", "a b c"],
)
def test_what_can_not_be_read_of_a_file_is_refused(
    client: httpx.Client, address: str, said: str
) -> None:
    headers = {**TUS, "Upload-Length": "5", "Upload-Metadata": said.encode("latin-1")}
    uploads = f"{address.removesuffix('/video')}/uploads"
    answer = client.post(uploads, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert state_of(client, address) == "absent"


def test_an_upload_that_is_given_up_is_gone(
    stage: Stage, client: httpx.Client, address: str, film: bytes
) -> None:
    for size in (len(film) + 1, len(film)):  # on its way, and ready
        upload = begun(client, address, size)
        send(client, upload, 0, film)
        assert client.delete(upload, headers=TUS).status_code == 204
        assert head(client, upload).status_code == 404
        assert send(client, upload, 0, b"part").status_code == 404
        assert uploading(stage, address) == []
        assert list(stage.context.storage.keys(f"{address.split('/')[2]}/")) == []
        assert state_of(client, address) == "absent"


def test_without_a_beginning_there_is_no_part(client: httpx.Client, address: str) -> None:
    never = f"{address.removesuffix('/video')}/uploads/{'0' * 32}"
    assert send(client, never, 0, b"part").status_code == 404
    assert head(client, never).status_code == 404
    assert client.get(address).json()["upload"] is None


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
