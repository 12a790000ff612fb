"""When timers may fire: a timeout must not beat the event that came in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from hephaestus_stream.cycle.record import instant
from hephaestus_stream.cycle.source import CommandRecord

LONGEST_HOLD: Final = timedelta(seconds=30)
"""No timer waits longer than this for the log, so that a busy partition's timers fire at last."""


class TimerGate:
    """Follows how far the commands have been read.

    After an outage the log may hold events older than a due time; such a timer waits until they are consumed.

    Args:
        end: The log's end when the shard was opened.
        opened_at: When that was.
    """

    def __init__(self, *, end: int, opened_at: datetime) -> None:
        self._end = end
        self._opened_at = opened_at
        self._up_to = 0
        self._read_until: datetime | None = None

    @property
    def end(self) -> int:
        """The log's end as it was last told."""
        return self._end

    def reached(self, *, up_to: int, end: int) -> None:
        """Every record below `up_to` was read, and the log ended at `end`."""
        self._up_to = up_to
        self._end = max(self._end, end)

    def consumed(self, records: Sequence[CommandRecord]) -> None:
        """These records were taken by a cycle."""
        if records:
            self._up_to = max(self._up_to, records[-1].offset + 1)
            self._read_until = instant(records[-1].timestamp * 1000)

    def left(self, records: Sequence[CommandRecord]) -> None:
        """These records were not taken after all; they are the last of those that were told."""
        if records:
            self._read_until = instant(records[0].timestamp * 1000)

    def allows(self, due_at: datetime, *, now: datetime, has_commands: bool) -> bool:
        """Whether a timer that is due may fire."""
        if self._up_to >= self._end and not has_commands:
            return True
        if self._read_until is not None and self._read_until >= due_at:
            return True
        return now - max(due_at, self._opened_at) > LONGEST_HOLD
