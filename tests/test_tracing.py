"""Where spans go, and how they travel."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import ValidationError

from bystander import tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-1] + "0"


@pytest.fixture(autouse=True)
def _off_again() -> Iterator[None]:
    yield
    tracing.stop()


def test_without_a_destination_nothing_is_recorded() -> None:
    with tracing.span("work") as span, tracing.within(PARENT):
        assert not span.is_recording()
        assert tracing.traceparent() is None
    assert not tracing.export_spans("tests", {})


def test_a_process_without_a_way_of_its_own_brings_the_spans_of_a_task_back() -> None:
    with tracing.task_span(250, PARENT) as spans, tracing.span("decode"):
        assert tracing.traceparent() is not None
    inner, outer = spans
    assert (inner.name, outer.name) == ("decode", "task")
    assert (inner.parent, outer.parent) == (outer.span, PARENT.split("-")[2])
    assert {inner.trace, outer.trace} == {PARENT.split("-")[1]}
    assert outer.attributes == {"frames": 250}
    assert outer.start_ns <= inner.start_ns <= inner.end_ns <= outer.end_ns
    assert not tracing.enabled()


def test_a_process_with_a_way_of_its_own_brings_nothing_back() -> None:
    handed: list[tracing.SpanRecord] = []
    tracing.hand_over_spans(handed.append)
    with tracing.task_span(1, PARENT) as spans:
        pass
    assert spans == []
    assert [span.name for span in handed] == ["task"]


def test_what_is_adopted_is_sent_as_it_was() -> None:
    with (
        pytest.raises(ZeroDivisionError),
        tracing.task_span(1, PARENT) as spans,
    ):
        raise ZeroDivisionError("Annabel")
    exporter = InMemorySpanExporter()
    tracing.send_spans("tests", SimpleSpanProcessor(exporter))
    tracing.adopt(spans, PARENT)
    (sent,) = exporter.get_finished_spans()
    assert sent.context
    assert sent.parent
    assert f"{sent.context.trace_id:032x}-{sent.context.span_id:016x}" == (
        f"{spans[0].trace}-{spans[0].span}"
    )
    assert (sent.start_time, sent.end_time) == (spans[0].start_ns, spans[0].end_ns)
    assert not sent.status.is_ok
    assert sent.attributes == {"frames": 1, "error.type": "ZeroDivisionError"}
    assert sent.resource.attributes["service.name"] == "tests"
    assert "Annabel" not in sent.to_json()


def test_a_caller_who_records_nothing_has_nothing_recorded() -> None:
    tracing.send_spans("tests", SimpleSpanProcessor(exporter := InMemorySpanExporter()))
    with tracing.span("request", parent=UNSAMPLED):
        assert tracing.traceparent() is None
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize("name", ["the photo of Annabel", "/data/work", "x" * 81])
def test_words_of_others_are_no_names(name: str) -> None:
    with tracing.task_span(1, PARENT) as spans:
        pass
    with pytest.raises(ValidationError):
        tracing.SpanRecord.model_validate({**spans[0].model_dump(), "name": name})
    with pytest.raises(ValidationError):
        tracing.SpanRecord.model_validate({**spans[0].model_dump(), "attributes": {"of": name}})
