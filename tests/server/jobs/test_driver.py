"""A job whose parts are done by processes or a cluster, for a worker that reaches neither."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from bystander.choices import EffectName, ProfileName
from bystander.executors.settings import ClusterSettings, WorkerSettings
from bystander.media.probe import probe
from bystander.redaction.effects import EffectSettings
from bystander.sandbox import landlock
from bystander.sandbox.launch import Confinement, confined_command
from bystander.server.jobs.driver import (
    DriverOptions,
    bucket_of,
    bucket_workspace,
    driver_command,
    driver_environment,
    sweep_parts,
)
from bystander.server.jobs.spec import RESULT_FILE, TIMELINE_FILE, VIDEO_FILE, JobSpec
from bystander.server.models import JobKind
from bystander.server.settings import JobSettings, ServiceSettings
from tests.conftest import REPOSITORY
from tests.support.drawn import GREEN, RED, Figure, Scene, pictures, standing, walking
from tests.support.ray_cluster import Nodes, ray_cluster
from tests.support.waiting import HANGS_AFTER_SECONDS, alive, until

pytestmark = pytest.mark.sampled(4)

FRAMES = 96
TESTS = REPOSITORY / "tests"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    figures = [Figure(RED, standing(20)), Figure(GREEN, walking(100, 1.5))]
    return Scene(figures, FRAMES).video(tmp_path_factory.mktemp("video") / "video.mp4")


class Job:
    """A job's folder, and the process that does it."""

    def __init__(self, folder: Path, video: Path) -> None:
        self.folder = folder
        folder.mkdir()
        os.link(video, folder / VIDEO_FILE)
        JobSpec(
            kind=JobKind.MASK,
            profile=ProfileName.FAST,
            effect=EffectSettings(name=EffectName.SOLID, color="#808080"),
            segment_frames=24,
            in_flight=2,
        ).save(folder)

    @contextmanager
    def process(self, command: Sequence[str], **more: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def worker(self) -> list[str]:
        confinement = Confinement(folder=self.folder, read=(TESTS,))
        return confined_command(
            confinement, "tests.support.drawn_worker", str(self.folder), "nowhere"
        )

    def driver(self, **more: Any) -> list[str]:
        options = DriverOptions(
            folder=self.folder,
            **{"executor": "processes", "processes": 2, "cluster": "", "bucket": None, **more},
            settings=ClusterSettings(worker=WorkerSettings(read=(TESTS,))),
        )
        driver = [sys.executable, "-m", "bystander.server.jobs.driver", options.model_dump_json()]
        return [*driver, *self.worker()]

    def done(self, command: Sequence[str]) -> list[dict[str, Any]]:
        """What it tells until it is done."""
        with self.process(command) as process:
            output, complaints = process.communicate(timeout=HANGS_AFTER_SECONDS)
        assert process.returncode == 0, complaints
        return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def job(tmp_path: Path, video: Path) -> Job:
    return Job(tmp_path / "job", video)


def finished(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The summary of a job that told how far it was, to the end."""
    assert events[-1]["event"] == "done"
    for stage in ("analyze", "decide", "render"):
        told = [e for e in events if e["event"] == "progress" and e["stage"] == stage]
        assert told[-1]["done"] == told[-1]["total"]
    summary: dict[str, Any] = events[-1]["summary"]
    return summary


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, video: Path) -> tuple[Job, dict[str, Any]]:
    """A job that its worker does by itself."""
    job = Job(tmp_path_factory.mktemp("alone") / "job", video)
    return job, finished(job.done(job.worker()))


def same_as(alone: tuple[Job, dict[str, Any]], job: Job, summary: dict[str, Any]) -> None:
    other, expected = alone
    for key in ("frames", "people", "kept"):
        assert summary[key] == expected[key]
    assert probe(job.folder / RESULT_FILE).frame_count == FRAMES
    assert len(pictures(job.folder / RESULT_FILE)) == len(pictures(other.folder / RESULT_FILE))


def stage_after(events: Sequence[dict[str, Any]], number: int) -> Any:
    """Of the next progress."""
    return next(event["stage"] for event in events[number:] if event["event"] == "progress")


@pytest.mark.long
def test_processes_do_the_parts(job: Job, alone: tuple[Job, dict[str, Any]]) -> None:
    events = job.done(job.driver())

    same_as(alone, job, finished(events))
    previews = [number for number, event in enumerate(events) if event["event"] == "preview"]
    stages = {stage_after(events, number) for number in previews}
    assert stages == {"analyze", "render"}
    assert len(list((job.folder / "parts").glob("look-*"))) > 2


@pytest.mark.long
def test_parts_that_are_there_are_not_done_anew(job: Job) -> None:
    finished(job.done(job.driver()))
    parts = {path: path.stat().st_mtime_ns for path in (job.folder / "parts").iterdir()}
    for name in (TIMELINE_FILE, RESULT_FILE):
        (job.folder / name).unlink()

    finished(job.done(job.driver()))

    assert {path: path.stat().st_mtime_ns for path in parts} == parts


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_it(job: Job, how: signal.Signals) -> None:
    with self_started(job) as (process, below):
        process.send_signal(how)
        assert process.wait(HANGS_AFTER_SECONDS) == -how
    until(lambda: not any(alive(pid) for pid in below))
    assert not (job.folder / RESULT_FILE).exists()


@contextmanager
def self_started(job: Job) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """The process at work, with a worker and two processes below it."""
    with job.process(job.driver()) as process:
        until(lambda: len(below(process.pid)) >= 3)
        yield process, below(process.pid)


def below(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    pytest.importorskip("ray")
    with ray_cluster() as nodes:
        nodes.be(2)
        yield nodes


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


def by_cluster(job: Job, nodes: Nodes, bucket: Path) -> list[str]:
    return job.driver(executor="ray", cluster=nodes.client_address, bucket=bucket.as_uri())


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.skipif(sys.platform != "linux", reason="starts a cluster")
def test_a_cluster_does_the_parts_by_way_of_a_bucket(
    job: Job, alone: tuple[Job, dict[str, Any]], nodes: Nodes, bucket: Path
) -> None:
    summary = finished(job.done(by_cluster(job, nodes, bucket)))

    same_as(alone, job, summary)
    assert len(list((bucket / "job").glob("look-*"))) > 2


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.skipif(sys.platform != "linux", reason="starts a cluster")
def test_a_cancel_reaches_the_cluster(job: Job, nodes: Nodes, bucket: Path) -> None:
    with job.process(by_cluster(job, nodes, bucket)) as process:
        until(nodes.at_work)
        process.send_signal(signal.SIGTERM)  # as the service cancels
        assert process.wait(HANGS_AFTER_SECONDS) == -signal.SIGTERM
    until(lambda: not nodes.at_work())
    assert not (job.folder / RESULT_FILE).exists()


def settings_of(**jobs: Any) -> ServiceSettings:
    return ServiceSettings(jobs=JobSettings(**jobs), storage=jobs.pop("storage", "local"))


def test_without_an_executor_the_worker_is_all_there_is(tmp_path: Path) -> None:
    assert driver_command(settings_of(), tmp_path, ["worker", "x"]) == ["worker", "x"]
    assert driver_environment(settings_of(), {"A": "1"}, {"RAY_AUTH_TOKEN": "secret"}) == {"A": "1"}


def test_what_a_cluster_asks_for_is_for_the_driver(tmp_path: Path) -> None:
    environ = {"RAY_AUTH_TOKEN": "secret", "BYSTANDER_TOKENS": "of the service"}
    given = driver_environment(settings_of(executor="ray"), {"A": "1"}, environ)
    assert given == {"A": "1", "RAY_AUTH_TOKEN": "secret"}

    command = driver_command(
        settings_of(executor="ray", confinement="required"), tmp_path, ["worker"]
    )
    options = DriverOptions.model_validate_json(command[-2])
    assert command[-1] == "worker"
    assert options.settings.worker.confinement == "required"


def test_parts_go_where_storage_is() -> None:
    def place(**more: Any) -> str | None:
        return bucket_of(ServiceSettings(**more))

    ray = JobSettings(executor="ray")
    assert place(jobs=ray) is None
    assert place(jobs=ray, storage="gs://films/service") == "gs://films/service/work"
    elsewhere = ray.model_copy(update={"work": "gs://parts/"})
    assert place(jobs=elsewhere, storage="gs://films/service") == "gs://parts"
    assert place(storage="gs://films/service") is None


@pytest.mark.parametrize("own", [True, False])
def test_parts_that_a_crash_left_are_swept_in_the_services_own_bucket(
    own: bool, tmp_path: Path
) -> None:
    jobs = JobSettings(executor="ray", work=None if own else f"file://{tmp_path}/service/work")
    settings = ServiceSettings(storage=f"file://{tmp_path}/service", jobs=jobs)
    bucket = bucket_of(settings)
    assert bucket is not None
    ended, going = bucket_workspace(bucket, "1"), bucket_workspace(bucket, "10")
    for workspace in (ended, going):
        with workspace.storing("look-1") as path:
            path.write_bytes(b"faces")

    sweep_parts(settings, lambda: {"10"})
    assert ended.has("look-1") is not own
    assert going.has("look-1")


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
def test_the_worker_sees_no_token(job: Job) -> None:
    """It is told neither the driver's variables nor where it could read them."""
    with job.process(job.driver(), RAY_AUTH_TOKEN="secret") as process:
        until(lambda: below(process.pid))
        worker = psutil.Process(below(process.pid)[0])
        until(lambda: "drawn_worker" in " ".join(worker.cmdline()))
        assert "RAY_AUTH_TOKEN" not in worker.environ()
