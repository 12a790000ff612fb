from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.held_timers import HeldTimers
from hephaestus_stream.cycle.memory import MemoryStore
from hephaestus_stream.cycle.record import TimerRecord
from hephaestus_stream.cycle.tables import Tables
from tests.cycle.partition import BEGIN, COMMAND_RETENTION

COUNT = 30


def timer(number: float) -> TimerRecord:
    return TimerRecord("key::1", f"run{number}", "node", 1, "wait", BEGIN + timedelta(seconds=number))


class Timers:
    """Timers of a store, and those of them that are held."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.held = HeldTimers()
        for number in range(COUNT):
            self.commit(set_=timer(number))
        self.commit(hold=self.due())

    def due(self, seconds: float = COUNT) -> list[TimerRecord]:
        tables = Tables(self.store, command_retention=COMMAND_RETENTION)
        return self.held.due(tables, BEGIN + timedelta(seconds=seconds), limit=1_000)

    def commit(
        self,
        *,
        set_: TimerRecord | None = None,
        clear: TimerRecord | None = None,
        hold: list[TimerRecord] | None = None,
        migrated: str = "",
    ) -> None:
        tables = Tables(self.store, command_retention=COMMAND_RETENTION)
        if set_ is not None:
            tables.set_timer(set_)
        if clear is not None:
            tables.clear_timer(clear)
        batch = Batch(changes=tables.changes(), held=hold or [], migrated={("key::1", migrated)} if migrated else set())
        self.store.write(batch.changes)
        self.held.committed(batch)


def test_held_timers_are_looked_at_once_and_never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    timers = Timers()
    first = timers.due()
    read: list[tuple[bytes, bytes]] = []
    scan = timers.store.scan

    def counting(prefix: bytes, *, limit: int, **bounds: Any) -> list[tuple[bytes, bytes]]:  # noqa: ANN401 - passed on
        found = scan(prefix, limit=limit, **bounds)
        read.extend(found)
        return found

    monkeypatch.setattr(timers.store, "scan", counting)
    again = timers.due(COUNT + 1)

    assert (first, again, read, len(timers.held)) == ([], [], [], COUNT)


@pytest.mark.parametrize("number", [-1, 3.5, COUNT + 1])
def test_a_timer_is_due_wherever_it_stands_among_those_that_are_held(number: float) -> None:
    timers = Timers()
    assert timers.due(COUNT + 5) == []

    timers.commit(set_=timer(number))

    assert timers.due(COUNT + 5) == timers.due(COUNT + 5) == [timer(number)]


def test_a_timer_that_is_cleared_is_held_no_more() -> None:
    timers = Timers()

    timers.commit(clear=timer(7))

    assert len(timers.held) == COUNT - 1
    timers.commit(set_=timer(7))
    assert timers.due() == [timer(7)]


def test_the_timers_of_a_run_that_has_moved_are_due_again() -> None:
    timers = Timers()
    assert timers.due() == []

    timers.commit(migrated="run7")

    assert timers.due() == [timer(7)]


def test_under_other_workflows_all_are_due_again() -> None:
    timers = Timers()
    assert timers.due() == []

    timers.held.clear()

    assert len(timers.due()) == COUNT


def test_a_clock_that_is_set_back_passes_nothing_over() -> None:
    timers = Timers()
    assert timers.due(COUNT + 100) == []
    assert timers.due(2) == []

    timers.commit(set_=timer(COUNT + 50))

    assert timers.due(COUNT + 100) == [timer(COUNT + 50)]
