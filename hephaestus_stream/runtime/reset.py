"""Sets the position of a closed partition anew, after somebody accepted what is lost by it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rocksdict import Cache

from hephaestus_stream.errors import UnreadablePositionError
from hephaestus_stream.runtime.changelog.following import ChangelogTopic
from hephaestus_stream.runtime.changelog.logs import ask_logs
from hephaestus_stream.runtime.changelog.replay import replay
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.runtime.cluster import Cluster
from hephaestus_stream.runtime.commands_log import CommandsLog
from hephaestus_stream.runtime.position import POSITION_KEY, Position, decode_position, encode_position
from hephaestus_stream.runtime.topics import check_topics
from hephaestus_stream.runtime.transaction import TransactionalProducer
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.record import OutputRecord
from hephaestus_stream.wire.topics import Topics

_CACHE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reset:
    """What became of one partition's position.

    Attributes:
        partition: The partition.
        before: Its position until now, or None where there was none, or none that can be read.
        after: Its position from now on.
    """

    partition: int
    before: int | None
    after: int


def reset_positions(connection: Connection, *, partitions: Sequence[int] = ()) -> list[Reset]:
    """Sets positions to the nearest offset that their topic has; those that fit it stay as they are.

    Where the log lost the last command that was applied, no offset tells: what was appended after that one is read, and
    what came within the last minute before it is read again; its ids absorb it.

    Only the owner of a position that is set is fenced by it, so a worker that still runs on such a partition exits.

    Args:
        connection: Cluster and namespace.
        partitions: Which; all of them unless given.

    Raises:
        BrokerUnreachableError: No broker answers.
        TopicMismatchError: The topics are missing.
        ShardClosedError: A position was written by a newer version.
    """
    count = check_topics(connection)
    log, cluster = CommandsLog(connection), Cluster(connection)
    try:
        resets = [_reset(connection, log, cluster, number=each) for each in partitions or range(count)]
    finally:
        log.close()
    return [reset for reset in resets if reset is not None]


@dataclass(frozen=True, slots=True)
class _Judgement:
    """A position that does not fit its topics, if there is one, and the one to set."""

    before: Position | None
    after: Position


@dataclass(frozen=True, slots=True)
class _Partition:
    """One partition as it is in Kafka; the store keeps what was read of it, for the next time."""

    connection: Connection
    log: CommandsLog
    cluster: Cluster
    store: Store
    number: int

    def judge(self, stop: threading.Event) -> _Judgement | None:
        """The position to set; None if the present one fits.

        Raises:
            ShardClosedError: The present one was written by a newer version.
        """
        logs = ask_logs(self.cluster, stop=stop)
        found = self._position(logs.changelog, stop=stop)
        # Asked after the position was read: an owner that goes on moves the end only away from it.
        start, _ = self.log.range(self.number, stop=stop)
        state_id = logs.changelog.topic_id
        same_topic = (
            found is not None
            and found.commands_topic_id == logs.commands_id
            and found.state_topic_id in {None, state_id}
        )
        after = self._nearest(found, stop=stop) if found is not None and same_topic else start
        if after is None:
            return None
        position = Position(
            commands_offset=after,
            commands_topic_id=logs.commands_id,
            state_topic_id=state_id,
            # Neither a lost worker is forgotten, nor on what the engine fails; where nothing is known it may be either.
            closed_cleanly=found is not None and found.closed_cleanly,
            committed_at=None if found is None else found.committed_at,
            failed=() if found is None else found.failed,
        )
        return _Judgement(found, position)

    def _nearest(self, found: Position, *, stop: threading.Event) -> int | None:
        """Where a position goes on that does not fit its log; None if it does."""
        start, end = self.log.range(self.number, stop=stop)
        applied = found.applied
        if applied is not None and not self.log.has(applied, self.number, stop=stop):
            return self.log.first_after(applied, self.number, stop=stop)
        nearest = min(max(found.commands_offset, start), end)
        return None if nearest == found.commands_offset else nearest

    def _position(self, changelog: ChangelogTopic, *, stop: threading.Event) -> Position | None:
        """The position that the changelog holds; None where there is none, or garbage in its place."""
        replay(self.connection, changelog, partition=self.number, store=self.store, stop=stop, clock=WorkerClock())
        encoded = self.store.get(POSITION_KEY)
        try:
            return None if encoded is None else decode_position(encoded)
        except UnreadablePositionError:
            return None


def _reset(connection: Connection, log: CommandsLog, cluster: Cluster, *, number: int) -> Reset | None:
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), cache=Cache(_CACHE_BYTES))
        partition = _Partition(connection, log, cluster, store, number)
        try:
            # Whoever owns a healthy partition is not fenced for a question.
            return None if partition.judge(stop) is None else _judge_and_write(partition, stop=stop)
        finally:
            stop.set()
            store.close()


def _judge_and_write(partition: _Partition, *, stop: threading.Event) -> Reset | None:
    producer = TransactionalProducer(partition.connection, partition=partition.number, stop=stop)
    try:
        producer.open()
        # The former owner may have committed until now.
        judgement = partition.judge(stop)
        if judgement is None:
            return None
        state, after = Topics(partition.connection.namespace).state, judgement.after
        producer.commit([OutputRecord(state, POSITION_KEY, encode_position(after))])
    finally:
        producer.close()
    before = judgement.before
    return Reset(partition.number, None if before is None else before.commands_offset, after.commands_offset)
