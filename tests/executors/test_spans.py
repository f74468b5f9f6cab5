"""Whichever executor does a task, its span is part of what it was done for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from bystander import tracing
from bystander.executors.processes import Processes
from bystander.executors.settings import WorkerSettings
from bystander.pipeline.tasks import Executor, InProcess
from tests.support.fake_tasks import Bench

EXECUTORS: dict[str, Callable[[WorkerSettings], Executor]] = {
    "in this process": lambda settings: InProcess(),
    "in others": lambda settings: Processes(2, settings),
}


@pytest.fixture
def sent() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.send_spans("tests", SimpleSpanProcessor(exporter))
    yield exporter
    tracing.stop()


@pytest.mark.parametrize("name", EXECUTORS)
def test_tasks_belong_to_what_they_are_done_for(
    name: str, bench: Bench, settings: WorkerSettings, sent: InMemorySpanExporter
) -> None:
    tasks = bench.tasks(3)
    with tracing.span("analyze"):
        EXECUTORS[name](settings).run(tasks, lambda frames: None)
    *done, stage = sent.get_finished_spans()
    assert [span.name for span in done] == [tracing.TASK] * 3
    assert stage.context
    assert {span.parent.span_id for span in done if span.parent} == {stage.context.span_id}
    assert [dict(span.attributes or {}) for span in done] == [
        {"frames": task.frames} for task in tasks
    ]
