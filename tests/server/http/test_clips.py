"""A few seconds of the video, with a frame around the person who is meant."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from bystander.server.http.clips import MAX_CLIP_SECONDS, MIN_CLIP_SECONDS, span_of
from bystander.server.http.errors import ApiError
from bystander.server.models import JobKind, JobState, Project
from bystander.timeline.header import Header
from bystander.timeline.types import Decision, Evidence, EvidenceKind, Verdict
from tests.support import drawn
from tests.support.drawn import Figure, Masked, Scene, mask_scene, standing
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.sampled(4)

FRAMES = 40
SCENE = Scene(
    [
        Figure(drawn.BLUE, standing(20)),
        Figure(drawn.RED, standing(200), present=range(20, FRAMES)),
    ],
    frames=FRAMES,
)


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    return mask_scene(SCENE, tmp_path_factory.mktemp("party"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def project(stage: Stage, party: Masked) -> Project:
    return stage.analysed(party.timeline.path, party.source)


def get(
    stage: Stage,
    project: Project,
    wanted: dict[str, float] | None = None,
    person: str = "p2",
    token: int = 0,
) -> httpx.Response:
    with stage.client(token) as client:
        return client.get(f"/projects/{project.id}/people/{person}/clip", params=wanted)


def kept(stage: Stage, project: Project) -> list[str]:
    return list(stage.context.storage.keys(f"{project.id}/clips/"))


def pictures(content: bytes) -> list[NDArray[np.uint8]]:
    with av.open(io.BytesIO(content), "r") as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    return [np.asarray(frame, np.uint8) for frame in frames]


def framed(picture: NDArray[np.uint8], figure: Figure) -> bool:
    """Whether there is a bright line around a figure, and not over it."""
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    accent = (red > 180) & (green > 120) & (blue < 90)
    inside = SCENE.silhouette(figure, FRAMES - 1)
    around = cv2.dilate(inside.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
    assert not accent[inside].any()
    return bool(accent[around].sum() > 100)


def test_it_is_found_where_the_list_says_and_shows_who_is_meant(
    stage: Stage, project: Project
) -> None:
    with stage.client() as client:
        people = client.get(f"/projects/{project.id}/people").json()["people"]
        clips = {person["id"]: client.get(person["clip"]) for person in people}

    answer = clips["p2"]  # the one who is there for less long
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "video/mp4"
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["content-disposition"].startswith("inline")
    shown = pictures(answer.content)
    assert len(shown) == FRAMES  # no six seconds, so all there is
    for figure, of_blue in zip(SCENE.figures, (True, False), strict=True):
        assert framed(shown[-1], figure) is not of_blue
        assert framed(pictures(clips["p1"].content)[-1], figure) is of_blue
    assert not framed(shown[0], SCENE.figures[1])  # not there yet


def test_its_seconds_can_be_chosen_and_it_is_sent_in_parts(stage: Stage, project: Project) -> None:
    answer = get(stage, project, {"start": 0.4, "end": 1.2})
    assert len(pictures(answer.content)) == 20
    with stage.client() as client:
        url = f"/projects/{project.id}/people/p2/clip?start=0.4&end=1.2"
        part = client.get(url, headers={"Range": "bytes=10-19"})
        head = client.head(url)

    assert (part.status_code, part.content) == (206, answer.content[10:20])
    assert int(head.headers["content-length"]) == len(answer.content)
    assert len(kept(stage, project)) == 1


@pytest.mark.parametrize(
    "wanted", [{"start": 99}, {"start": 1, "end": 1}, {"start": 1, "end": 0.5}, {"end": 0}]
)
def test_seconds_in_which_there_is_nothing_are_refused(
    stage: Stage, project: Project, wanted: dict[str, float]
) -> None:
    answer = get(stage, project, wanted)
    assert answer.status_code == 422
    assert answer.json()["advice"]
    assert kept(stage, project) == []


def test_there_is_none_of_nobody_for_others_or_before_an_analysis(
    stage: Stage, project: Project
) -> None:
    assert get(stage, project, person="p99").status_code == 404
    assert get(stage, project, token=1).status_code == 404
    assert get(stage, stage.project()).status_code == 404


def test_a_new_analysis_takes_the_old_clips_away(stage: Stage, project: Project) -> None:
    get(stage, project)
    old = kept(stage, project)
    stage.job(project, JobKind.ANALYZE, JobState.DONE)
    get(stage, project)

    assert len(kept(stage, project)) == len(old) == 1
    assert kept(stage, project) != old


@pytest.mark.long
def test_no_more_than_some_are_kept(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bystander.server.http.clips.MAX_CACHED_CLIPS", 2)
    for number in range(5):
        get(stage, project, {"start": number / 25, "end": (number + 1) / 25})
        assert 1 <= len(kept(stage, project)) <= 2


def test_a_deleted_project_leaves_none(stage: Stage, project: Project) -> None:
    get(stage, project)
    with stage.client() as client:
        assert client.delete(f"/projects/{project.id}").status_code == 204

    assert kept(stage, project) == []
    assert get(stage, project).status_code == 404


def test_a_video_that_does_not_decode_is_told_and_nothing_is_left(
    stage: Stage, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "v").write_bytes(b"nothing" * 1000)
    stage.put(tmp_path / "v", f"{project.id}/video")
    answer = get(stage, project)

    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:bystander:NotAVideo"
    assert str(stage.folder) not in answer.text
    assert kept(stage, project) == []
    assert not list((stage.context.data / "work").iterdir())


def lasting(header: Header, frames: int, doubts: tuple[tuple[int, int], ...] = ()) -> Header:
    """The same people in a video of `frames`, of whom the first is there throughout."""
    first, *others = header.tracklets
    sure = Evidence(EvidenceKind.NONE)
    doubt = Evidence(EvidenceKind.DOUBT, reason="someone crossed")
    verdicts = tuple(Verdict(a, b, Decision.MASK, doubt) for a, b in doubts)
    verdicts = (*verdicts, Verdict(0, frames, Decision.MASK, sure))
    changed = replace(first, start=0, end=frames, verdicts=verdicts)
    return replace(header, video=replace(header.video, frames=frames), tracklets=(changed, *others))


@pytest.mark.parametrize(
    ("doubts", "expected"),
    [
        ((), (425, 575)),  # the middle six of forty seconds
        (((100, 110), (200, 300), (400, 440)), (200, 300)),  # the longest doubt
        (((200, 600),), (325, 475)),  # the middle of it
        (((500, 504),), (477, 527)),  # a short one with what is around it
        (((0, 4),), (0, 50)),
        (((998, 1000),), (950, 1000)),
    ],
)
def test_it_is_about_the_longest_doubt_else_the_longest_appearance(
    party: Masked, doubts: tuple[tuple[int, int], ...], expected: tuple[int, int]
) -> None:
    header = lasting(party.timeline.header, 1000, doubts)
    owner = next(p for p in header.persons if header.tracklets[0].id in p.tracklets)
    first, last = span_of(header, owner, None, None)

    assert (first, last) == expected
    assert MIN_CLIP_SECONDS * 25 <= last - first <= MAX_CLIP_SECONDS * 25


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1.0, None, (25, 175)),
        (None, 20.0, (350, 500)),
        (None, 2.0, (0, 50)),
        (0.0, 1e300, (0, 150)),
        (39.9, 50.0, (997, 1000)),
        (1.0, 1.001, (25, 26)),
    ],
)
def test_any_seconds_of_the_video_are_shown_but_no_more_than_six(
    party: Masked, start: float | None, end: float | None, expected: tuple[int, int]
) -> None:
    header = lasting(party.timeline.header, 1000)
    assert span_of(header, header.persons[0], start, end) == expected


def test_seconds_are_those_of_the_players_clock(party: Masked) -> None:
    header = lasting(party.timeline.header, 1000)
    uneven = np.append(0.8 + np.arange(500) / 50, 10.8 + np.arange(501) / 25)
    (span,) = {span_of(header, p, 10.84, 11.0, uneven) for p in header.persons[:1]}
    assert span == (501, 505)
    assert span_of(header, header.persons[0], 0.0, 0.9, uneven) == (0, 5)


def test_seconds_beyond_the_video_are_refused(party: Masked) -> None:
    with pytest.raises(ApiError):
        span_of(lasting(party.timeline.header, 1000), party.timeline.header.persons[0], 40.0, None)
