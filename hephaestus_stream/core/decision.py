"""What the engine decides: the new state, what happened, and what is to be done."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from hephaestus_stream.core.answer import Answer
from hephaestus_stream.core.input import TimerKind
from hephaestus_stream.core.state import Reported, State

HistoryType = Literal[
    "started",
    "start_refused",
    "step_started",
    "step_completed",
    "step_failed",
    "step_restarted",
    "step_held",
    "retry_scheduled",
    "suspended",
    "resumed",
    "event_kept",
    "event_dropped",
    "event_refused",
    "timer_set",
    "timer_fired",
    "routed",
    "node_dead",
    "interrupted",
    "outcome_ignored",
    "migrated",
    "migration_refused",
    "halted",
    "retried",
    "paused",
    "continued",
    "skipped",
    "cancelled",
    "failed",
    "completed",
]


class HistoryEvent(msgspec.Struct, frozen=True):
    """One thing that happened to a run; `sequence` counts them from 1 without a gap."""

    sequence: int
    at: datetime
    type: HistoryType
    node: str | None
    event: str | None
    attempt: int | None
    details: dict[str, object]


class RunStep(msgspec.Struct, frozen=True):
    """Execute an attempt of a step."""

    node: str
    attempt: int


class StopStep(msgspec.Struct, frozen=True):
    """An attempt's outcome is no longer wanted; stop it if it still runs.

    Attributes:
        at_once: Whether its code gets no time to clean up.
    """

    node: str
    attempt: int
    at_once: bool = False


class SetTimer(msgspec.Struct, frozen=True):
    """Come back with `TimerFired` at the due time."""

    node: str
    attempt: int
    kind: TimerKind
    due_at: datetime


class ClearTimer(msgspec.Struct, frozen=True):
    """Forget a timer."""

    node: str
    attempt: int
    kind: TimerKind
    due_at: datetime


class Choose(msgspec.Struct, frozen=True):
    """Ask the routing function of a node's event, and come back with `Chosen` in the same cycle."""

    node: str
    event: str


class PublishResult(msgspec.Struct, frozen=True):
    """Tell the world a step's result."""

    node: str
    attempt: int
    sequence: int
    reported: Reported
    started_at: datetime


class PublishCompletion(msgspec.Struct, frozen=True):
    """Tell the world that the run ended; the state says how."""

    sequence: int


Effect = RunStep | StopStep | SetTimer | ClearTimer | Choose | PublishResult | PublishCompletion


class Decision(msgspec.Struct, frozen=True):
    """The outcome of one transition.

    Attributes:
        state: The new state, complete; the old one is untouched.
        history: What happened, in order.
        effects: What the shard has to do, in order.
        answer: To a command; None for what is no command.
    """

    state: State
    history: tuple[HistoryEvent, ...]
    effects: tuple[Effect, ...]
    answer: Answer | None
