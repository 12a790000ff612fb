"""Attempts that wait for room in the runner: only their ids, so that many may wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Final

from hephaestus_stream.cycle.attempt import Attempt, AttemptId, Kind
from hephaestus_stream.cycle.committed import Committed
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.tables import Tables

MAX_WAITING: Final = 100_000
"""From this many on a shard takes no more commands."""

_AT_ONCE: Final = 64


class Backlog:
    """What a shard committed to run, and nobody runs yet; each kind of step has a queue of its own.

    The runs' states are read when their turn comes: whatever was cancelled meanwhile is passed over.

    Args:
        profile: The shard's surroundings.
    """

    def __init__(self, profile: ShardProfile) -> None:
        self._profile = profile
        self._waiting: dict[Kind, deque[AttemptId]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def has_room(self) -> bool:
        """Whether more may wait."""
        return self._count < MAX_WAITING

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Lets attempts wait."""
        for attempt in attempts:
            self._waiting.setdefault(attempt.kind, deque()).append(attempt.id)
            self._count += 1

    def take(self, committed: Committed, *, has_room_for: Callable[[Kind], bool]) -> Iterator[Attempt]:
        """The next attempts that are still wanted and that there is room for: a few at once, kind after kind.

        Args:
            committed: The shard's state.
            has_room_for: Asked before each.
        """
        tables = Tables(committed, command_retention=timedelta(0))
        left = _AT_ONCE
        for kind, waiting in tuple(self._waiting.items()):
            if not left:
                return
            while waiting and left and has_room_for(kind):
                left -= 1
                self._count -= 1
                attempt = self._wanted(tables, waiting.popleft())
                if attempt is not None:
                    yield attempt
            del self._waiting[kind]
            if waiting:
                # Behind the other kinds.
                self._waiting[kind] = waiting

    def _wanted(self, tables: Tables, id: AttemptId) -> Attempt | None:  # noqa: A002 - the attempt's id
        state = tables.state(id.key, id.run)
        node = None if state is None else state.nodes.get(id.node)
        definition = None if state is None else self._profile.definition_of(state)
        if state is None or node is None or definition is None:
            return None
        if (node.status, node.attempt) != ("running", id.number):
            return None
        return Attempt(id, definition, state, cipher=self._profile.cipher)
