"""Due timers of parked runs: they wait until a worker has the workflow."""

from __future__ import annotations

from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.record import TimerRecord
from hephaestus_stream.cycle.tables import timer_place


class HeldTimers:
    """The timers that one owner has met and cannot fire; the next owner meets them anew."""

    def __init__(self) -> None:
        self._held: set[TimerRecord] = set()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, timer: object) -> bool:
        return timer in self._held

    def committed(self, batch: Batch) -> None:
        """Puts more aside, and lets those go that are cleared, or whose runs have moved to a version that is here."""
        self._held.update(batch.held)
        if self._held:
            self._held = {
                timer
                for timer in self._held
                if (timer.key, timer.run) not in batch.migrated
                and batch.changes.get(timer_place(timer), b"") is not None
            }

    def clear(self) -> None:
        """Forgets all: there are other workflows from now on."""
        self._held.clear()
