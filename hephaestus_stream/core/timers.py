"""Timers of a run: set, cleared, and held while it is paused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hephaestus_stream.core.decision import ClearTimer, SetTimer
from hephaestus_stream.core.input import StepSuspended, TimerKind
from hephaestus_stream.core.journal import Journal

_BEGINNING_OF_TIME = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def set_timer(journal: Journal, node: str, *, kind: TimerKind, due_at: datetime) -> None:
    """A node waits for a time; while the run is paused nothing fires at it."""
    state = journal.update(node, due_at=due_at)
    journal.record("timer_set", node, attempt=state.attempt, details={"timer": kind, "due_at": due_at.isoformat()})
    if not journal.paused:
        journal.effects.append(SetTimer(node, state.attempt, kind, due_at))


def clear_timer(journal: Journal, node: str) -> None:
    """A node waits for its time no longer."""
    timer = _timer_of(journal, node)
    if timer is not None:
        journal.effects.append(ClearTimer(*timer))


def _timer_of(journal: Journal, node: str) -> tuple[str, int, TimerKind, datetime] | None:
    """The timer that is set for a node."""
    state = journal.nodes[node]
    if journal.paused or state.due_at is None:
        return None
    return node, state.attempt, "retry" if state.status == "retrying" else "wait", state.due_at


def hold_timers(journal: Journal) -> None:
    """No timer of the run is set any more, though what they are of waits on."""
    for node in journal.nodes:
        clear_timer(journal, node)


def set_timers(journal: Journal) -> None:
    """The timers of all that waits in the run are set again; what has become due meanwhile fires at once."""
    for node in journal.nodes:
        timer = _timer_of(journal, node)
        if timer is not None:
            journal.effects.append(SetTimer(*timer))


def due_at_of(journal: Journal, what: StepSuspended) -> datetime | None:
    """When a wait times out; None where it waits for ever."""
    if what.timeout is not None:
        return later(journal.now, what.timeout)
    # What lies in the past is due now: timers are kept by times since 1970.
    return None if what.until is None else max(journal.now, _in_utc(what.until))


def later(now: datetime, delay: timedelta) -> datetime:
    """A time after another; beyond the calendar its end."""
    try:
        return now + max(delay, timedelta(0))
    except OverflowError:  # timedelta.max means for ever
        return _END_OF_TIME


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # the last hours of a zone west of Greenwich, or the first ones of a zone east of it
        return _BEGINNING_OF_TIME if instant.year == _BEGINNING_OF_TIME.year else _END_OF_TIME
