"""A mask is drawn in one frame, and the client sees where it goes while it is followed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from bystander.client import Client
from bystander.editing.document import Edits, MaskEdit
from bystander.errors import Cancelled, ServiceError
from bystander.pipeline.edit import edit as apply_edits
from bystander.sandbox import FollowFacts, follow_mask
from bystander.server.http import track
from bystander.server.http.deps import MAX_CONCURRENT_TRACKS
from bystander.server.models import Project
from tests.support.drawn import BLUE, HEIGHT, RED, WIDTH, Figure, Masked, Scene, mask_scene, walking
from tests.support.drawn import standing as standing_at
from tests.support.stage import TOKENS, Stage, serving, staged
from tests.support.waiting import until

pytestmark = pytest.mark.sampled(4)

FRAMES, CUT, RATE = 60, 45, 25.0
MISSED = Figure(BLUE, walking(40, 3, 90), unseen=range(999))
Event = tuple[str, Any]


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    scene = Scene([MISSED, Figure(RED, standing_at(320))], frames=FRAMES, cuts=[CUT])
    return mask_scene(scene, tmp_path_factory.mktemp("party"))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def project(stage: Stage, party: Masked) -> Project:
    return stage.analysed(party.timeline.path, party.source)


def key_at(frame: int) -> dict[str, Any]:
    x, y = MISSED.place(frame)
    box = {"kind": "box", "x": x - 3, "y": y - 23, "width": WIDTH + 6, "height": HEIGHT + 26}
    return {"seconds": frame / RATE, "shape": box}


def mask(*frames: int, **more: Any) -> dict[str, Any]:
    return {"kind": "mask", "keys": [key_at(frame) for frame in frames], **more}


def post(stage: Stage, project: Project, edit: Any, token: int = 0) -> httpx.Response:
    with stage.client(token) as client:
        return client.post(f"/projects/{project.id}/track", json={"edit": edit})


def read(lines: Iterator[str]) -> Iterator[Event]:
    """The events of a stream, as they come."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif not line and "event" in fields:
            yield fields["event"], json.loads(fields["data"])
            fields = {}


def followed(answer: httpx.Response) -> tuple[dict[int, list[float]], Event]:
    """Corners by frame, and the last event."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    *told, last = read(iter(answer.text.splitlines()))
    assert {name for name, _ in told} <= {"positions"}
    found = {at["frame"]: at["corners"] for _, data in told for at in data["positions"]}
    return found, last


def middle(corners: list[float]) -> float:
    return (min(corners[::2]) + max(corners[::2])) / 2


def nothing_left(stage: Stage) -> bool:
    work = stage.context.data / "work"
    return not work.exists() or not list(work.iterdir())


def test_it_goes_with_whoever_it_was_drawn_over_until_the_cut(
    stage: Stage, project: Project
) -> None:
    found, last = followed(post(stage, project, mask(20)))
    assert last == ("done", {"frames": CUT, "start": 0, "end": CUT, "complete": True})
    assert sorted(found) == list(range(CUT))
    for frame, corners in found.items():
        assert len(corners) == 8
        assert middle(corners) == pytest.approx(MISSED.place(frame)[0] + WIDTH / 2, abs=4)
    assert nothing_left(stage)


def test_it_is_where_rendering_draws_it(
    stage: Stage, project: Project, party: Masked, tmp_path: Path
) -> None:
    wanted = mask(5, 25, 40, start=0.1, end=1.7)
    found, _ = followed(post(stage, project, wanted))
    edits = Edits(edits=(MaskEdit.model_validate(wanted),))
    edited = apply_edits(party.source, party.timeline, edits, tmp_path / "edited").timeline
    drawn = max(tracklet.id for tracklet in edited.header.tracklets)
    scale = np.array(edited.header.video.display_size) / np.array(edited.header.grid)
    boxes = {
        record.index: np.array(sighting.box) * np.tile(scale, 2)
        for record in edited.frames()
        for sighting in record.sightings
        if sighting.tracklet == drawn
    }
    assert sorted(found) == sorted(boxes)
    for frame, corners in found.items():
        xs, ys = corners[::2], corners[1::2]
        assert (min(xs), min(ys), max(xs), max(ys)) == pytest.approx(boxes[frame], abs=0.01)


def test_one_that_stands_still_is_where_it_was_drawn(stage: Stage, project: Project) -> None:
    found, last = followed(post(stage, project, mask(10, 30, follow=False, end=2.0)))
    assert sorted(found) == list(range(50))  # cuts are none of its business
    at = {frame: MISSED.place(frame)[0] + WIDTH / 2 for frame in (10, 30)}
    assert all(middle(found[n]) == pytest.approx(at[30 if n >= 30 else 10]) for n in range(50))
    assert last[1]["complete"] is True


def test_no_more_is_followed_than_somebody_waits_for(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "MAX_FRAMES_EACH_WAY", 6)
    found, (name, done) = followed(post(stage, project, mask(20)))
    assert sorted(found) == list(range(14, 27))
    assert (name, done["complete"]) == ("done", False)
    monkeypatch.setattr(track, "MAX_STEPS", 20)
    found, (name, done) = followed(post(stage, project, mask(10, 30)))
    assert sorted(found) == list(range(4, 17))
    assert (name, done["complete"]) == ("done", False)


def test_what_takes_too_long_is_told_as_far_as_it_came(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "MAX_SECONDS", 1e-9)
    found, (name, done) = followed(post(stage, project, mask(20)))
    assert list(found) == [20]
    assert (name, done) == ("done", {"frames": 1, "start": 20, "end": 21, "complete": False})


POLYGON = {"kind": "polygon", "points": [[0, 0], [1, 1]] * 500}
HOSTILE = {
    "another kind": {"kind": "erase", "who": "p1"},
    "no key": {"kind": "mask", "keys": []},
    "too many points": {"kind": "mask", "keys": [{"seconds": 0, "shape": POLYGON}]},
    "after the end": mask(FRAMES),
    "before the beginning": {"kind": "mask", "keys": [{**key_at(0), "seconds": -1}]},
    "ends before it begins": mask(20, start=1, end=0.5),
    "drawn when it isn't there": mask(20, start=2),
    "beside the picture": {
        "kind": "mask",
        "keys": [
            {
                "seconds": 0,
                "shape": {"kind": "box", "x": 5000, "y": 0, "width": 9, "height": 9},
            }
        ],
    },
    "keys in disorder": mask(20, 10),
    "a mask of somebody": {**mask(20), "who": "p2"},
    "pixels of nobody": {**mask(20), "kind": "own"},
    "seconds that are none": {"kind": "mask", "keys": [{**key_at(0), "seconds": "NaN"}]},
    "nothing": None,
}


@pytest.mark.parametrize("edit", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_does_not_fit_is_refused_with_a_reason(
    stage: Stage, project: Project, edit: Any
) -> None:
    answer = post(stage, project, edit)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert answer.json()["advice"]
    assert nothing_left(stage)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"edit": {"kind": "mask", "keys": [{"seconds": NaN, "shape": {}}]}}', 422),
        (b'{"edit": {"kind": "mask", "keys": [' + b"[" * 100_000, 400),
        (b'{"edit": {"points": [' + b"[1,1]," * 1_000_000 + b"]}}", 413),
    ],
    ids=["no number", "deep", "a million points"],
)
def test_bodies_that_are_no_edits_are_refused(
    stage: Stage, project: Project, body: bytes, status: int
) -> None:
    with stage.client() as client:
        answer = client.post(
            f"/projects/{project.id}/track",
            content=body,
            headers={"Content-Type": "application/json"},
        )
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_there_is_nothing_to_follow_for_others_or_before_an_analysis(
    stage: Stage, project: Project, party: Masked
) -> None:
    assert post(stage, project, mask(20), token=1).status_code == 404
    assert post(stage, stage.project(party.source), mask(20)).status_code == 404
    empty = stage.project()
    assert post(stage, empty, mask(20)).status_code == 404


def test_a_video_that_does_not_decode_is_told(
    stage: Stage, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "v").write_bytes(b"nothing" * 1000)
    stage.put(tmp_path / "v", f"{project.id}/video")
    found, (name, problem) = followed(post(stage, project, mask(20)))
    assert (found, name, problem["type"]) == ({}, "failed", "NotAVideo")
    assert problem["advice"]
    assert str(stage.folder) not in json.dumps(problem)
    assert nothing_left(stage)


def test_a_project_that_is_deleted_meanwhile_is_gone(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "LOOK_SECONDS", -1.0)
    fetch = stage.context.storage.fetch

    def fetched(key: str, target: Path) -> None:
        fetch(key, target)
        stage.context.janitor.purge(project.id)

    monkeypatch.setattr(stage.context.storage, "fetch", fetched)
    found, (name, problem) = followed(post(stage, project, mask(20)))
    assert (found, name, problem["type"]) == ({}, "failed", "missing")
    assert nothing_left(stage)


def test_from_python_it_is_followed_by_the_client(stage: Stage, project: Project) -> None:
    app = Starlette(routes=[Mount("/v1", stage.app)])
    with serving(app) as url, Client(url, TOKENS[0]) as client:
        here = client.project(project.id)
        found = {
            frame: corners for batch in here.track(mask(20)) for frame, corners in batch.items()
        }
        with pytest.raises(ServiceError, match="lies after the end") as refused:
            next(here.track(mask(FRAMES)))
        (stage.folder / "noise").write_bytes(b"nothing" * 1000)
        stage.put(stage.folder / "noise", f"{project.id}/video")
        with pytest.raises(ServiceError, match="can't be read as a video"):
            list(here.track(mask(20)))
    assert (sorted(found), refused.value.status) == (list(range(CUT)), 422)


def test_a_client_that_goes_away_leaves_nothing_behind(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = threading.Event()
    ended: list[str] = []

    def slowly(path: Path, limits: Any, order: Any, hear: Any, cancelled: Any) -> Any:
        def heard(steps: Any) -> None:
            hear(steps)
            gone.wait()  # or the child would be faster than the client
            until(cancelled)

        try:
            return follow_mask(path, limits, order, heard, cancelled)
        except Cancelled as error:
            ended.append(error.what)
            raise

    monkeypatch.setattr(track, "follow_mask", slowly)
    with listening(stage, project) as events:
        assert next(events)[0] == "positions"
        assert not nothing_left(stage)
    gone.set()
    until(lambda: nothing_left(stage))
    assert ended == ["nobody waits for it any more"]
    until(lambda: stage.context.track_limiter.borrowed_tokens == 0)


@contextmanager
def listening(stage: Stage, project: Project) -> Iterator[Iterator[Event]]:
    path, body = f"/projects/{project.id}/track", {"edit": mask(20)}
    with stage.client() as client, client.stream("POST", path, json=body) as answer:
        assert answer.status_code == 200
        yield read(answer.iter_lines())


def test_two_are_followed_at_once_a_third_waits_and_more_are_refused(
    stage: Stage, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def waiting(*_: Any) -> FollowFacts:
        go.wait()
        return FollowFacts(complete=True)

    monkeypatch.setattr(track, "follow_mask", waiting)
    monkeypatch.setattr(track, "MAX_WAITING", 1)
    limiter = stage.context.track_limiter
    with listening(stage, project) as one, listening(stage, project) as another:
        until(lambda: limiter.borrowed_tokens == MAX_CONCURRENT_TRACKS == 2)
        with listening(stage, project):
            until(lambda: limiter.statistics().tasks_waiting == 1)
            refused = post(stage, project, mask(20))
            assert refused.status_code == 429
            assert refused.headers["retry-after"]
        until(lambda: limiter.statistics().tasks_waiting == 0)  # who went isn't waited for
        go.set()
        assert [name for name, _ in (*one, *another)] == ["done", "done"]
    assert nothing_left(stage)
