"""Starting and stopping jobs, and every reason to refuse one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from bystander.choices import Codec, EffectName, ShapeName, SmartRender
from bystander.server.http.app import create_app
from bystander.server.http.job_requests import JobRequest, warnings_for
from bystander.server.jobs.runner import Runner
from bystander.server.jobs.spec import JobSpec
from bystander.server.models import (
    JobKind,
    JobProgress,
    JobState,
    Photo,
    Problem,
    Project,
    Video,
    VideoState,
)
from bystander.server.retention import Janitor
from bystander.server.settings import JobSettings, RetentionSettings, ServiceSettings
from tests.support.drawn import Figure, Scene, standing
from tests.support.facts import FACTS
from tests.support.stage import TOKENS, Stage, serving, staged

pytestmark = pytest.mark.sampled(4)

QUEUED_MOST = 3
SETTINGS = ServiceSettings(jobs=JobSettings(queued_per_owner=QUEUED_MOST))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, SETTINGS) as made:
        yield made


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scene = Scene([Figure((220, 30, 30), standing(20))])
    return scene.video(tmp_path_factory.mktemp("film") / "source.mp4")


def start(stage: Stage, project: Project, **wanted: Any) -> tuple[int, dict[str, Any]]:
    with stage.client() as client:
        answer = client.post(f"/projects/{project.id}/jobs", json={"kind": "mask", **wanted})
    return answer.status_code, answer.json()


def photo(person: str, chosen: int | None) -> Photo:
    problem = None if chosen is not None else Problem("NoFaceFound", "there is no face")
    return Photo(person + "x", "p", person, 100, 100, (), chosen, problem)


def test_a_job_is_queued_as_it_was_asked_for(stage: Stage, film: Path) -> None:
    project = stage.project(film)
    with stage.client() as client:
        answer = client.post(
            f"/projects/{project.id}/jobs",
            json={
                "kind": "mask",
                "profile": "fast",
                "effect": {"name": "solid", "shape": "blob", "color": "#ff00ff", "strength": 2},
                "audit": True,
                "codec": "hevc",
                "smart_render": "off",
                "sound": [{"treatment": "mute", "start": 0.5, "end": 1}, {"treatment": "pitch"}],
                "clicks": [{"seconds": 0.4, "x": 30, "y": 120}],
            },
        )
        assert answer.status_code == 202
        job = answer.json()
        assert client.get(answer.headers["location"]).json() == {**job, "warnings": []}
        assert [j["id"] for j in client.get(f"/projects/{project.id}/jobs").json()["jobs"]] == [
            job["id"]
        ]

    assert (job["state"], job["kind"], job["profile"], job["audit"]) == (
        "queued", "mask", "fast", True,
    )  # fmt: skip
    sent = {"name": "solid", "shape": "blob", "color": "#ff00ff", "strength": 2}
    assert job["effect"] == sent | {"picture": None}
    assert job["expected"] > 0
    stored = stage.context.store.jobs.find(job["id"])
    assert stored is not None
    order = JobSpec.model_validate(stored.order)
    assert order.effect.name is EffectName.SOLID
    assert order.effect.shape is ShapeName.BLOB
    assert (order.codec, job["codec"]) == (Codec.HEVC, "hevc")
    assert (order.smart_render, job["smart_render"]) == (SmartRender.OFF, "off")
    assert [str(span) for span in order.sound] == ["mute:0.5-1", "pitch"]
    assert job["sound"][0] == {"treatment": "mute", "start": 0.5, "end": 1.0}
    assert [(c.seconds, c.x, c.y) for c in order.clicks] == [(0.4, 30, 120)]


def test_what_runs_is_told_with_its_progress_and_its_end(stage: Stage, film: Path) -> None:
    project = stage.project(film)
    _, job = start(stage, project)
    jobs = stage.context.store.jobs
    jobs.claim()
    jobs.progress(job["id"], JobProgress("analyze", 20, 40, 12.5, 0.25, 3.0))
    jobs.previewed(job["id"])
    address = f"/projects/{project.id}/jobs/{job['id']}"
    with stage.client() as client:
        running = client.get(address).json()
        jobs.finish(job["id"], JobState.FAILED, Problem("UnsupportedVideo", "why", "what to do"))
        failed = client.get(address).json()

    assert running["progress"] == {
        "stage": "analyze", "done": 20, "total": 40, "fps": 12.5, "share": 0.25, "eta": 3.0,
    }  # fmt: skip
    assert running["preview"] == f"{address}/preview?number=1"
    assert running["problem"] is None
    assert failed["state"] == "failed"
    assert failed["problem"] == {"type": "UnsupportedVideo", "what": "why", "advice": "what to do"}


@pytest.mark.parametrize(
    "state", [VideoState.ABSENT, VideoState.UPLOADING, VideoState.CHECKING, VideoState.REFUSED]
)
@pytest.mark.sampled(4)
def test_without_a_video_there_is_nothing_to_do(stage: Stage, state: VideoState) -> None:
    project = stage.project()
    stage.context.store.projects.set_video(project.id, Video(state))

    assert start(stage, project)[0] == 409


def test_rendering_needs_an_analysis(stage: Stage, film: Path) -> None:
    project = stage.project(film)

    assert start(stage, project, kind="render")[0] == 409
    stage.put(film, f"{project.id}/timeline")
    assert start(stage, project, kind="render")[0] == 202


def test_only_rendering_goes_by_the_decisions(stage: Stage, film: Path) -> None:
    # Their ids are of the last analysis; a new one may give them to other people.
    orders = {}
    for kind in (JobKind.RENDER, JobKind.MASK):
        project = stage.project(film)
        stage.put(film, f"{project.id}/timeline")
        stage.context.store.projects.set_decisions(project.id, ["p2"], ["t17"], "d1")
        start(stage, project, kind=kind)
        (job,) = stage.context.store.jobs.list(project.id)
        orders[kind] = JobSpec.model_validate(job.order)

    assert (orders[JobKind.RENDER].keep, orders[JobKind.RENDER].mask) == (("p2",), ("t17",))
    assert (orders[JobKind.MASK].keep, orders[JobKind.MASK].mask) == ((), ())


def test_a_project_has_one_job_at_a_time(stage: Stage, film: Path) -> None:
    project = stage.project(film)
    _, job = start(stage, project)

    assert start(stage, project)[0] == 409
    stage.context.store.jobs.claim()
    assert start(stage, project)[0] == 409
    stage.context.store.jobs.finish(job["id"], JobState.FAILED)
    assert start(stage, project)[0] == 202


def test_one_token_cannot_fill_the_queue(stage: Stage, film: Path) -> None:
    for _ in range(QUEUED_MOST):
        assert start(stage, stage.project(film))[0] == 202
    project = stage.project(film)
    with stage.client() as client:
        answer = client.post(f"/projects/{project.id}/jobs", json={"kind": "mask"})

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": "unmask"},
        {"profile": "reckless"},
        {"effect": {"strength": 0.5}},
        {"effect": {"name": "picture", "picture": "aGVsbG8="}},
        {"effect": {"name": "solid", "color": "red"}},
        {"effect": {"allow_weak": True}},
        {"kind": "analyze", "audit": True},
        {"kind": "analyze", "codec": "hevc"},
        {"kind": "analyze", "smart_render": "off"},
        {"codec": "h265"},
        {"kind": "analyze", "sound": [{"treatment": "mute"}]},
        {"sound": [{"treatment": "louder"}]},
        {"sound": [{"treatment": "mute", "start": 2, "end": 1}]},
        {"kind": "render", "clicks": [{"seconds": 0, "x": 1, "y": 1}]},
        {"clicks": [{"seconds": -1, "x": 1, "y": 1}]},
        {"clicks": [{"seconds": 99, "x": 1, "y": 1}]},
        {"clicks": [{"seconds": 0, "x": 384, "y": 1}]},
        {"clicks": [{"seconds": 0, "x": 1, "y": 216}]},
        {"keep": ["p1"]},
    ],
)
@pytest.mark.sampled(3)
def test_what_makes_no_sense_or_gives_people_away_is_refused(
    stage: Stage, film: Path, wanted: dict[str, Any]
) -> None:
    project = stage.project(film)

    assert start(stage, project, **wanted)[0] == 422
    assert stage.context.store.jobs.list(project.id) == ()


def test_high_dynamic_range_as_h264_is_refused(stage: Stage, film: Path) -> None:
    project = stage.project(film, FACTS.model_copy(update={"hdr": True}))

    status, answer = start(stage, project, codec="h264")
    assert (status, "HDR" in answer["title"] + answer["detail"]) == (422, True)
    assert start(stage, project, codec="auto")[0] == 202


def test_a_queued_job_is_cancelled_at_once_and_may_be_again(stage: Stage, film: Path) -> None:
    project = stage.project(film)
    _, job = start(stage, project)
    with stage.client() as client:
        answers = [client.post(f"/projects/{project.id}/jobs/{job['id']}/cancel") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert [answer.json()["state"] for answer in answers] == ["cancelled", "cancelled"]


def test_a_running_job_is_asked_to_end(stage: Stage, film: Path) -> None:
    project = stage.project(film)
    _, job = start(stage, project)
    stage.context.store.jobs.claim()
    with stage.client() as client:
        answer = client.post(f"/projects/{project.id}/jobs/{job['id']}/cancel")

    assert (answer.status_code, answer.json()["cancelling"]) == (202, True)


@pytest.mark.parametrize("end", [JobState.DONE, JobState.FAILED])
def test_what_has_ended_cannot_be_cancelled(stage: Stage, film: Path, end: JobState) -> None:
    project = stage.project(film)
    job = stage.job(project, JobKind.MASK, end)
    with stage.client() as client:
        answer = client.post(f"/projects/{project.id}/jobs/{job.id}/cancel")
        assert answer.status_code == 409
        assert client.get(f"/projects/{project.id}/jobs/{job.id}").json()["state"] == end


def test_nothing_of_it_is_there_for_others(stage: Stage, film: Path) -> None:
    project, other = stage.project(film), stage.project(film)
    _, job = start(stage, project)
    mine = f"/projects/{project.id}/jobs"
    with stage.client(1) as stranger:
        answers = [
            stranger.get(mine),
            stranger.post(mine, json={"kind": "mask"}),
            stranger.get(f"{mine}/{job['id']}"),
            stranger.get(f"{mine}/{job['id']}/preview"),
            stranger.get(f"{mine}/{job['id']}/events"),
            stranger.post(f"{mine}/{job['id']}/cancel"),
        ]
    with stage.client() as client:  # the right token, the wrong project
        answers.append(client.get(f"/projects/{other.id}/jobs/{job['id']}"))
        assert client.get(f"{mine}/{job['id']}/preview").status_code == 404

    assert {answer.status_code for answer in answers} == {404}
    stored = stage.context.store.jobs.find(job["id"])
    assert stored is not None
    assert stored.state is JobState.QUEUED


def test_who_may_be_surprised_is_warned() -> None:
    wanted = JobRequest(kind=JobKind.MASK)

    assert warnings_for(wanted, [photo("anna", 0)]) == []
    assert warnings_for(wanted, []) == ["nobody is to be kept: everyone will be masked"]
    some = warnings_for(wanted, [photo("anna", 0), photo("anna", None), photo("ben", None)])
    assert len(some) == 2
    assert "2 of 3 photos" in some[0]
    assert some[1].startswith("ben ")
    clicked = JobRequest.model_validate(
        {"kind": "mask", "clicks": [{"seconds": 0, "x": 1, "y": 1}]}
    )
    assert warnings_for(clicked, []) == []
    assert warnings_for(JobRequest(kind=JobKind.RENDER), []) == []


def test_without_room_on_the_disk_nothing_is_started(stage: Stage, film: Path) -> None:
    project = stage.project(film)
    small = stage.context.settings.model_copy(update={"retention": RetentionSettings(disk_bytes=1)})
    janitor = Janitor(stage.context.store, stage.context.storage, small)
    with serving(create_app(replace(stage.context, janitor=janitor))) as url:
        answer = httpx.post(
            f"{url}/projects/{project.id}/jobs",
            json={"kind": "mask"},
            headers={"Authorization": f"Bearer {TOKENS[0]}"},
        )

    assert answer.status_code == 507
    assert stage.context.store.jobs.list(project.id) == ()


WORKER = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "preview.jpg").write_bytes(b"a picture")
print(json.dumps({"event": "preview"}), flush=True)
while not (folder.parent.parent / "go").exists():
    time.sleep(0.01)
(folder / "result.mp4").write_bytes(b"masked")
print(json.dumps({"event": "done", "summary": {"kept": 1}}), flush=True)
"""


def test_a_job_goes_through_the_runner_to_its_result(stage: Stage, film: Path) -> None:
    project, context = stage.project(film), stage.context
    runner = Runner(
        context.store, context.storage, context.settings,
        lambda folder: [sys.executable, "-c", WORKER, str(folder)], dict(os.environ),
    )  # fmt: skip
    runner.start()
    try:
        _, job = start(stage, project)
        address = f"/projects/{project.id}/jobs/{job['id']}"
        with stage.client() as client:
            while (found := client.get(address).json())["preview"] is None:
                assert found["state"] in ("queued", "running"), found
                time.sleep(0.02)
            assert client.get(found["preview"]).content == b"a picture"
            (context.settings.data / "go").touch()
            while (found := client.get(address).json())["state"] == "running":
                time.sleep(0.02)
            assert (found["state"], found["summary"]) == ("done", {"kept": 1})
            assert client.get(f"/projects/{project.id}/result").content == b"masked"
            assert client.get(f"{address}/preview").status_code == 404
    finally:
        runner.stop()
