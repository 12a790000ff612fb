"""What a cycle leaves to be done: one transaction, and what follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hephaestus_stream.core.decision import Decision
from hephaestus_stream.core.state import State
from hephaestus_stream.cycle.attempt import Attempt, AttemptEnd, AttemptId
from hephaestus_stream.cycle.index import DERIVED, Change
from hephaestus_stream.cycle.record import TimerRecord
from hephaestus_stream.cycle.source import Source
from hephaestus_stream.wire.record import OutputRecord


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, sent after the commit: a `get` that follows it must find what it tells.

    Attributes:
        partition: Of the topic `replies`; the asker named it.
        id: The command's id, which is the record's key.
        value: The answer as JSON.
    """

    partition: int
    id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Forward:
    """A command that was found in the wrong partition; it is sent on before the position passes it."""

    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Taken(NamedTuple):
    """A command that was taken in, for whoever counts and traces.

    Attributes:
        id: The command's id.
        type: Its type; None where it could not be read.
        outcome: The effect, or the reason of the refusal; `duplicate` where it had been answered before.
        trace: The trace that it came with.
    """

    id: str | None
    type: str | None
    outcome: str
    trace: str | None = None


ParkedKind = tuple[str, int, tuple[str, ...]]
"""What may be lacking to a run: its workflow in its version, or one of its keys."""


@dataclass(slots=True)
class Batch:
    """Collected during a cycle, then committed as a whole.

    Attributes:
        outputs: Records for everyone.
        changes: Of the shard's tables; None deletes.
        replies: To whoever asked.
        forwards: Misrouted commands.
        running: Attempts that did not end within the cycle.
        folded: Attempts that began and ended within the cycle.
        to_start: Attempts that begin only after the commit.
        stops: Attempts that are no longer wanted.
        stops_at_once: Those of them whose code gets no time to clean up.
        more_expired: Whether more is to be deleted than one cycle does.
        held: Due timers that were left because the worker lacks their workflow.
        parked: Runs that were met and are parked: one of each workflow, version and set of keys.
        migrated: Runs, by key and id, that moved to another version.
        decisions: What was decided, in order; kept where somebody watches.
        taken: The commands that were answered, refused ones among them.
        left: The last inputs, which were not taken since the outputs of the others are large.
        failed: The keys on which the engine failed one after the other, up to the end of the batch.
    """

    outputs: list[OutputRecord] = field(default_factory=list[OutputRecord])
    changes: Mapping[bytes, bytes | None] = field(default_factory=dict[bytes, bytes | None])
    replies: list[Reply] = field(default_factory=list[Reply])
    forwards: list[Forward] = field(default_factory=list[Forward])
    running: list[tuple[AttemptId, asyncio.Future[AttemptEnd]]] = field(
        default_factory=list[tuple[AttemptId, asyncio.Future[AttemptEnd]]]
    )
    folded: list[AttemptId] = field(default_factory=list[AttemptId])
    to_start: list[Attempt] = field(default_factory=list[Attempt])
    stops: list[AttemptId] = field(default_factory=list[AttemptId])
    stops_at_once: set[AttemptId] = field(default_factory=set[AttemptId])
    more_expired: bool = False
    held: list[TimerRecord] = field(default_factory=list[TimerRecord])
    parked: dict[ParkedKind, State] = field(default_factory=dict[ParkedKind, State])
    migrated: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    decisions: list[Decision] = field(default_factory=list[Decision])
    taken: list[Taken] = field(default_factory=list[Taken])
    left: Sequence[Source] = ()
    failed: tuple[str, ...] = ()

    def taken_of(self, sources: Sequence[Source]) -> Sequence[Source]:
        """Those of the inputs that were taken."""
        return sources[: len(sources) - len(self.left)]

    def changelog(self) -> list[Change]:
        """The changes that go to the changelog: all but those of derived tables."""
        return [(key, value) for key, value in self.changes.items() if key[:1] not in DERIVED]
