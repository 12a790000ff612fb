from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hephaestus_stream.cycle.source import CommandRecord
from hephaestus_stream.runtime.gate import LONGEST_HOLD, TimerGate

OPENED = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def record(offset: int, at: datetime) -> CommandRecord:
    return CommandRecord(offset, int(at.timestamp() * 1000), None, None)


def allows(gate: TimerGate, due_at: datetime, *, after: timedelta = SECOND, has_commands: bool = False) -> bool:
    return gate.allows(due_at, now=OPENED + after, has_commands=has_commands)


def test_a_timer_of_an_empty_partition_fires_at_once() -> None:
    assert allows(TimerGate(end=0, opened_at=OPENED), OPENED)


def test_after_an_outage_a_timer_waits_until_the_log_is_consumed_to_the_end_seen_at_open() -> None:
    gate = TimerGate(end=10, opened_at=OPENED)
    gate.consumed([record(8, OPENED - 9 * SECOND)])
    before = allows(gate, OPENED)

    gate.consumed([record(9, OPENED - 8 * SECOND)])

    assert (before, allows(gate, OPENED)) == (False, True)


def test_markers_of_transactions_at_the_end_hold_no_timer() -> None:
    gate = TimerGate(end=10, opened_at=OPENED)

    gate.reached(up_to=10, end=10)

    assert allows(gate, OPENED)


def test_what_was_read_and_not_applied_holds_timers() -> None:
    gate = TimerGate(end=10, opened_at=OPENED)
    gate.reached(up_to=10, end=10)

    assert not allows(gate, OPENED, has_commands=True)


def test_later_records_hold_timers_again() -> None:
    gate = TimerGate(end=10, opened_at=OPENED)
    gate.reached(up_to=10, end=10)
    gate.reached(up_to=10, end=12)

    assert not allows(gate, OPENED)


def test_a_busy_partition_lets_a_timer_fire_once_younger_records_are_consumed() -> None:
    gate = TimerGate(end=1_000, opened_at=OPENED)
    gate.consumed([record(8, OPENED + 5 * SECOND)])

    assert allows(gate, OPENED + 5 * SECOND, has_commands=True)
    assert not allows(gate, OPENED + 6 * SECOND, has_commands=True)


def test_no_timer_is_held_for_ever() -> None:
    gate = TimerGate(end=1_000, opened_at=OPENED)
    due_long_ago, due_now = OPENED - 1_000 * SECOND, OPENED + 10 * SECOND

    assert not allows(gate, due_long_ago, after=LONGEST_HOLD)
    assert allows(gate, due_long_ago, after=LONGEST_HOLD + SECOND)
    assert not allows(gate, due_now, after=LONGEST_HOLD + SECOND)
    assert allows(gate, due_now, after=LONGEST_HOLD + 11 * SECOND)


def test_a_timer_waits_for_commands_that_a_cycle_has_left() -> None:
    gate = TimerGate(end=20, opened_at=OPENED)
    records = [record(8, OPENED - SECOND), record(9, OPENED), record(10, OPENED + SECOND)]
    gate.consumed(records)
    before = allows(gate, OPENED + SECOND, has_commands=True)

    gate.left(records[1:])

    assert (before, allows(gate, OPENED + SECOND, has_commands=True)) == (True, False)
    assert allows(gate, OPENED, has_commands=True)
