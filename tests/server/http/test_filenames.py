"""Names that clients give: shown, handed back, never taken for anything else."""

from __future__ import annotations

import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from bystander.server.http.filenames import (
    MAX_NAME_CHARS,
    content_disposition,
    result_name,
    shown_name,
    video_name,
)
from bystander.server.models import Video, VideoState
from tests.support.facts import FACTS
from tests.support.stage import Stage, staged

KOREAN = "제주 여행.mov"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


def metadata(name: str, key: str = "filename") -> str:
    return f"{key} {b64encode(name.encode()).decode()}"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("holiday.mp4", "holiday.mp4"),
        (KOREAN, KOREAN),
        (unicodedata.normalize("NFD", KOREAN), KOREAN),  # as macOS spells it
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\clip.mp4", "clip.mp4"),
        ("/", ""),
        ("..", ""),
        (".hidden", "hidden"),
        ("a\r\nSet-Cookie: x=1.mp4", "aSet-Cookie: x=1.mp4"),
        ("gpj\u202e4pm.mp4", "gpj4pm.mp4"),
        ("nul\0.mp4", "nul.mp4"),
        ("  two   words .mp4", "two words .mp4"),
        ("<b>.mp4", "<b>.mp4"),
    ],
)
def test_what_is_shown_is_one_line_without_a_folder(given: str, shown: str) -> None:
    assert shown_name(given.encode()) == shown


def test_a_long_name_keeps_its_ending() -> None:
    shown = shown_name(("가" * 500 + ".mp4").encode())
    assert len(shown) == MAX_NAME_CHARS
    assert shown.endswith("가.mp4")
    assert len(shown_name(("a." + "b" * 500).encode())) == MAX_NAME_CHARS


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert shown_name(b"\xff\xfeclip\xc3.mp4") == "clip.mp4"
    assert video_name("filename =broken=") == ""
    assert video_name("") == ""
    assert video_name(metadata("clip.mp4", "name")) == "clip.mp4"


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("holiday.mov", "holiday-masked.mp4"),
        (KOREAN, "제주 여행-masked.mp4"),
        ("", "masked.mp4"),
        ("CON", "CON-masked.mp4"),  # no device of Windows any more
        ('a"b*c%2e.mp4', "a_b_c_2e-masked.mp4"),
    ],
)
def test_a_result_is_named_after_its_source(name: str, saved: str) -> None:
    assert result_name(name) == saved


@pytest.mark.parametrize(
    "name", ["clip.mp4", KOREAN, 'a"; filename=evil.exe', "x\r\ny.mp4", "a'b%.mp4"]
)
def test_a_header_says_the_name_and_nothing_else(name: str) -> None:
    header = content_disposition("attachment", name)
    assert header.isascii()
    assert not set(header) & set("\r\n")
    parsed = Message()
    parsed["Content-Disposition"] = header
    assert parsed.get_content_disposition() == "attachment"
    assert [key for key, _ in parsed.get_params([], "content-disposition")][1:] in (
        ["filename"],
        ["filename", "filename"],
        ["filename", "filename*"],
    )
    if name == KOREAN:
        assert header.endswith("filename*=UTF-8''%EC%A0%9C%EC%A3%BC%20%EC%97%AC%ED%96%89.mov")


def test_the_project_says_the_name_and_downloads_are_named_after_it(stage: Stage) -> None:
    project = stage.project()
    stage.result(project, b"masked")
    named = Video(VideoState.READY, 1, 1, FACTS, metadata=metadata(f"../{KOREAN}"))
    stage.context.store.projects.set_video(project.id, named)
    with stage.client() as client:
        video = client.get(f"/projects/{project.id}/video").json()
        answer = client.get(f"/projects/{project.id}/result")
        stage.context.store.projects.set_decisions(project.id, ("p1",), (), "other")
        stale = client.get(f"/projects/{project.id}/result", params={"allow_stale": True})

    assert video["name"] == KOREAN
    assert answer.headers["content-disposition"].endswith(
        "filename*=UTF-8''%EC%A0%9C%EC%A3%BC%20%EC%97%AC%ED%96%89-masked.mp4"
    )
    assert "-masked-before-changes.mp4" in stale.headers["content-disposition"]
    assert not [path for path in Path(stage.folder).rglob("*") if "제주" in path.name]


def test_a_project_says_how_its_newest_job_is(stage: Stage) -> None:
    project = stage.project()
    with stage.client() as client:
        assert client.get(f"/projects/{project.id}").json()["job"] is None
        stage.result(project, b"masked")
        assert client.get(f"/projects/{project.id}").json()["job"] == "done"
