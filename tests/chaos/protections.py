"""What keeps the promises, and can be taken away one at a time: a harness that cannot find damage proves nothing.

The product has no such switches; they are put around its methods from outside, in the processes of tests alone.
"""

# pyright: reportPrivateUsage=false
# A switch reaches into what it takes away.

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Container
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Final, cast

from confluent_kafka import Producer

from hephaestus_stream.core import progress
from hephaestus_stream.core.graph import Graph
from hephaestus_stream.core.join import Verdict, is_taken, judge
from hephaestus_stream.core.state import NodeState
from hephaestus_stream.cycle.batch import Batch
from hephaestus_stream.cycle.intake import Intake
from hephaestus_stream.cycle.record import TimerRecord
from hephaestus_stream.cycle.tables import Tables
from hephaestus_stream.runtime.durable import DurableShard
from hephaestus_stream.runtime.gate import TimerGate
from hephaestus_stream.runtime.position import POSITION_KEY, Position, encode_position
from hephaestus_stream.wire.command import Command
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.record import OutputRecord
from tests.chaos.failpoints import Passings

_EARLY: Final = timedelta(seconds=1)
_DELIVERED_WITHIN_SECONDS: Final = 10.0


def without_fencing() -> None:
    """Each process has transactional ids of its own: a former owner is not fenced."""
    librdkafka = Connection.librdkafka

    def unfenced(self: Connection, **options: str | float | bool) -> dict[str, str | int | float | bool]:
        if "transactional_id" in options:
            options["transactional_id"] = f"{options['transactional_id']}-{os.getpid()}"
        return librdkafka(self, **options)

    _replace(Connection, "librdkafka", unfenced)


def without_one_position() -> None:
    """The position is committed before the state that it leads to, in a transaction of its own; it dies between."""
    is_time, reached = _time_to_die(), dict[DurableShard, int]()

    def write(self: DurableShard, batch: Batch, *, position: int, closed_cleanly: bool) -> None:
        topic = self.logs.changelog.name
        place = OutputRecord(topic, POSITION_KEY, _position(self, position, closed_cleanly=closed_cleanly))
        records = [*batch.outputs, *(OutputRecord(topic, key, value) for key, value in batch.changelog())]
        first = self._producer.commit([place])
        if position > reached.setdefault(self, position) and is_time(batch):
            os.kill(os.getpid(), signal.SIGKILL)
        reached[self] = position
        offset = (self._producer.commit(records) if records else None) or first
        changes = [*batch.changes.items(), (POSITION_KEY, place.value)]
        self.store.write(changes, changelog_offset=offset or 0, as_of=datetime.now(UTC))

    _replace(DurableShard, "_write", write)


def without_database_last() -> None:
    """The database is written before the transaction is committed; it dies between."""
    original, is_time = DurableShard._write, _time_to_die()

    def write(self: DurableShard, batch: Batch, *, position: int, closed_cleanly: bool) -> None:
        standing = self.store.standing
        if standing is not None:
            record = _position(self, position, closed_cleanly=closed_cleanly)
            changes = [*batch.changes.items(), (POSITION_KEY, record)]
            self.store.write(changes, changelog_offset=standing.changelog_offset, as_of=standing.as_of)
        if is_time(batch):
            os.kill(os.getpid(), signal.SIGKILL)
        original(self, batch, position=position, closed_cleanly=closed_cleanly)

    _replace(DurableShard, "_write", write)


def without_committed_replay() -> None:
    """A database takes in what was sent in transactions that were broken off; it dies in one."""
    librdkafka, original, is_time = Connection.librdkafka, DurableShard._write, _time_to_die()

    def uncommitted(self: Connection, **options: str | float | bool) -> dict[str, str | int | float | bool]:
        if options.get("group_id") == f"{self.namespace}.replay":
            options["isolation_level"] = "read_uncommitted"
        return librdkafka(self, **options)

    def write(self: DurableShard, batch: Batch, *, position: int, closed_cleanly: bool) -> None:
        if is_time(batch):
            kafka = self._producer._producer

            def die(_timeout: float) -> None:
                kafka.flush(_DELIVERED_WITHIN_SECONDS)
                os.kill(os.getpid(), signal.SIGKILL)

            self._producer._producer = cast("Producer", _Dying(kafka, die))
        original(self, batch, position=position, closed_cleanly=closed_cleanly)

    _replace(Connection, "librdkafka", uncommitted)
    _replace(DurableShard, "_write", write)


def without_join() -> None:
    """A node starts at the first arrow into it that is taken."""

    def judge_at_once(graph: Graph, nodes: dict[str, NodeState], target: str) -> Verdict:
        if any(is_taken(edge, nodes) for edge in graph.incoming[target]):
            return Verdict.START
        return judge(graph, nodes, target)

    _replace(progress, "judge", judge_at_once)


def without_command_ids() -> None:
    """A command that comes again is applied again."""

    def nothing(_self: Intake, _command: Command, **_options: object) -> None:
        """Nobody was told anything before."""

    _replace(Intake, "_former_answer", nothing)


def without_patience() -> None:
    """Timers fire a second early."""
    original = Tables.due_timers

    def due_timers(
        self: Tables, now: datetime, *, limit: int, start: bytes = b"", held: Container[bytes] = ()
    ) -> list[TimerRecord]:
        return original(self, now + _EARLY, limit=limit, start=start, held=held)

    def always(_self: TimerGate, _due_at: datetime, **_options: object) -> bool:
        return True

    _replace(Tables, "due_timers", due_timers)
    _replace(TimerGate, "allows", always)


PROTECTIONS: Final[dict[str, Callable[[], None]]] = {
    "fencing": without_fencing,
    "one-position": without_one_position,
    "database-last": without_database_last,
    "committed-replay": without_committed_replay,
    "join": without_join,
    "command-ids": without_command_ids,
    "patience": without_patience,
}


def take_away(name: str) -> None:
    """Takes one protection away from this process."""
    PROTECTIONS[name]()


class _Dying:
    """A producer that does all but commit."""

    def __init__(self, producer: Producer, die: Callable[[float], None]) -> None:
        self._producer = producer
        self.commit_transaction = die

    def __getattr__(self, name: str) -> object:
        return getattr(self._producer, name)

    def __len__(self) -> int:
        return len(self._producer)


def _time_to_die() -> Callable[[Batch], bool]:
    """Whether it is the commit at which a process dies: with CHAOS_DIE_BETWEEN=3 the third that tells something."""
    told = Passings({int(os.environ.get("CHAOS_DIE_BETWEEN", "0"))})
    return lambda batch: bool(batch.outputs) and told.is_wanted()


def _replace(owner: type | ModuleType, name: str, by: Callable[..., object]) -> None:
    """Puts a function in the place of one that must be there."""
    getattr(owner, name)
    setattr(owner, name, by)


def _position(shard: DurableShard, offset: int, *, closed_cleanly: bool) -> bytes:
    topic_id = shard.logs.commands_id
    return encode_position(Position(commands_offset=offset, commands_topic_id=topic_id, closed_cleanly=closed_cleanly))
