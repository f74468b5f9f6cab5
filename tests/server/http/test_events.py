"""Following a job over a real connection."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bystander.server.http.job_watcher import POLL_SECONDS, JobWatcher
from bystander.server.models import Job, JobKind, JobProgress, JobState, Project
from tests.conftest import REPOSITORY
from tests.support.stage import Stage, staged
from tests.support.waiting import HANGS_AFTER_SECONDS, until

pytestmark = pytest.mark.sampled(2)

Event = tuple[str, Any, str | None]
"""Name, data, id."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


def read(answer: httpx.Response) -> Iterator[Event]:
    """The events of a stream, as they come."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif not line and "event" in fields:
            yield fields["event"], json.loads(fields["data"]), fields.get("id")
            fields = {}


def progress(done: int) -> JobProgress:
    return JobProgress("render", done, 100, 20.0, done / 100, 5.0)


def address(project: Project, job: Job) -> str:
    return f"/projects/{project.id}/jobs/{job.id}"


def test_a_job_is_followed_from_the_queue_to_its_end(stage: Stage) -> None:
    project = stage.project()
    job = stage.job(project, JobKind.MASK, JobState.QUEUED)
    jobs = stage.context.store.jobs
    told = []
    with (
        stage.client() as client,
        client.stream("GET", address(project, job) + "/events") as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        for name, data, _ in read(answer):
            told.append((name, data.get("state") or data.get("done") or data.get("number")))
            match told[-1]:
                case ("state", "queued"):
                    jobs.claim()
                case ("state", "running"):
                    jobs.progress(job.id, progress(40))
                case ("progress", 40):
                    jobs.previewed(job.id)
                case ("preview", 1):
                    assert data["url"] == address(project, job) + "/preview?number=1"
                    jobs.commit(job.id, {"kept": 2})
                    jobs.finish(job.id, JobState.DONE)

    assert told == [
        ("state", "queued"),
        ("state", "running"),
        ("progress", 40),
        ("preview", 1),
        ("state", "done"),
    ]
    assert data["summary"] == {"kept": 2}


def test_after_a_lost_connection_nothing_is_missed_or_repeated(stage: Stage) -> None:
    project = stage.project()
    job = stage.job(project, JobKind.MASK, JobState.RUNNING)
    jobs = stage.context.store.jobs
    jobs.progress(job.id, progress(40))
    url = address(project, job) + "/events"
    with stage.client() as client:
        with client.stream("GET", url) as answer:
            last = next(id_ for _, _, id_ in read(answer) if id_)
        jobs.previewed(job.id)
        told = []
        with client.stream("GET", url, headers={"Last-Event-ID": last}) as answer:
            for name, _, _ in read(answer):
                told.append(name)
                jobs.finish(job.id, JobState.FAILED)

    assert told == ["preview", "state"]


def test_an_ended_job_is_told_whole_and_the_stream_ends(stage: Stage) -> None:
    project = stage.project()
    job = stage.job(project, JobKind.MASK, JobState.CANCELLED)
    with (
        stage.client() as client,
        client.stream("GET", address(project, job) + "/events") as answer,
    ):
        told = [(name, data["state"]) for name, data, _ in read(answer)]

    assert told == [("state", "cancelled")]


def test_a_deleted_project_ends_the_stream(stage: Stage) -> None:
    project = stage.project()
    job = stage.job(project, JobKind.MASK, JobState.RUNNING)
    with (
        stage.client() as client,
        client.stream("GET", address(project, job) + "/events") as answer,
    ):
        events = read(answer)
        next(events)
        stage.context.store.projects.delete(project.id)
        assert list(events) == []


def test_many_listeners_cost_one_look_an_interval() -> None:
    looks = []
    job = Job("j", "p", "o", JobKind.MASK, JobState.RUNNING, {}, created=0)

    def look(project: str, wanted: str) -> Job:
        looks.append(wanted)
        return job

    now = 0.0
    watch = JobWatcher(look, clock=lambda: now)

    async def listen() -> None:
        nonlocal now
        for _ in range(3):
            assert await asyncio.gather(*(watch.job("p", "j") for _ in range(200))) == [job] * 200
            now += POLL_SECONDS

    asyncio.run(listen())

    assert len(looks) == 3


@pytest.mark.long
def test_a_hundred_listeners_do_not_keep_others_waiting(stage: Stage) -> None:
    project = stage.project()
    job = stage.job(project, JobKind.MASK, JobState.RUNNING)
    heard: list[str] = []

    def follow() -> None:
        with (
            stage.client() as client,
            client.stream("GET", address(project, job) + "/events") as answer,
        ):
            heard.extend(data["state"] for name, data, _ in read(answer) if name == "state")

    listeners = [threading.Thread(target=follow) for _ in range(100)]
    for listener in listeners:
        listener.start()
    until(lambda: len(heard) >= len(listeners))
    with stage.client() as client:  # more than there are threads to look into the store
        assert client.get(address(project, job)).status_code == 200
    stage.context.store.jobs.finish(job.id, JobState.DONE)
    for listener in listeners:
        listener.join()

    assert sorted(heard) == ["done"] * 100 + ["running"] * 100


SERVER = """
import sys, uvicorn
from pathlib import Path
from bystander.server.models import JobKind, JobState
from tests.support.stage import staged

with staged(Path(sys.argv[1])) as stage:
    project = stage.project()
    job = stage.job(project, JobKind.MASK, JobState.RUNNING)
    config = uvicorn.Config(stage.app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    startup = server.startup

    async def tell(sockets=None):
        await startup(sockets)
        port = server.servers[0].sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}/projects/{project.id}/jobs/{job.id}/events", flush=True)

    server.startup = tell
    server.run()
"""


@pytest.mark.long
def test_listeners_do_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    with server:
        url = server.stdout.readline().strip()
        headers = {"Authorization": "Bearer " + "a" * 20}
        with httpx.stream("GET", url, headers=headers, timeout=HANGS_AFTER_SECONDS) as answer:
            events = read(answer)
            assert next(events)[0] == "state"
            server.send_signal(signal.SIGTERM)
            assert list(events) == []
        server.wait(HANGS_AFTER_SECONDS)
