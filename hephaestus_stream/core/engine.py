"""The engine: one pure function from a state and an input to a decision.

It knows no clock, no randomness and no user code. Payloads are bytes that it never looks into; what a step or a
routing function said comes in as an input.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime
from typing import assert_never

from hephaestus_stream.core import external, migration, parking, progress, steering, takeover
from hephaestus_stream.core.answer import Accepted, Refused
from hephaestus_stream.core.decision import ClearTimer, Decision
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.input import (
    Cancel,
    ChoiceFailed,
    Chosen,
    Continue,
    Input,
    Migrate,
    Pause,
    Recovered,
    Release,
    Resume,
    Retry,
    Skip,
    Start,
    StartRefused,
    StepEmitted,
    StepFailed,
    StepSuspended,
    TimerFired,
)
from hephaestus_stream.core.journal import Journal
from hephaestus_stream.core.state import State
from hephaestus_stream.errors import EngineError


def apply(  # noqa: C901, PLR0912  # one case per input: the dispatch is the function
    definition: Definition | None, state: State | None, what: Input, *, now: datetime
) -> Decision:
    """What follows from an input.

    Args:
        definition: The workflow, in the version of the run, or for `Migrate` in the one that it is to have. None where
            the worker lacks it: the run is parked then, and takes in `Resume`, `StartRefused`, `Pause` and
            `Cancel`.
        state: The run; None for `Start`, which makes it.
        what: What happened.
        now: The time of it, in UTC. Times in the history never run backwards, whatever the clock does.

    Raises:
        EngineError: A bug of the engine or of its caller; nothing has changed.
    """
    if isinstance(what, Start):
        if state is not None:
            raise EngineError(f"{state.key} has the run {state.run} already; Start makes a new one and takes none")
        if definition is None:
            raise EngineError(f"{what.key} cannot start without its workflow")
        return _start(definition, what, now=now)
    if state is None:
        raise EngineError(f"{type(what).__name__} needs a run, and there is none")
    journal = Journal(definition, state, now=now)
    if journal.is_halted and not isinstance(what, Cancel | Retry):
        _stand_still(journal, what, key=state.key)
        return journal.decision()
    match what:  # the most frequent ones first
        case StepEmitted() | StepSuspended() | StepFailed():
            if progress.is_current(journal, what.node, what.attempt):
                _end_attempt(journal, what)
        case Resume() if definition is None:
            parking.keep(journal, what, key=state.key)
        case Resume():
            external.resume(journal, what, key=state.key)
        case Release():
            parking.release(journal, what.resume, key=state.key)
        case StartRefused():
            journal.refuse("start_refused", command=what.command, reason=what.reason, message=what.message)
        case Migrate():
            migration.migrate(journal, what, key=state.key)
        case Cancel():
            steering.cancel(journal, what, key=state.key)
        case Retry():
            steering.retry(journal, what, key=state.key)
        case Pause():
            steering.pause(journal, what, key=state.key)
        case Continue():
            steering.continue_(journal, what, key=state.key)
        case Skip():
            steering.skip(journal, what, key=state.key)
        case Chosen():
            progress.choose(journal, what.node, label=what.label)
        case ChoiceFailed():
            progress.fail_choice(journal, what.node, error=what.error)
        case TimerFired():
            progress.fire(journal, what)
        case Recovered():
            takeover.recover(journal, what)
        case _:
            assert_never(what)
    return journal.decision()


def halt(definition: Definition, state: State, *, reason: str, now: datetime) -> Decision:
    """A live run stands still after a bug of the engine; it can be looked at, retried and cancelled."""
    journal = Journal(definition, state, now=now)
    if journal.is_live and not journal.is_halted:
        journal.halt(reason)
        journal.record("halted", details={"reason": "engine_error", "message": reason})
    return journal.decision()


def _stand_still(journal: Journal, what: Input, *, key: str) -> None:
    """A halted run takes nothing in but that it is to go on, or to end."""
    if isinstance(what, Resume | Migrate | Pause | Continue | Skip):
        message = f"{key} stands still after a bug of the engine; it can be retried and cancelled"
        journal.answer = Refused("engine_error", message)
    elif isinstance(what, TimerFired):
        journal.effects.append(ClearTimer(what.node, what.attempt, what.kind, what.due_at))


def _end_attempt(journal: Journal, what: StepEmitted | StepSuspended | StepFailed) -> None:
    match what:
        case StepEmitted():
            progress.complete(journal, what.node, what.reported)
        case StepSuspended():
            progress.suspend(journal, what)
        case StepFailed():
            progress.fail_attempt(journal, what)


def _start(definition: Definition, what: Start, *, now: datetime) -> Decision:
    state = State(
        key=what.key,
        run=what.run,
        workflow=definition.name,
        version=definition.version,
        status="pending",
        input=what.input,
        started_at=now,
        updated_at=now,
        tags=tuple(dict.fromkeys((*definition.tags, *what.tags))),
        metadata={**deepcopy(dict(definition.metadata)), **what.metadata},
        payload_bytes=max(what.size, len(what.input)),
        trace=what.trace,
    )
    journal = Journal(definition, state, now=now)
    journal.answer = Accepted("applied")
    journal.record("started")
    progress.enter(journal, definition.graph.start)
    return journal.decision()
