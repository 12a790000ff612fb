"""Due timers of parked runs: they wait until a worker has the workflow."""

from __future__ import annotations

from datetime import datetime

from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.index import TIMERS
from hephaestus_stream.cycle.record import TimerRecord
from hephaestus_stream.cycle.tables import Tables, timer_end, timer_place


class HeldTimers:
    """The timers that one owner has met and cannot fire; the next owner meets them anew.

    There may be very many, so neither a cycle nor a commit looks at all of them.
    """

    def __init__(self) -> None:
        self._held: dict[bytes, TimerRecord] = {}
        self._begin = b""

    def __len__(self) -> int:
        return len(self._held)

    def due(self, tables: Tables, now: datetime, *, limit: int) -> list[TimerRecord]:
        """The timers that are due and not held; what stands before the first of them need not be looked at again."""
        due = tables.due_timers(now, limit=limit, start=self._begin, held=self._held)
        self._begin = timer_place(due[0]) if due else timer_end(now)
        return due

    def committed(self, batch: Batch) -> None:
        """Puts more aside, and lets those go that are cleared, or whose runs have moved to a version that is here."""
        self._held.update((timer_place(timer), timer) for timer in batch.held)
        for place, value in batch.changes.items():
            if place.startswith(TIMERS):
                self._held.pop(place, None)
                self._begin = self._begin if value is None else min(self._begin, place)
        if self._held and batch.migrated:
            self._begin = b""
            self._held = {
                place: timer for place, timer in self._held.items() if (timer.key, timer.run) not in batch.migrated
            }

    def clear(self) -> None:
        """Forgets all: there are other workflows from now on."""
        self._held.clear()
        self._begin = b""
