"""A plain consumer of the changelog: committed records, and the event that says where the log ends."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hephaestus_stream.errors import AccessDeniedError, ShardClosedError
from hephaestus_stream.kafka_client import DENIED, denied, quiet
from hephaestus_stream.runtime.broker import ELECTION, SLICE, ask_range, await_broker, kafka_error, leaderless
from hephaestus_stream.runtime.unready import is_passing
from hephaestus_stream.wire.connection import Connection

# A replay is waited for, so its end must be told at once. A standby is not.
SWIFT: Final = timedelta(milliseconds=10)
PATIENT: Final = timedelta(milliseconds=100)
_QUEUE_KILOBYTES: Final = 16 * 1024


class ChangelogReader:
    """Reads partitions of one topic, each from a given offset; blocks, and belongs into one thread.

    Args:
        connection: The cluster.
        topic: The changelog.
        stop: Ends whatever waits, within a slice.
        fetch_wait: For how long the broker may hold a fetch that finds nothing.
    """

    def __init__(
        self, connection: Connection, topic: str, *, stop: threading.Event, fetch_wait: timedelta = SWIFT
    ) -> None:
        self.connection = connection
        self.topic = topic
        self.stop = stop
        settings = connection.librdkafka(
            # Required by librdkafka; nothing is ever committed to it.
            group_id=f"{connection.namespace}.replay",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            isolation_level="read_committed",
            # Kafka's last offset is a commit marker that is never delivered, so the end is this event.
            enable_partition_eof=True,
            auto_offset_reset="error",
            fetch_wait_max_ms=fetch_wait // timedelta(milliseconds=1),
            # A full queue would otherwise pause the fetcher for a whole second.
            fetch_queue_backoff_ms=5,
            # Of all partitions together.
            queued_max_messages_kbytes=_QUEUE_KILOBYTES,
        )
        self._consumer = Consumer(quiet(settings))

    def log_range(
        self, partition: int, *, patience: timedelta = ELECTION, attempt: timedelta = SLICE
    ) -> tuple[int, int]:
        """The log's first offset and its end, open transactions left out.

        Args:
            partition: Which.
            patience: For how long it is asked for again.
            attempt: For how long each answer is waited for.

        Raises:
            AccessDeniedError: A right is missing.
            BrokerUnreachableError: Nobody answers for the partition so long.
            ShardClosedError: The topic cannot be read.
            StoppedError: `stop` was set.
        """
        where = TopicPartition(self.topic, partition)
        try:
            return ask_range(self._consumer, where, stop=self.stop, patience=patience, attempt=attempt)
        except KafkaException as failure:
            error = kafka_error(failure)
            if error.retriable() or is_passing(error):
                raise leaderless(self.connection, f"partition {partition} of {self.topic}", error) from failure
            raise self.unreadable(partition, error) from failure

    def seen_end(self, partition: int) -> int:
        """The log's end as the last fetch told it, open transactions included; negative before the first one."""
        where = TopicPartition(self.topic, partition)
        _, end = self._consumer.get_watermark_offsets(where, cached=True)
        return end

    def read_from(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions and no others, from these offsets on."""
        self._consumer.assign([TopicPartition(self.topic, partition, offset) for partition, offset in offsets.items()])

    def read(self, limit: int, wait: timedelta) -> list[Message]:
        """What comes in until there are `limit` messages, or the wait is over: records, ends, and errors."""
        return self._consumer.consume(limit, wait.total_seconds())

    def await_broker(self) -> None:
        """Return as soon as a broker answers, as `broker.await_broker` does."""
        await_broker(self._consumer, self.connection, stop=self.stop)

    def close(self) -> None:
        """Let the consumer go."""
        self._consumer.close()

    def unreadable(self, partition: int, error: KafkaError) -> ShardClosedError | AccessDeniedError:
        """The error that says why a partition cannot be read."""
        if error.code() in DENIED:
            return denied(self.connection, error, right=f"Read on topic {self.topic}")
        return ShardClosedError(
            f"{self.topic}[{partition}] stays closed: its changelog cannot be read ({error.name()}: {error.str()}); "
            f"`hephaestus topics create` makes a topic that is missing"
        )


def is_end(error: KafkaError) -> bool:
    """Whether this is the event of the log's end."""
    return error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's own errors are spelled so


def is_outage(error: KafkaError) -> bool:
    """Whether no broker can be reached right now."""
    return error.code() == KafkaError._ALL_BROKERS_DOWN  # noqa: SLF001 - as above


def is_harmless(error: KafkaError) -> bool:
    """Whether librdkafka sees to it by itself, or it is about the group, which nobody joins."""
    return error.retriable() or error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
