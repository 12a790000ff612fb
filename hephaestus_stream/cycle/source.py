"""What comes into a cycle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hephaestus_stream.cycle.attempt import AttemptEnd, AttemptId
from hephaestus_stream.cycle.record import TimerRecord


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A record of the commands topic, as it was read.

    Attributes:
        offset: Its offset in the partition.
        timestamp: When the broker appended it, in milliseconds since 1970.
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all that somebody wrote into it."""
        headers = sum(len(name.encode()) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt that outlived its cycle has ended."""

    id: AttemptId
    end: AttemptEnd


@dataclass(frozen=True, slots=True)
class TimerDue:
    """The due time of a timer has come."""

    timer: TimerRecord
    jitter: float


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A run has running steps that nobody executes: their worker is gone, or has closed; see `Recovered`.

    With a `turn` it was taken over before, and these of its held steps begin now.
    """

    key: str
    run: str
    worker_lost: bool
    last_seen: datetime | None = None
    alone: str | None = None
    turn: tuple[str, ...] = ()


Source = CommandRecord | AttemptEnded | TimerDue | TakenOver
