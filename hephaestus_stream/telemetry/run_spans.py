"""The spans of a run that no code of a step is in: its beginning, its waits and retries, its whole.

A run continues the trace of the command that started it. That command's context is what the run keeps, so steps,
waits and the run itself are siblings under the client's span, and `hephaestus.run` tells which belong together. A span
for the run that is the parent of the others would have to be made before the start is committed: a cycle that is lost
would leave it behind, and the next one would make another.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, Status, StatusCode, get_current_span

from hephaestus_stream.core.decision import Decision, HistoryEvent
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.telemetry import names
from hephaestus_stream.telemetry.api import KINDS, LISTENERS, TRACER, Attributes, context_of, is_sampled, text_of
from hephaestus_stream.telemetry.names import SpanName

_logger: Final = logging.getLogger(__name__)

_BILLION = 1_000_000_000


def begin_trace(definition: Definition) -> str | None:
    """Begins a trace for a run whose start came with none; None where nobody would look at it."""
    if not LISTENERS.traces:
        return None
    try:
        return _begun(definition)
    except Exception:  # a sampler of the user's must refuse no start
        _logger.exception("no trace could be begun for a run of %s", definition.name)
        return None


def _begun(definition: Definition) -> str | None:
    attributes: Attributes = {names.WORKFLOW: definition.name, names.VERSION: definition.version, names.SYSTEM: "kafka"}
    span = TRACER.start_span(names.BEGIN.of(definition.name), Context(), KINDS[names.BEGIN.kind], attributes)
    span.end()
    return text_of(span) if span.get_span_context().trace_flags.sampled else None


def tell_spans(batch: Batch) -> None:
    """Makes the spans of what a batch has committed."""
    traced = [each for each in batch.decisions if each.state.trace is not None and is_sampled(each.state.trace)]
    if not traced:
        return
    causes = {taken.id: taken.trace for taken in batch.taken if taken.trace is not None}
    for decision in traced:
        for event in decision.history:
            _tell(decision, event, causes)


def _tell(decision: Decision, event: HistoryEvent, causes: Mapping[str | None, str]) -> None:
    state = decision.state
    match event.type:
        case "resumed":
            _wait(state, event, causes, outcome="resumed")
        case "timer_fired" if event.details.get("timer") == "wait":
            _wait(state, event, causes, outcome="timed_out")
        case "retry_scheduled":
            due_at = {names.DUE_AT: str(event.details.get("due_at"))}
            _make(names.RETRY, state, event, {**_of_node(event), **due_at}, began=event.at)
        case "completed" | "failed" | "cancelled":
            _run(state, event, causes)
        case _:
            pass


def _wait(state: State, event: HistoryEvent, causes: Mapping[str | None, str], *, outcome: str) -> None:
    node = state.nodes.get(event.node or "")
    began = event.at if node is None or node.started_at is None else node.started_at
    told = {**_of_node(event), names.OUTCOME: outcome}
    if event.event is not None:
        told[names.EVENT] = event.event
    _make(names.WAIT, state, event, told, began=began, cause=_cause(event, causes))


def _run(state: State, event: HistoryEvent, causes: Mapping[str | None, str]) -> None:
    told: Attributes = {names.STATUS: state.status}
    if state.ended_at is not None:
        told[names.NODE] = state.ended_at
    if state.error is not None:
        told[names.ERROR] = state.error.type
    problem = state.error.message if state.error is not None else None
    _make(names.RUN_SPAN, state, event, told, began=state.started_at, cause=_cause(event, causes), problem=problem)


def _of_node(event: HistoryEvent) -> Attributes:
    told: Attributes = {names.NODE: event.node or ""}
    return told if event.attempt is None else {**told, names.ATTEMPT: event.attempt}


def _cause(event: HistoryEvent, causes: Mapping[str | None, str]) -> str | None:
    """The trace of the command that an event came from: it is linked, since it is another's."""
    command = event.details.get("command")
    return causes.get(command) if isinstance(command, str) else None


def _make(
    name: SpanName,
    state: State,
    event: HistoryEvent,
    more: Attributes,
    *,
    began: datetime,
    cause: str | None = None,
    problem: str | None = None,
) -> None:
    """Makes a span that is over."""
    attributes: Attributes = {
        names.WORKFLOW: state.workflow,
        names.VERSION: state.version,
        names.KEY: state.key,
        names.RUN: state.run,
        **more,
    }
    links = None if cause is None else [Link(get_current_span(context_of(cause)).get_span_context())]
    node = None if name is names.RUN_SPAN else event.node
    span = TRACER.start_span(
        name.of(state.workflow, node),
        context_of(state.trace),
        KINDS[name.kind],
        attributes,
        links,
        _nanoseconds(began),
    )
    if problem is not None:
        span.set_status(Status(StatusCode.ERROR, problem))
    span.end(_nanoseconds(event.at))


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * _BILLION)
