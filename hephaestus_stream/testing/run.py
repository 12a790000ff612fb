"""A run as a test sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self, TypeVar

import msgspec

from hephaestus_stream.core.event import NodeEvent
from hephaestus_stream.core.state import NodeState, NodeStatus, State, Status
from hephaestus_stream.core.workflow import Workflow
from hephaestus_stream.drawing import PathTaken, plain
from hephaestus_stream.encryption.cipher import Cipher
from hephaestus_stream.encryption.run import result_place
from hephaestus_stream.errors import MissingResultError
from hephaestus_stream.wire.key import split_key
from hephaestus_stream.wire.output import HistoryRecord

PayloadT = TypeVar("PayloadT")

_ENDS: Final = {"step_completed", "completed", "failed"}


@dataclass(frozen=True, slots=True, repr=False)
class SimulatedRun:
    """A run as it stood when a verb of the simulator returned; the next verb gives a new one.

    `print(run)` draws the graph with the path that it has taken.

    Attributes:
        workflow: The class that it runs.
        id: The business value.
        run: The id of this life of the key.
        status: As everywhere: `running`, `waiting`, `completed` and so on.
        ended_at: The node that ended it.
        error: Why it failed, as `type: message`.
        waiting: The nodes that wait for an event or a time.
        running: The nodes whose code is being executed: it hangs, or is slower than the simulator's patience.
        parked: Why it stands still: the worker lacks its version. None where it does not.
        due_at: When the first of its waits times out, or the first of its retries begins.
        path: The nodes that ran to their end, in that order, the ending among them.
        results: The payloads of its completed steps as JSON values; None of an event that carries nothing.
        attempts: How many attempts its nodes have had.
        history: All that happened to it.
        state: The engine's own record, for what the others don't tell.
        simulator: Where it runs.
        cipher: Opens its payloads.
    """

    workflow: type[Workflow[Any]]
    id: str
    run: str
    status: Status
    ended_at: str | None
    error: str | None
    waiting: tuple[str, ...]
    running: tuple[str, ...]
    parked: str | None
    due_at: datetime | None
    path: tuple[str, ...]
    results: Mapping[str, object]
    attempts: Mapping[str, int]
    history: tuple[HistoryRecord, ...]
    state: State = field(compare=False)
    simulator: object = field(compare=False)
    cipher: Cipher = field(compare=False)

    @classmethod
    def of(
        cls,
        state: State,
        history: Sequence[HistoryRecord],
        *,
        workflow: type[Workflow[Any]],
        simulator: object,
        parked: str | None,
        cipher: Cipher,
    ) -> Self:
        """The run that a record is about."""
        return cls(
            workflow=workflow,
            id=split_key(state.key)[1],
            run=state.run,
            status=state.status,
            ended_at=state.ended_at,
            error=None if state.error is None else f"{state.error.type}: {state.error.message}",
            waiting=_nodes(state, "waiting"),
            running=_nodes(state, "running"),
            parked=parked,
            due_at=min((node.due_at for node in state.nodes.values() if node.due_at is not None), default=None),
            path=tuple(event.node for event in history if event.type in _ENDS and event.node is not None),
            results={name: _payload(state, name, cipher) for name, node in state.nodes.items() if _is_result(node)},
            attempts={name: node.attempt for name, node in state.nodes.items() if node.attempt},
            history=tuple(history),
            state=state,
            simulator=simulator,
            cipher=cipher,
        )

    @property
    def key(self) -> str:
        """The business key, as `orderid::abc123`."""
        return self.state.key

    def result(self, event: NodeEvent[PayloadT]) -> PayloadT:
        """What a node brought forth with this event, as the event's model: `result(OrderFlow.charge.charged)`.

        Raises:
            MissingResultError: The node has not ended with it, or it carries nothing.
        """
        __tracebackhide__ = True
        node = self.state.nodes.get(event.node.node_name)
        adapter = event.event.adapter
        if adapter is None:
            raise MissingResultError(f"{event.name} carries no payload, so it has no result to ask for")
        if node is None or node.reported is None or not _is_result(node) or node.reported.event != event.event.name:
            known = ", ".join(
                f"{name}.{each.reported.event}" for name, each in self.state.nodes.items() if each.reported
            )
            raise MissingResultError(f"{self.key} has no result of {event.name}; it has {known or 'none'}")
        stored = node.reported.payload or b"null"
        return adapter.validate_json(self.cipher.open(stored, result_place(self.state, event.node.node_name)))

    @property
    def title(self) -> str:
        """The run in one line: `OrderFlow orderid::abc123 failed at charge`."""
        match self.status:
            case "waiting":
                where = ", ".join(self.waiting)
            case "running":
                where = ", ".join(name for name, node in self.state.nodes.items() if node.status in _AT_WORK)
            case _:
                where = self.ended_at or ""
        return f"{self.workflow.__name__} {self.key} {self.status}{' at ' if where else ''}{where}"

    def drawn(self, *, width: int | None = None) -> str:
        """The graph with the path taken; an outline where the boxes are wider than `width`."""
        drawing = plain(self.workflow.definition, path=PathTaken.from_state(self.state), width=width)
        return "\n".join(line.rstrip() for line in drawing.splitlines() if line.strip())

    def __str__(self) -> str:
        error = "" if self.error is None else f"\n{self.error}"
        return f"{self.title}{error}\n\n{self.drawn()}"

    def __repr__(self) -> str:
        return f"<SimulatedRun {self.title}>"


_AT_WORK: Final[frozenset[NodeStatus]] = frozenset({"running", "retrying"})


def _nodes(state: State, status: NodeStatus) -> tuple[str, ...]:
    return tuple(name for name, node in state.nodes.items() if node.status == status)


def _is_result(node: NodeState) -> bool:
    return node.reported is not None and node.status == "completed"


def _payload(state: State, node: str, cipher: Cipher) -> object:
    reported = state.nodes[node].reported
    payload = None if reported is None else reported.payload
    return None if payload is None else msgspec.json.decode(cipher.open(payload, result_place(state, node)))
