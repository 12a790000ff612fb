"""The working copy of a run during one transition: changes are written down here, then become a decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

import msgspec

from hephaestus_stream.core.answer import Answer
from hephaestus_stream.core.decision import Decision, Effect, HistoryEvent, HistoryType
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.state import ACTIVE, EarlyEvent, Error, NodeState, State, Status
from hephaestus_stream.errors import EngineError


class Journal:
    """Collects what one transition changes; the state that it began with stays untouched.

    Attributes:
        now: The time of the transition; it never runs backwards within a run.
        nodes: The nodes as they are now.
        early: The early events as they are now.
    """

    def __init__(self, definition: Definition, state: State, *, now: datetime) -> None:
        self.definition = definition
        self.graph = definition.graph
        self.now = max(now, state.updated_at)
        self.nodes = dict(state.nodes)
        self.early: tuple[EarlyEvent, ...] = state.early
        self.payload_bytes = state.payload_bytes
        self.refusals = state.refusals
        self.sequence = state.sequence
        self.effects: list[Effect] = []
        self.answer: Answer | None = None
        self._state = state
        self._history: list[HistoryEvent] = []
        self._end: tuple[Status, str | None, Error | None] | None = None

    @property
    def is_live(self) -> bool:
        """Whether the run goes on."""
        return self._end is None and self._state.is_live

    @property
    def is_halted(self) -> bool:
        """Whether the run stands still because of a bug."""
        return self._state.halted is not None

    def record(
        self,
        kind: HistoryType,
        node: str | None = None,
        *,
        event: str | None = None,
        attempt: int | None = None,
        details: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Adds an event to the history."""
        self.sequence += 1
        self._history.append(HistoryEvent(self.sequence, self.now, kind, node, event, attempt, dict(details)))

    def update(self, node: str, **changes: object) -> NodeState:
        """Changes fields of a node's state."""
        self.nodes[node] = state = msgspec.structs.replace(self.nodes[node], **changes)
        return state

    def end(self, status: Status, *, node: str | None, error: Error | None) -> None:
        """Marks the run as ended."""
        self._end = (status, node, error)

    def halt(self, reason: str) -> None:
        """Marks the run as standing still."""
        self._state = msgspec.structs.replace(self._state, halted=reason)

    def decision(self) -> Decision:
        """The outcome of the transition.

        Raises:
            EngineError: The run neither ended nor has anything active: a bug of the engine.
        """
        if not self._history:  # what is not told changed nothing: the record need not be written again
            return Decision(self._state, (), tuple(self.effects), self.answer)
        status, ended_at, error = self._end or (self._status(), self._state.ended_at, self._state.error)
        state = msgspec.structs.replace(
            self._state,
            status=status,
            nodes=self.nodes,
            early=self.early,
            payload_bytes=self.payload_bytes,
            refusals=self.refusals,
            sequence=self.sequence,
            updated_at=self.now,
            ended_at=ended_at,
            error=error,
            finished_at=self.now if self._end else self._state.finished_at,
        )
        return Decision(state, tuple(self._history), tuple(self.effects), self.answer)

    def _status(self) -> Status:
        if not self._state.is_live:
            return self._state.status
        active = {node.status for node in self.nodes.values() if node.status in ACTIVE}
        if not active:
            raise EngineError(f"{self._state.key} (run {self._state.run}) has nothing active and no ending")
        return "waiting" if active == {"waiting"} else "running"
