"""Whether a broker answers one of the clients of a shard: without this question librdkafka would retry for ever."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Final, Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from hephaestus_stream.errors import StoppedError
from hephaestus_stream.kafka_client import (
    DENIED,
    ELECTION,
    FIRST_PATIENCE,
    LIBRDKAFKA_LOG,
    PATIENCE,
    kafka_error,
    leaderless,
    require_broker,
    unreachable,
)
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

__all__ = [
    "ELECTION",
    "LIBRDKAFKA_LOG",
    "PATIENCE",
    "SLICE",
    "AsksForTopic",
    "ask_range",
    "await_broker",
    "kafka_error",
    "leaderless",
    "require_running",
    "unreachable",
]

# Short, so that a stop is felt at once; long enough to cost nothing.
SLICE: Final = timedelta(milliseconds=300)


class AsksForTopic(Protocol):
    """A producer, a consumer or an administrator: all can be asked for a topic's metadata."""

    def list_topics(self, topic: str, timeout: float, /) -> object:
        """The metadata of a topic; raises a `KafkaException` when no broker answers in time."""
        ...


def await_broker(
    client: AsksForTopic, connection: Connection, *, stop: threading.Event, patience: timedelta = PATIENCE
) -> None:
    """Return as soon as a broker answers this client.

    Raises:
        BrokerUnreachableError: None answered in time.
        BrokerRefusedError: One refuses what the connection shows of itself.
        StoppedError: `stop` was set meanwhile.
    """
    # Asked for a topic, a client sends its question at once; for the cluster's id it may wait a second first.
    topic = Topics(connection.namespace).state
    begin = time.monotonic()
    asked = False
    while True:
        require_running(stop, doing="waiting for a broker")
        try:
            client.list_topics(topic, SLICE.total_seconds())
        except KafkaException as failure:
            waited = time.monotonic() - begin
            if waited > patience.total_seconds():
                raise unreachable(connection, within=patience) from failure
            if waited > FIRST_PATIENCE.total_seconds() and not asked:
                asked = True
                require_broker(connection, patience=patience - FIRST_PATIENCE)
        else:
            return


def ask_range(
    client: Consumer,
    where: TopicPartition,
    *,
    stop: threading.Event,
    patience: timedelta = ELECTION,
    attempt: timedelta = SLICE,
) -> tuple[int, int]:
    """A partition's first offset and the one that its next record will get, as its leader tells them.

    Args:
        client: Who asks; how it is isolated decides whether open transactions count.
        where: The partition.
        stop: Ends the question within an attempt.
        patience: For how long it is asked again.
        attempt: For how long each answer is waited for.

    Raises:
        KafkaException: A right is missing, or there was no answer in all that time; it is the last failure.
        StoppedError: `stop` was set.
    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        require_running(stop, doing=f"asking for the offsets of {where.topic}[{where.partition}]")
        try:
            return client.get_watermark_offsets(where, attempt.total_seconds())
        except KafkaException as failure:
            if kafka_error(failure).code() in DENIED or time.monotonic() > deadline:
                raise
        with suppress(KafkaException):
            # Who leads the partition now is asked of whoever answers; the client itself takes its time for that.
            client.list_topics(where.topic, attempt.total_seconds())


def require_running(stop: threading.Event, *, doing: str) -> None:
    """Return unless the partition is being closed.

    Raises:
        StoppedError: `stop` is set.
    """
    if stop.is_set():
        raise StoppedError(f"stopped while {doing}: the partition is being closed; open it again to go on")
