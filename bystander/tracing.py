"""Work -> spans of OpenTelemetry: request, job, stage and task in one trace.

Nothing is recorded until a process says where its spans go: to a collector (`export_spans`), or to
whoever started it (`hand_over_spans`). Workers do the latter, because they have no network: a span
goes the way of the results, up to the process that exports. A parent is named by its `traceparent`
(W3C Trace Context), a string that travels with the work.

Attributes are numbers, ids and words of this program, never names of people or of files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExportResult

TRACEPARENT_VARIABLE: Final = "TRACEPARENT"
TRACEPARENT_PATTERN: Final = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
ENDPOINT_VARIABLES: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
"""OpenTelemetry's own; its others (headers, sampler, certificate) hold as well."""
HEADER: Final = "traceparent"
TASK: Final = "task"
ROOT: Final = ""
"""The parent of a span that has none."""

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{0,80}$")]
Attributes = Mapping[str, bool | int | float | str]


class SpanRecord(BaseModel):
    """A finished span on its way to another process.

    Attributes:
        trace, span, parent: ids, in hexadecimal digits.
        start_ns, end_ns: nanoseconds since 1970.
        failed: it ended with an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Word
    trace: str = Field(pattern="^[0-9a-f]{32}$")
    span: str = Field(pattern="^[0-9a-f]{16}$")
    parent: str = Field(pattern="^[0-9a-f]{16}$")
    start_ns: int = Field(ge=0, lt=2**63)
    end_ns: int = Field(ge=0, lt=2**63)
    failed: bool = False
    attributes: dict[Word, bool | int | float | Word] = Field(default={}, max_length=16)


@dataclass(frozen=True)
class _Destination:
    provider: TracerProvider
    processor: SpanProcessor


_PROPAGATOR: Final = TraceContextTextMapPropagator()
_process: list[_Destination] = []
"""Where this process's spans go; none or one."""
_task: ContextVar[_Destination | None] = ContextVar("task", default=None)
"""The same, but of the task that is being run."""


def export_spans(service: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send this process's spans to the collector that the environment names, by OTLP over HTTP.

    Returns:
        Whether it names one; else nothing changes.
    """
    if not any(environ.get(name) for name in ENDPOINT_VARIABLES):
        return False
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    send_spans(service, BatchSpanProcessor(OTLPSpanExporter()))
    return True


def send_spans(service: str, processor: SpanProcessor) -> None:
    """Give this process's spans to `processor`, under the name `service`."""
    _process[:] = [_destination(service, processor)]


def hand_over_spans(tell: Callable[[SpanRecord], None]) -> None:
    """Tell `tell` of each span of this process that has ended; its own process adopts it."""
    _process[:] = [_telling(tell)]


def stop() -> None:
    """Record nothing any more; what wasn't sent yet is sent."""
    for destination in _process:
        destination.provider.shutdown()
    _process.clear()


def enabled() -> bool:
    """Whether spans of this process go anywhere."""
    return _here() is not None


def traceparent() -> str | None:
    """The span that is going on, for work that belongs to it; None where nothing is recorded."""
    if not (enabled() and trace.get_current_span().get_span_context().trace_flags.sampled):
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get(HEADER)


@contextmanager
def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    parent: str | None = None,
    kind: trace.SpanKind = trace.SpanKind.INTERNAL,
) -> Iterator[trace.Span]:
    """One piece of work. An error that leaves it makes the span a failed one, by its type alone.

    Args:
        parent: a traceparent, or `ROOT`; None: the span that is going on here.
    """
    destination = _here()
    if destination is None:
        yield trace.INVALID_SPAN
        return
    with destination.provider.get_tracer(__name__).start_as_current_span(
        name,
        context=None if parent is None else _context(parent),
        kind=kind,
        attributes=attributes,
        record_exception=False,  # its message may name files and people
        set_status_on_exception=False,
    ) as begun:
        try:
            yield begun
        except BaseException as error:
            begun.set_status(trace.StatusCode.ERROR)
            begun.set_attribute("error.type", type(error).__name__)
            raise


@contextmanager
def within(parent: str | None) -> Iterator[None]:
    """What is recorded meanwhile belongs to `parent`, a span of another process."""
    token = attach(_context(parent)) if parent else None
    try:
        yield
    finally:
        if token is not None:
            detach(token)


@contextmanager
def task_span(frames: int, parent: str | None) -> Iterator[list[SpanRecord]]:
    """A task of an executor, in whichever process sees to it.

    Args:
        frames: how many it goes through.
        parent: `traceparent()` of whoever gave it to the executor; None: nothing is recorded.

    Returns:
        What the executor has to bring back for `adopt`, complete once the task is over: nothing
        where this process has a way of its own.
    """
    collected: list[SpanRecord] = []
    if parent is None:
        yield collected
        return
    token = None if enabled() else _task.set(_telling(collected.append))
    try:
        with span(TASK, {"frames": frames}, parent=parent):
            yield collected
    finally:
        if token is not None:
            _task.reset(token)


def adopt(records: Iterable[SpanRecord], parent: str | None) -> None:
    """Send on what another process handed over, if it is of the trace that `parent` is of."""
    destination = _here()
    if destination is None or parent is None:
        return
    for record in records:
        if record.trace == parent.split("-")[1]:
            destination.processor.on_end(_readable(record, destination.provider))


def _here() -> _Destination | None:
    return _task.get() or next(iter(_process), None)


def _context(parent: str) -> Context:
    return _PROPAGATOR.extract({HEADER: parent}, Context())


def _destination(service: str, processor: SpanProcessor) -> _Destination:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(processor)
    return _Destination(provider, processor)


def _telling(tell: Callable[[SpanRecord], None]) -> _Destination:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    class Telling(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            for ended in spans:
                tell(_record(ended))
            return SpanExportResult.SUCCESS

    return _destination("bystander", SimpleSpanProcessor(Telling()))


def _record(ended: ReadableSpan) -> SpanRecord:
    context = ended.get_span_context()
    assert context is not None
    return SpanRecord.model_validate(
        {
            "name": ended.name,
            "trace": trace.format_trace_id(context.trace_id),
            "span": trace.format_span_id(context.span_id),
            "parent": trace.format_span_id(ended.parent.span_id if ended.parent else 0),
            "start_ns": ended.start_time,
            "end_ns": ended.end_time,
            "failed": ended.status.status_code is trace.StatusCode.ERROR,
            "attributes": dict(ended.attributes or {}),
        }
    )


def _readable(record: SpanRecord, provider: TracerProvider) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan

    context = partial(
        trace.SpanContext,
        int(record.trace, 16),
        is_remote=False,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    failed = trace.StatusCode.ERROR if record.failed else trace.StatusCode.UNSET
    return ReadableSpan(
        name=record.name,
        context=context(int(record.span, 16)),
        parent=context(int(record.parent, 16)),
        resource=provider.resource,
        attributes=record.attributes,
        status=trace.Status(failed),
        start_time=record.start_ns,
        end_time=record.end_ns,
    )
