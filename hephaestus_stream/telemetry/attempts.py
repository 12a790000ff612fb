"""One attempt of a step, as traces, metrics and the log see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final, Protocol

from opentelemetry.trace import Span, Status, StatusCode

from hephaestus_stream.core.input import StepEmitted, StepFailed, StepSuspended
from hephaestus_stream.core.step import is_step
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd
from hephaestus_stream.telemetry import names
from hephaestus_stream.telemetry.api import KINDS, LISTENERS, TRACER, Attributes, context_of, histogram

Running = Coroutine[object, object, None]

_DURATION: Final = histogram(names.STEP_DURATION)


class Observable(Protocol):
    """An attempt at work.

    Attributes:
        attempt: Which.
        outcome: What the engine is told: perhaps before the code has ended, as at a timeout.
        began_at: When the code began, by the event loop's clock; None while it waits for its place.
    """

    attempt: Attempt
    outcome: asyncio.Future[AttemptEnd]
    began_at: float | None


def observed(work: Observable, run: Callable[[], Running]) -> Running:
    """Runs an attempt within its span, so that what its step calls is traced, too.

    Args:
        work: What is executed.
        run: Sees to it, until its code has ended or is given up; where nobody looks, it is all that is run.
    """
    if work.attempt.state.trace is None:
        return _measured(work, run) if LISTENERS.measures else run()
    return _traced(work, run)


async def _measured(work: Observable, run: Callable[[], Running]) -> None:
    try:
        await run()
    finally:
        _measure(work)


async def _traced(work: Observable, run: Callable[[], Running]) -> None:
    state, id = work.attempt.state, work.attempt.id  # noqa: A001 - the attempt's id
    with TRACER.start_as_current_span(
        names.STEP.of(state.workflow, id.node),
        context_of(state.trace),
        KINDS[names.STEP.kind],
        _described(work.attempt),
    ) as span:
        try:
            await run()
        finally:
            _tell(span, work)
            _measure(work)


def _described(attempt: Attempt) -> Attributes:
    node = attempt.definition.nodes.get(attempt.id.node)
    return {
        names.WORKFLOW: attempt.state.workflow,
        names.VERSION: attempt.state.version,
        names.KEY: attempt.id.key,
        names.RUN: attempt.id.run,
        names.NODE: attempt.id.node,
        names.ATTEMPT: attempt.id.number,
        names.RUNNER: node.runs_in() if is_step(node) else "none",
    }


def _measure(work: Observable) -> None:
    """Records how long the code took, without the time that it waited for its place."""
    if work.began_at is None or not LISTENERS.measures:
        return
    state = work.attempt.state
    told: Attributes = {
        names.WORKFLOW: state.workflow,
        names.VERSION: state.version,
        names.NODE: work.attempt.id.node,
        names.OUTCOME: _outcome(_end(work)),
    }
    _DURATION.record(work.outcome.get_loop().time() - work.began_at, told)


def _tell(span: Span, work: Observable) -> None:
    end = _end(work)
    span.set_attribute(names.OUTCOME, _outcome(end))
    if isinstance(end, StepEmitted):
        span.set_attribute(names.EVENT, end.reported.event)
    elif isinstance(end, StepFailed):
        error = end.error
        span.add_event(
            "exception",
            {
                "exception.type": error.type,
                "exception.message": error.message,
                "exception.stacktrace": error.traceback,
            },
        )
        span.set_attribute(names.ERROR, error.type)
        span.set_status(Status(StatusCode.ERROR, error.message))


def _end(work: Observable) -> AttemptEnd | None:
    """What the engine is told; None for an attempt that was stopped."""
    return work.outcome.result() if work.outcome.done() and not work.outcome.cancelled() else None


def _outcome(end: AttemptEnd | None) -> str:
    match end:
        case StepEmitted():
            return "completed"
        case StepSuspended():
            return "suspended"
        case StepFailed():
            return "failed"
        case None:
            return "stopped"
