"""One trace from the request to the tasks of its job, through the processes between them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bystander import tracing
from bystander.choices import ProfileName
from bystander.executors.settings import ClusterSettings, WorkerSettings
from bystander.sandbox.launch import Confinement, confined_command
from bystander.server.jobs.driver import DriverOptions
from bystander.server.jobs.runner import Runner
from bystander.server.jobs.spec import JobSpec
from bystander.server.models import JobKind, JobState
from tests.conftest import REPOSITORY
from tests.support.drawn import RED, Figure, Scene, standing
from tests.support.drawn_worker import NOWHERE
from tests.support.house import DONE, NAME, RESULT, House, say
from tests.support.stage import Stage, staged
from tests.support.waiting import until

pytestmark = pytest.mark.sampled(4)

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""A traceparent of the W3C's recommendation."""
TRACE = CALLER.split("-")[1]
FRAMES = 48


@pytest.fixture
def sent() -> Iterator[InMemorySpanExporter]:
    """Where this process's spans go."""
    exporter = InMemorySpanExporter()
    tracing.send_spans("tests", SimpleSpanProcessor(exporter))
    yield exporter
    tracing.stop()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as made:
        yield made


def in_parts(folder: Path) -> list[str]:
    """The command of a job that processes do in parts, for a worker that has no network."""
    tests = (REPOSITORY / "tests",)
    options = DriverOptions(
        folder=folder,
        executor="processes",
        processes=1,
        cluster="",
        bucket=None,
        settings=ClusterSettings(worker=WorkerSettings(read=tests)),
    )
    confinement = Confinement(folder=folder, read=tests)
    worker = confined_command(confinement, "tests.support.drawn_worker", str(folder), NOWHERE)
    driver = [sys.executable, "-m", "bystander.server.jobs.driver", options.model_dump_json()]
    return [*driver, *worker]


def parents(spans: Sequence[ReadableSpan]) -> dict[str, str]:
    """Names of spans and of their parents; of one that comes from elsewhere, its id."""
    names = {span.context.span_id: span.name for span in spans if span.context}
    found = {}
    for span in spans:
        assert span.parent is not None, span.name
        found[span.name] = names.get(span.parent.span_id, f"{span.parent.span_id:016x}")
    return found


@pytest.mark.long
def test_a_trace_leads_from_the_request_to_the_tasks_of_its_job(
    stage: Stage, sent: InMemorySpanExporter, tmp_path: Path
) -> None:
    video = Scene([Figure(RED, standing(20))], FRAMES).video(tmp_path / "video.mp4")
    project = stage.project(video)
    request, context = "POST /projects/{project}/jobs", stage.context
    runner = Runner(
        context.store,
        context.storage,
        context.settings,
        in_parts,
        {**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    with stage.client() as client:
        asked = {"kind": "mask", "profile": "fast"}
        where = f"/projects/{project.id}/jobs"
        answer = client.post(where, json=asked, headers={"traceparent": CALLER})
    assert answer.status_code == 202, answer.text
    job = context.store.jobs.find(answer.json()["id"])
    assert job is not None
    runner.start()
    try:
        until(lambda: {"job", request} <= {span.name for span in sent.get_finished_spans()})
    finally:
        runner.stop()
    done = context.store.jobs.find(job.id)
    assert done is not None
    assert done.state is JobState.DONE, done.problem

    spans = tuple(span for span in sent.get_finished_spans() if span.name != "POST /projects")
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {TRACE}
    stages = [span for span in spans if span.name != tracing.TASK]
    assert parents(stages) == {
        request: CALLER.split("-")[2],
        "job": request,
        "analyze": "job",
        "render": "job",
    }
    tasks = [span for span in spans if span.name == tracing.TASK]
    names = {span.context.span_id: span.name for span in stages if span.context}
    assert {names[span.parent.span_id] for span in tasks if span.parent} == {"analyze", "render"}
    assert all(0 < dict(span.attributes or {})["frames"] <= FRAMES for span in tasks)  # type: ignore[operator]
    of = {span.name: dict(span.attributes or {}) for span in spans}
    assert of["job"] == {"job": job.id, "kind": "mask", "attempt": 1}
    assert of[request]["http.response.status_code"] == 202


def test_no_span_names_a_person_a_file_or_a_project(
    stage: Stage, sent: InMemorySpanExporter
) -> None:
    project = stage.project()
    with stage.client() as client:
        where = f"/projects/{project.id}"
        client.post(f"{where}/photos", params={"person": NAME}, content=b"no picture")
        client.get(f"{where}/{NAME}")
    until(lambda: len(sent.get_finished_spans()) == 3)
    told = "".join(span.to_json() for span in sent.get_finished_spans())
    assert "/projects/{project}/photos" in told
    assert [word for word in (*NAME.split(), project.id) if word in told] == []


def test_what_a_client_makes_up_becomes_no_trace(stage: Stage, sent: InMemorySpanExporter) -> None:
    with stage.client() as client:
        client.get("/limits", headers={"traceparent": "00-somebody-else-01"})
    until(sent.get_finished_spans)  # an answer may be here before its span has ended
    (span,) = sent.get_finished_spans()
    assert span.parent is None


def test_a_worker_that_fails_makes_a_failed_span_without_its_words(
    house: House, sent: InMemorySpanExporter
) -> None:
    job = house.job()
    with house.running([[say("failed", type="NotAVideo", what=f"{NAME} isn't a video")]]):
        assert house.ended(job).state is JobState.FAILED
    (span,) = sent.get_finished_spans()
    assert not span.status.is_ok
    assert NAME.split()[0] not in span.to_json()


def test_a_worker_can_only_add_to_the_trace_of_its_job(
    house: House, sent: InMemorySpanExporter
) -> None:
    span = {"name": "look", "span": "1" * 16, "parent": "2" * 16, "start_ns": 1, "end_ns": 2}
    own, other = {**span, "trace": TRACE}, {**span, "trace": "3" * 32}
    unclean = {**own, "name": f"the photo of {NAME}"}
    order = JobSpec(kind=JobKind.MASK, profile=ProfileName.FAST, traceparent=CALLER)
    job = house.job(**order.model_dump(mode="json", exclude={"kind"}))
    says = [say("span", span=told) for told in (own, other, unclean)]
    with house.running([[*says, RESULT, DONE]]):
        assert house.ended(job).state is JobState.DONE
    assert [span.name for span in sent.get_finished_spans()] == ["look", "job"]


def test_nothing_is_recorded_where_nobody_asks_for_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in tracing.ENDPOINT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not tracing.export_spans("tests")
    job = house.job(traceparent=CALLER)
    seen = house.data / "environment"
    with house.running([[("copy", ["/proc/self/environ", str(seen)]), RESULT, DONE]]):
        assert house.ended(job).state is JobState.DONE
    assert b"TRACEPARENT" not in seen.read_bytes()
