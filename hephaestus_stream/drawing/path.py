"""The path that a run has taken through its graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self, cast

from hephaestus_stream.core.graph import Edge
from hephaestus_stream.core.state import NodeStatus, State

Progress = Literal[
    "open",  # may still come to be
    "dead",
    "stopped",  # by the end of the run
    "taken",
    "failed",
    "active",
]
"""How far a node or an edge has come; where lines share a place, the later word of this list is shown."""

_PROGRESS: Mapping[NodeStatus, Progress] = {
    "ready": "active",
    "running": "active",
    "retrying": "active",
    "waiting": "active",
    "choosing": "active",
    "completed": "taken",
    "failed": "failed",
    "interrupted": "stopped",
    "dead": "dead",
}

_STATUS_AFTER: Mapping[str, NodeStatus] = {
    "step_started": "running",
    "step_restarted": "running",
    "step_held": "running",
    "step_completed": "completed",
    "step_failed": "failed",
    "retry_scheduled": "retrying",
    "suspended": "waiting",
    "node_dead": "dead",
    "interrupted": "interrupted",
}
"""What a history event makes of its node; types that are not listed leave it as it is."""


_ENDS = frozenset({"completed", "failed", "cancelled"})


class HistoryRecordLike(Protocol):
    """A history event: the engine's own, or the record that a client has read."""

    @property
    def type(self) -> str: ...  # noqa: D102 - the fields are described with the wire
    @property
    def node(self) -> str | None: ...  # noqa: D102
    @property
    def event(self) -> str | None: ...  # noqa: D102
    @property
    def details(self) -> Mapping[str, object]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Reached:
    """How far one node has come: its status, the event it ended with, and the label that its route chose."""

    status: NodeStatus
    event: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class PathTaken:
    """Which nodes a run has reached; a node that is not among them has not been reached.

    Attributes:
        nodes: The nodes by name.
        ended: Whether the run is over: what it has not reached by then, it never will.
    """

    nodes: Mapping[str, Reached] = field(default_factory=dict[str, Reached])
    ended: bool = False

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The path as the shard knows it."""
        return cls(
            {
                name: Reached(node.status, None if node.reported is None else node.reported.event, node.label)
                for name, node in state.nodes.items()
            },
            ended=not state.is_live,
        )

    @classmethod
    def from_history(cls, records: Iterable[HistoryRecordLike | Mapping[str, object]]) -> Self:
        """The path as its history tells it, in the order of `sequence`; all that a client has.

        Records of types that this release does not know are passed over.
        """
        nodes: dict[str, Reached] = {}
        ended = False
        for record in records:
            kind, node, event, label = _read(record)
            ended = kind in _ENDS or (ended and kind not in {"started", "retried"})
            if kind == "started":
                nodes.clear()
            elif node is not None:
                before = nodes.get(node)
                after = _after(kind, before, event=event, label=label)
                if after is not None:
                    nodes[node] = after
        return cls(nodes, ended=ended)

    def progress(self, node: str) -> Progress:
        """How far a node has come."""
        reached = self.nodes.get(node)
        return self._unreached if reached is None else _PROGRESS[reached.status]

    def progress_along(self, edge: Edge) -> Progress:
        """Whether an edge was taken, can no longer be, or is open: its source decides."""
        source = self.nodes.get(edge.source)
        if source is None or self.progress(edge.source) == "active":
            return self._unreached
        if source.status != "completed" or source.event != edge.event:
            return "dead"
        if source.label == edge.label:
            return "taken"
        # A history may end between `step_completed` and `routed`.
        return self._unreached if source.label is None else "dead"

    @property
    def _unreached(self) -> Progress:
        return "dead" if self.ended else "open"


def _after(kind: str, before: Reached | None, *, event: str | None, label: str | None) -> Reached | None:
    if kind == "routed":
        return Reached("completed", event, label)
    if kind in _ENDS:
        # An ending has no history of its own: the end of the run is all that is told of it.
        return before or Reached("completed")
    status = _STATUS_AFTER.get(kind)
    return None if status is None else Reached(status, event if kind == "step_completed" else None)


def _read(record: HistoryRecordLike | Mapping[str, object]) -> tuple[str, str | None, str | None, str | None]:
    if isinstance(record, Mapping):
        found = (record.get("type"), record.get("node"), record.get("event"), record.get("details"))
    else:
        found = (record.type, record.node, record.event, record.details)
    kind, node, event, details = found
    label = _label(details)
    return str(kind), _word(node), _word(event), label


def _label(details: object) -> str | None:
    return _word(cast("Mapping[str, object]", details).get("label")) if isinstance(details, Mapping) else None


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None
