"""Replay: what Kafka committed and a partition's database does not know yet is read from the changelog."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from confluent_kafka import Message

from hephaestus_stream.errors import ShardClosedError
from hephaestus_stream.runtime.broker import PATIENCE, require_running, unreachable
from hephaestus_stream.runtime.changelog.following import ChangelogTopic, DeletionsMissedError, Following, is_ahead
from hephaestus_stream.runtime.changelog.reader import ChangelogReader, is_end, is_harmless, is_outage
from hephaestus_stream.runtime.changelog.store import Store
from hephaestus_stream.runtime.clock import WorkerClock
from hephaestus_stream.wire.connection import Connection

# What one batch may hold: large enough for speed, small enough to feel a stop within a slice.
BATCH: Final = 5_000
# A batch is waited for until it is full, with the event of the end in it, too: this is what each replay takes at least.
BATCH_WAIT: Final = timedelta(milliseconds=20)
ATTEMPTS: Final = 2
# Between two questions for an end that a database is ahead of.
_LAG: Final = timedelta(milliseconds=200)

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReplayedState:
    """A finished replay.

    Attributes:
        end_offset: The log's end; the next transaction's records get this offset or, after aborted ones, a higher.
        count: How many records were replayed.
        wiped: Why the database was emptied first, or None.
        followed_from: As of when the database was found; None if it was empty, or was emptied.
    """

    end_offset: int
    count: int
    wiped: str | None
    followed_from: datetime | None


def replay(
    connection: Connection,
    changelog: ChangelogTopic,
    *,
    partition: int,
    store: Store,
    stop: threading.Event,
    clock: WorkerClock,
    on_progress: Progress = lambda _reached, _end: None,
) -> ReplayedState:
    """Bring a database to the end of its changelog; blocks, and belongs into a thread.

    The former owner must be fenced before, otherwise the end is not the end. A database that cannot be trusted is
    wiped and filled from the log's start.

    Args:
        connection: The cluster.
        changelog: The topic to replay.
        partition: Which of its partitions.
        store: What to fill.
        stop: Ends the replay within a slice; the next one goes on where this one stopped.
        clock: What the brokers' clocks show, by which the log and its databases are dated.
        on_progress: Told the offset reached and the log's end after each batch, in this thread.

    Raises:
        BrokerUnreachableError: No broker answers, or none sends anything for 8 s.
        ShardClosedError: The changelog cannot be read.
        StateLostError: The database is ahead of the changelog's end, and stays so.
        StoppedError: `stop` was set.
    """
    reader = ChangelogReader(connection, changelog.name, stop=stop)
    try:
        for _ in range(ATTEMPTS):
            try:
                return _replay_once(reader, changelog, store, partition=partition, on_progress=on_progress, clock=clock)
            except DeletionsMissedError:
                continue
    finally:
        reader.close()
    raise ShardClosedError(
        f"{changelog.name}[{partition}] stays closed: its replay takes longer than deletions are kept "
        f"({changelog.tombstone_life}): raise its `delete.retention.ms`"
    )


def _replay_once(
    reader: ChangelogReader,
    changelog: ChangelogTopic,
    store: Store,
    *,
    partition: int,
    on_progress: Progress,
    clock: WorkerClock,
) -> ReplayedState:
    reader.await_broker()
    started = clock.of_brokers()
    low, high = _log_range(reader, changelog, store, partition=partition)
    following = Following(changelog, store, log_start=low, log_end=high, clock=clock, started=started)
    reader.read_from({partition: following.next_offset})
    # A broker that follows the leader, or leads since a moment, may tell an end that is none.
    end = -1
    while end < high:
        records, seen = _read(reader, partition)
        if records:
            following.apply(records)
            on_progress(following.next_offset, high)
        if seen is not None:
            end = seen
        elif not records:
            _, high = reader.log_range(partition)
    # A clock that nobody confirmed dates nothing: whoever opens the partition does, by its first commit.
    following.at_end(end, seen_at=started if clock.is_held_against_brokers else None)
    return ReplayedState(
        end_offset=end, count=following.count, wiped=following.wiped, followed_from=following.followed_from
    )


def _log_range(reader: ChangelogReader, changelog: ChangelogTopic, store: Store, *, partition: int) -> tuple[int, int]:
    """The log's first offset and its end, asked for again while the database is ahead of it.

    The end may lag: behind the markers of a transaction, and at a leader of which the followers have not heard yet.
    """
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while True:
        low, high = reader.log_range(partition)
        if not is_ahead(store.standing, changelog, log_end=high) or time.monotonic() > deadline:
            return low, high
        require_running(reader.stop, doing=f"asking for the end of {reader.topic}[{partition}]")
        reader.stop.wait(_LAG.total_seconds())


def _read(reader: ChangelogReader, partition: int) -> tuple[list[Message], int | None]:
    """The next records, and the end that the broker tells if they reach it; neither after a long silence."""
    deadline = time.monotonic() + PATIENCE.total_seconds()
    while True:
        require_running(reader.stop, doing=f"replaying {reader.topic}[{partition}]")
        messages = reader.read(BATCH, BATCH_WAIT)
        if messages:
            return _split(reader, partition, messages)
        if time.monotonic() > deadline:
            # Nothing and no end: somebody should have sent either.
            reader.await_broker()
            return [], None


def _split(reader: ChangelogReader, partition: int, messages: Sequence[Message]) -> tuple[list[Message], int | None]:
    end: int | None = None
    records: list[Message] = []
    for message in messages:
        error = message.error()
        if error is None:
            records.append(message)
        elif is_end(error):
            end = message.offset()
        elif is_outage(error):
            raise unreachable(reader.connection)
        elif not is_harmless(error):
            raise reader.unreadable(partition, error)
    return records, end
