"""Attempts that may kill their worker: they begin again in turns, so that the one which does is found.

Each turn is half of those that are suspected most, and has a minute for itself. If its worker is lost in it, the half
of that half comes first at the next owner; so a thousand suspects take ten turns, whether nothing happens or one kills.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hephaestus_stream.core.limits import PROMPT_LOSS
from hephaestus_stream.cycle.source import TakenOver

_BEGINNING_OF_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Suspect:
    """An attempt that is held."""

    key: str
    run: str
    node: str
    losses: int
    started_at: datetime | None


class Suspects:
    """Those of one partition; whoever lost most workers in a row comes first, then whoever began last."""

    def __init__(self, suspects: Iterable[Suspect] = ()) -> None:
        self._waiting = sorted(
            suspects, key=lambda each: (each.losses, each.started_at or _BEGINNING_OF_TIME), reverse=True
        )

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def turn(self) -> list[TakenOver]:
        """Those that begin next, by their runs."""
        most = sum(each.losses == self._waiting[0].losses for each in self._waiting) if self._waiting else 0
        count = (most + 1) // 2
        turn, self._waiting = self._waiting[:count], self._waiting[count:]
        nodes: dict[tuple[str, str], list[str]] = defaultdict(list)
        for each in turn:
            nodes[each.key, each.run].append(each.node)
        return [TakenOver(key, run, worker_lost=True, turn=tuple(names)) for (key, run), names in nodes.items()]


class Turns:
    """Of all partitions of a worker together one has a turn at a time: they would die by each other's suspects."""

    def __init__(self) -> None:
        self._free_at = _BEGINNING_OF_TIME

    def take(self, now: datetime) -> bool:
        """Whether a turn begins now."""
        if self.rest(now):
            return False
        self.wait(now)
        return True

    def wait(self, now: datetime) -> None:
        """Lets none begin for a minute: others that may be to blame have begun."""
        self._free_at = now + PROMPT_LOSS

    def rest(self, now: datetime) -> timedelta:
        """How long until the next one may begin; a clock that was put back ends the wait."""
        rest = self._free_at - now
        return rest if timedelta(0) < rest <= PROMPT_LOSS else timedelta(0)
