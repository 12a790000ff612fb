"""The topic of the commands, as a shard asks about it when it opens."""

from __future__ import annotations

import threading
import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from hephaestus_stream.kafka_client import DENIED, denied, quiet
from hephaestus_stream.runtime.broker import PATIENCE, ask_range, kafka_error, unreachable
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

_COORDINATOR_MOVES: Final = frozenset(
    {KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR}
)
_PAUSE_SECONDS: Final = 0.1
# What a group without an offset answers.
_NO_OFFSET: Final = 0


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
            raise unreachable(self._connection) from failure

    def has_group_offset(self, partition: int) -> bool:
        """Whether the consumer group ever committed an offset of the partition."""
        deadline = time.monotonic() + PATIENCE.total_seconds()
        while True:
            try:
                found = self._client.committed([TopicPartition(self.topic, partition)], PATIENCE.total_seconds())
            except KafkaException as failure:
                error = kafka_error(failure)
                if error.code() in DENIED:
                    raise denied(
                        self._connection, error, right=f"Read on group {self._connection.namespace}"
                    ) from failure
                # A coordinator that has just moved to another broker still reads its log.
                if error.code() not in _COORDINATOR_MOVES or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                break
        return any(each.offset >= _NO_OFFSET for each in found)

    def close(self) -> None:
        """Lets the client go."""
        self._client.close()
