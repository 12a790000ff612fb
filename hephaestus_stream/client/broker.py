"""What the client asks of Kafka before it sends anything: does a broker answer, and are the topics there."""

from __future__ import annotations

import time
from typing import Any, Final, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from hephaestus_stream.errors import BrokerUnreachableError, HephaestusError, TopicMismatchError
from hephaestus_stream.kafka_client import (
    DENIED,
    ELECTION,
    FIRST_PATIENCE,
    PATIENCE,
    denied,
    kafka_error,
    leaderless,
    quiet,
    require_broker,
    unreachable,
    wrong_options,
)
from hephaestus_stream.wire.connection import Connection
from hephaestus_stream.wire.topics import Topics

PATIENCE_SECONDS: Final = PATIENCE.total_seconds()
# How long a thread of the client sleeps in librdkafka: as long as closing the client may take.
SLICE_SECONDS: Final = 0.1
MOST_AT_ONCE: Final = 1_000

_UNREACHABLE: Final = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's own errors are spelled with an underscore
        KafkaError._TIMED_OUT,  # noqa: SLF001 - as above
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - as above
        # The broker that was asked has left the cluster.
        KafkaError._DESTROY_BROKER,  # noqa: SLF001 - as above
    }
)
# A topic that was just made, or whose leader changes, is known to its brokers a little later.
_SETTLING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - as above
    }
)
_SETTLES_WITHIN_SECONDS: Final = 0.05


class _TopicMetadata(Protocol):
    partitions: dict[int, object]
    error: KafkaError | None


class Reader(Protocol):
    """The part of a consumer that reads."""

    def poll(self, timeout: float = ...) -> Message | None:
        """The next record, or None."""
        ...

    def consume(self, num_messages: int = ..., timeout: float = ...) -> list[Message]:
        """What there is, up to a number."""
        ...


def librdkafka(connection: Connection, **extra: str | float | bool) -> dict[str, Any]:
    """The configuration of one of the client's own producers and consumers."""
    return quiet(connection.librdkafka(**extra))


def open_consumer(connection: Connection, **extra: str | float | bool) -> Consumer:
    """A consumer that reads what it is told to and belongs to no group.

    Raises:
        SettingsError: librdkafka refuses an option of the connection.
    """
    settings = librdkafka(
        connection,
        # The binding asks for a group; nobody joins it, since partitions are assigned by hand.
        group_id=f"{connection.namespace}-client",
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        auto_offset_reset="earliest",
        fetch_error_backoff_ms=50,
        fetch_queue_backoff_ms=10,
        socket_nagle_disable=True,
        **extra,
    )
    with wrong_options():
        return Consumer(settings)


def partitions_of(consumer: Consumer, topic: str, *, connection: Connection) -> int:
    """How many partitions a topic has.

    Raises:
        BrokerUnreachableError: No broker answers.
        BrokerRefusedError: One refuses what the connection shows of itself.
        AccessDeniedError: The user may not know of the topic.
        TopicMismatchError: There is no such topic.
    """
    found = _metadata(consumer, topic, connection=connection)
    if found.error is not None and found.error.code() in DENIED:
        raise denied(connection, found.error, right=f"Describe on topic {topic}")
    if found.error is not None or not found.partitions:
        creation = Topics(connection.namespace).creation
        problem = f"{topic} is missing: create it with `{creation}`, or start a worker, which does"
        raise TopicMismatchError(
            f"the namespace {connection.namespace!r} at {connection.bootstrap} has no topics yet, or is misspelt: "
            f"{problem}",
            [problem],
        )
    return len(found.partitions)


def _metadata(consumer: Consumer, topic: str, *, connection: Connection) -> _TopicMetadata:
    metadata: _TopicMetadata
    try:
        metadata = consumer.list_topics(topic, FIRST_PATIENCE.total_seconds()).topics[topic]
    except KafkaException as failure:
        if kafka_error(failure).code() not in _UNREACHABLE:
            raise translated(failure, connection, right=f"Describe on topic {topic}") from failure
    else:
        return metadata
    # Who has no answer by now asks why, and waits for the rest of his patience.
    require_broker(connection, patience=PATIENCE - FIRST_PATIENCE)
    try:
        metadata = consumer.list_topics(topic, FIRST_PATIENCE.total_seconds()).topics[topic]
    except KafkaException as failure:
        raise translated(failure, connection, right=f"Describe on topic {topic}") from failure
    return metadata


def end_of(consumer: Consumer, place: TopicPartition, *, connection: Connection) -> int:
    """The offset of the next record in a partition.

    Raises:
        BrokerUnreachableError: No broker answers.
    """
    deadline = time.monotonic() + ELECTION.total_seconds()
    while True:
        try:
            bounds = consumer.get_watermark_offsets(place, FIRST_PATIENCE.total_seconds())
        except KafkaException as failure:
            error = kafka_error(failure)
            if error.code() not in _SETTLING | _UNREACHABLE:
                raise translated(failure, connection, right=f"Read on topic {place.topic}") from failure
            if time.monotonic() > deadline:
                raise leaderless(connection, f"partition {place.partition} of {place.topic}", error) from failure
            time.sleep(_SETTLES_WITHIN_SECONDS)
        else:
            return bounds[1] if bounds else 0


def read(reader: Reader, timeout: float) -> list[Message]:
    """What has come, as soon as anything has; `consume` alone would wait until its list is full."""
    first = reader.poll(timeout)
    if first is None:
        return []
    return [first, *reader.consume(MOST_AT_ONCE, 0)]


def translated(failure: KafkaException, connection: Connection, *, right: str) -> HephaestusError:
    """The error of ours that a failed question to the cluster means, for which this right is needed."""
    error = kafka_error(failure)
    if error.code() in _UNREACHABLE:
        return unreachable(connection)
    if error.code() in DENIED:
        return denied(connection, error, right=right)
    return BrokerUnreachableError(f"the Kafka broker at {connection.bootstrap} refuses: {error.str()}")
