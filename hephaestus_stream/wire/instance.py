"""Instances as the owners of their partitions tell of them: over HTTP, to the client and to the command line.

Unlike the outputs these are no records: they say how things stood at one committed position.
"""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from hephaestus_stream.core.state import NodeStatus, Status


class _Told(BaseModel):
    """Part of an answer; fields that this release does not know are ignored, because a newer worker may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")


class NodeView(_Told):
    """How far a node of an instance has come.

    Attributes:
        status: As the engine calls it.
        attempt: The current or last attempt, counted from 1; 0 for a node that never ran.
        event: What a completed node emitted.
        result: That event's payload.
        label: What its routing function chose.
        due_at: When a wait times out, or a retry starts.
        error: Of its last failed attempt: type and message.
    """

    status: NodeStatus
    attempt: int = 0
    started_at: AwareDatetime | None = None
    settled_at: AwareDatetime | None = None
    event: str | None = None
    result: JsonValue = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    label: str | None = None
    due_at: AwareDatetime | None = None
    error: JsonValue = None


class InstanceSummary(_Told):
    """One run of a key, as a row of a list.

    Attributes:
        run: The id of the run: that of the command which started it.
        waiting_at: The nodes that are suspended, in the order of their names.
        ended_at: The node that ended it; None for one that is live or was cancelled.
        finished_at: When it ended.
        paused: Whether it was paused by command.
        halted: Why it stands still after a bug of the engine.
    """

    workflow: str
    version: int
    key: str
    run: str
    status: Status
    started_at: AwareDatetime
    updated_at: AwareDatetime
    tags: tuple[str, ...] = ()
    waiting_at: tuple[str, ...] = ()
    ended_at: str | None = None
    finished_at: AwareDatetime | None = None
    paused: bool = False
    halted: str | None = None


class InstanceView(InstanceSummary):
    """One run with all that its owner keeps of it but its history.

    Payloads are as they are kept: where they are encrypted, whoever asks needs the keys.

    Attributes:
        input: The start payload: `initial` of the context.
        nodes: The nodes that were reached, by name; their results are the context's.
        next_timer: When the next wait of it times out, or the next retry of it starts; None while it is paused.
        error: Why it failed: type and message.
        early_events: Events that came before their node waits, as `node.event`, in their order.
        parked: Why the owner cannot go on with it: its version, or a key, is missing there.
        sequence: The number of the last event of its history.
        partition: Of the key.
        position: The offset of the last of `commands` that the owner has applied: what a later `minimum` may be; -1
            where the topic was made anew since, and has had none.
    """

    input: JsonValue
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    nodes: dict[str, NodeView] = Field(default_factory=dict)
    next_timer: AwareDatetime | None = None
    error: JsonValue = None
    early_events: tuple[str, ...] = ()
    parked: str | None = None
    sequence: int
    partition: int
    position: int


UnavailableReason = Literal[
    "no_owner",  # the group has assigned the partition to nobody
    "opening",  # its owner replays, or is just being told that it is the owner
    "closed",  # its owner cannot own it safely, and says why
    "unreachable",  # its owner does not answer, or serves no HTTP
    "busy",  # its owner has too much to read at the moment, or for this question
    "behind",  # whoever answered has not applied all that was asked for: a former owner, or one that is slow
]


class Unavailable(_Told):
    """A partition that an answer lacks, and why."""

    partition: int
    reason: UnavailableReason
    message: str


class InstancePage(_Told):
    """A page of a list.

    Attributes:
        instances: In the order that was asked for.
        cursor: Where the next page begins; None when this was the last one. A page may be empty and have one: the
            owners look at a bounded number of instances at a time.
        unavailable: The partitions whose instances are missing.
    """

    instances: tuple[InstanceSummary, ...]
    cursor: str | None = None
    unavailable: tuple[Unavailable, ...] = ()


class InstanceCount(_Told):
    """How many instances there are of one kind; what is not counted by is None."""

    workflow: str | None = None
    status: Status | None = None
    node: str | None = None
    count: int


class InstanceCounts(_Told):
    """How many instances there are, by what was asked for.

    Attributes:
        total: All that the query fits; by node an instance may be counted at several.
        counts: Sorted by workflow, status and node.
        unavailable: The partitions whose instances are missing.
    """

    total: int
    counts: tuple[InstanceCount, ...] = ()
    unavailable: tuple[Unavailable, ...] = ()


class HistoryPage(_Told):
    """A part of a run's history, in the form of the records of the topic `history`.

    Attributes:
        events: In the order of their sequence.
        after: The sequence after which the next page begins; None when this was the last event so far.
        is_live: Whether more is to come.
    """

    workflow: str
    key: str
    run: str
    events: tuple[dict[str, JsonValue], ...]
    after: int | None = None
    is_live: bool
