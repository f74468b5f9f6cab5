"""The client against a service that breaks off, refuses, forgets and comes back."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from bystander import client as module
from bystander.client import DOWNLOAD_BYTES, MAX_TRIES, Client, RemoteProject
from bystander.errors import (
    Cancelled,
    OutputExists,
    OutputUnwritable,
    ResultStale,
    ServiceError,
    TruncatedVideo,
)
from tests.conftest import REPOSITORY
from tests.support.stage import TOKENS, serving, staged
from tests.support.unruly import Unruly, unruly

MIB = 2**20
RESULT = bytes(range(256)) * 4096  # a MiB, no two stretches of it in the same place alike


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PART_BYTES", MIB)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Two and a half parts."""
    path = tmp_path / "video.mp4"
    path.write_bytes(b"".join(number.to_bytes(4, "big") for number in range(5 * MIB // 8)))
    return path


def project(service: Unruly) -> RemoteProject:
    return Client(service.url, "a token", pause=0.001).project("p")


def test_a_video_is_sent_in_parts(video: Path) -> None:
    with unruly() as service:
        found = project(service).send_video(video)
    assert (found["state"], found["facts"]) == ("ready", {"frames": 7})
    assert service.video == video.read_bytes()
    assert service.of("PATCH") == 3
    offsets = [int(sent["Upload-Offset"]) for sent in service.headers if "Upload-Offset" in sent]
    assert offsets == [0, MIB, 2 * MIB]
    assert {sent["Authorization"] for sent in service.headers} == {"Bearer a token"}


def test_progress_grows_to_the_whole_size(video: Path) -> None:
    told: list[tuple[int, int]] = []
    size = video.stat().st_size
    with unruly() as service:
        project(service).send_video(video, lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {size}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert told[-1] == (size, size)


def test_what_arrived_before_a_connection_broke_is_not_sent_again(video: Path) -> None:
    with unruly(drops=[100_000, 0, None, 777_777, 1]) as service:
        found = project(service).send_video(video)
    assert found["state"] == "ready"
    assert service.video == video.read_bytes()  # each byte once, in its place


def test_a_connection_that_breaks_again_and_again_gets_there_as_long_as_it_gets_on(
    video: Path,
) -> None:
    with unruly(drops=[50_000] * 60) as service:
        project(service).send_video(video)
    assert service.video == video.read_bytes()
    assert service.of("PATCH") > 5 * MAX_TRIES


def test_one_that_gets_nowhere_is_given_up(video: Path) -> None:
    with unruly(drops=[0] * 100) as service:
        with pytest.raises(ServiceError, match="no answer") as given_up:
            project(service).send_video(video)
        assert service.of("PATCH") == MAX_TRIES
    assert given_up.value.status is None


@pytest.mark.parametrize("deaf", [1, 2, 3])
def test_a_part_whose_answer_was_lost_is_not_sent_again(video: Path, deaf: int) -> None:
    with unruly(deaf=deaf) as service:
        assert project(service).send_video(video)["state"] == "ready"
    assert service.video == video.read_bytes()
    assert service.of("PATCH") == 3


def test_the_lost_answer_to_the_last_part_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    path.write_bytes(b"short")
    with unruly(deaf=1) as service:
        assert project(service).send_video(path)["facts"] == {"frames": 7}
    assert service.of("PATCH") == 1


@pytest.mark.parametrize("status", [408, 409, 429, 502, 503, 504])
@pytest.mark.sampled(3)
def test_a_service_that_is_busy_is_asked_again(video: Path, status: int) -> None:
    with unruly(statuses=[("PATCH", status)] * 3) as service:
        assert project(service).send_video(video)["state"] == "ready"
    assert service.video == video.read_bytes()


@pytest.mark.parametrize(
    ("method", "status"), [("POST", 409), ("POST", 413), ("POST", 507), ("HEAD", 404)]
)
def test_a_refusal_is_told_at_once_with_its_reason(video: Path, method: str, status: int) -> None:
    with unruly(statuses=[(method, status)]) as service:
        with pytest.raises(ServiceError) as refused:
            project(service).send_video(video)
        assert service.of(method) == 1
        assert service.of("PATCH") == 0
    assert refused.value.status == status
    if method != "HEAD":
        assert (refused.value.what, refused.value.advice) == (f"refused with {status}", "Mend it.")


def test_an_upload_goes_on_in_another_process(video: Path) -> None:
    with unruly(drops=[500_000, *[0] * 100]) as service:
        with pytest.raises(ServiceError):
            project(service).send_video(video)
        before = service.arrived
        service.drops.clear()
        told: list[int] = []
        project(service).send_video(video, lambda done, _: told.append(done))
    assert before == 500_000
    assert min(told) > before
    assert service.video == video.read_bytes()


def test_a_file_that_becomes_shorter_is_not_sent_as_if_it_were_whole(video: Path) -> None:
    with unruly() as service:

        def cut(done: int, _: int) -> None:
            with video.open("r+b") as file:
                file.truncate(done)

        with pytest.raises(TruncatedVideo, match=r"video\.mp4"):
            project(service).send_video(video, cut)
        assert service.state == "uploading"


UPLOADER = """
import resource, sys
from pathlib import Path
from bystander.client import Client
project = Client(sys.argv[1]).project("p")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
project.send_video(Path(sys.argv[2]))
project.download("result", Path(sys.argv[3]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path, size = tmp_path / "long.mp4", 150 * MIB
    with path.open("wb") as file:
        file.truncate(size)
    with unruly(keep=False, result=bytes(size)) as service:
        ran = subprocess.run(
            [sys.executable, "-c", UPLOADER, service.url, path, tmp_path / "result"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
    assert service.arrived == (tmp_path / "result").stat().st_size == size
    assert int(ran.stdout) * 1024 < 40 * MIB


def test_a_file_is_fetched_whole(tmp_path: Path) -> None:
    target, told = tmp_path / "result.mp4", list[tuple[int, int]]()
    with unruly(result=RESULT) as service:
        project(service).download("result", target, lambda done, total: told.append((done, total)))
    assert target.read_bytes() == RESULT
    assert told[-1] == (len(RESULT), len(RESULT))
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("drops", [[1], [0, 0, 1000], [100_000] * 9, [len(RESULT) - 1]])
def test_a_download_goes_on_where_it_broke(tmp_path: Path, drops: list[int]) -> None:
    target = tmp_path / "result.mp4"
    with unruly(result=RESULT, drops=list(drops)) as service:
        project(service).download("result", target)
    assert target.read_bytes() == RESULT
    assert service.of("GET") == len(drops) + 1
    # An encoding of the transfer would have other lengths.
    assert {headers["Accept-Encoding"] for headers in service.headers} == {"identity"}


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path) -> None:
    with unruly(result=RESULT, drops=[500_000, 300_000]) as service:
        project(service).download("result", tmp_path / "result.mp4")
    starts = [
        int(headers["Range"].removeprefix("bytes=").removesuffix("-"))
        for headers in service.headers
        if "Range" in headers
    ]
    assert len(starts) == 2
    for start, arrived in zip(starts, (500_000, starts[0] + 300_000), strict=True):
        assert arrived - DOWNLOAD_BYTES < start <= arrived


@pytest.mark.parametrize("lacks", ["ranges", "versioned"])
def test_where_parts_can_not_be_had_it_begins_anew(tmp_path: Path, lacks: str) -> None:
    target = tmp_path / "result.mp4"
    with unruly(result=RESULT, drops=[300_000, 400_000], **{lacks: False}) as service:
        project(service).download("result", target)
    assert target.read_bytes() == RESULT


def test_parts_of_two_results_are_never_put_together(tmp_path: Path) -> None:
    target, other = tmp_path / "result.mp4", RESULT[::-1] + b"longer"
    with unruly(result=RESULT, replaced=other, drops=[300_000]) as service:
        project(service).download("result", target)
    assert target.read_bytes() == other


def test_a_download_that_gets_nowhere_leaves_nothing(tmp_path: Path) -> None:
    with (
        unruly(result=RESULT, drops=[1000, *[0] * 100]) as service,
        pytest.raises(ServiceError, match="broke"),
    ):
        project(service).download("result", tmp_path / "result.mp4")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    with unruly(statuses=[("GET", 404)]) as service:
        with pytest.raises(ServiceError) as refused:
            project(service).download("result", tmp_path / "result.mp4")
        assert service.of("GET") == 1
    assert refused.value.status == 404
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_does_not_fit_its_verdicts_is_an_error_of_its_own(tmp_path: Path) -> None:
    target = tmp_path / "result.mp4"
    with unruly(
        result=RESULT, statuses=[("GET", 409)], kind="urn:bystander:result-stale"
    ) as service:
        with pytest.raises(ResultStale, match="refused with 409"):
            project(service).download("result", target)
        assert not target.exists()
        project(service).download("result", target, allow_stale=True)
    assert [path for _, path in service.requests][-1].endswith("/result?allow_stale=1")
    assert target.read_bytes() == RESULT


def test_what_is_there_already_is_replaced_only_on_purpose(tmp_path: Path) -> None:
    target = tmp_path / "result.mp4"
    target.write_bytes(b"mine")
    with unruly(result=RESULT) as service:
        with pytest.raises(OutputExists):
            project(service).download("result", target)
        assert (target.read_bytes(), service.requests) == (b"mine", [])
        project(service).download("result", target, overwrite=True)
        assert target.read_bytes() == RESULT
        with pytest.raises(OutputUnwritable):
            project(service).download("result", tmp_path / "no folder" / "result.mp4")


def test_a_service_that_is_not_there_is_named() -> None:
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:1/v1 gave no answer") as error:
        Client("http://127.0.0.1:1").create_project()
    assert error.value.status is None


def test_what_answers_but_is_not_the_service_is_seen() -> None:
    with (
        unruly() as service,
        Client(service.url) as client,
        pytest.raises(ServiceError, match="not the service"),
    ):
        client.json("GET", "/html")


def test_a_job_is_waited_for_over_a_restart_of_the_service() -> None:
    seen: list[str] = []
    with unruly(
        statuses=[("GET", 503), ("GET", 502)],
        job=[{"state": "queued"}, {"state": "running"}, {"state": "done", "summary": {}}],
    ) as service:
        job = project(service).job("j")
        found = job.wait(lambda facts: seen.append(facts["state"]), poll=0)
    assert found["state"] == "done"
    assert seen == ["queued", "running", "done"]


def test_how_a_job_ended_is_told() -> None:
    problem = {"what": "the video has no frames", "advice": "Export it again."}
    with (
        unruly(job=[{"state": "failed", "problem": problem}]) as service,
        pytest.raises(ServiceError, match=r"no frames\. Export it again\."),
    ):
        project(service).job("j").wait(poll=0)
    with unruly(job=[{"state": "cancelled"}]) as service, pytest.raises(Cancelled):
        project(service).job("j").wait(poll=0)


def test_events_come_one_by_one_and_a_half_one_not_at_all() -> None:
    events = (
        b': hello\n\nevent: state\ndata: {"state": "running"}\n\n'
        b'event: progress\nid: 4\ndata: {"done": 5}\n\n: beat\n\n'
        b'data: {"name": "Zo\xc3\xab"}\n\nevent: state\ndata: {"sta'
    )
    with unruly(events=events) as service:
        seen = list(project(service).job("j").events())
    assert seen == [
        ("state", {"state": "running"}),
        ("progress", {"done": 5}),
        ("message", {"name": "Zo\u00eb"}),
    ]


def test_a_download_takes_any_name_and_refuses_one_too_long_before_it_asks(tmp_path: Path) -> None:
    with unruly(result=b"masked") as service:
        longest = tmp_path / ("\uac00" * 83 + ".mp4")
        project(service).download("result", longest)
        assert longest.read_bytes() == b"masked"
        before = len(service.requests)
        with pytest.raises(OutputUnwritable, match="too long"):
            project(service).download("result", tmp_path / ("a" * 252 + ".mp4"))
        assert len(service.requests) == before


def test_the_client_needs_nothing_of_the_library_but_errors_and_names() -> None:
    files = [REPOSITORY / "bystander" / name for name in ("client.py", "client_answers.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    found = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    ours = {name for name in found if name and name.startswith("bystander")}
    assert ours == {"bystander.errors", "bystander.files", "bystander.client_answers"}


@pytest.mark.long
def test_the_service_itself_takes_what_the_client_sends(video: Path, tmp_path: Path) -> None:
    """Its verdict is that this is no video: what counts is that it has arrived."""
    with (
        staged(tmp_path) as stage,
        serving(Starlette(routes=[Mount("/v1", stage.app)])) as url,
        Client(url, TOKENS[0]) as client,
    ):
        ours = client.create_project()
        for _ in range(2):  # another try replaces it
            told = ours.send_video(video)
            assert told["state"] == "refused"
            assert told["received"] == told["size"] == video.stat().st_size
        assert [one.id for one in client.projects()] == [ours.id]
        ours.delete()
        with pytest.raises(ServiceError) as refused:
            ours.facts()
    assert refused.value.status == 404


def test_a_result_is_shown_by_a_link_and_called_as_its_file(video: Path, tmp_path: Path) -> None:
    named = video.rename(tmp_path / "제주.mp4")
    (tmp_path / "stage").mkdir()
    with (
        staged(tmp_path / "stage") as stage,
        serving(Starlette(routes=[Mount("/v1", stage.app)])) as url,
        Client(url, TOKENS[0], pause=0.001) as client,
    ):
        ours = client.create_project()
        ours.send_video(named)
        assert ours.facts()["video"]["name"] == named.name
        found = stage.context.store.projects.find(ours.id)
        assert found is not None
        stage.result(found, b"masked")
        token = ours.share()
        assert client.json("GET", f"/shared/{token}")["name"] == "제주-masked.mp4"
        ours.unshare()
        with pytest.raises(ServiceError):
            client.json("GET", f"/shared/{token}")


@pytest.mark.long
def test_the_service_itself_examines_what_was_sent_before_it_was_stopped(
    video: Path, tmp_path: Path
) -> None:
    """All of it had arrived, so nothing is sent."""
    with (
        staged(tmp_path) as stage,
        serving(Starlette(routes=[Mount("/v1", stage.app)])) as url,
        Client(url, TOKENS[0], pause=0.001) as client,
    ):
        ours = client.create_project()
        headers = {"Upload-Length": str(video.stat().st_size), **module.TUS}
        client.request("POST", f"/projects/{ours.id}/uploads", headers=headers)
        (stage.context.data / "uploads" / ours.id).write_bytes(video.read_bytes())
        assert ours.send_video(video)["state"] == "refused"
