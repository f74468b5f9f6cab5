"""Downloads: whole, in part, and only for whom they belong to."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from bystander.server.http.app import create_app
from bystander.server.http.downloads import URL_LIFETIME
from bystander.server.jobs.spec import key_of
from bystander.server.models import Job, JobKind, JobState, Project
from bystander.storage.local import LocalStorage
from bystander.timeline.header import verdicts_digest
from tests.support import drawn
from tests.support.drawn import Figure, Scene, mask_scene, standing
from tests.support.stage import TOKENS, Stage, serving, staged
from tests.support.waiting import until

pytestmark = pytest.mark.sampled(4)

SIZE = 3 * 2**20 + 17


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(1).randbytes(SIZE)


@pytest.fixture(scope="module")
def project(stage: Stage, content: bytes) -> Project:
    """One with a result."""
    made = stage.project()
    stage.result(made, content)
    return made


def test_the_result_comes_whole_under_a_neutral_name(
    stage: Stage, project: Project, content: bytes
) -> None:
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/result")

    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == 'attachment; filename="masked.mp4"'
    assert answer.headers["accept-ranges"] == "bytes"


def test_head_says_the_same_without_the_bytes(stage: Stage, project: Project) -> None:
    with stage.client() as client:
        whole = client.get(f"/projects/{project.id}/result").headers
        answer = client.head(f"/projects/{project.id}/result")
        part = client.head(f"/projects/{project.id}/result", headers={"Range": "bytes=5-9"})

    assert answer.status_code == 200
    assert answer.content == b""
    for name in ("content-length", "etag", "content-type", "content-disposition"):
        assert answer.headers[name] == whole[name]
    assert (part.status_code, part.headers["content-length"]) == (206, "5")


def test_any_range_is_that_part_of_the_file(stage: Stage, project: Project, content: bytes) -> None:
    dice = random.Random(2)
    with stage.client() as client:
        for _ in range(40):
            first = dice.randrange(SIZE)
            last = dice.randrange(first, SIZE + 1000)
            answer = client.get(
                f"/projects/{project.id}/result", headers={"Range": f"bytes={first}-{last}"}
            )
            assert answer.status_code == 206
            assert answer.content == content[first : last + 1]
            end = min(last, SIZE - 1)
            assert answer.headers["content-range"] == f"bytes {first}-{end}/{SIZE}"


def test_parts_put_together_are_the_file(stage: Stage, project: Project, content: bytes) -> None:
    got = b""
    with stage.client() as client:
        while len(got) < SIZE:
            headers = {"Range": f"bytes={len(got)}-{len(got) + 1_000_000 - 1}"}
            got += client.get(f"/projects/{project.id}/result", headers=headers).content

    assert got == content


def test_an_impossible_range_is_refused_with_the_size(stage: Stage, project: Project) -> None:
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/result", headers={"Range": f"bytes={SIZE}-"})

    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_a_replaced_file_is_sent_whole_instead_of_a_part_that_does_not_fit(stage: Stage) -> None:
    project = stage.project()
    stage.result(project, b"a" * 300_000)
    with stage.client() as client:
        etag = client.head(f"/projects/{project.id}/result").headers["etag"]
        headers = {"Range": "bytes=100-199", "If-Range": etag}
        same = client.get(f"/projects/{project.id}/result", headers=headers)
        stage.made(project, b"a" * 299_999 + b"b")
        other = client.get(f"/projects/{project.id}/result", headers=headers)
        known = client.get(
            f"/projects/{project.id}/result", headers={"If-None-Match": other.headers["etag"]}
        )

    assert (same.status_code, len(same.content)) == (206, 100)
    assert (other.status_code, len(other.content)) == (200, 300_000)
    assert (known.status_code, known.content) == (304, b"")


def test_the_audits_page_may_show_its_own_pictures_and_run_nothing(stage: Stage) -> None:
    project = stage.project()
    stage.result(project, b"<script>alert(1)</script>", "audit.html")
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/audit")

    (policy,) = answer.headers.get_list("content-security-policy")
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert rules["img-src"] == ["data:"]
    assert rules["sandbox"] == []
    assert "script-src" not in rules
    assert answer.headers["content-type"].startswith("text/html")


def test_the_timeline_is_the_one_of_the_result_where_there_is_one(stage: Stage) -> None:
    project = stage.project()
    file = stage.folder / "timeline"
    with stage.client() as client:
        file.write_bytes(b"analysis")
        stage.put(file, f"{project.id}/timeline")
        before = client.get(f"/projects/{project.id}/timeline").content
        stage.result(project, b"rendered", "rendered.timeline")
        after = client.get(f"/projects/{project.id}/timeline").content

    assert (before, after) == (b"analysis", b"rendered")


def test_markers_are_those_of_the_result_and_its_audit(
    stage: Stage, party: Project, tmp_path: Path
) -> None:
    with stage.client() as client:
        path = f"/projects/{party.id}/export?format="
        answers = {name: client.get(path + name) for name in ("csv", "edl", "fcpxml", "gif")}
        missing = client.get(f"/projects/{stage.project().id}/export?format=csv")
    assert [answer.status_code for answer in answers.values()] == [200, 200, 200, 422]
    assert answers["csv"].text.startswith("first_frame,frames,start,")
    assert answers["edl"].text.startswith("TITLE: markers\nFCM: NON-DROP FRAME\n")
    assert answers["fcpxml"].headers["content-type"] == "application/xml"
    assert "markers.edl" in answers["edl"].headers["content-disposition"]
    assert missing.status_code == 404


class Bucket(LocalStorage):
    """A storage from which clients may fetch by themselves."""

    def download_url(self, key: str, filename: str, lifetime: timedelta) -> str:
        return f"https://bucket.example/{key}?as={filename}&for={lifetime.seconds}"


def test_a_bucket_serves_large_files_itself_but_not_the_audits_page(stage: Stage) -> None:
    project = stage.project()
    job = stage.result(project, b"content")
    stage.made(project, b"content", "audit.html")
    bucket = Bucket(stage.context.settings.data / "objects")
    with serving(create_app(replace(stage.context, storage=bucket))) as url:
        headers = {"Authorization": f"Bearer {TOKENS[0]}"}
        with httpx.Client(base_url=f"{url}/projects/{project.id}", headers=headers) as client:
            answer = client.get("/result", headers={"Range": "bytes=0-1"})
            head = client.head("/result")
            page = client.get("/audit")

    assert answer.status_code == 307
    assert answer.headers["location"] == bucket.download_url(
        key_of(project.id, "result.mp4"), "masked.mp4", URL_LIFETIME
    )
    assert answer.headers["bystander-job"] == job.id
    assert (head.status_code, head.headers["content-length"]) == (200, "7")
    # Its headers keep scripts from running; a bucket would not send them.
    assert (page.status_code, page.content) == (200, b"content")


@pytest.mark.parametrize("name", ["result", "video/file", "timeline", "audit", "audit.json"])
def test_there_is_nothing_for_others_and_nothing_before_it_is_made(
    stage: Stage, project: Project, name: str
) -> None:
    empty = stage.project()
    with stage.client() as client, stage.client(1) as stranger:
        mine = client.get(f"/projects/{empty.id}/{name}")
        theirs = stranger.get(f"/projects/{project.id}/{name}")
        never = stranger.get(f"/projects/{'0' * 32}/{name}")

    assert mine.status_code == theirs.status_code == never.status_code == 404
    assert theirs.json() == never.json()


def test_memory_stays_flat_for_a_large_file(stage: Stage) -> None:
    project, size = stage.project(), 300 * 2**20
    stage.job(project, JobKind.MASK)
    large = stage.context.settings.data / "large"
    with large.open("wb") as file:
        file.truncate(size)
    stage.context.storage.put(large, key_of(project.id, "result.mp4"))
    process, highest, got = psutil.Process(os.getpid()), 0, 0
    with stage.client() as client:
        client.head(f"/projects/{project.id}/result")
        before = process.memory_info().rss
        with client.stream("GET", f"/projects/{project.id}/result") as answer:
            for chunk in answer.iter_raw():
                got += len(chunk)
                highest = max(highest, process.memory_info().rss)

    assert got == size
    assert highest - before < 60 * 2**20


def test_a_client_that_goes_away_leaves_no_open_file(stage: Stage, project: Project) -> None:
    process = psutil.Process(os.getpid())
    with stage.client() as client, client.stream("GET", f"/projects/{project.id}/result") as answer:
        next(answer.iter_raw())
    # The server learns of it when it sends the next piece.
    until(lambda: "result.mp4" not in {Path(file.path).name for file in process.open_files()})


@pytest.fixture
def party(stage: Stage, tmp_path: Path) -> Project:
    """Two people, of whom one was decided to be kept when the result was made."""
    figures = [Figure(drawn.BLUE, standing(20)), Figure(drawn.RED, standing(200))]
    masked = mask_scene(Scene(figures, frames=8), tmp_path)
    project = stage.project()
    stage.put(masked.timeline.path, f"{project.id}/timeline")
    stage.job(project, JobKind.ANALYZE, JobState.DONE, verdicts_digest(masked.timeline.header))
    decide(stage, project, keep=["p1"])
    render(stage, project)
    return project


def facts(stage: Stage, project: Project) -> Any:
    with stage.client() as client:
        return client.get(f"/projects/{project.id}").json()


def decide(stage: Stage, project: Project, **verdicts: list[str]) -> None:
    with stage.client() as client:
        answer = client.put(f"/projects/{project.id}/verdicts", json=verdicts)
    assert answer.status_code == 200, answer.text


def render(stage: Stage, project: Project, state: JobState = JobState.DONE) -> Job:
    """A render job by the verdicts of now, and what its worker would have told of it."""
    digest = facts(stage, project)["verdicts_digest"]
    job = stage.job(project, JobKind.RENDER, state, digest)
    if state is JobState.DONE:
        stage.made(project, b"masked")
    return job


def refused(stage: Stage, project: Project) -> Any:
    """The problem with which the result is refused, however one asks for it."""
    address = f"/projects/{project.id}/result"
    with stage.client() as client:
        etag = client.head(f"{address}?allow_stale=1").headers["etag"]
        answers = [
            client.get(address),
            client.get(address, headers={"Range": "bytes=0-1"}),
            client.get(address, headers={"If-None-Match": etag}),
            client.head(address),
        ]
        stale = client.get(f"{address}?allow_stale=1")
    assert [answer.status_code for answer in answers] == [409] * 4
    problem = answers[0].json()
    assert answers[0].headers["content-type"] == "application/problem+json"
    assert problem["type"] == "urn:bystander:result-stale"
    assert b"masked" not in b"".join(answer.content for answer in answers)
    assert (stale.status_code, stale.content) == (200, b"masked")
    for answer in (*answers, stale):
        assert answer.headers["bystander-stale"] == problem["reason"]
        assert answer.headers["bystander-job"] == problem["result"]["job"]
    told = facts(stage, project)["result"]
    assert (told["current"], told["stale"]) == (False, problem["reason"])
    return problem


def assert_current(stage: Stage, project: Project) -> httpx.Response:
    with stage.client() as client:
        answer = client.get(f"/projects/{project.id}/result")
    assert (answer.status_code, answer.content) == (200, b"masked")
    assert "bystander-stale" not in answer.headers
    told = facts(stage, project)["result"]
    assert (told["current"], told["stale"]) == (True, None)
    return answer


def test_a_result_names_its_job_and_its_verdicts(stage: Stage, party: Project) -> None:
    decide(stage, party, keep=["p2"])
    job = render(stage, party)
    answer, told = assert_current(stage, party), facts(stage, party)

    assert answer.headers["bystander-job"] == told["result"]["job"] == job.id
    assert answer.headers["bystander-verdicts"] == told["verdicts_digest"]
    assert len(told["verdicts_digest"]) == 64
    assert told["result"]["verdicts_digest"] == told["verdicts_digest"]
    assert told["result"]["made_at"] == pytest.approx(time.time(), abs=600)


def test_somebody_just_masked_is_not_in_what_is_downloaded(stage: Stage, party: Project) -> None:
    assert_current(stage, party)
    decide(stage, party, mask=["p1"])
    assert refused(stage, party)["reason"] == "verdicts-changed"


def test_a_render_that_is_cancelled_does_not_bring_the_old_video_back(
    stage: Stage, party: Project
) -> None:
    decide(stage, party, mask=["p1"])
    job = render(stage, party, JobState.QUEUED)
    problem = refused(stage, party)
    assert problem["reason"] == "job-active"
    assert problem["job"] == f"/projects/{party.id}/jobs/{job.id}"
    stage.context.store.jobs.request_cancel(job.id)
    assert refused(stage, party)["reason"] == "job-cancelled"
    # The documented way on: as it was decided before, or rendered again.
    decide(stage, party, keep=["p1"])
    assert_current(stage, party)


def test_a_render_that_failed_does_not_bring_the_old_video_back(
    stage: Stage, party: Project
) -> None:
    decide(stage, party, mask=["p1"])
    job = render(stage, party, JobState.FAILED)
    problem = refused(stage, party)
    assert (problem["reason"], problem["job"].endswith(job.id)) == ("job-failed", True)
    render(stage, party)
    assert_current(stage, party)


def test_decisions_that_come_to_the_same_spoil_nothing(stage: Stage, party: Project) -> None:
    with stage.client() as client:
        people = client.get(f"/projects/{party.id}/people").json()["people"]
    tracklets = [span["tracklet"] for span in people[0]["spans"]]
    decide(stage, party, keep=[])
    refused(stage, party)
    decide(stage, party, keep=tracklets, mask=["p2"])  # said otherwise, the same pixels
    assert_current(stage, party)


def test_verdicts_that_change_while_it_is_rendered_make_it_stale(
    stage: Stage, party: Project
) -> None:
    digest = facts(stage, party)["verdicts_digest"]
    decide(stage, party, mask=["p1"])
    stage.job(party, JobKind.RENDER, JobState.DONE, digest)
    stage.made(party, b"masked")
    assert refused(stage, party)["reason"] == "verdicts-changed"


def test_while_a_result_is_stored_there_is_none(stage: Stage, party: Project) -> None:
    jobs = stage.context.store.jobs
    job = render(stage, party, JobState.RUNNING)
    assert jobs.commit(job.id, {})
    with stage.client() as client:
        answer = client.get(f"/projects/{party.id}/result?allow_stale=1")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:bystander:result-pending")
    assert jobs.finish(job.id, JobState.FAILED)
    with stage.client() as client:
        assert client.get(f"/projects/{party.id}/result?allow_stale=1").status_code == 404


def test_the_first_result_is_waited_for(stage: Stage) -> None:
    project = stage.project()
    job = stage.job(project, JobKind.MASK, JobState.QUEUED)
    with stage.client() as client:
        problem = client.get(f"/projects/{project.id}/result").json()
    assert problem["type"] == "urn:bystander:result-pending"
    assert problem["job"] == f"/projects/{project.id}/jobs/{job.id}"
    stage.context.store.jobs.request_cancel(job.id)
    with stage.client() as client:
        assert client.get(f"/projects/{project.id}/result").status_code == 404


def test_no_address_in_a_bucket_is_given_for_a_stale_result(stage: Stage, party: Project) -> None:
    decide(stage, party, mask=["p1"])
    bucket = Bucket(stage.context.settings.data / "objects")
    with serving(create_app(replace(stage.context, storage=bucket))) as url:
        headers = {"Authorization": f"Bearer {TOKENS[0]}"}
        with httpx.Client(base_url=f"{url}/projects/{party.id}", headers=headers) as client:
            current, stale = client.get("/result"), client.get("/result?allow_stale=1")
    assert (current.status_code, "location" in current.headers) == (409, False)
    assert (stale.status_code, stale.headers["bystander-stale"]) == (307, "verdicts-changed")
    assert timedelta(minutes=2) >= URL_LIFETIME


def test_what_was_accepted_since_is_marked_and_no_leak_any_more(
    stage: Stage, party: Project
) -> None:
    box = [10, 10, 40, 60]
    finding = {
        "kind": "visible person", "severity": "leak", "start": 0.2, "end": 0.4, "seconds": 0.2,
        "frame": 5, "frames": 5, "box": box, "share": 0.5, "who": "", "detail": "",
    }  # fmt: skip
    report = {"passed": False, "findings": [finding]}
    stage.made(party, json.dumps(report).encode(), "audit.json")
    with stage.client() as client:
        base = f"/projects/{party.id}"
        tag = client.get(f"{base}/edits").headers["ETag"]
        accept = {
            "kind": "accept",
            "finding": {"kind": "visible person", "seconds": 0.2, "box": box},
        }

        changed = client.put(f"{base}/edits", json={"edits": [accept]}, headers={"If-Match": tag})

        assert changed.status_code == 200, changed.text
        told = client.get(f"{base}/audit.json").json()
        assert (told["passed"], told["findings"][0]["accepted"]) == (True, True)
        assert client.get(f"{base}").json()["result"]["current"]  # nothing changes in the picture
        tag = changed.headers["ETag"]
        client.put(f"{base}/edits", json={"edits": []}, headers={"If-Match": tag})
        assert client.get(f"{base}/audit.json").json() == report


def test_the_report_of_a_stale_result_says_so(stage: Stage, party: Project) -> None:
    stage.made(party, b"{}", "audit.json")
    decide(stage, party, mask=["p1"])
    with stage.client() as client:
        answer = client.get(f"/projects/{party.id}/audit.json")
    assert (answer.status_code, answer.headers["bystander-stale"]) == (200, "verdicts-changed")
