"""OpenTelemetry's API as the engine uses it: its tracer, its instruments, and whether anybody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Observation
from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from hephaestus_stream.telemetry.names import Metric
from hephaestus_stream.wire.headers import trace_headers, trace_of

Attributes = dict[str, str | int]

_SCOPE: Final = "hephaestus_stream"
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_SAMPLED: Final = 0x01
_FLAGS: Final = slice(53, 55)

# Until an SDK is set up these are placeholders, which pass on to it from then on.
TRACER: Final[Tracer] = trace.get_tracer(_SCOPE)
_METER: Final = metrics.get_meter(_SCOPE)

KINDS: Final = {"producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER, "internal": SpanKind.INTERNAL}


class Listeners:
    """Whether an SDK is there: the API's own classes, which do nothing, still cost microseconds with each call.

    Attributes:
        traces: Whether somebody takes spans.
        measures: Whether somebody takes metrics.
    """

    traces = False
    measures = False

    def are_there(self) -> bool:
        """Whether somebody takes anything."""
        return self.traces or self.measures

    def look(self) -> None:
        """Finds it out anew; asked once a cycle, since the question costs as much as a span."""
        self.traces = not type(trace.get_tracer_provider()).__module__.startswith("opentelemetry.trace")
        self.measures = not type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics")


LISTENERS: Final = Listeners()


def counter(metric: Metric) -> Counter:
    """A counter."""
    return _METER.create_counter(metric.name, metric.unit, metric.description)


def histogram(metric: Metric) -> Histogram:
    """A histogram."""
    return _METER.create_histogram(
        metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=metric.boundaries
    )


def gauge(metric: Metric, observe: Callable[[CallbackOptions], Iterable[Observation]]) -> None:
    """A gauge that is asked whenever somebody collects."""
    callbacks: Sequence[Callable[[CallbackOptions], Iterable[Observation]]] = [observe]
    _METER.create_observable_gauge(metric.name, callbacks, metric.unit, metric.description)


def context_of(trace_text: str | None) -> Context:
    """The context that a run keeps as a text; an empty one for none, whatever the current one is."""
    carrier = {name: value.decode() for name, value in trace_headers(trace_text)}
    return _PROPAGATOR.extract(carrier, context=Context())


def text_of(span: Span) -> str | None:
    """The context of a span as a run keeps it, and as the headers of a command carry it."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context=trace.set_span_in_context(span, Context()))
    return trace_of([(name, value.encode()) for name, value in carrier.items()])


def is_sampled(trace_text: str) -> bool:
    """Whether somebody looks at a trace."""
    return bool(int(trace_text[_FLAGS], 16) & _SAMPLED)
