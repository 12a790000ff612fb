"""OpenTelemetry's SDK in this process: what is told is kept, while a test listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    HistogramDataPoint,
    InMemoryMetricReader,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from hephaestus_stream.telemetry.api import LISTENERS

Labels = frozenset[tuple[str, object]]

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT: Final = "00f067aa0ba902b7"
TRACEPARENT: Final = f"00-{TRACE}-{PARENT}-01"


class Switch(Sampler):
    """Takes spans only while a test listens: there is one SDK in a process, for all tests in it."""

    is_on = False

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        sampler = DEFAULT_ON if self.is_on else ALWAYS_OFF
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links)

    def get_description(self) -> str:
        return "while a test listens"


class Recorder:
    """Everything that was told."""

    def __init__(self) -> None:
        self.switch = Switch()
        self.exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader(
            {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}
        )
        tracers = TracerProvider(sampler=self.switch)
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        trace.set_tracer_provider(tracers)
        metrics.set_meter_provider(MeterProvider([self._reader]))

    def begin(self) -> None:
        """Forgets what others told."""
        self.exporter.clear()
        self._reader.get_metrics_data()
        self.switch.is_on = True
        LISTENERS.look()

    def end(self) -> None:
        self.switch.is_on = False

    def spans(self, name: str) -> list[ReadableSpan]:
        """The spans of a name that are over, in the order in which they ended."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def span(self, name: str) -> ReadableSpan:
        [span] = self.spans(name)
        return span

    def names(self) -> list[str]:
        return sorted(span.name for span in self.exporter.get_finished_spans())

    def metrics(self) -> dict[str, dict[Labels, float]]:
        """What was measured since the last call: of histograms, how many."""
        data = self._reader.get_metrics_data()
        found: dict[str, dict[Labels, float]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        labels = frozenset((point.attributes or {}).items())
                        found.setdefault(metric.name, {})[labels] = _number(point)
        return found


def _number(point: object) -> float:
    match point:
        case NumberDataPoint():
            return point.value
        case HistogramDataPoint():
            return point.count
        case _:
            raise AssertionError(point)


def labels(**attributes: object) -> Labels:
    """Attributes of the engine by their short names."""
    return frozenset((f"hephaestus.{name}", value) for name, value in attributes.items())


def ids_of(span: ReadableSpan) -> tuple[str, str]:
    """The trace and the id of a span, as a traceparent writes them."""
    return _ids(span.context)


def parent_of(span: ReadableSpan) -> tuple[str, str]:
    """The same of its parent."""
    return _ids(span.parent)


def _ids(context: SpanContext | None) -> tuple[str, str]:
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"
