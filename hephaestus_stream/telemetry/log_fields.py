"""What the lines of a log have beside their sentence: where they were written, and for which run."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

from opentelemetry import trace

from hephaestus_stream.cycle.attempt import Attempt

_ATTEMPT: Final[ContextVar[Attempt | None]] = ContextVar("hephaestus_attempt", default=None)
_EMPTY: Final[Mapping[str, object]] = MappingProxyType({})
_FIELDS: Final[ContextVar[Mapping[str, object]]] = ContextVar("hephaestus_log_fields", default=_EMPTY)


def add_log_fields(fields: Mapping[str, object]) -> None:
    """Adds fields to all that is logged from here on, in this task, its threads, and the tasks that it starts."""
    _FIELDS.set({**_FIELDS.get(), **fields})


def set_attempt(attempt: Attempt) -> None:
    """Names the attempt to which all belongs that is logged from here on, as above; cheap, since few steps log."""
    _ATTEMPT.set(attempt)


def added_log_fields() -> dict[str, object]:
    """The fields that were added here, with those of the attempt."""
    fields = dict(_FIELDS.get())
    attempt = _ATTEMPT.get()
    if attempt is not None:
        key, run, node, number = attempt.id
        fields |= {"workflow": attempt.state.workflow, "key": key, "run": run, "node": node, "attempt": number}
    return fields


def log_fields() -> dict[str, object]:
    """The fields here and now, with the ids of the span that is open."""
    fields = added_log_fields()
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        fields |= {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    return fields
