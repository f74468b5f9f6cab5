"""Downloads: whole, in part, and only for whom they belong to."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from bystander.api.app import create_app
from bystander.api.downloads import URL_LIFETIME
from bystander.jobs.order import key_of
from bystander.jobs.storage.local import LocalStorage
from bystander.jobs.vocabulary import Project
from tests.api.stage import TOKENS, Stage, serving, staged

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
    file = stage.folder / "result.mp4"
    file.write_bytes(content)
    stage.put(file, key_of(made.id, "result.mp4"))
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
    old, new = stage.folder / "old", stage.folder / "new"
    old.write_bytes(b"a" * 300_000)
    new.write_bytes(b"a" * 299_999 + b"b")
    with stage.client() as client:
        stage.put(old, key_of(project.id, "result.mp4"))
        etag = client.head(f"/projects/{project.id}/result").headers["etag"]
        headers = {"Range": "bytes=100-199", "If-Range": etag}
        same = client.get(f"/projects/{project.id}/result", headers=headers)
        stage.put(new, key_of(project.id, "result.mp4"))
        other = client.get(f"/projects/{project.id}/result", headers=headers)
        known = client.get(
            f"/projects/{project.id}/result", headers={"If-None-Match": other.headers["etag"]}
        )

    assert (same.status_code, len(same.content)) == (206, 100)
    assert (other.status_code, len(other.content)) == (200, 300_000)
    assert (known.status_code, known.content) == (304, b"")


def test_the_audits_page_may_show_its_own_pictures_and_run_nothing(stage: Stage) -> None:
    project = stage.project()
    page = stage.folder / "audit.html"
    page.write_text("<script>alert(1)</script>")
    stage.put(page, key_of(project.id, "audit.html"))
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
        file.write_bytes(b"rendered")
        stage.put(file, key_of(project.id, "rendered.timeline"))
        after = client.get(f"/projects/{project.id}/timeline").content

    assert (before, after) == (b"analysis", b"rendered")


class Bucket(LocalStorage):
    """A storage from which clients may fetch by themselves."""

    def download_url(self, key: str, filename: str, lifetime: timedelta) -> str:
        return f"https://bucket.example/{key}?as={filename}&for={lifetime.seconds}"


def test_a_bucket_serves_large_files_itself_but_not_the_audits_page(stage: Stage) -> None:
    project = stage.project()
    for name in ("result.mp4", "audit.html"):
        (stage.folder / name).write_bytes(b"content")
        stage.put(stage.folder / name, key_of(project.id, name))
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
    for _ in range(100):
        if not [file for file in process.open_files() if Path(file.path).name == "result.mp4"]:
            return
        time.sleep(0.05)  # the server learns of it when it sends the next piece
    raise AssertionError("the file is still open")
