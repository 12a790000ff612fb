"""The topic of the commands, as a shard asks about it when it opens."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hephaestus_stream.kafka_client import DENIED, denied, quiet
from hephaestus_stream.runtime.broker import (
    ELECTION,
    PATIENCE,
    SLICE,
    ask_range,
    kafka_error,
    leaderless,
    require_running,
    unreachable,
)
from hephaestus_stream.runtime.position import Applied
from hephaestus_stream.runtime.unready import is_passing
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

_PAUSE_SECONDS: Final = 0.1
# What a group without an offset answers.
_NO_OFFSET: Final = 0
_OUT_OF_RANGE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001 - librdkafka's own errors are spelled so
_BROKERS_APART: Final = timedelta(minutes=1)
"""How far the clocks of two brokers may be from each other; what is read twice for it, its ids absorb."""


class CommandsLog:
    """Offsets of `commands`; one client for all partitions, used from several threads.

    Attributes:
        topic: Its name.
    """

    def __init__(self, connection: Connection) -> None:
        self.topic = Topics(connection.namespace).commands
        self._connection = connection
        settings = connection.librdkafka(group_id=connection.namespace, enable_auto_commit=False)
        # It only asks, and never joins the group whose offsets it asks for.
        self._client = Consumer(quiet(settings))

    def range(self, partition: int, *, stop: threading.Event) -> tuple[int, int]:
        """The partition's first offset, and the one that its next record will get.

        Raises:
            BrokerUnreachableError: No broker answers.
            StoppedError: `stop` was set.
        """
        try:
            return ask_range(self._client, TopicPartition(self.topic, partition), stop=stop)
        except KafkaException as failure:
            what = f"partition {partition} of {self.topic}"
            raise leaderless(self._connection, what, kafka_error(failure)) from failure

    def has(self, applied: Applied, partition: int, *, stop: threading.Event) -> bool:
        """Whether the log has this very command, or has deleted it in its time.

        Raises:
            AccessDeniedError: A right is missing.
            BrokerUnreachableError: No broker answers.
            StoppedError: `stop` was set.
        """
        start, end = self.range(partition, stop=stop)
        if not start <= applied.offset < end:
            return applied.offset < start
        found = self._record_at(applied.offset, partition, stop=stop)
        if found is None:
            return applied.offset < self.range(partition, stop=stop)[0]
        return (found.offset(), found.timestamp()[1]) == (applied.offset, applied.timestamp)

    def first_after(self, applied: Applied, partition: int, *, stop: threading.Event) -> int:
        """The offset from which on the log may have commands that were appended after this one, wherever it was.

        Raises:
            BrokerUnreachableError: No broker answers.
            StoppedError: `stop` was set.
        """
        start, end = self.range(partition, stop=stop)
        since = max(0, applied.timestamp - _BROKERS_APART // timedelta(milliseconds=1))
        asked = [TopicPartition(self.topic, partition, since)]
        try:
            found = self._client.offsets_for_times(asked, PATIENCE.total_seconds())
        except KafkaException as failure:
            raise unreachable(self._connection) from failure
        return next((max(each.offset, start) for each in found if each.offset >= _NO_OFFSET), end)

    def _record_at(self, offset: int, partition: int, *, stop: threading.Event) -> Message | None:
        """The first record from an offset on; None where there is none, or the log does not have the offset."""
        settings = self._connection.librdkafka(
            group_id=self._connection.namespace,
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            isolation_level="read_committed",
            enable_partition_eof=True,
            auto_offset_reset="error",
            # One record is all that is wanted.
            fetch_message_max_bytes=1,
            queued_min_messages=1,
        )
        reader = Consumer(quiet(settings))
        try:
            reader.assign([TopicPartition(self.topic, partition, offset)])
            return self._first(reader, stop=stop)
        finally:
            reader.close()

    def _first(self, reader: Consumer, *, stop: threading.Event) -> Message | None:
        deadline = time.monotonic() + ELECTION.total_seconds()
        while time.monotonic() < deadline:
            require_running(stop, doing=f"reading the last applied command of {self.topic}")
            message = reader.poll(SLICE.total_seconds())
            error = None if message is None else message.error()
            if error is None:
                if message is not None:
                    return message
            elif error.code() == KafkaError._PARTITION_EOF or error.code() in _OUT_OF_RANGE:  # noqa: SLF001 - as above
                return None
            elif error.code() in DENIED:
                raise denied(self._connection, error, right=f"Read on topic {self.topic}")
        raise unreachable(self._connection, within=ELECTION)

    def has_group_offset(self, partition: int, *, stop: threading.Event) -> bool:
        """Whether the consumer group ever committed an offset of the partition.

        Raises:
            AccessDeniedError: A right is missing.
            BrokerUnreachableError: No coordinator answers.
            StoppedError: `stop` was set.
        """
        deadline = time.monotonic() + ELECTION.total_seconds()
        while True:
            require_running(stop, doing=f"asking for the offset of the group {self._connection.namespace}")
            try:
                found = self._client.committed([TopicPartition(self.topic, partition)], PATIENCE.total_seconds())
            except KafkaException as failure:
                error = kafka_error(failure)
                if error.code() in DENIED:
                    raise denied(
                        self._connection, error, right=f"Read on group {self._connection.namespace}"
                    ) from failure
                # A coordinator that has just moved to another broker still reads its log.
                if not is_passing(error):
                    raise
                if time.monotonic() > deadline:
                    raise leaderless(self._connection, f"the group {self._connection.namespace}", error) from failure
                stop.wait(_PAUSE_SECONDS)
            else:
                break
        return any(each.offset >= _NO_OFFSET for each in found)

    def close(self) -> None:
        """Lets the client go."""
        self._client.close()
