"""Whether a worker lives, and whether it is ready: what probes, load balancers and people ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far a partition that opens has followed its changelog, in offsets of `state`; both 0 before it begins."""

    reached: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHealth:
    """A moment in a worker's life.

    Attributes:
        joined: Whether the worker has dealt with what the group assigned, be it nothing, and it was not taken back.
        ready: The partitions that work.
        opening: Those that are being opened, and how far their replay is.
        closed: Those that stay closed, and why.
        clock_difference: How far the worker's clock is ahead of the brokers'.
        clock_is_off: Whether that is too far, so that timers are held.
        stopping: Whether the worker begins nothing new.
        failure: What ends the worker.
    """

    joined: bool = False
    ready: tuple[int, ...] = ()
    opening: Mapping[int, ReplayProgress] = field(default_factory=lambda: MappingProxyType({}))
    closed: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    clock_difference: timedelta = timedelta(0)
    clock_is_off: bool = False
    stopping: bool = False
    failure: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether nothing speaks for starting it again; whoever gets an answer knows that its event loop turns."""
        return self.failure is None

    def reasons(self) -> list[str]:
        """Why the worker is not ready; none if it is."""
        reasons = [] if self.failure is None else [self.failure]
        if self.stopping:
            reasons.append("the worker stops")
        if self.opening:
            reasons.append(f"{len(self.opening)} partitions are being opened")
        elif not self.joined:
            reasons.append("the group has assigned no partitions yet, or takes them back")
        # A partition that stays closed does no work, though the others do: somebody has to see to it.
        reasons += self.closed.values()
        if self.clock_is_off:
            seconds = self.clock_difference.total_seconds()
            reasons.append(f"this machine's clock differs by {seconds:.1f} s from the brokers'; timers are held")
        return reasons


class HealthReport:
    """Where a worker's health is asked for, from before it begins until after it has ended."""

    def __init__(self) -> None:
        self._source: Callable[[], WorkerHealth] = WorkerHealth

    def attach(self, source: Callable[[], WorkerHealth]) -> None:
        """The worker has begun, and says itself how it is."""
        self._source = source

    def __call__(self) -> WorkerHealth:
        """How the worker is."""
        return self._source()
