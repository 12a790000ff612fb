"""The timers of one shard: which are due now, and when the next will be."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Final

from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.cycle.held_timers import HeldTimers
from hephaestus_stream.cycle.source import TimerDue
from hephaestus_stream.cycle.tables import Tables, next_timer
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.runtime.gate import TimerGate

_SOON: Final = timedelta(seconds=1)
"""When timers that may not fire yet are looked at again."""


class ShardTimers:
    """Fires by the worker's clock, as long as that can be trusted, and not before the commands that came in time.

    Attributes:
        gate: Knows how far the commands are read.
        held: Those of parked runs.
    """

    def __init__(self, clock: WorkerClock, gate: TimerGate) -> None:
        self._clock = clock
        self.gate = gate
        self.held = HeldTimers()

    def due(self, committed: Committed, now: datetime, *, limit: int, has_commands: bool) -> list[TimerDue]:
        """The timers that fire now.

        Args:
            committed: The shard's state.
            now: The time to go by.
            limit: How many at most.
            has_commands: Whether commands were read that no cycle has taken.
        """
        if limit <= 0 or not self._clock.check():
            return []
        tables = Tables(committed, command_retention=timedelta(0))
        return [
            TimerDue(timer, random.random())  # noqa: S311 - spreads retries, guards nothing
            for timer in self.held.due(tables, now, limit=limit)
            if self.gate.allows(timer.due_at, now=now, has_commands=has_commands)
        ]

    def rest(self, committed: Committed, now: datetime) -> timedelta | None:
        """How long it is until a timer may fire; None where there is none."""
        if self._clock.is_off:
            return _SOON
        due_at = next_timer(committed)
        if due_at is None:
            return None
        # What is due, and yet not fired, is held by the gate or lacks its workflow.
        return due_at - now if due_at > now else _SOON
