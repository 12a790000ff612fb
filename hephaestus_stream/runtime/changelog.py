"""Replay: what Kafka committed and a partition's database does not know yet is read from the changelog."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hephaestus_stream.errors import AccessDeniedError, ShardClosedError
from hephaestus_stream.kafka_client import DENIED, denied
from hephaestus_stream.runtime.broker import (
    LIBRDKAFKA_LOG,
    PATIENCE,
    SLICE,
    await_broker,
    kafka_error,
    require_running,
    unreachable,
)
from hephaestus_stream.runtime.store import Change, Store, why_untrusted
from hephaestus_stream.wire.connection import Connection

log = logging.getLogger(__name__)

# What one batch may hold: large enough for speed, small enough to feel a stop within a slice.
BATCH: Final = 5_000
# A batch is waited for until it is full, with the event of the end in it, too: this is what each replay takes at least.
BATCH_WAIT: Final = timedelta(milliseconds=20)
# The longest replay for which a database is still followed up; a longer one is noticed afterwards.
REPLAY_BUDGET: Final = timedelta(minutes=10)
ATTEMPTS: Final = 2

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangelogTopic:
    """The `state` topic as the cluster describes it, asked once for all partitions of a worker.

    Attributes:
        name: Its name.
        topic_id: Its id, which a topic made anew does not share.
        tombstone_life: For how long compaction keeps a deletion (`delete.retention.ms`).
    """

    name: str
    topic_id: str
    tombstone_life: timedelta


@dataclass(frozen=True, slots=True)
class ReplayedState:
    """A finished replay.

    Attributes:
        end_offset: The log's end; the next transaction's records get this offset or, after aborted ones, a higher.
        count: How many records were replayed.
        wiped: Why the database was emptied first, or None.
    """

    end_offset: int
    count: int
    wiped: str | None


def replay(
    connection: Connection,
    changelog: ChangelogTopic,
    *,
    partition: int,
    store: Store,
    stop: threading.Event,
    on_progress: Progress,
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
        on_progress: Told the offset reached and the log's end after each batch, in this thread.

    Raises:
        BrokerUnreachableError: No broker answers, or none sends anything for 8 s.
        ShardClosedError: The changelog cannot be read.
        StoppedError: `stop` was set.
    """
    reader = _Reader(connection, TopicPartition(changelog.name, partition), stop=stop)
    try:
        for _ in range(ATTEMPTS):
            replayed = _replay_once(reader, changelog, store, on_progress=on_progress)
            if replayed is not None:
                return replayed
    finally:
        reader.close()
    raise ShardClosedError(
        f"{changelog.name}[{partition}] stays closed: its replay takes longer than deletions are kept "
        f"({changelog.tombstone_life}): raise its `delete.retention.ms`"
    )


def _replay_once(
    reader: _Reader, changelog: ChangelogTopic, store: Store, *, on_progress: Progress
) -> ReplayedState | None:
    """One replay to the end; None if it took so long that deletions may have escaped it, after a wipe."""
    started = datetime.now(UTC)
    low, high = reader.log_range()
    wiped = (
        None
        if store.is_empty
        else why_untrusted(
            store.standing,
            topic_id=changelog.topic_id,
            log_start=low,
            log_end=high,
            now=started,
            replay_budget=REPLAY_BUDGET,
            tombstone_life=changelog.tombstone_life,
        )
    )
    if wiped is not None:
        store.wipe(reason=wiped)
    store.adopt(changelog.topic_id)
    before = store.standing
    as_of = started if before is None else before.as_of
    begin = low if before is None else before.changelog_offset + 1
    end, count = _follow(reader, store, begin=begin, log_end=high, on_progress=on_progress)
    # Asked again, since the budget was a guess: while this ran, deletions grew older.
    if datetime.now(UTC) - as_of > changelog.tombstone_life:
        store.wipe(reason="its replay took longer than deletions are kept")
        return None
    if end > 0:
        # Whatever lies beyond the end was appended after this replay began.
        store.write((), changelog_offset=end - 1, as_of=started)
    return ReplayedState(end_offset=end, count=count, wiped=wiped)


def _follow(reader: _Reader, store: Store, *, begin: int, log_end: int, on_progress: Progress) -> tuple[int, int]:
    """Write everything from `begin` to the end of the log into the store; returns the end and the count."""
    reader.seek(begin)
    count = 0
    while True:
        messages, end = reader.read()
        if messages:
            _apply(messages, store)
            count += len(messages)
            on_progress((messages[-1].offset() or 0) + 1, log_end)
        if end is not None:
            return end, count


def _apply(messages: list[Message], store: Store) -> None:
    changes: list[Change] = []
    for message in messages:
        key = message.key()
        if key is not None:
            changes.append((key, message.value()))
    last = messages[-1]
    # The log's own clock: whatever lies beyond this record was appended after it.
    as_of = datetime.fromtimestamp(last.timestamp()[1] / 1000, UTC)
    store.write(changes, changelog_offset=last.offset() or 0, as_of=as_of)


class _Reader:
    """A plain consumer of one partition that sees committed records only and knows the end when it is there."""

    def __init__(self, connection: Connection, where: TopicPartition, *, stop: threading.Event) -> None:
        self._connection = connection
        self._where = where
        self._stop = stop
        settings = connection.librdkafka(
            # Required by librdkafka; nothing is ever committed to it.
            group_id=f"{connection.namespace}.replay",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            isolation_level="read_committed",
            # Kafka's last offset is a commit marker that is never delivered, so the end is this event.
            enable_partition_eof=True,
            auto_offset_reset="error",
            fetch_wait_max_ms=10,
            # A full queue would otherwise pause the fetcher for a whole second.
            fetch_queue_backoff_ms=5,
            queued_max_messages_kbytes=16 * 1024,
        )
        self._consumer = Consumer({**settings, "error_cb": _ignore, "logger": LIBRDKAFKA_LOG})

    def log_range(self) -> tuple[int, int]:
        """The log's first offset and its end."""
        await_broker(self._consumer, self._connection, stop=self._stop)
        deadline = time.monotonic() + PATIENCE.total_seconds()
        while True:
            require_running(self._stop, doing=self._doing)
            try:
                return self._consumer.get_watermark_offsets(self._where, SLICE.total_seconds())
            except KafkaException as failure:
                if time.monotonic() > deadline:
                    raise self._closed(kafka_error(failure)) from failure

    def seek(self, offset: int) -> None:
        """Read from this offset on."""
        self._consumer.assign([TopicPartition(self._where.topic, self._where.partition, offset)])

    def read(self) -> tuple[list[Message], int | None]:
        """The next records, and the log's end if they reach it."""
        deadline = time.monotonic() + PATIENCE.total_seconds()
        while True:
            require_running(self._stop, doing=self._doing)
            messages = self._consumer.consume(BATCH, BATCH_WAIT.total_seconds())
            if messages:
                return self._split(messages)
            if time.monotonic() > deadline:
                # Nothing and no end: somebody should have sent either.
                await_broker(self._consumer, self._connection, stop=self._stop)
                deadline = time.monotonic() + PATIENCE.total_seconds()

    def close(self) -> None:
        """Let the consumer go."""
        self._consumer.close()

    @property
    def _doing(self) -> str:
        return f"replaying {self._where.topic}[{self._where.partition}]"

    def _split(self, messages: list[Message]) -> tuple[list[Message], int | None]:
        end: int | None = None
        records: list[Message] = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's own errors are spelled so
                end = message.offset()
            elif error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - as above
                raise unreachable(self._connection)
            elif error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                log.debug("%s: nobody joins the group that librdkafka asks for", self._where.topic)
            elif not error.retriable():
                raise self._closed(error)
        return records, end

    def _closed(self, error: KafkaError) -> ShardClosedError | AccessDeniedError:
        if error.code() in DENIED:
            return denied(self._connection, error, right=f"Read on topic {self._where.topic}")
        return ShardClosedError(
            f"{self._where.topic}[{self._where.partition}] stays closed: its changelog cannot be read ({error.name()}: "
            f"{error.str()}); `hephaestus topics create` makes a topic that is missing"
        )


def _ignore(_error: KafkaError) -> None:
    """What matters comes as a message or as silence; librdkafka repairs the rest by itself."""
