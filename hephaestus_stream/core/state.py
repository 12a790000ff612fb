"""The record of one run, as the shard keeps it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

Status = Literal["pending", "running", "waiting", "completed", "failed", "cancelled"]
EndStatus = Literal["completed", "failed", "cancelled"]

NodeStatus = Literal[
    "ready",  # its next attempt begins when the run, which is paused, is continued
    "running",  # an attempt is being executed
    "retrying",  # an attempt failed, the next one is due later
    "waiting",  # suspended until an external event or its due time
    "choosing",  # its routing function is asked; never outlives a cycle
    "completed",
    "failed",
    "interrupted",  # stopped by the end of the run
    "dead",  # can no longer be reached
]

ACTIVE: frozenset[NodeStatus] = frozenset({"ready", "running", "retrying", "waiting", "choosing"})
ENDED: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong: the exception's type, its message, and its traceback where there is one.

    Attributes:
        sealed: Message and traceback encrypted, as JSON bytes, where they are not told; the engine never looks inside.
    """

    type: str
    message: str
    traceback: str = ""
    sealed: bytes | None = None

    def shortened(self, most: int) -> Error:
        """The error as the record keeps it: its type and the beginning of its message; the history has the rest."""
        message = self.message if len(self.message) <= most else f"{self.message[:most]}…"
        return Error(self.type, message)

    def within(self, size: int) -> Error:
        """The error where it may take so many bytes only: its type, and of its message what room is left."""
        kind = _cut(self.type, size)
        return Error(kind, _cut(self.message, size - len(kind.encode())))


def _cut(text: str, size: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= size else f"{encoded[: max(0, size)].decode(errors='ignore')}…"


class Reported(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event with its payload and metadata as JSON bytes: the engine never looks inside."""

    event: str
    payload: bytes | None = None
    metadata: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes that it adds to the record."""
        return len(self.payload or b"") + len(self.metadata or b"")


class EarlyEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An external event that came before its node waited."""

    node: str
    reported: Reported
    command: str


class ParkedEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An external event that came while the run was parked; nobody has looked at it yet."""

    node: str | None
    reported: Reported
    command: str


class Interrupted(msgspec.Struct, frozen=True, array_like=True):
    """What a node was when its run failed: a retry of the run takes it up again.

    Its fields are those of the node, which does not have them meanwhile: a run of many nodes has no room for more.
    """

    status: NodeStatus
    due_at: datetime | None = None
    until: bool = False
    forgiven: int = 0


class NodeState(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a node has come; a node without a state has not been reached.

    Attributes:
        status: See `NodeStatus`.
        settled_at: When it was over; not told again where the end of the run is that moment, and `was` says the rest.
        attempt: The current or last attempt, counted from 1; 0 for a node that never ran.
        reported: The outcome of a completed node.
        label: What its routing function chose.
        due_at: When a wait times out or a retry starts.
        until: Whether a wait was given that time itself, and no duration: nothing moves it then.
        otherwise: The outcome of a wait that times out; it counts among the record's payload bytes.
        entered_from: The node whose edge started this one; kept for exits, whose visible results depend on it.
        restarts: How often this attempt was taken up again after its worker was lost.
        prompt_losses: How many of these workers, the last ones in a row, it may have killed.
        held: Whether it was taken over and does not run yet, since it may kill its worker: its turn is still to come.
        restarted_at: When it was last taken up again, for whatever reason.
        error: Of the last failed attempt, shortened.
        forgiven: How many of its attempts the retry policy no longer counts, since somebody retried the run after them.
        was: What it was before the failure of another node interrupted it.
    """

    status: NodeStatus
    attempt: int = 0
    started_at: datetime | None = None
    settled_at: datetime | None = None
    reported: Reported | None = None
    label: str | None = None
    due_at: datetime | None = None
    until: bool = False
    otherwise: Reported | None = None
    entered_from: str | None = None
    restarts: int = 0
    prompt_losses: int = 0
    restarted_at: datetime | None = None
    held: bool = False
    error: Error | None = None
    forgiven: int = 0
    was: Interrupted | None = None


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run: the whole of what the engine decides by. Its history is kept beside it and never read by the engine.

    Attributes:
        sequence: The number of the last history event.
        input: The start payload, JSON bytes.
        running: How many nodes are `running`; these numbers spare the engine a look at all nodes.
        waiting: How many are `waiting`.
        pausing: How many are active otherwise: `retrying`, `choosing` or `ready`.
        paused: Whether somebody has paused the run: no attempt of a step begins, and no timer is set.
        steered: Whether it was ever paused, or taken up after a failure: releases before that cannot read its record.
        payload_bytes: What payloads and metadata take in this record, of which there is a bound.
        ended_at: The node at which the run ended, or that failed it.
        finished_at: When it ended.
        error: Why it failed, shortened.
        halted: Why the run stands still: a bug of the engine. It can be retried and cancelled.
        keys: The keys that its payloads are encrypted with, perhaps with some others; the engine never looks at them.
        trace: The trace that the run belongs to, as `wire.headers` writes it; the engine never looks at it.
    """

    key: str
    run: str
    workflow: str
    version: int
    status: Status
    input: bytes
    started_at: datetime
    updated_at: datetime
    sequence: int = 0
    tags: tuple[str, ...] = ()
    metadata: dict[str, object] = {}
    nodes: dict[str, NodeState] = {}
    running: int = 0
    waiting: int = 0
    pausing: int = 0
    early: tuple[EarlyEvent, ...] = ()
    parked: tuple[ParkedEvent, ...] = ()
    refusals: int = 0
    payload_bytes: int = 0
    ended_at: str | None = None
    finished_at: datetime | None = None
    error: Error | None = None
    halted: str | None = None
    paused: bool = False
    steered: bool = False
    trace: str | None = None
    keys: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether the run has not ended."""
        return self.status not in ENDED

    @property
    def ending(self) -> EndStatus | None:
        """How the run ended; None while it is live."""
        match self.status:
            case "completed" | "failed" | "cancelled":
                return self.status
            case _:
                return None
