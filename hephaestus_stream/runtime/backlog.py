"""Attempts that wait for room in the runner: only their ids, so that many may wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from hephaestus_stream.cycle.attempt import Attempt, AttemptId
from hephaestus_stream.cycle.execution import ShardProfile
from hephaestus_stream.cycle.tables import Committed, Tables

MAX_WAITING: Final = 100_000
"""From this many on a shard takes no more commands."""


class Backlog:
    """What a shard committed to run, and nobody runs yet.

    The runs' states are read when their turn comes: whatever was cancelled meanwhile is passed over.

    Args:
        profile: The shard's surroundings.
    """

    def __init__(self, profile: ShardProfile) -> None:
        self._profile = profile
        self._waiting: deque[AttemptId] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether more may wait."""
        return len(self._waiting) < MAX_WAITING

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Lets attempts wait."""
        self._waiting.extend(attempt.id for attempt in attempts)

    def take(self, committed: Committed) -> Attempt | None:
        """The next attempt that is still wanted."""
        tables = Tables(committed, command_retention=timedelta(0))
        while self._waiting:
            id = self._waiting.popleft()  # noqa: A001 - the attempt's id
            state = tables.state(id.key, id.run)
            node = None if state is None else state.nodes.get(id.node)
            definition = None if state is None else self._profile.definition_of(state)
            if state is None or node is None or definition is None:
                continue
            if (node.status, node.attempt) == ("running", id.number):
                return Attempt(id, definition, state, cipher=self._profile.cipher)
        return None
