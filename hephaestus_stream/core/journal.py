"""The working copy of a run during one transition: changes are written down here, then become a decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

import msgspec

from hephaestus_stream.core.answer import Answer
from hephaestus_stream.core.decision import Decision, Effect, HistoryEvent, HistoryType
from hephaestus_stream.core.definition import Definition
from hephaestus_stream.core.graph import Graph
from hephaestus_stream.core.limits import MAX_REFUSALS
from hephaestus_stream.core.state import EarlyEvent, Error, NodeState, NodeStatus, ParkedEvent, State, Status
from hephaestus_stream.errors import EngineError


class Journal:
    """Collects what one transition changes; the state that it began with stays untouched.

    Attributes:
        now: The time of the transition; it never runs backwards within a run.
        nodes: The nodes as they are now; `put` and `update` change them.
        early: The early events as they are now.
        parked: The events that were kept while the run was parked.
        version: The run's version.
        paused: Whether no attempt begins, and no timer is set.
    """

    def __init__(self, definition: Definition | None, state: State, *, now: datetime) -> None:
        self._definition = definition
        self.now = max(now, state.updated_at)
        self._nodes = dict(state.nodes)
        self.nodes: Mapping[str, NodeState] = self._nodes
        self._running, self._waiting, self._pausing = state.running, state.waiting, state.pausing
        self.early: tuple[EarlyEvent, ...] = state.early
        self.parked: tuple[ParkedEvent, ...] = state.parked
        self.version = state.version
        self.paused = state.paused
        self.payload_bytes = state.payload_bytes
        self.refusals = state.refusals
        self.sequence = state.sequence
        self.effects: list[Effect] = []
        self.answer: Answer | None = None
        self._state = state
        self._history: list[HistoryEvent] = []
        self._end: tuple[Status, str | None, Error | None] | None = None

    @property
    def definition(self) -> Definition:
        """The workflow.

        Raises:
            EngineError: The run is parked; whoever asks has no business with it.
        """
        if self._definition is None:
            raise EngineError(f"{self._state.key} (run {self._state.run}) is parked: its workflow is not known here")
        return self._definition

    @property
    def graph(self) -> Graph:
        """The workflow's graph; raises as `definition` does."""
        return self.definition.graph

    @property
    def status(self) -> Status:
        """The run's status before this transition."""
        return self._state.status

    @property
    def ended_at(self) -> str | None:
        """The node that ended the run before this transition."""
        return self._state.ended_at

    @property
    def idle(self) -> timedelta:
        """How long the run has been over."""
        return self.now - (self._state.finished_at or self.now)

    @property
    def is_live(self) -> bool:
        """Whether the run goes on."""
        return self._end is None and self._state.is_live

    @property
    def is_halted(self) -> bool:
        """Whether the run stands still because of a bug."""
        return self._state.halted is not None and self._state.is_live

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

    def refuse(
        self,
        kind: HistoryType,
        node: str | None = None,
        *,
        command: str,
        reason: str,
        message: str,
        event: str | None = None,
    ) -> None:
        """Adds the refusal of a command to the history, as long as there are not too many."""
        if self.refusals < MAX_REFUSALS:
            self.refusals += 1
            self.record(kind, node, event=event, details={"command": command, "reason": reason, "message": message})

    def update(self, node: str, **changes: object) -> NodeState:
        """Changes fields of a node's state."""
        state = msgspec.structs.replace(self._nodes[node], **changes)
        self.put(node, state)
        return state

    def put(self, node: str, state: NodeState) -> None:
        """Gives a node its state."""
        former = self._nodes.get(node)
        if former is None or former.status != state.status:
            if former is not None:
                self._count(former.status, -1)
            self._count(state.status, 1)
        self._nodes[node] = state

    def _count(self, status: NodeStatus, number: int) -> None:
        match status:
            case "running":
                self._running += number
            case "waiting":
                self._waiting += number
            case "ready" | "retrying" | "choosing":
                self._pausing += number
            case _:
                pass  # not active

    def end(self, status: Status, *, node: str | None, error: Error | None) -> None:
        """Marks the run as ended."""
        self._end = (status, node, error)

    def halt(self, reason: str) -> None:
        """Marks the run as standing still."""
        self._state = msgspec.structs.replace(self._state, halted=reason)

    def revive(self) -> None:
        """Marks a run as going on that had ended, or stood still."""
        self._state = msgspec.structs.replace(
            self._state, status="running", ended_at=None, finished_at=None, error=None, halted=None, steered=True
        )

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
            nodes=self._nodes,
            running=self._running,
            waiting=self._waiting,
            pausing=self._pausing,
            early=self.early,
            parked=self.parked,
            version=self.version,
            paused=self.paused,
            steered=self._state.steered or self.paused,
            halted=None if self._end else self._state.halted,
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
        if self._running or self._pausing:
            return "running"
        if not self._waiting:
            raise EngineError(f"{self._state.key} (run {self._state.run}) has nothing active and no ending")
        return "waiting"
